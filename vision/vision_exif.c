#include "vision/vision_exif.h"

#include <stdbool.h>
#include <string.h>

enum {
    EXIF_UPRIGHT = 1,
    TIFF_HEADER_BYTES = 8,
    TIFF_ENTRY_BYTES = 12,
    TIFF_ORIENTATION = 0x0112,
    TIFF_SHORT = 3,
    JPEG_START_OF_SCAN = 0xda,
    JPEG_APP1 = 0xe1,
};

static const uint8_t exif_mark[6] = {'E', 'x', 'i', 'f', 0, 0};

/* Bytes whose integers have one of the two orders; `at` is within them. */
struct tiff {
    const uint8_t *bytes;
    size_t count;
    bool is_big;
};

static unsigned read_16(const struct tiff *tiff, size_t at)
{
    const uint8_t *b = tiff->bytes + at;
    return tiff->is_big ? (unsigned)b[0] << 8 | b[1] : (unsigned)b[1] << 8 | b[0];
}

static size_t read_32(const struct tiff *tiff, size_t at)
{
    size_t first = read_16(tiff, at);
    size_t second = read_16(tiff, at + 2);
    return tiff->is_big ? first << 16 | second : second << 16 | first;
}

int vision_exif_orientation(const uint8_t *bytes, size_t count)
{
    struct tiff tiff = {.bytes = bytes, .count = count};
    if (count < TIFF_HEADER_BYTES) {
        return EXIF_UPRIGHT;
    }
    tiff.is_big = bytes[0] == 'M';
    bool has_order = bytes[0] == bytes[1] && (bytes[0] == 'M' || bytes[0] == 'I');
    size_t at = read_32(&tiff, 4);
    if (!has_order || read_16(&tiff, 2) != 42 || at > count || count - at < 2) {
        return EXIF_UPRIGHT;
    }
    size_t entries = read_16(&tiff, at);
    at += 2;
    for (size_t i = 0; i < entries && count - at >= TIFF_ENTRY_BYTES; i++) {
        if (read_16(&tiff, at) == TIFF_ORIENTATION) {
            unsigned value = read_16(&tiff, at + 8);
            bool is_one_short = read_16(&tiff, at + 2) == TIFF_SHORT && read_32(&tiff, at + 4) == 1;
            return is_one_short && value >= 1 && value <= 8 ? (int)value : EXIF_UPRIGHT;
        }
        at += TIFF_ENTRY_BYTES;
    }
    return EXIF_UPRIGHT;
}

int vision_exif_of_jpeg(const uint8_t *bytes, size_t count)
{
    /* Behind the start marker: segments of a marker, a length that counts itself, and the rest. */
    size_t at = 2;
    while (at < count && count - at >= 4 && bytes[at] == 0xff) {
        if (bytes[at + 1] == 0xff) {
            /* Any number of these may stand before a marker. */
            at++;
            continue;
        }
        int marker = bytes[at + 1];
        size_t length = (size_t)bytes[at + 2] << 8 | bytes[at + 3];
        if (marker == JPEG_START_OF_SCAN || length < 2 || length > count - at - 2) {
            break;
        }
        const uint8_t *content = bytes + at + 4;
        size_t rest = length - 2;
        if (marker == JPEG_APP1 && rest >= sizeof(exif_mark) &&
            memcmp(content, exif_mark, sizeof(exif_mark)) == 0) {
            return vision_exif_orientation(content + sizeof(exif_mark), rest - sizeof(exif_mark));
        }
        at += 2 + length;
    }
    return EXIF_UPRIGHT;
}
