/* RFC 9649, as far as the number of tiles: header, transforms, whose own small pictures have to be
 * read to find their end, and what the picture's codes begin with. */
#include "vision/vision_webp_groups.h"

#include <stdbool.h>
#include <string.h>

enum {
    /* "RIFF", a length, "WEBP", "VP8L", a length. */
    HEAD_BYTES = 20,
    SIGNATURE = 0x2f,
    SIDE_BITS = 14,
    CODE_BITS_MOST = 15,
    LENGTH_CODES = 19,
    LITERALS = 256,
    LENGTHS = 24,
    DISTANCES = 40,
    CACHE_BITS_MOST = 11,
    SYMBOLS_MOST = LITERALS + LENGTHS + (1 << CACHE_BITS_MOST),
    CODES = 5,
    DEFAULT_LENGTH = 8,
};

enum { PREDICTOR, CROSS_COLOUR, SUBTRACT_GREEN, COLOUR_INDEXING };

struct reader {
    const uint8_t *bytes;
    size_t bits;
    size_t at;
    /* Bits behind the end were read, or what cannot be. */
    bool is_bad;
};

/* A canonical code: how many symbols have each length, and the symbols in order. One symbol alone
 * takes no bits. */
struct code {
    int counts[CODE_BITS_MOST + 1];
    uint16_t symbols[SYMBOLS_MOST];
    int symbol_count;
};

static unsigned read_bits(struct reader *reader, int count)
{
    unsigned value = 0;
    if (reader->is_bad || (size_t)count > reader->bits - reader->at) {
        reader->is_bad = true;
        return 0;
    }
    for (int i = 0; i < count; i++, reader->at++) {
        value |= (reader->bytes[reader->at / 8] >> reader->at % 8 & 1U) << i;
    }
    return value;
}

/* ---- Codes ---- */

static void make_code(const uint8_t *lengths, int count, struct code *code)
{
    int starts[CODE_BITS_MOST + 2] = {0};
    memset(code->counts, 0, sizeof(code->counts));
    for (int i = 0; i < count; i++) {
        code->counts[lengths[i]]++;
    }
    code->symbol_count = count - code->counts[0];
    code->counts[0] = 0;
    for (int i = 1; i <= CODE_BITS_MOST; i++) {
        starts[i + 1] = starts[i] + code->counts[i];
    }
    for (int i = 0; i < count; i++) {
        if (lengths[i] > 0) {
            code->symbols[starts[lengths[i]]++] = (uint16_t)i;
        }
    }
}

static int read_symbol(struct reader *reader, const struct code *code)
{
    if (code->symbol_count == 1) {
        return code->symbols[0];
    }
    int value = 0;
    int first = 0;
    int index = 0;
    for (int i = 1; i <= CODE_BITS_MOST && !reader->is_bad; i++) {
        value |= (int)read_bits(reader, 1);
        if (value - first < code->counts[i]) {
            return code->symbols[index + value - first];
        }
        index += code->counts[i];
        first = (first + code->counts[i]) << 1;
        value <<= 1;
    }
    reader->is_bad = true;
    return 0;
}

static void read_simple(struct reader *reader, uint8_t *lengths)
{
    bool has_two = read_bits(reader, 1) != 0;
    int bits = read_bits(reader, 1) != 0 ? 8 : 1;
    lengths[read_bits(reader, bits)] = 1;
    if (has_two) {
        lengths[read_bits(reader, 8)] = 1;
    }
}

/* The lengths of a code's symbols, by a code of their own. */
static void read_lengths(struct reader *reader, struct code *code, int count, uint8_t *lengths)
{
    static const uint8_t order[LENGTH_CODES] = {17, 18, 0, 1,  2,  3,  4,  5,  16, 6,
                                                7,  8,  9, 10, 11, 12, 13, 14, 15};
    static const uint8_t extra_bits[] = {2, 3, 7};
    static const uint8_t least[] = {3, 3, 11};
    uint8_t own[LENGTH_CODES] = {0};
    int own_count = (int)read_bits(reader, 4) + 4;
    for (int i = 0; i < own_count && i < LENGTH_CODES; i++) {
        own[order[i]] = (uint8_t)read_bits(reader, 3);
    }
    make_code(own, LENGTH_CODES, code);
    int most = count;
    if (read_bits(reader, 1) != 0) {
        int bits = 2 + 2 * (int)read_bits(reader, 3);
        most = 2 + (int)read_bits(reader, bits);
    }
    uint8_t previous = DEFAULT_LENGTH;
    for (int i = 0; i < count && most > 0 && !reader->is_bad; most--) {
        int length = read_symbol(reader, code);
        if (length <= CODE_BITS_MOST) {
            lengths[i++] = (uint8_t)length;
            previous = length > 0 ? (uint8_t)length : previous;
            continue;
        }
        int kind = length - CODE_BITS_MOST - 1;
        int repeat = (int)read_bits(reader, extra_bits[kind]) + least[kind];
        reader->is_bad |= repeat > count - i;
        for (; repeat > 0 && i < count; repeat--) {
            lengths[i++] = kind == 0 ? previous : 0;
        }
    }
}

static void read_code(struct reader *reader, int count, struct code *code)
{
    uint8_t lengths[SYMBOLS_MOST] = {0};
    if (read_bits(reader, 1) != 0) {
        read_simple(reader, lengths);
    } else {
        read_lengths(reader, code, count, lengths);
    }
    make_code(lengths, count, code);
    reader->is_bad |= code->symbol_count == 0;
}

/* ---- Pictures in the picture ---- */

/* How many pixels are repeated, or how far back. */
static int64_t read_distance(struct reader *reader, int symbol)
{
    if (symbol < 4) {
        return symbol + 1;
    }
    int bits = (symbol - 2) >> 1;
    return ((int64_t)(2 + (symbol & 1)) << bits) + read_bits(reader, bits) + 1;
}

static int read_cache_bits(struct reader *reader)
{
    int bits = read_bits(reader, 1) != 0 ? (int)read_bits(reader, 4) : 0;
    reader->is_bad |= bits > CACHE_BITS_MOST;
    return reader->is_bad ? 0 : bits;
}

static void skip_pixels(struct reader *reader, int64_t pixels)
{
    struct code codes[CODES];
    int cache_bits = read_cache_bits(reader);
    for (int i = 0; i < CODES && !reader->is_bad; i++) {
        int count = i == 0 ? LITERALS + LENGTHS + (cache_bits > 0 ? 1 << cache_bits : 0)
                           : (i == CODES - 1 ? DISTANCES : LITERALS);
        read_code(reader, count, &codes[i]);
    }
    for (int64_t i = 0; i < pixels && !reader->is_bad;) {
        int symbol = read_symbol(reader, &codes[0]);
        if (symbol < LITERALS) {
            for (int c = 1; c < CODES - 1; c++) {
                (void)read_symbol(reader, &codes[c]);
            }
            i++;
        } else if (symbol < LITERALS + LENGTHS) {
            i += read_distance(reader, symbol - LITERALS);
            (void)read_distance(reader, read_symbol(reader, &codes[CODES - 1]));
        } else {
            i++;
        }
    }
}

/* How many tiles of 2^bits pixels stand in a row of so many. */
static int64_t tiles(int64_t pixels, int bits)
{
    return (pixels + (1 << bits) - 1) >> bits;
}

/* Returns the width of what follows: several pixels may stand in one. */
static int64_t skip_transform(struct reader *reader, int64_t w, int64_t h)
{
    unsigned kind = read_bits(reader, 2);
    if (kind == COLOUR_INDEXING) {
        int colours = (int)read_bits(reader, 8) + 1;
        skip_pixels(reader, colours);
        return tiles(w, colours > 16 ? 0 : colours > 4 ? 1 : colours > 2 ? 2 : 3);
    }
    if (kind == PREDICTOR || kind == CROSS_COLOUR) {
        int bits = (int)read_bits(reader, 3) + 2;
        skip_pixels(reader, tiles(w, bits) * tiles(h, bits));
    }
    return w;
}

ll_status vision_webp_groups(const uint8_t *bytes, size_t count, int *out_groups,
                             struct ll_error *err)
{
    /* Four kinds, each once. */
    enum { TRANSFORMS_MOST = 4 };
    if (count <= HEAD_BYTES || memcmp(bytes, "RIFF", 4) != 0 ||
        memcmp(bytes + 8, "WEBPVP8L", 8) != 0 || bytes[HEAD_BYTES] != SIGNATURE) {
        return ll_fail(err, LL_E_INVALID, "no WebP file of a lossless picture alone");
    }
    struct reader reader = {.bytes = bytes + HEAD_BYTES, .bits = (count - HEAD_BYTES) * 8, .at = 8};
    int64_t w = (int64_t)read_bits(&reader, SIDE_BITS) + 1;
    int64_t h = (int64_t)read_bits(&reader, SIDE_BITS) + 1;
    /* Alpha, version. */
    (void)read_bits(&reader, 4);
    int transforms = 0;
    while (read_bits(&reader, 1) != 0 && !reader.is_bad) {
        reader.is_bad |= ++transforms > TRANSFORMS_MOST;
        w = skip_transform(&reader, w, h);
    }
    (void)read_cache_bits(&reader);
    bool has_tiles = read_bits(&reader, 1) != 0;
    int bits = has_tiles ? (int)read_bits(&reader, 3) + 2 : 0;
    if (reader.is_bad) {
        return ll_fail(err, LL_E_INVALID, "damaged WebP picture: its codes cannot be read");
    }
    /* A group's number has 16 bits. */
    int64_t groups = has_tiles ? tiles(w, bits) * tiles(h, bits) : 1;
    *out_groups = groups < 1 << 16 ? (int)groups : 1 << 16;
    return LL_OK;
}
