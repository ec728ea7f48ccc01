/* A picture goes through three stages: the file's bytes, 8-bit pixels (red, green, blue, or
 * luminance), the network's floats. Sizes are checked from the file's header, before anything is
 * decoded or allocated for it, and again before Darknet's functions, which check nothing. */
#include "darknet_backend/dkb_image.h"

#include <darknet.h>
#include <png.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

#include "core/ll_buf.h"
#include "core/ll_limits.h"
#include "darknet_backend/resize/dkb_resize.h"

/* 8-bit pixels, rows from the top, `channels` values a pixel. */
struct picture {
    int w;
    int h;
    int channels;
    uint8_t *pixels;
};

ll_status dkb_fit_parse(const char *name, dkb_fit *out_fit, struct ll_error *err)
{
    if (strcmp(name, "letterbox") == 0) {
        *out_fit = DKB_FIT_LETTERBOX;
    } else if (strcmp(name, "crop") == 0) {
        *out_fit = DKB_FIT_CROP;
    } else {
        return ll_fail(err, LL_E_INVALID, "'%.100s' is not one of letterbox, crop", name);
    }
    return LL_OK;
}

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
static ll_status allocate(struct picture *picture, struct ll_error *err)
{
    picture->pixels = allocate_bytes((int64_t)picture->w * picture->h * picture->channels);
    return picture->pixels ? LL_OK : ll_fail(err, LL_E_NO_MEMORY, "no memory for the picture");
}

static ll_status decode_jpeg_with(tjhandle decoder, const struct ll_buf *file,
                                  struct picture *picture, struct ll_error *err)
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

static ll_status decode_jpeg(const struct ll_buf *file, struct picture *picture,
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

/* Transparency is dropped, not blended, as in Darknet. */
static void drop_alpha(const uint8_t *rgba, int64_t pixels, uint8_t *rgb)
{
    for (int64_t i = 0; i < pixels; i++) {
        memcpy(rgb + 3 * i, rgba + 4 * i, 3);
    }
}

static ll_status decode_png_with(png_image *png, const struct ll_buf *file, struct picture *picture,
                                 struct ll_error *err)
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

static ll_status decode_png(const struct ll_buf *file, struct picture *picture,
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

static ll_status decode_bmp(const char *path, const struct ll_buf *file, struct picture *picture,
                            struct ll_error *err)
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

static ll_status decode(const char *path, const struct ll_buf *file, struct picture *picture,
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

/* Luminance, ITU-R BT.601 in 256ths, as Darknet's image reader computes it. */
static void to_luminance(struct picture *picture)
{
    int64_t count = (int64_t)picture->w * picture->h;
    for (int64_t i = 0; i < count; i++) {
        const uint8_t *rgb = picture->pixels + 3 * i;
        picture->pixels[i] = (uint8_t)((77 * rgb[0] + 150 * rgb[1] + 29 * rgb[2]) >> 8);
    }
    picture->channels = 1;
}

/* The w x h pixels from (left, top) as planes of floats from 0 to 1. */
static void to_planes(const struct picture *picture, int left, int top, image planes)
{
    float *out = planes.data;
    for (int c = 0; c < planes.c; c++) {
        for (int y = 0; y < planes.h; y++) {
            const uint8_t *row =
                picture->pixels + ((int64_t)(y + top) * picture->w + left) * picture->channels;
            for (int x = 0; x < planes.w; x++) {
                *out++ = (float)row[(int64_t)x * picture->channels + c] / 255.0F;
            }
        }
    }
}

/* Whether letterbox_image can do it: it computes sizes as int, does not check its allocations, and
 * reads wild where a height of 1 remains. */
static ll_status check_letterbox(const struct picture *picture, int64_t h, int64_t w,
                                 struct ll_error *err)
{
    int64_t new_w = w;
    int64_t new_h = picture->h * w / picture->w;
    if ((float)w / (float)picture->w >= (float)h / (float)picture->h) {
        new_w = picture->w * h / picture->h;
        new_h = h;
    }
    if (new_w < 1 || new_h < 2) {
        return ll_fail(err, LL_E_INVALID,
                       "a picture of %d x %d pixels vanishes when scaled to fit %lld x %lld",
                       picture->w, picture->h, (long long)w, (long long)h);
    }
    const int64_t most = 3 * LL_LIMIT_IMAGE_PIXELS;
    int64_t source = (int64_t)picture->w * picture->h * picture->channels;
    int64_t narrowed = new_w * picture->h * picture->channels;
    int64_t result = 2 * w * h * picture->channels;
    bool fits_int = picture->h * w <= INT32_MAX && picture->w * h <= INT32_MAX;
    if (!fits_int || narrowed > most || result > most) {
        return ll_fail(err, LL_E_EXHAUSTED,
                       "scaling %d x %d pixels to fit %lld x %lld needs more than %lld floats",
                       picture->w, picture->h, (long long)w, (long long)h, (long long)most);
    }
    void *trial = malloc((size_t)(source + narrowed + result) * sizeof(float));
    free(trial);
    return trial ? LL_OK : ll_fail(err, LL_E_NO_MEMORY, "no memory to scale the picture");
}

static ll_status fit_letterbox(const struct picture *picture, int h, int w, float **out_data,
                               struct ll_error *err)
{
    ll_status status = check_letterbox(picture, h, w, err);
    if (status != LL_OK) {
        return status;
    }
    image whole = {.w = picture->w, .h = picture->h, .c = picture->channels};
    whole.data = malloc((size_t)whole.w * (size_t)whole.h * (size_t)whole.c * sizeof(float));
    if (!whole.data) {
        return ll_fail(err, LL_E_NO_MEMORY, "no memory to scale the picture");
    }
    to_planes(picture, 0, 0, whole);
    *out_data = letterbox_image(whole, w, h).data;
    free(whole.data);
    return LL_OK;
}

static ll_status fit_crop(const struct picture *picture, int h, int w, float **out_data,
                          struct ll_error *err)
{
    /* The side that is shorter, relative to the network's, becomes size / 0.875, rounded. */
    int64_t full_w = ((int64_t)w * 8 + 3) / 7;
    int64_t full_h = ((int64_t)h * 8 + 3) / 7;
    if (picture->w * full_h <= picture->h * full_w) {
        full_h = picture->h * full_w / picture->w;
    } else {
        full_w = picture->w * full_h / picture->h;
    }
    if (full_w * full_h > LL_LIMIT_IMAGE_PIXELS) {
        return ll_fail(err, LL_E_EXHAUSTED,
                       "scaling %d x %d pixels to cover %d x %d needs more than %lld pixels",
                       picture->w, picture->h, w, h, (long long)LL_LIMIT_IMAGE_PIXELS);
    }
    struct picture scaled = {.w = (int)full_w, .h = (int)full_h, .channels = picture->channels};
    const struct dkb_pixels from = {picture->pixels, picture->w, picture->h, picture->channels};
    ll_status status = dkb_resize_bicubic(&from, scaled.w, scaled.h, &scaled.pixels);
    if (status != LL_OK) {
        return ll_fail(err, status, "scaling the picture to %d x %d: %s", scaled.w, scaled.h,
                       ll_status_text(status));
    }
    image middle = {.w = w, .h = h, .c = picture->channels};
    middle.data = malloc((size_t)w * (size_t)h * (size_t)middle.c * sizeof(float));
    if (middle.data) {
        to_planes(&scaled, (scaled.w - w) / 2, (scaled.h - h) / 2, middle);
        *out_data = middle.data;
    } else {
        status = ll_fail(err, LL_E_NO_MEMORY, "no memory for the network's input");
    }
    free(scaled.pixels);
    return status;
}

ll_status dkb_image_load(const char *path, const struct dkb_image_target *target, float **out_data,
                         struct ll_error *err)
{
    if ((target->c != 1 && target->c != 3) || target->h < 1 || target->w < 1) {
        return ll_fail(err, LL_E_UNSUPPORTED,
                       "%s: the network's input has %d channels of %d x %d; a picture has 1 or 3",
                       path, target->c, target->w, target->h);
    }
    struct ll_buf *file = NULL;
    ll_status status = ll_buf_map_file(path, LL_LIMIT_IMAGE_FILE_BYTES, &file, err);
    if (status != LL_OK) {
        return status;
    }
    struct picture picture = {0};
    status = decode(path, file, &picture, err);
    if (status == LL_OK && (picture.w < 1 || picture.h < 1)) {
        /* The decoders check it; everything below divides by it. */
        ll_fail(err, LL_E_INTERNAL, "no pixels");
        status = LL_E_INTERNAL;
    }
    if (status == LL_OK && target->c == 1) {
        to_luminance(&picture);
    }
    if (status == LL_OK) {
        status = target->fit == DKB_FIT_CROP
                     ? fit_crop(&picture, target->h, target->w, out_data, err)
                     : fit_letterbox(&picture, target->h, target->w, out_data, err);
    }
    free(picture.pixels);
    ll_buf_unref(file);
    if (status != LL_OK) {
        ll_error_prefix(err, "%s", path);
    }
    return status;
}
