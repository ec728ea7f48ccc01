#include "vision/vision_bmp.h"

#include <stdbool.h>

enum {
    FILE_HEADER_BYTES = 14,
    /* The oldest header, and the one that all later ones begin with. */
    OLD_HEADER_BYTES = 12,
    HEADER_BYTES = 40,
    HEADER_BYTES_MOST = 124,
    MASKS_AT = FILE_HEADER_BYTES + HEADER_BYTES,
    COMPRESSION_NONE = 0,
    COMPRESSION_MASKS = 3,
    COMPRESSION_ALPHA_MASKS = 6,
};

/* One colour's bits within a pixel. */
struct channel {
    int shift;
    int bits;
};

struct bmp {
    const uint8_t *bytes;
    size_t count;
    int64_t header_bytes;
    int64_t w, h;
    bool is_from_top;
    int depth;
    int64_t compression;
    int64_t data_at;
    /* Of depths up to 8: blue, green, red, and a fourth byte but in the oldest files. */
    int64_t palette_at;
    int64_t palette_count;
    int palette_bytes;
    /* Of 16 and 32: red, green, blue. */
    struct channel channels[3];
};

static ll_status refuse(struct ll_error *err, const char *why)
{
    return ll_fail(err, LL_E_INVALID, "damaged BMP picture: %s", why);
}

static uint32_t read_number(const uint8_t *bytes, int count)
{
    uint32_t value = 0;
    for (int i = count - 1; i >= 0; i--) {
        value = value << 8 | bytes[i];
    }
    return value;
}

static ll_status read_header(struct bmp *bmp, struct ll_error *err)
{
    const uint8_t *bytes = bmp->bytes;
    bmp->header_bytes = bmp->count >= 26 ? read_number(bytes + 14, 4) : 0;
    bool is_old = bmp->header_bytes == OLD_HEADER_BYTES;
    if (!is_old && (bmp->header_bytes < HEADER_BYTES || bmp->header_bytes > HEADER_BYTES_MOST)) {
        return refuse(err, "no header");
    }
    if ((int64_t)bmp->count < FILE_HEADER_BYTES + bmp->header_bytes) {
        return refuse(err, "the file ends within its header");
    }
    bmp->data_at = read_number(bytes + 10, 4);
    bmp->palette_at = FILE_HEADER_BYTES + bmp->header_bytes;
    bmp->palette_bytes = is_old ? 3 : 4;
    if (is_old) {
        bmp->w = read_number(bytes + 18, 2);
        bmp->h = read_number(bytes + 20, 2);
        bmp->depth = (int)read_number(bytes + 24, 2);
        return LL_OK;
    }
    int64_t h = (int32_t)read_number(bytes + 22, 4);
    bmp->w = (int32_t)read_number(bytes + 18, 4);
    bmp->h = h < 0 ? -h : h;
    bmp->is_from_top = h < 0;
    bmp->depth = (int)read_number(bytes + 28, 2);
    bmp->compression = read_number(bytes + 30, 4);
    bmp->palette_count = read_number(bytes + 46, 4);
    return LL_OK;
}

/* False where the mask's bits do not stand together. */
static bool read_mask(uint32_t mask, struct channel *out_channel)
{
    *out_channel = (struct channel){0, 0};
    if (mask == 0) {
        return true;
    }
    out_channel->shift = __builtin_ctz(mask);
    mask >>= out_channel->shift;
    out_channel->bits = 32 - __builtin_clz(mask);
    return ((uint64_t)mask & ((uint64_t)mask + 1)) == 0;
}

static ll_status read_masks(struct bmp *bmp, struct ll_error *err)
{
    static const uint32_t plain[2][3] = {{0x7c00, 0x3e0, 0x1f}, {0xff0000, 0xff00, 0xff}};
    bool has_masks = bmp->compression != COMPRESSION_NONE;
    if (has_masks && bmp->count < MASKS_AT + 12) {
        return refuse(err, "the file ends within its masks");
    }
    for (int c = 0; c < 3; c++) {
        uint32_t mask = has_masks ? read_number(bmp->bytes + MASKS_AT + (ptrdiff_t)4 * c, 4)
                                  : plain[bmp->depth == 32][c];
        if (!read_mask(mask, &bmp->channels[c])) {
            return refuse(err, "a colour whose bits do not stand together");
        }
    }
    return LL_OK;
}

/* Rows begin at multiples of four bytes; behind the last one nothing needs to stand. */
static int64_t row_bytes(const struct bmp *bmp)
{
    return (bmp->w * bmp->depth + 31) / 32 * 4;
}

static int64_t last_row_bytes(const struct bmp *bmp)
{
    return (bmp->w * bmp->depth + 7) / 8;
}

/* The palette, or the masks, and whether all bytes of pixels are there. */
static ll_status check(struct bmp *bmp, struct ll_error *err)
{
    bool is_wide = bmp->depth == 16 || bmp->depth == 32;
    bool has_palette = bmp->depth == 1 || bmp->depth == 4 || bmp->depth == 8;
    if (!is_wide && !has_palette && bmp->depth != 24) {
        return ll_fail(err, LL_E_INVALID, "a BMP picture of %d bits a pixel, which there is not",
                       bmp->depth);
    }
    bool may_have_masks = is_wide && (bmp->compression == COMPRESSION_MASKS ||
                                      bmp->compression == COMPRESSION_ALPHA_MASKS);
    if (bmp->compression != COMPRESSION_NONE && !may_have_masks) {
        return ll_fail(err, LL_E_UNSUPPORTED, "a compressed BMP picture (method %lld)",
                       (long long)bmp->compression);
    }
    if (has_palette) {
        int64_t most = (int64_t)1 << bmp->depth;
        int64_t told = bmp->palette_count;
        bmp->palette_count = told > 0 && told < most ? told : most;
        if ((int64_t)bmp->count - bmp->palette_at < bmp->palette_count * bmp->palette_bytes) {
            return refuse(err, "the file ends within its palette");
        }
    }
    if (bmp->data_at < bmp->palette_at ||
        (int64_t)bmp->count - bmp->data_at < row_bytes(bmp) * (bmp->h - 1) + last_row_bytes(bmp)) {
        return refuse(err, "the file ends before the picture does");
    }
    return is_wide ? read_masks(bmp, err) : LL_OK;
}

/* The channel's bits as 8: the highest ones, or repeated until there are 8. */
static uint8_t spread(uint32_t pixel, struct channel channel)
{
    if (channel.bits == 0) {
        return 0;
    }
    uint32_t value = (uint32_t)((uint64_t)pixel >> channel.shift) &
                     (uint32_t)(((uint64_t)1 << channel.bits) - 1);
    if (channel.bits >= 8) {
        return (uint8_t)(value >> (channel.bits - 8));
    }
    uint32_t spread = 0;
    for (int filled = 0; filled < 8; filled += channel.bits) {
        int shift = 8 - filled - channel.bits;
        spread |= shift >= 0 ? value << shift : value >> -shift;
    }
    return (uint8_t)spread;
}

static void copy_reversed(const uint8_t *bgr, uint8_t *rgb)
{
    rgb[0] = bgr[2];
    rgb[1] = bgr[1];
    rgb[2] = bgr[0];
}

/* False for a colour that the palette does not have. */
static bool decode_pixel(const struct bmp *bmp, const uint8_t *row, int64_t x, uint8_t *rgb)
{
    switch (bmp->depth) {
    case 24:
        copy_reversed(row + 3 * x, rgb);
        return true;
    case 16:
    case 32: {
        int bytes = bmp->depth / 8;
        uint32_t pixel = read_number(row + bytes * x, bytes);
        for (int c = 0; c < 3; c++) {
            rgb[c] = spread(pixel, bmp->channels[c]);
        }
        return true;
    }
    default: {
        /* The highest bits are the leftmost pixel's. */
        int64_t bit = x * bmp->depth;
        int shift = (int)(8 - bmp->depth - bit % 8);
        int index = row[bit / 8] >> shift & ((1 << bmp->depth) - 1);
        if (index >= bmp->palette_count) {
            return false;
        }
        copy_reversed(bmp->bytes + bmp->palette_at + (ptrdiff_t)index * bmp->palette_bytes, rgb);
        return true;
    }
    }
}

static ll_status decode_rows(const struct bmp *bmp, struct vision_picture *picture,
                             struct ll_error *err)
{
    uint8_t *rgb = picture->pixels;
    for (int64_t y = 0; y < bmp->h; y++) {
        int64_t stored = bmp->is_from_top ? y : bmp->h - 1 - y;
        const uint8_t *row = bmp->bytes + bmp->data_at + stored * row_bytes(bmp);
        for (int64_t x = 0; x < bmp->w; x++) {
            if (!decode_pixel(bmp, row, x, rgb)) {
                return refuse(err, "a colour that its palette does not have");
            }
            rgb += 3;
        }
    }
    return LL_OK;
}

/* Reads the header and checks what it says. */
static ll_status open_file(struct bmp *bmp, struct ll_error *err)
{
    ll_status status = read_header(bmp, err);
    if (status == LL_OK) {
        status = vision_picture_check_size(bmp->w, bmp->h, err);
    }
    return status == LL_OK ? check(bmp, err) : status;
}

/* Behind all that is read of the file: nobody forbids a palette or masks that reach into the
 * pixels.
 */
static size_t end_of(const struct bmp *bmp)
{
    int64_t pixels_end = bmp->data_at + row_bytes(bmp) * (bmp->h - 1) + last_row_bytes(bmp);
    int64_t other_end = bmp->depth <= 8 ? bmp->palette_at + bmp->palette_count * bmp->palette_bytes
                        : bmp->compression != COMPRESSION_NONE ? MASKS_AT + 12
                                                               : 0;
    return (size_t)(pixels_end > other_end ? pixels_end : other_end);
}

ll_status vision_bmp_measure(const uint8_t *bytes, size_t count, int *out_w, int *out_h,
                             size_t *out_end, struct ll_error *err)
{
    struct bmp bmp = {.bytes = bytes, .count = count};
    ll_status status = open_file(&bmp, err);
    if (status == LL_OK) {
        *out_w = (int)bmp.w;
        *out_h = (int)bmp.h;
        *out_end = end_of(&bmp);
    }
    return status;
}

ll_status vision_bmp_decode(const uint8_t *bytes, size_t count, struct vision_picture *picture,
                            struct ll_error *err)
{
    struct bmp bmp = {.bytes = bytes, .count = count};
    ll_status status = open_file(&bmp, err);
    if (status == LL_OK) {
        status = vision_picture_allocate(picture, bmp.w, bmp.h, err);
    }
    return status == LL_OK ? decode_rows(&bmp, picture, err) : status;
}
