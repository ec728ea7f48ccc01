/* A file is mapped, its kind told by its first bytes, its size checked from its header, then
 * decoded. */
#include "darknet_backend/dkb_picture.h"

#include <errno.h>
#include <png.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

#include "core/ll_buf.h"
#include "core/ll_limits.h"

static ll_status check_size(int64_t w, int64_t h, struct ll_error *err)
{
    if (w < 1 || h < 1) {
        return ll_fail(err, LL_E_INVALID, "a picture of %lld x %lld pixels", (long long)w,
                       (long long)h);
    }
    if (w > LL_LIMIT_DIM || h > LL_LIMIT_DIM || w * h > LL_LIMIT_IMAGE_PIXELS) {
        return ll_fail(err, LL_E_EXHAUSTED,
                       "a picture of %lld x %lld pixels; the limits are %d a side and %lld in all",
                       (long long)w, (long long)h, LL_LIMIT_DIM, (long long)LL_LIMIT_IMAGE_PIXELS);
    }
    return LL_OK;
}

static uint8_t *allocate_bytes(int64_t bytes)
{
    return malloc(bytes > 0 ? (size_t)bytes : 1);
}

/* Memory for pixels of the picture's size. */
static ll_status allocate(struct dkb_picture *picture, struct ll_error *err)
{
    picture->pixels = allocate_bytes((int64_t)picture->w * picture->h * picture->channels);
    return picture->pixels ? LL_OK : ll_fail(err, LL_E_NO_MEMORY, "no memory for the picture");
}

static ll_status decode_jpeg_with(tjhandle decoder, const struct ll_buf *file,
                                  struct dkb_picture *picture, struct ll_error *err)
{
    const unsigned char *bytes = ll_buf_data(file);
    unsigned long count = ll_buf_bytes(file);
    int subsampling = 0;
    int colours = 0;
    if (tjDecompressHeader3(decoder, bytes, count, &picture->w, &picture->h, &subsampling,
                            &colours) != 0) {
        return ll_fail(err, LL_E_INVALID, "no JPEG picture: %s", tjGetErrorStr2(decoder));
    }
    if (picture->w < 1 || picture->h < 1) {
        return ll_fail(err, LL_E_INVALID, "no JPEG picture: the file ends within its header");
    }
    ll_status status = check_size(picture->w, picture->h, err);
    if (status == LL_OK) {
        status = allocate(picture, err);
    }
    if (status != LL_OK) {
        return status;
    }
    /* A truncated file is only worth a warning to the decoder, which fills up with grey. */
    if (tjDecompress2(decoder, bytes, count, picture->pixels, picture->w, 0, picture->h, TJPF_RGB,
                      TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS) != 0) {
        return ll_fail(err, LL_E_INVALID, "damaged JPEG picture: %s", tjGetErrorStr2(decoder));
    }
    return LL_OK;
}

static ll_status decode_jpeg(const struct ll_buf *file, struct dkb_picture *picture,
                             struct ll_error *err)
{
    tjhandle decoder = tjInitDecompress();
    if (!decoder) {
        return ll_fail(err, LL_E_NO_MEMORY, "no memory for the JPEG decoder");
    }
    ll_status status = decode_jpeg_with(decoder, file, picture, err);
    tjDestroy(decoder);
    return status;
}

static void drop_alpha(const uint8_t *rgba, int64_t pixels, uint8_t *rgb)
{
    for (int64_t i = 0; i < pixels; i++) {
        memcpy(rgb + 3 * i, rgba + 4 * i, 3);
    }
}

static ll_status decode_png_with(png_image *png, const struct ll_buf *file,
                                 struct dkb_picture *picture, struct ll_error *err)
{
    if (!png_image_begin_read_from_memory(png, ll_buf_data(file), ll_buf_bytes(file))) {
        return ll_fail(err, LL_E_INVALID, "no PNG picture: %s", png->message);
    }
    ll_status status = check_size(png->width, png->height, err);
    if (status != LL_OK) {
        return status;
    }
    picture->w = (int)png->width;
    picture->h = (int)png->height;
    status = allocate(picture, err);
    if (status != LL_OK) {
        return status;
    }
    png->format = PNG_FORMAT_RGBA;
    int64_t pixels = (int64_t)picture->w * picture->h;
    uint8_t *rgba = allocate_bytes(pixels * 4);
    if (!rgba) {
        return ll_fail(err, LL_E_NO_MEMORY, "no memory for the picture");
    }
    if (png_image_finish_read(png, NULL, rgba, 0, NULL)) {
        drop_alpha(rgba, pixels, picture->pixels);
    } else {
        status = ll_fail(err, LL_E_INVALID, "damaged PNG picture: %s", png->message);
    }
    free(rgba);
    return status;
}

static ll_status decode_png(const struct ll_buf *file, struct dkb_picture *picture,
                            struct ll_error *err)
{
    png_image png = {.version = PNG_IMAGE_VERSION};
    ll_status status = decode_png_with(&png, file, picture, err);
    png_image_free(&png);
    return status;
}

static int64_t little_endian(const uint8_t *bytes, int count)
{
    uint32_t value = 0;
    for (int i = count - 1; i >= 0; i--) {
        value = value << 8 | bytes[i];
    }
    return count == 4 ? (int32_t)value : (int64_t)value;
}

/* The size that a BMP file's header states; rows may run from the top, with a negative height. */
static ll_status read_bmp_size(const struct ll_buf *file, int64_t *out_w, int64_t *out_h,
                               struct ll_error *err)
{
    const uint8_t *bytes = ll_buf_data(file);
    if (ll_buf_bytes(file) < 26) {
        return ll_fail(err, LL_E_INVALID, "damaged BMP picture: no header");
    }
    bool is_old = little_endian(bytes + 14, 4) == 12;
    *out_w = is_old ? little_endian(bytes + 18, 2) : little_endian(bytes + 18, 4);
    int64_t h = is_old ? little_endian(bytes + 20, 2) : little_endian(bytes + 22, 4);
    *out_h = h < 0 ? -h : h;
    return LL_OK;
}

static ll_status decode_bmp(const char *path, const struct ll_buf *file,
                            struct dkb_picture *picture, struct ll_error *err)
{
    int64_t w = 0;
    int64_t h = 0;
    ll_status status = read_bmp_size(file, &w, &h, err);
    if (status == LL_OK) {
        status = check_size(w, h, err);
    }
    if (status != LL_OK) {
        return status;
    }
    int format = TJPF_RGB;
    unsigned char *pixels = tjLoadImage(path, &picture->w, 1, &picture->h, &format, 0);
    if (!pixels) {
        return ll_fail(err, LL_E_INVALID, "damaged BMP picture: %s", tjGetErrorStr2(NULL));
    }
    status = check_size(picture->w, picture->h, err);
    if (status == LL_OK) {
        status = allocate(picture, err);
    }
    if (status == LL_OK) {
        memcpy(picture->pixels, pixels, (size_t)picture->w * (size_t)picture->h * 3);
    }
    tjFree(pixels);
    return status;
}

static ll_status decode(const char *path, const struct ll_buf *file, struct dkb_picture *picture,
                        struct ll_error *err)
{
    static const uint8_t png_magic[] = {0x89, 'P', 'N', 'G'};
    const uint8_t *bytes = ll_buf_data(file);
    size_t count = ll_buf_bytes(file);
    picture->channels = 3;
    if (count >= 2 && bytes[0] == 0xff && bytes[1] == 0xd8) {
        return decode_jpeg(file, picture, err);
    }
    if (count >= sizeof(png_magic) && memcmp(bytes, png_magic, sizeof(png_magic)) == 0) {
        return decode_png(file, picture, err);
    }
    if (count >= 2 && bytes[0] == 'B' && bytes[1] == 'M') {
        return decode_bmp(path, file, picture, err);
    }
    return ll_fail(err, LL_E_INVALID,
                   count == 0 ? "an empty file" : "neither a JPEG, a PNG nor a BMP picture");
}

ll_status dkb_picture_load(const char *path, struct dkb_picture *out_picture, struct ll_error *err)
{
    struct ll_buf *file = NULL;
    ll_status status = ll_buf_map_file(path, LL_LIMIT_IMAGE_FILE_BYTES, &file, err);
    if (status != LL_OK) {
        return status;
    }
    struct dkb_picture picture = {0};
    status = decode(path, file, &picture, err);
    if (status == LL_OK && (picture.w < 1 || picture.h < 1)) {
        /* The decoders check it; everything that follows divides by it. */
        status = ll_fail(err, LL_E_INTERNAL, "no pixels");
    }
    ll_buf_unref(file);
    if (status != LL_OK) {
        dkb_picture_finish(&picture);
        ll_error_prefix(err, "%s", path);
        return status;
    }
    *out_picture = picture;
    return LL_OK;
}

void dkb_picture_finish(struct dkb_picture *picture)
{
    free(picture->pixels);
    *picture = (struct dkb_picture){0};
}

ll_status dkb_picture_luminance(const struct dkb_picture *picture,
                                struct dkb_picture *out_luminance)
{
    struct dkb_picture grey = {.w = picture->w, .h = picture->h, .channels = 1};
    ll_status status = allocate(&grey, NULL);
    if (status != LL_OK) {
        return status;
    }
    int64_t count = (int64_t)picture->w * picture->h;
    for (int64_t i = 0; i < count; i++) {
        const uint8_t *rgb = picture->pixels + 3 * i;
        grey.pixels[i] = (uint8_t)((77 * rgb[0] + 150 * rgb[1] + 29 * rgb[2]) >> 8);
    }
    *out_luminance = grey;
    return LL_OK;
}

ll_status dkb_picture_write(const struct dkb_picture *picture, const char *path,
                            struct ll_error *err)
{
    FILE *file = fopen(path, "wbe");
    if (!file) {
        return ll_fail(err, LL_E_IO, "%s: %s", path, strerrordesc_np(errno));
    }
    png_image png = {
        .version = PNG_IMAGE_VERSION,
        .width = (png_uint_32)picture->w,
        .height = (png_uint_32)picture->h,
        .format = PNG_FORMAT_RGB,
    };
    bool is_written = png_image_write_to_stdio(&png, file, 0, picture->pixels, 0, NULL);
    bool is_closed = fclose(file) == 0;
    if (!is_written || !is_closed) {
        return ll_fail(err, LL_E_IO, "%s: %s", path,
                       is_written ? strerrordesc_np(errno) : png.message);
    }
    return LL_OK;
}
