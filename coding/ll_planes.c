/* A piece, as docs/protocol.md has it ("Coded tensors"):
 *
 *     mode 0   the piece's bytes
 *     mode 1   a part for each plane of all values, the lowest byte's first
 *     mode 2   the frequent value, the part of the bitmap (bit i % 8 of byte i / 8: value i is that
 *              one), and a part for each plane of the other values; none where there are no others
 *
 *     part     kind 0   its bytes
 *              kind 1   u32 length, a zstd frame of that length
 *              kind 2   one byte, which all of them are
 *
 * The encoder is free in what it chooses; these choices are guesses from samples, which cost an
 * eighth of what coding a plane both ways would. */
#include "coding/ll_planes.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "coding/ll_entropy.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are little-endian");

enum {
    MODE_RAW,
    MODE_PLANES,
    MODE_BITMAP,
};

enum {
    PART_RAW,
    PART_FRAME,
    PART_SAME,
};

enum {
    PLANES_MOST = 4,
    /* Of a piece of bytes. */
    PIECE_VALUES_MOST = LL_PLANES_PIECE_BYTES,
    /* Kind and length of a part that is a frame. */
    PART_HEAD_BYTES = 5,
    /* Looked at to find a frequent value; the table has twice the room. */
    SAMPLED_VALUES = 512,
    SAMPLE_SLOTS = 2 * SAMPLED_VALUES,
    /* Of a plane: stretches at equal distances, long enough for repetition to show. */
    STRETCHES = 4,
    STRETCH_BYTES = 2048,
    SAMPLE_BYTES = STRETCHES * STRETCH_BYTES,
};

struct ll_planes {
    struct ll_entropy *entropy;
    /* One value more than fits: what is not kept is written, too. */
    uint8_t planes[PLANES_MOST][PIECE_VALUES_MOST + 1];
    uint8_t bitmap[PIECE_VALUES_MOST / 8];
    uint8_t sample[SAMPLE_BYTES];
    uint8_t trial[SAMPLE_BYTES];
    uint32_t seen[SAMPLE_SLOTS];
    uint16_t counts[SAMPLE_SLOTS];
};

ll_status ll_planes_create(struct ll_planes **out_planes)
{
    struct ll_planes *planes = calloc(1, sizeof(*planes));
    if (!planes) {
        return LL_E_NO_MEMORY;
    }
    ll_status status = ll_entropy_create(&planes->entropy);
    if (status != LL_OK) {
        free(planes);
        return status;
    }
    *out_planes = planes;
    return LL_OK;
}

void ll_planes_destroy(struct ll_planes *planes)
{
    if (planes) {
        ll_entropy_destroy(planes->entropy);
        free(planes);
    }
}

/* ---- Values and planes ---- */

static inline uint32_t load(const uint8_t *at, int width)
{
    uint32_t value = 0;
    memcpy(&value, at, (size_t)width);
    return value;
}

/* Signs go from the top to the bottom, so that an f32's exponent is a byte. */
static inline uint32_t rotate_left(uint32_t value, int width)
{
    int top = 8 * width - 1;
    return width == 1 ? value : (value << 1 | value >> top) & (UINT32_MAX >> (31 - top));
}

static inline uint32_t rotate_right(uint32_t value, int width)
{
    int top = 8 * width - 1;
    return width == 1 ? value : (value >> 1 | value << top) & (UINT32_MAX >> (31 - top));
}

/* Splits all values. `width` is a constant where this is inlined. */
static inline void split_all(struct ll_planes *planes, const uint8_t *data, size_t count, int width)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t value = rotate_left(load(data + i * (size_t)width, width), width);
        for (int p = 0; p < width; p++) {
            planes->planes[p][i] = (uint8_t)(value >> (8 * p));
        }
    }
}

/* Puts `frequent` into the bitmap and splits the others; returns how many those are. */
static inline size_t split_others(struct ll_planes *planes, const uint8_t *data, size_t count,
                                  int width, uint32_t frequent)
{
    size_t others = 0;
    for (size_t i = 0; i < count; i += 8) {
        size_t some = count - i < 8 ? count - i : 8;
        unsigned bits = 0;
        for (size_t k = 0; k < some; k++) {
            uint32_t value = load(data + (i + k) * (size_t)width, width);
            bool is_frequent = value == frequent;
            value = rotate_left(value, width);
            for (int p = 0; p < width; p++) {
                planes->planes[p][others] = (uint8_t)(value >> (8 * p));
            }
            bits |= (unsigned)is_frequent << k;
            others += !is_frequent;
        }
        planes->bitmap[i / 8] = (uint8_t)bits;
    }
    return others;
}

static size_t split(struct ll_planes *planes, const uint8_t *data, size_t count, int width,
                    const uint32_t *frequent)
{
    switch (width) {
    case 1:
        return frequent ? split_others(planes, data, count, 1, *frequent)
                        : (split_all(planes, data, count, 1), count);
    case 2:
        return frequent ? split_others(planes, data, count, 2, *frequent)
                        : (split_all(planes, data, count, 2), count);
    default:
        return frequent ? split_others(planes, data, count, 4, *frequent)
                        : (split_all(planes, data, count, 4), count);
    }
}

static inline uint32_t join(const struct ll_planes *planes, size_t at, int width)
{
    uint32_t value = 0;
    for (int p = 0; p < width; p++) {
        value |= (uint32_t)planes->planes[p][at] << (8 * p);
    }
    return rotate_right(value, width);
}

static inline void join_all(const struct ll_planes *planes, uint8_t *out, size_t count, int width)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t value = join(planes, i, width);
        memcpy(out + i * (size_t)width, &value, (size_t)width);
    }
}

static inline void join_others(const struct ll_planes *planes, uint8_t *out, size_t count,
                               int width, uint32_t frequent)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        bool is_frequent = (planes->bitmap[i / 8] >> (i % 8) & 1) != 0;
        /* Behind the last of the others stands nothing that counts. */
        uint32_t other = join(planes, at, width);
        uint32_t value = is_frequent ? frequent : other;
        memcpy(out + i * (size_t)width, &value, (size_t)width);
        at += !is_frequent;
    }
}

static void join_planes(const struct ll_planes *planes, uint8_t *out, size_t count, int width,
                        const uint32_t *frequent)
{
    switch (width) {
    case 1:
        frequent ? join_others(planes, out, count, 1, *frequent) : join_all(planes, out, count, 1);
        break;
    case 2:
        frequent ? join_others(planes, out, count, 2, *frequent) : join_all(planes, out, count, 2);
        break;
    default:
        frequent ? join_others(planes, out, count, 4, *frequent) : join_all(planes, out, count, 4);
        break;
    }
}

/* ---- Encoding ---- */

/* Where encoded bytes go; `is_full`: they did not fit. */
struct writer {
    uint8_t *at;
    uint8_t *end;
    bool is_full;
};

static void put(struct writer *writer, const void *data, size_t bytes)
{
    if (bytes > (size_t)(writer->end - writer->at)) {
        writer->is_full = true;
    } else {
        memcpy(writer->at, data, bytes);
        writer->at += bytes;
    }
}

static void put_byte(struct writer *writer, int value)
{
    uint8_t byte = (uint8_t)value;
    put(writer, &byte, 1);
}

/* Bytes that a sample of a plane takes; all of it where it does not get shorter. */
static size_t try_method(struct ll_planes *planes, ll_entropy_method method, const uint8_t *sample,
                         size_t bytes)
{
    size_t used = ll_entropy_encode(planes->entropy, method, sample, bytes, planes->trial, bytes);
    return used > 0 ? used : bytes;
}

/* How a plane gets shortest; LL_ENTROPY_METHODS: not at all. */
static ll_entropy_method choose_method(struct ll_planes *planes, const uint8_t *plane, size_t bytes)
{
    const uint8_t *sample = plane;
    size_t sample_bytes = bytes;
    if (bytes > SAMPLE_BYTES) {
        size_t distance = (bytes - STRETCH_BYTES) / (STRETCHES - 1);
        for (size_t i = 0; i < STRETCHES; i++) {
            memcpy(planes->sample + i * STRETCH_BYTES, plane + i * distance, STRETCH_BYTES);
        }
        sample = planes->sample;
        sample_bytes = SAMPLE_BYTES;
    }
    size_t huffman = try_method(planes, LL_ENTROPY_HUFFMAN, sample, sample_bytes);
    size_t matches = try_method(planes, LL_ENTROPY_MATCHES, sample, sample_bytes);
    size_t least = huffman < matches ? huffman : matches;
    /* A fiftieth is not worth its time. */
    if (least >= sample_bytes - sample_bytes / 50) {
        return LL_ENTROPY_METHODS;
    }
    return huffman <= matches ? LL_ENTROPY_HUFFMAN : LL_ENTROPY_MATCHES;
}

static bool are_same(const uint8_t *data, size_t bytes)
{
    return memcmp(data, data + 1, bytes - 1) == 0;
}

static void put_part(struct ll_planes *planes, struct writer *writer, const uint8_t *data,
                     size_t bytes)
{
    if (are_same(data, bytes)) {
        put_byte(writer, PART_SAME);
        put(writer, data, 1);
        return;
    }
    ll_entropy_method method = choose_method(planes, data, bytes);
    size_t room = (size_t)(writer->end - writer->at);
    if (method != LL_ENTROPY_METHODS && room > PART_HEAD_BYTES) {
        room -= PART_HEAD_BYTES;
        size_t used = ll_entropy_encode(planes->entropy, method, data, bytes,
                                        writer->at + PART_HEAD_BYTES, room < bytes ? room : bytes);
        if (used > 0 && used + PART_HEAD_BYTES - 1 < bytes) {
            uint32_t length = (uint32_t)used;
            put_byte(writer, PART_FRAME);
            put(writer, &length, sizeof(length));
            writer->at += used;
            return;
        }
    }
    put_byte(writer, PART_RAW);
    put(writer, data, bytes);
}

/* The most frequent value of a sample, and how often it is there. */
static int find_frequent(struct ll_planes *planes, const uint8_t *data, size_t count, int width,
                         uint32_t *out_value)
{
    int most = 0;
    memset(planes->counts, 0, sizeof(planes->counts));
    for (size_t i = 0; i < SAMPLED_VALUES; i++) {
        uint32_t value = load(data + i * count / SAMPLED_VALUES * (size_t)width, width);
        uint32_t slot = value * UINT32_C(2654435761) >> 22;
        while (planes->counts[slot] > 0 && planes->seen[slot] != value) {
            slot = (slot + 1) % SAMPLE_SLOTS;
        }
        planes->seen[slot] = value;
        planes->counts[slot]++;
        if (planes->counts[slot] > most) {
            most = planes->counts[slot];
            *out_value = value;
        }
    }
    return most;
}

/* Whether a value that is so often there is shorter in a bitmap, at a bit for every value, than in
 * the planes, where Huffman's codes have a bit a byte for it. */
static bool is_worth_bitmap(int found, int width)
{
    return width == 4   ? found >= SAMPLED_VALUES / 16
           : width == 2 ? found >= SAMPLED_VALUES / 8
                        : found >= SAMPLED_VALUES / 2;
}

static void put_piece(struct ll_planes *planes, struct writer *writer, const uint8_t *data,
                      size_t bytes, int width)
{
    struct writer begin = *writer;
    size_t count = bytes / (size_t)width;
    uint32_t frequent = 0;
    int found = find_frequent(planes, data, count, width, &frequent);
    bool has_bitmap = is_worth_bitmap(found, width);
    size_t others = split(planes, data, count, width, has_bitmap ? &frequent : NULL);
    put_byte(writer, has_bitmap ? MODE_BITMAP : MODE_PLANES);
    if (has_bitmap) {
        put(writer, &frequent, (size_t)width);
        put_part(planes, writer, planes->bitmap, (count + 7) / 8);
    }
    for (int p = 0; p < width && others > 0 && !writer->is_full; p++) {
        put_part(planes, writer, planes->planes[p], others);
    }
    if (writer->is_full || (size_t)(writer->at - begin.at) > bytes) {
        *writer = begin;
        put_byte(writer, MODE_RAW);
        put(writer, data, bytes);
    }
}

size_t ll_planes_encode(struct ll_planes *planes, const struct ll_planes_values *values, void *out,
                        size_t room)
{
    struct writer writer = {.at = out, .end = (uint8_t *)out + room};
    const uint8_t *data = values->data;
    for (size_t at = 0; at < values->bytes && !writer.is_full; at += LL_PLANES_PIECE_BYTES) {
        size_t left = values->bytes - at;
        put_piece(planes, &writer, data + at,
                  left < LL_PLANES_PIECE_BYTES ? left : LL_PLANES_PIECE_BYTES, values->width);
    }
    return writer.is_full ? 0 : (size_t)(writer.at - (uint8_t *)out);
}

/* ---- Decoding ---- */

/* Encoded bytes that are left, and where they stand, for sentences. */
struct reader {
    const uint8_t *begin;
    const uint8_t *at;
    const uint8_t *end;
    struct ll_error *err;
};

/* The next bytes; NULL where there are not so many. */
static const uint8_t *take(struct reader *reader, size_t bytes)
{
    if (bytes > (size_t)(reader->end - reader->at)) {
        return NULL;
    }
    reader->at += bytes;
    return reader->at - bytes;
}

static ll_status fail(const struct reader *reader, const char *what)
{
    return ll_fail(reader->err, LL_E_INVALID, "byte %zu of its coded bytes: %s",
                   (size_t)(reader->at - reader->begin), what);
}

static ll_status take_frame(struct ll_planes *planes, struct reader *reader, uint8_t *out,
                            size_t bytes)
{
    uint32_t length = 0;
    const uint8_t *head = take(reader, sizeof(length));
    if (!head) {
        return fail(reader, "they end in a part's length");
    }
    memcpy(&length, head, sizeof(length));
    const uint8_t *frame = take(reader, length);
    if (!frame) {
        return fail(reader, "a part goes beyond their end");
    }
    return ll_entropy_decode(planes->entropy, frame, length, out, bytes)
               ? LL_OK
               : fail(reader,
                      "the part before it is not a zstd frame of the size that it must have");
}

static ll_status take_part(struct ll_planes *planes, struct reader *reader, uint8_t *out,
                           size_t bytes)
{
    const uint8_t *kind = take(reader, 1);
    if (!kind) {
        return fail(reader, "they end before a part");
    }
    if (*kind == PART_FRAME) {
        return take_frame(planes, reader, out, bytes);
    }
    if (*kind != PART_RAW && *kind != PART_SAME) {
        return fail(reader, "the part before it is of no known kind");
    }
    const uint8_t *data = take(reader, *kind == PART_RAW ? bytes : 1);
    if (!data) {
        return fail(reader, "a part goes beyond their end");
    }
    if (*kind == PART_RAW) {
        memcpy(out, data, bytes);
    } else {
        memset(out, *data, bytes);
    }
    return LL_OK;
}

/* The frequent value and where it is; how many others there are. */
static ll_status take_bitmap(struct ll_planes *planes, struct reader *reader, size_t count,
                             int width, uint32_t *out_frequent, size_t *out_others)
{
    const uint8_t *value = take(reader, (size_t)width);
    if (!value) {
        return fail(reader, "they end in a frequent value");
    }
    size_t bytes = (count + 7) / 8;
    ll_status status = take_part(planes, reader, planes->bitmap, bytes);
    if (status != LL_OK) {
        return status;
    }
    if (count % 8 != 0 && planes->bitmap[bytes - 1] >> (count % 8) != 0) {
        return fail(reader, "the bitmap before it has bits behind the last value");
    }
    size_t frequent = 0;
    for (size_t i = 0; i < bytes; i++) {
        frequent += (size_t)__builtin_popcount(planes->bitmap[i]);
    }
    *out_frequent = load(value, width);
    *out_others = count - frequent;
    return LL_OK;
}

static ll_status take_piece(struct ll_planes *planes, struct reader *reader, int width,
                            uint8_t *out, size_t bytes)
{
    size_t count = bytes / (size_t)width;
    size_t others = count;
    uint32_t frequent = 0;
    const uint8_t *mode = take(reader, 1);
    ll_status status = LL_OK;
    if (!mode) {
        return fail(reader, "they end before a piece");
    }
    if (*mode == MODE_RAW) {
        const uint8_t *data = take(reader, bytes);
        if (!data) {
            return fail(reader, "a piece goes beyond their end");
        }
        memcpy(out, data, bytes);
        return LL_OK;
    }
    if (*mode != MODE_PLANES && *mode != MODE_BITMAP) {
        return fail(reader, "the piece before it is in no known mode");
    }
    bool has_bitmap = *mode == MODE_BITMAP;
    if (has_bitmap) {
        status = take_bitmap(planes, reader, count, width, &frequent, &others);
    }
    for (int p = 0; p < width && others > 0 && status == LL_OK; p++) {
        status = take_part(planes, reader, planes->planes[p], others);
    }
    if (status == LL_OK) {
        join_planes(planes, out, count, width, has_bitmap ? &frequent : NULL);
    }
    return status;
}

ll_status ll_planes_decode(struct ll_planes *planes, const void *encoded, size_t encoded_bytes,
                           int width, void *out, size_t bytes, struct ll_error *err)
{
    const uint8_t *begin = encoded;
    struct reader reader = {.begin = begin, .at = begin, .end = begin + encoded_bytes, .err = err};
    ll_status status = LL_OK;
    for (size_t at = 0; at < bytes && status == LL_OK; at += LL_PLANES_PIECE_BYTES) {
        size_t left = bytes - at;
        status = take_piece(planes, &reader, width, (uint8_t *)out + at,
                            left < LL_PLANES_PIECE_BYTES ? left : LL_PLANES_PIECE_BYTES);
    }
    if (status == LL_OK && reader.at != reader.end) {
        status = fail(&reader, "more of them than the tensor has");
    }
    return status;
}
