/* A file is mapped, a pipe read; the bytes' kind is told by the first of them, the size checked
 * from the header, then the picture decoded and turned upright. */
#include "vision/vision_decode.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/ll_buf.h"
#include "core/ll_limits.h"
#include "vision/vision_bmp.h"
#include "vision/vision_jpeg.h"
#include "vision/vision_png.h"

enum { PICTURE_READ_BYTES = 64 << 10 };

/* ---- Upright ---- */

/* EXIF's orientations, as what has to be done to stand upright: first the picture's rows become its
 * columns, then it is mirrored. */
struct turn {
    bool is_transposed, is_mirrored_x, is_mirrored_y;
};

static const struct turn turns[9] = {
    [2] = {false, true, false}, [3] = {false, true, true}, [4] = {false, false, true},
    [5] = {true, false, false}, [6] = {true, true, false}, [7] = {true, true, true},
    [8] = {true, false, true},
};

static void turn_pixels(const struct vision_picture *from, struct turn turn,
                        struct vision_picture *to)
{
    uint8_t *out = to->pixels;
    for (int y = 0; y < to->h; y++) {
        int from_y = turn.is_mirrored_y ? to->h - 1 - y : y;
        for (int x = 0; x < to->w; x++) {
            int from_x = turn.is_mirrored_x ? to->w - 1 - x : x;
            int64_t at = turn.is_transposed ? (int64_t)from_x * from->w + from_y
                                            : (int64_t)from_y * from->w + from_x;
            memcpy(out, from->pixels + 3 * at, 3);
            out += 3;
        }
    }
}

static ll_status turn_upright(struct vision_picture *picture, int orientation, struct ll_error *err)
{
    if (orientation <= 1 || orientation > 8) {
        return LL_OK;
    }
    struct turn turn = turns[orientation];
    struct vision_picture upright = {0};
    ll_status status = turn.is_transposed
                           ? vision_picture_allocate(&upright, picture->h, picture->w, err)
                           : vision_picture_allocate(&upright, picture->w, picture->h, err);
    if (status == LL_OK) {
        turn_pixels(picture, turn, &upright);
        vision_picture_finish(picture);
        *picture = upright;
    }
    return status;
}

/* ---- Any kind ---- */

ll_status vision_format_of(const uint8_t *bytes, size_t count, vision_format *out_format,
                           struct ll_error *err)
{
    static const uint8_t png_magic[] = {0x89, 'P', 'N', 'G'};
    if (count >= 2 && bytes[0] == 0xff && bytes[1] == 0xd8) {
        *out_format = VISION_JPEG;
    } else if (count >= sizeof(png_magic) && memcmp(bytes, png_magic, sizeof(png_magic)) == 0) {
        *out_format = VISION_PNG;
    } else if (count >= 2 && bytes[0] == 'B' && bytes[1] == 'M') {
        *out_format = VISION_BMP;
    } else {
        return ll_fail(err, LL_E_INVALID,
                       count == 0 ? "an empty file" : "neither a JPEG, a PNG nor a BMP picture");
    }
    return LL_OK;
}

static ll_status decode(const uint8_t *bytes, size_t count, struct vision_picture *picture,
                        int *out_orientation, struct ll_error *err)
{
    vision_format format = VISION_BMP;
    *out_orientation = 1;
    ll_status status = vision_format_of(bytes, count, &format, err);
    if (status != LL_OK) {
        return status;
    }
    switch (format) {
    case VISION_JPEG:
        return vision_jpeg_decode(bytes, count, picture, out_orientation, err);
    case VISION_PNG:
        return vision_png_decode(bytes, count, picture, out_orientation, err);
    default:
        return vision_bmp_decode(bytes, count, picture, err);
    }
}

ll_status vision_decode_held(const uint8_t *bytes, size_t count, int *orientation,
                             struct vision_picture *out_picture, struct ll_error *err)
{
    struct vision_picture picture = {0};
    int own = 1;
    ll_status status = decode(bytes, count, &picture, &own, err);
    int held = *orientation != 0 ? *orientation : own;
    if (status == LL_OK) {
        status = turn_upright(&picture, held, err);
    }
    if (status == LL_OK && (picture.w < 1 || picture.h < 1)) {
        /* The decoders check it; everything that follows divides by it. */
        status = ll_fail(err, LL_E_INTERNAL, "no pixels");
    }
    if (status != LL_OK) {
        vision_picture_finish(&picture);
        return status;
    }
    *orientation = held;
    *out_picture = picture;
    return LL_OK;
}

ll_status vision_decode(const uint8_t *bytes, size_t count, struct vision_picture *out_picture,
                        struct ll_error *err)
{
    int orientation = 0;
    return vision_decode_held(bytes, count, &orientation, out_picture, err);
}

ll_status vision_measure(const uint8_t *bytes, size_t count, struct vision_measure *out_measure,
                         struct ll_error *err)
{
    struct vision_measure measure = {0};
    size_t end = 0;
    vision_format format = VISION_BMP;
    ll_status status = vision_format_of(bytes, count, &format, err);
    if (status != LL_OK) {
        return status;
    }
    switch (format) {
    case VISION_JPEG:
        status = vision_jpeg_measure(bytes, count, &measure.w, &measure.h, &measure.bytes, err);
        break;
    case VISION_PNG:
        status = vision_png_measure(bytes, count, &measure.w, &measure.h, err);
        break;
    default:
        status = vision_bmp_measure(bytes, count, &measure.w, &measure.h, &end, err);
        break;
    }
    if (status == LL_OK) {
        /* As it is decoded, and upright beside it. */
        measure.bytes += (int64_t)2 * 3 * measure.w * measure.h;
        *out_measure = measure;
    }
    return status;
}

/* ---- Files and pipes ---- */

/* Appends what can be read at once; `*out_is_end` where nothing comes any more. */
static ll_status read_more(int descriptor, uint8_t **bytes, size_t *count, bool *out_is_end,
                           struct ll_error *err)
{
    uint8_t *larger = realloc(*bytes, *count + PICTURE_READ_BYTES);
    if (!larger) {
        return ll_fail(err, LL_E_NO_MEMORY, "no memory for the picture");
    }
    *bytes = larger;
    ssize_t got = read(descriptor, larger + *count, PICTURE_READ_BYTES);
    if (got < 0 && errno != EINTR) {
        return ll_fail(err, LL_E_IO, "cannot be read: %s", strerrordesc_np(errno));
    }
    *count += got > 0 ? (size_t)got : 0;
    *out_is_end = got == 0;
    if (*count > (size_t)LL_LIMIT_IMAGE_FILE_BYTES) {
        return ll_fail(err, LL_E_EXHAUSTED, "more than %lld bytes, the limit",
                       (long long)LL_LIMIT_IMAGE_FILE_BYTES);
    }
    return LL_OK;
}

static void release_bytes(void *arg, void *data, size_t bytes)
{
    (void)arg;
    (void)bytes;
    free(data);
}

static ll_status read_stream(int descriptor, struct ll_buf **out_file, struct ll_error *err)
{
    uint8_t *bytes = NULL;
    size_t count = 0;
    bool is_end = false;
    ll_status status = LL_OK;
    while (status == LL_OK && !is_end) {
        status = read_more(descriptor, &bytes, &count, &is_end, err);
    }
    if (status == LL_OK) {
        status = ll_buf_wrap(bytes, count, release_bytes, NULL, out_file);
    }
    if (status != LL_OK) {
        free(bytes);
    }
    return status;
}

static const char *name_of(const char *path)
{
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

/* Standard input and pipes are read to their end; opening a pipe waits for who writes it. */
ll_status vision_read_file(const char *path, struct ll_buf **out_file, struct ll_error *err)
{
    struct stat info;
    bool is_stdin = strcmp(path, "-") == 0;
    if (!is_stdin && (stat(path, &info) != 0 || !S_ISFIFO(info.st_mode))) {
        return ll_buf_map_file(path, LL_LIMIT_IMAGE_FILE_BYTES, out_file, err);
    }
    int descriptor = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        return ll_fail(err, LL_E_IO, "%s: cannot be opened: %s", path, strerrordesc_np(errno));
    }
    ll_status status = read_stream(descriptor, out_file, err);
    if (!is_stdin) {
        close(descriptor);
    }
    if (status != LL_OK) {
        ll_error_prefix(err, "%s", name_of(path));
    }
    return status;
}

ll_status vision_decode_file(const char *path, struct vision_picture *out_picture,
                             struct ll_error *err)
{
    struct ll_buf *file = NULL;
    ll_status status = vision_read_file(path, &file, err);
    if (status != LL_OK) {
        return status;
    }
    status = vision_decode(ll_buf_data(file), ll_buf_bytes(file), out_picture, err);
    ll_buf_unref(file);
    if (status != LL_OK) {
        ll_error_prefix(err, "%s", name_of(path));
    }
    return status;
}
