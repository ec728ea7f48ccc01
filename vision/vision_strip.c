/* Files are walked once; what stays is copied to memory of the file's size, which it cannot
 * outgrow. */
#include "vision/vision_strip.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "vision/vision_bmp.h"
#include "vision/vision_decode.h"

enum {
    JPEG_TABLES_HUFFMAN = 0xc4,
    JPEG_EXTENSION = 0xc8,
    JPEG_RST0 = 0xd0,
    JPEG_RST7 = 0xd7,
    JPEG_SOI = 0xd8,
    JPEG_EOI = 0xd9,
    JPEG_SOS = 0xda,
    JPEG_DQT = 0xdb,
    JPEG_DRI = 0xdd,
    JPEG_SOF0 = 0xc0,
    JPEG_SOF15 = 0xcf,
    JPEG_APP0 = 0xe0,
    JPEG_APP14 = 0xee,
    JPEG_APP15 = 0xef,
    JPEG_COM = 0xfe,
    /* What decoders look at of JFIF's and Adobe's segments; a thumbnail may follow the first. */
    JFIF_BYTES = 14,
    ADOBE_BYTES = 12,
    PNG_SIGNATURE_BYTES = 8,
    /* A chunk's length, name and checksum. */
    PNG_CHUNK_BYTES = 12,
    PNG_CRITICAL_BIT = 0x20,
};

struct strip {
    const uint8_t *bytes;
    size_t count;
    size_t at;
    uint8_t *out;
    size_t out_count;
    struct ll_error *err;
};

static ll_status refuse(const struct strip *strip, const char *why)
{
    return ll_fail(strip->err, LL_E_INVALID, "%s at byte %zu", why, strip->at);
}

static void keep(struct strip *strip, const uint8_t *bytes, size_t count)
{
    memcpy(strip->out + strip->out_count, bytes, count);
    strip->out_count += count;
}

/* ---- JPEG ---- */

static void keep_marker(struct strip *strip, int marker)
{
    const uint8_t bytes[] = {0xff, (uint8_t)marker};
    keep(strip, bytes, sizeof(bytes));
}

/* The next marker, behind whatever stands before it: as libjpeg looks for it. 0: there is none. */
static int next_marker(struct strip *strip)
{
    while (strip->at < strip->count) {
        if (strip->bytes[strip->at++] != 0xff) {
            continue;
        }
        while (strip->at < strip->count && strip->bytes[strip->at] == 0xff) {
            strip->at++;
        }
        if (strip->at < strip->count && strip->bytes[strip->at++] != 0) {
            return strip->bytes[strip->at - 1];
        }
    }
    return 0;
}

/* A scan's data, up to the marker that ends it. */
static void keep_scan(struct strip *strip)
{
    size_t from = strip->at;
    size_t at = from;
    while (at < strip->count) {
        const uint8_t *byte = memchr(strip->bytes + at, 0xff, strip->count - at);
        at = byte ? (size_t)(byte - strip->bytes) : strip->count;
        size_t end = at;
        while (at < strip->count && strip->bytes[at] == 0xff) {
            at++;
        }
        int code = at < strip->count ? strip->bytes[at] : JPEG_EOI;
        if (code != 0 && (code < JPEG_RST0 || code > JPEG_RST7)) {
            at = end;
            break;
        }
        at++;
    }
    keep(strip, strip->bytes + from, at - from);
    strip->at = at;
}

/* A segment that is kept only as far as it is defined, its thumbnail's size told as 0; nothing of
 * it where it is not the one that it seems. */
static void keep_head(struct strip *strip, int marker, size_t length)
{
    const uint8_t *content = strip->bytes + strip->at + 2;
    bool is_jfif = marker == JPEG_APP0;
    size_t bytes = is_jfif ? JFIF_BYTES : ADOBE_BYTES;
    if (length - 2 < bytes || memcmp(content, is_jfif ? "JFIF" : "Adobe", 5) != 0) {
        return;
    }
    const uint8_t size[] = {0, (uint8_t)(bytes + 2)};
    const uint8_t no_thumbnail[] = {0, 0};
    keep_marker(strip, marker);
    keep(strip, size, sizeof(size));
    keep(strip, content, bytes);
    if (is_jfif) {
        memcpy(strip->out + strip->out_count - sizeof(no_thumbnail), no_thumbnail,
               sizeof(no_thumbnail));
    }
}

static bool is_for_pixels(int marker)
{
    bool is_frame_or_table =
        marker >= JPEG_SOF0 && marker <= JPEG_SOF15 && marker != JPEG_EXTENSION;
    return is_frame_or_table || marker == JPEG_SOS || marker == JPEG_DQT || marker == JPEG_DRI;
}

/* One segment, whose length is next. */
static ll_status strip_segment(struct strip *strip, int marker)
{
    size_t left = strip->count - strip->at;
    size_t length =
        left >= 2 ? (size_t)strip->bytes[strip->at] << 8 | strip->bytes[strip->at + 1] : 0;
    bool is_named = (marker >= JPEG_APP0 && marker <= JPEG_APP15) || marker == JPEG_COM;
    if (!is_named && !is_for_pixels(marker)) {
        return ll_fail(strip->err, LL_E_UNSUPPORTED, "a JPEG segment %02x, not known, at byte %zu",
                       (unsigned)marker, strip->at);
    }
    if (length < 2 || length > left) {
        return refuse(strip, "damaged JPEG picture: a segment's length");
    }
    if (is_for_pixels(marker)) {
        keep_marker(strip, marker);
        keep(strip, strip->bytes + strip->at, length);
    } else if (marker == JPEG_APP0 || marker == JPEG_APP14) {
        keep_head(strip, marker, length);
    }
    strip->at += length;
    if (marker == JPEG_SOS) {
        keep_scan(strip);
    }
    return LL_OK;
}

static ll_status strip_jpeg(struct strip *strip)
{
    keep_marker(strip, JPEG_SOI);
    strip->at = 2;
    ll_status status = LL_OK;
    while (status == LL_OK) {
        int marker = next_marker(strip);
        if (marker == JPEG_EOI) {
            keep_marker(strip, JPEG_EOI);
            return LL_OK;
        }
        status = marker == 0 ? refuse(strip, "a JPEG picture without its end marker")
                             : strip_segment(strip, marker);
    }
    return status;
}

/* ---- PNG ---- */

static ll_status strip_png(struct strip *strip)
{
    static const char *const known[] = {"IHDR", "PLTE", "IDAT", "IEND"};
    if (strip->count < PNG_SIGNATURE_BYTES) {
        return refuse(strip, "damaged PNG picture: the file ends");
    }
    keep(strip, strip->bytes, PNG_SIGNATURE_BYTES);
    strip->at = PNG_SIGNATURE_BYTES;
    bool is_end = false;
    while (!is_end) {
        const uint8_t *chunk = strip->bytes + strip->at;
        size_t left = strip->count - strip->at;
        if (left < PNG_CHUNK_BYTES) {
            return refuse(strip, "damaged PNG picture: the file ends before the picture does");
        }
        size_t length =
            (size_t)chunk[0] << 24 | (size_t)chunk[1] << 16 | (size_t)chunk[2] << 8 | chunk[3];
        if (length > left - PNG_CHUNK_BYTES) {
            return refuse(strip, "damaged PNG picture: a chunk's length");
        }
        bool is_known = false;
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
            is_known = is_known || memcmp(chunk + 4, known[i], 4) == 0;
        }
        if (is_known) {
            keep(strip, chunk, length + PNG_CHUNK_BYTES);
        } else if ((chunk[4] & PNG_CRITICAL_BIT) == 0) {
            return ll_fail(strip->err, LL_E_UNSUPPORTED,
                           "a critical PNG chunk, not known, at byte %zu", strip->at);
        }
        is_end = memcmp(chunk + 4, "IEND", 4) == 0;
        strip->at += length + PNG_CHUNK_BYTES;
    }
    return LL_OK;
}

/* ---- BMP ---- */

static ll_status strip_bmp(struct strip *strip)
{
    int w = 0;
    int h = 0;
    size_t end = 0;
    ll_status status = vision_bmp_measure(strip->bytes, strip->count, &w, &h, &end, strip->err);
    if (status == LL_OK) {
        keep(strip, strip->bytes, end);
    }
    return status;
}

/* ---- Any kind ---- */

static void free_bytes(void *arg, void *data, size_t bytes)
{
    (void)arg;
    (void)bytes;
    free(data);
}

ll_status vision_strip(const uint8_t *bytes, size_t count, struct ll_buf **out_file,
                       struct ll_error *err)
{
    vision_format format = VISION_BMP;
    ll_status status = vision_format_of(bytes, count, &format, err);
    if (status != LL_OK) {
        return status;
    }
    struct strip strip = {.bytes = bytes, .count = count, .out = malloc(count), .err = err};
    if (!strip.out) {
        return ll_fail(err, LL_E_NO_MEMORY, "no memory for the picture");
    }
    status = format == VISION_JPEG  ? strip_jpeg(&strip)
             : format == VISION_PNG ? strip_png(&strip)
                                    : strip_bmp(&strip);
    if (status == LL_OK) {
        status = ll_buf_wrap(strip.out, strip.out_count, free_bytes, NULL, out_file);
    }
    if (status != LL_OK) {
        free(strip.out);
    }
    return status;
}
