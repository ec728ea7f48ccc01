#include "vision/vision_webp.h"

#include <stdlib.h>
#include <webp/decode.h>
#include <webp/encode.h>

#include "vision/vision_webp_groups.h"

enum {
    /* WebPBitstreamFeatures.format. */
    WEBP_LOSSLESS = 2,
    /* Of WebPConfigLosslessPreset: 0 to 9. */
    WEBP_FASTEST = 0,
};

bool vision_webp_fits(int c, int h, int w)
{
    return c == 3 && h >= 1 && w >= 1 && h <= VISION_WEBP_SIDE_MOST && w <= VISION_WEBP_SIDE_MOST;
}

ll_status vision_webp_measure(const uint8_t *bytes, size_t count, int h, int w, int64_t *out_bytes,
                              struct ll_error *err)
{
    int groups = 0;
    ll_status status = vision_webp_groups(bytes, count, &groups, err);
    /* The decoder's own pixels, four bytes each, and ours, three. */
    *out_bytes = (int64_t)7 * h * w + (int64_t)groups * VISION_WEBP_GROUP_BYTES;
    return status;
}

/* ---- Encoding ---- */

static void fill(WebPPicture *picture, const uint8_t *planes)
{
    size_t plane = (size_t)picture->width * (size_t)picture->height;
    for (int y = 0; y < picture->height; y++) {
        uint32_t *row = picture->argb + (size_t)y * (size_t)picture->argb_stride;
        const uint8_t *red = planes + (size_t)y * (size_t)picture->width;
        for (int x = 0; x < picture->width; x++) {
            row[x] = 0xff000000U | (uint32_t)red[x] << 16 | (uint32_t)red[plane + (size_t)x] << 8 |
                     red[2 * plane + (size_t)x];
        }
    }
}

static void free_file(void *arg, void *data, size_t bytes)
{
    (void)arg;
    (void)bytes;
    WebPFree(data);
}

static ll_status encode(WebPPicture *picture, const uint8_t *planes, WebPMemoryWriter *writer,
                        struct ll_error *err)
{
    WebPConfig config;
    if (!WebPConfigInit(&config) || !WebPConfigLosslessPreset(&config, WEBP_FASTEST)) {
        return ll_fail(err, LL_E_INTERNAL, "WebP: another version of the library");
    }
    config.exact = 1;
    picture->use_argb = 1;
    picture->writer = WebPMemoryWrite;
    picture->custom_ptr = writer;
    if (!WebPPictureAlloc(picture)) {
        return ll_fail(err, LL_E_NO_MEMORY, "no memory for a WebP picture");
    }
    fill(picture, planes);
    if (!WebPEncode(&config, picture)) {
        bool is_memory = picture->error_code == VP8_ENC_ERROR_OUT_OF_MEMORY ||
                         picture->error_code == VP8_ENC_ERROR_BITSTREAM_OUT_OF_MEMORY ||
                         picture->error_code == VP8_ENC_ERROR_BAD_WRITE;
        return ll_fail(err, is_memory ? LL_E_NO_MEMORY : LL_E_INTERNAL, "WebP: error %d",
                       (int)picture->error_code);
    }
    return LL_OK;
}

ll_status vision_webp_encode(const uint8_t *planes, int h, int w, struct ll_buf **out_file,
                             struct ll_error *err)
{
    WebPPicture picture;
    WebPMemoryWriter writer;
    if (!WebPPictureInit(&picture)) {
        return ll_fail(err, LL_E_INTERNAL, "WebP: another version of the library");
    }
    WebPMemoryWriterInit(&writer);
    picture.width = w;
    picture.height = h;
    ll_status status = encode(&picture, planes, &writer, err);
    WebPPictureFree(&picture);
    if (status == LL_OK) {
        status = ll_buf_wrap(writer.mem, writer.size, free_file, NULL, out_file);
    }
    if (status != LL_OK) {
        WebPMemoryWriterClear(&writer);
    }
    return status;
}

/* ---- Decoding ---- */

static ll_status check(const uint8_t *bytes, size_t count, int h, int w, struct ll_error *err)
{
    WebPBitstreamFeatures features;
    if (WebPGetFeatures(bytes, count, &features) != VP8_STATUS_OK) {
        return ll_fail(err, LL_E_INVALID, "damaged WebP picture: no header");
    }
    if (features.width != w || features.height != h) {
        return ll_fail(err, LL_E_INVALID, "a WebP picture of %d x %d pixels instead of %d x %d",
                       features.width, features.height, w, h);
    }
    if (features.format != WEBP_LOSSLESS || features.has_alpha || features.has_animation) {
        return ll_fail(err, LL_E_INVALID, "a WebP picture that %s",
                       features.has_animation ? "moves"
                       : features.has_alpha   ? "has alpha"
                                              : "is not lossless");
    }
    return LL_OK;
}

ll_status vision_webp_decode(const uint8_t *bytes, size_t count, int h, int w, uint8_t *out_planes,
                             struct ll_error *err)
{
    ll_status status = check(bytes, count, h, w, err);
    if (status != LL_OK) {
        return status;
    }
    size_t plane = (size_t)w * (size_t)h;
    uint8_t *pixels = malloc(3 * plane);
    if (!pixels) {
        return ll_fail(err, LL_E_NO_MEMORY, "no memory for a WebP picture");
    }
    if (!WebPDecodeRGBInto(bytes, count, pixels, 3 * plane, 3 * w)) {
        status = ll_fail(err, LL_E_INVALID, "damaged WebP picture");
    }
    for (size_t i = 0; status == LL_OK && i < plane; i++) {
        for (size_t c = 0; c < 3; c++) {
            out_planes[c * plane + i] = pixels[3 * i + c];
        }
    }
    free(pixels);
    return status;
}
