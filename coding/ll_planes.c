/* A piece, as docs/protocol.md has it ("Coded tensors"):
 *
 *     mode 0   the piece's bytes
 *     mode 1   a part (ll_part.h) for each plane of all values, the lowest byte's first
 *     mode 2   the frequent value, the part of the bitmap (bit i % 8 of byte i / 8: value i is that
 *              one), and a part for each plane of the other values; none where there are no others
 *
 * The encoder is free in what it chooses; these choices are guesses from samples, which cost an
 * eighth of what coding a plane both ways would. What one piece's samples say holds for the next
 * one less well than it saves time. */
#include "coding/ll_planes.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "coding/ll_part.h"

_Static_assert((int)LL_PLANES_PIECE_VALUES <= (int)LL_PART_BYTES, "a plane is a part");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are little-endian");

enum {
    MODE_RAW,
    MODE_PLANES,
    MODE_BITMAP,
};

enum {
    PLANES_MOST = 4,
    BITMAP_BYTES = LL_PLANES_PIECE_VALUES / 8,
    /* More than any piece takes: mode, frequent value, bitmap, planes, and a head for each part. */
    PIECE_ROOM = 1 + PLANES_MOST + BITMAP_BYTES + PLANES_MOST * LL_PLANES_PIECE_VALUES +
                 (PLANES_MOST + 1) * LL_PART_HEAD_BYTES,
    /* Looked at to find a frequent value; the table has twice the room. */
    SAMPLED_VALUES = 512,
    SAMPLE_SLOTS = 2 * SAMPLED_VALUES,
    /* Of a plane: stretches at equal distances, long enough for repetition to show. */
    STRETCHES = 4,
    STRETCH_BYTES = 2048,
    SAMPLE_BYTES = STRETCHES * STRETCH_BYTES,
};

struct ll_planes {
    struct ll_part_coder parts;
    /* One value more than fits: what is not kept is written, too. */
    uint8_t planes[PLANES_MOST][LL_PLANES_PIECE_VALUES + 1];
    uint8_t bitmap[BITMAP_BYTES];
    uint8_t piece[PIECE_ROOM];
    uint8_t sample[SAMPLE_BYTES];
    uint8_t trial[SAMPLE_BYTES + LL_PART_HEAD_BYTES];
    uint32_t seen[SAMPLE_SLOTS];
    uint16_t counts[SAMPLE_SLOTS];
};

ll_status ll_planes_create(struct ll_planes **out_planes)
{
    struct ll_planes *planes = calloc(1, sizeof(*planes));
    if (!planes) {
        return LL_E_NO_MEMORY;
    }
    ll_status status = ll_part_coder_init(&planes->parts);
    if (status != LL_OK) {
        ll_planes_destroy(planes);
        return status;
    }
    ll_part_coder_hurry(&planes->parts);
    *out_planes = planes;
    return LL_OK;
}

void ll_planes_destroy(struct ll_planes *planes)
{
    if (planes) {
        ll_part_coder_finish(&planes->parts);
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

/* Without branches, which nobody could predict. */
static inline void join_others(const struct ll_planes *planes, uint8_t *out, size_t count,
                               int width, uint32_t frequent)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t is_frequent = planes->bitmap[i / 8] >> (i % 8) & 1U;
        /* Behind the last of the others stands nothing that counts. */
        uint32_t other = join(planes, at, width);
        uint32_t value = other ^ ((other ^ frequent) & (0 - is_frequent));
        memcpy(out + i * (size_t)width, &value, (size_t)width);
        at += 1 - is_frequent;
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

/* The form in which a plane, or the bitmap, gets shortest, by samples of it. */
static ll_part_form choose_form(struct ll_planes *planes, const uint8_t *data, size_t bytes)
{
    size_t sample_bytes = bytes;
    if (bytes > SAMPLE_BYTES) {
        size_t distance = (bytes - STRETCH_BYTES) / (STRETCHES - 1);
        for (size_t i = 0; i < STRETCHES; i++) {
            memcpy(planes->sample + i * STRETCH_BYTES, data + i * distance, STRETCH_BYTES);
        }
        data = planes->sample;
        sample_bytes = SAMPLE_BYTES;
    }
    size_t literals =
        ll_part_write(&planes->parts, LL_PART_LITERALS, data, sample_bytes, planes->trial);
    size_t matches =
        ll_part_write(&planes->parts, LL_PART_MATCHES, data, sample_bytes, planes->trial);
    size_t least = literals < matches ? literals : matches;
    /* A fiftieth is not worth its time. */
    if (least >= sample_bytes - sample_bytes / 50) {
        return LL_PART_PLAIN;
    }
    return literals <= matches ? LL_PART_LITERALS : LL_PART_MATCHES;
}

static size_t write_part(struct ll_planes *planes, const uint8_t *data, size_t bytes, uint8_t *out)
{
    return ll_part_write(&planes->parts, choose_form(planes, data, bytes), data, bytes, out);
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

/* Writes a piece to planes->piece; returns how long it is. */
static size_t write_piece(struct ll_planes *planes, const uint8_t *data, size_t count, int width)
{
    uint32_t frequent = 0;
    uint8_t *out = planes->piece;
    int found = find_frequent(planes, data, count, width, &frequent);
    bool has_bitmap = is_worth_bitmap(found, width);
    size_t others = split(planes, data, count, width, has_bitmap ? &frequent : NULL);
    *out++ = has_bitmap ? MODE_BITMAP : MODE_PLANES;
    if (has_bitmap) {
        memcpy(out, &frequent, (size_t)width);
        out += width;
        out += write_part(planes, planes->bitmap, (count + 7) / 8, out);
    }
    for (int p = 0; p < width && others > 0; p++) {
        out += write_part(planes, planes->planes[p], others, out);
    }
    size_t bytes = count * (size_t)width;
    if ((size_t)(out - planes->piece) > bytes) {
        out = planes->piece;
        *out++ = MODE_RAW;
        memcpy(out, data, bytes);
        out += bytes;
    }
    return (size_t)(out - planes->piece);
}

/* Values of the next piece. */
static size_t piece_values(size_t left_bytes, int width)
{
    size_t left = left_bytes / (size_t)width;
    return left < LL_PLANES_PIECE_VALUES ? left : LL_PLANES_PIECE_VALUES;
}

size_t ll_planes_encode(struct ll_planes *planes, const struct ll_planes_values *values, void *out,
                        size_t room)
{
    size_t used = 0;
    for (size_t at = 0; at < values->bytes;) {
        size_t count = piece_values(values->bytes - at, values->width);
        size_t bytes =
            write_piece(planes, (const uint8_t *)values->data + at, count, values->width);
        if (bytes > room - used) {
            return 0;
        }
        memcpy((uint8_t *)out + used, planes->piece, bytes);
        used += bytes;
        at += count * (size_t)values->width;
    }
    return used;
}

/* ---- Decoding ---- */

/* The next bytes; NULL where there are not so many. */
static const uint8_t *take(struct ll_part_reader *reader, size_t bytes)
{
    if (bytes > (size_t)(reader->end - reader->at)) {
        return NULL;
    }
    reader->at += bytes;
    return reader->at - bytes;
}

/* A part, into `out`. */
static ll_status take_part(struct ll_planes *planes, struct ll_part_reader *reader, uint8_t *out,
                           size_t bytes, struct ll_error *err)
{
    const uint8_t *data = out;
    ll_status status = ll_part_read(&planes->parts, reader, bytes, out, &data, err);
    if (status == LL_OK && data != out) {
        memcpy(out, data, bytes);
    }
    return status;
}

/* A piece while it is read. */
struct piece {
    size_t count;
    int width;
    bool has_bitmap;
    uint32_t frequent;
    /* Values that are in the planes. */
    size_t others;
};

/* The frequent value and where it is. */
static ll_status take_bitmap(struct ll_planes *planes, struct ll_part_reader *reader,
                             struct piece *piece, struct ll_error *err)
{
    const uint8_t *value = take(reader, (size_t)piece->width);
    if (!value) {
        return ll_fail(err, LL_E_INVALID, "they end in a frequent value");
    }
    size_t bytes = (piece->count + 7) / 8;
    ll_status status = take_part(planes, reader, planes->bitmap, bytes, err);
    if (status != LL_OK) {
        return status;
    }
    if (piece->count % 8 != 0 && planes->bitmap[bytes - 1] >> (piece->count % 8) != 0) {
        return ll_fail(err, LL_E_INVALID, "a bitmap has bits behind the last value");
    }
    size_t frequent = 0;
    for (size_t i = 0; i < bytes; i++) {
        frequent += (size_t)__builtin_popcount(planes->bitmap[i]);
    }
    piece->has_bitmap = true;
    piece->frequent = load(value, piece->width);
    piece->others = piece->count - frequent;
    return LL_OK;
}

static ll_status take_raw(struct ll_part_reader *reader, uint8_t *out, size_t bytes,
                          struct ll_error *err)
{
    const uint8_t *data = take(reader, bytes);
    if (!data) {
        return ll_fail(err, LL_E_INVALID, "a piece of %zu bytes, of which %zu are there", bytes,
                       (size_t)(reader->end - reader->at));
    }
    memcpy(out, data, bytes);
    return LL_OK;
}

static ll_status take_piece(struct ll_planes *planes, struct ll_part_reader *reader,
                            struct piece *piece, uint8_t *out, struct ll_error *err)
{
    const uint8_t *mode = take(reader, 1);
    ll_status status = LL_OK;
    if (!mode) {
        return ll_fail(err, LL_E_INVALID, "they end before a piece");
    }
    if (*mode == MODE_RAW) {
        return take_raw(reader, out, piece->count * (size_t)piece->width, err);
    }
    if (*mode != MODE_PLANES && *mode != MODE_BITMAP) {
        return ll_fail(err, LL_E_INVALID, "a piece in mode %d, which there is not", *mode);
    }
    if (*mode == MODE_BITMAP) {
        status = take_bitmap(planes, reader, piece, err);
    }
    for (int p = 0; p < piece->width && piece->others > 0 && status == LL_OK; p++) {
        status = take_part(planes, reader, planes->planes[p], piece->others, err);
    }
    if (status == LL_OK) {
        join_planes(planes, out, piece->count, piece->width,
                    piece->has_bitmap ? &piece->frequent : NULL);
    }
    return status;
}

ll_status ll_planes_decode(struct ll_planes *planes, const struct ll_planes_coded *coded, void *out,
                           size_t bytes, struct ll_error *err)
{
    const uint8_t *begin = coded->data;
    struct ll_part_reader reader = {.at = begin, .end = begin + coded->bytes};
    ll_status status = LL_OK;
    for (size_t at = 0; at < bytes && status == LL_OK;) {
        size_t count = piece_values(bytes - at, coded->width);
        struct piece piece = {.count = count, .width = coded->width, .others = count};
        status = take_piece(planes, &reader, &piece, (uint8_t *)out + at, err);
        at += count * (size_t)coded->width;
    }
    if (status == LL_OK && reader.at != reader.end) {
        status = ll_fail(err, LL_E_INVALID, "more of them than the tensor has");
    }
    if (status != LL_OK) {
        ll_error_prefix(err, "coded bytes, by byte %zu", (size_t)(reader.at - begin));
    }
    return status;
}
