#include "coding/ll_words.h"

#include <stdbool.h>
#include <string.h>

#include "coding/ll_sample.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are little-endian on the wire");

enum {
    BYTE_BITS = 8,
    WORD_BYTES = 4,
    WORD_BITS = 32,
    /* Of words that look frequent, one in so many makes a bitmap worth its bytes and time. */
    SPARSE_ONE_IN = 16,
    /* Fewer words are not worth a look, nor words that take fewer bytes. */
    LEAST_TRIED = 64,
};

/* ---- Planes ---- */

static int plane_count(int bits)
{
    return (bits + BYTE_BITS - 1) / BYTE_BITS;
}

/* By how many bits the last plane's bytes are not full. */
static int last_free(int bits)
{
    return plane_count(bits) * BYTE_BITS - bits;
}

/* The words' bytes from the highest on. Four at a time whatever there is, which compilers have
 * interleaving instructions for. */
static void split(const uint32_t *words, size_t count, uint8_t (*planes)[LL_WORDS_MOST])
{
    const uint8_t *restrict from = (const uint8_t *)words;
    uint8_t *restrict first = planes[0];
    uint8_t *restrict second = planes[1];
    uint8_t *restrict third = planes[2];
    uint8_t *restrict fourth = planes[3];
    for (size_t i = 0; i < count; i++) {
        first[i] = from[WORD_BYTES * i + 3];
        second[i] = from[WORD_BYTES * i + 2];
        third[i] = from[WORD_BYTES * i + 1];
        fourth[i] = from[WORD_BYTES * i];
    }
}

static void join(const uint8_t *const *planes, size_t count, uint32_t *words)
{
    uint8_t *restrict to = (uint8_t *)words;
    const uint8_t *restrict first = planes[0];
    const uint8_t *restrict second = planes[1];
    const uint8_t *restrict third = planes[2];
    const uint8_t *restrict fourth = planes[3];
    for (size_t i = 0; i < count; i++) {
        to[WORD_BYTES * i] = fourth[i];
        to[WORD_BYTES * i + 1] = third[i];
        to[WORD_BYTES * i + 2] = second[i];
        to[WORD_BYTES * i + 3] = first[i];
    }
}

static size_t write_planes(struct ll_words_coder *coder, const uint32_t *words, size_t count,
                           int bits, uint8_t *out)
{
    const int last = plane_count(bits) - 1;
    const int free_bits = last_free(bits);
    size_t used = 0;
    split(words, count, coder->planes);
    if (free_bits > 0) {
        uint8_t *bytes = coder->planes[last];
        for (size_t i = 0; i < count; i++) {
            bytes[i] >>= free_bits;
        }
    }
    for (int i = 0; i <= last; i++) {
        const uint8_t *bytes = coder->planes[i];
        bool may_shrink =
            (i == last && free_bits > 0) || ll_sample_has_frequent_bytes(bytes, count);
        used += ll_part_write(&coder->part, may_shrink ? LL_PART_LITERALS : LL_PART_PLAIN, bytes,
                              count, out + used);
    }
    return used;
}

/* Moves the last plane's bits up to where words have them. */
static ll_status fill_last(const uint8_t *from, size_t count, int free_bits, uint8_t *to,
                           struct ll_error *err)
{
    uint8_t used = 0;
    for (size_t i = 0; i < count; i++) {
        used |= from[i];
        to[i] = (uint8_t)(from[i] << free_bits);
    }
    return used >> (BYTE_BITS - free_bits)
               ? ll_fail(err, LL_E_INVALID, "a plane of %d bits has bytes with more",
                         BYTE_BITS - free_bits)
               : LL_OK;
}

static ll_status read_planes(struct ll_words_coder *coder, struct ll_part_reader *reader, int bits,
                             size_t count, uint32_t *words, struct ll_error *err)
{
    const int last = plane_count(bits) - 1;
    const int free_bits = last_free(bits);
    const uint8_t *planes[LL_WORDS_PLANES] = {coder->zeros, coder->zeros, coder->zeros,
                                              coder->zeros};
    for (int i = 0; i <= last; i++) {
        ll_status status =
            ll_part_read(&coder->part, reader, count, coder->planes[i], &planes[i], err);
        if (status != LL_OK) {
            return status;
        }
    }
    if (free_bits > 0) {
        ll_status status = fill_last(planes[last], count, free_bits, coder->planes[last], err);
        if (status != LL_OK) {
            return status;
        }
        planes[last] = coder->planes[last];
    }
    join(planes, count, words);
    return LL_OK;
}

/* Whether a word has bits behind its own. */
static bool has_bits_beyond(uint32_t word, int bits)
{
    return bits < WORD_BITS && word << bits != 0;
}

/* ---- Few distinct words ---- */

/* 0: there are too many. */
static size_t write_palette(struct ll_words_coder *coder, const uint32_t *words, size_t count,
                            int bits, uint8_t *out)
{
    struct ll_palette *palette = &coder->palette;
    if (!ll_palette_make(palette, words, count)) {
        return 0;
    }
    uint8_t *places = coder->planes[0];
    size_t used = 0;
    out[used++] = (uint8_t)(palette->count - 1);
    used += write_planes(coder, palette->words, (size_t)palette->count, bits, out + used);
    ll_palette_places(palette, words, count, places);
    size_t literals = ll_part_write(&coder->part, LL_PART_LITERALS, places, count, out + used);
    size_t matches = ll_part_write(&coder->part, LL_PART_MATCHES, places, count, out + used);
    if (matches > literals) {
        matches = ll_part_write(&coder->part, LL_PART_LITERALS, places, count, out + used);
    }
    return used + matches;
}

static ll_status read_palette(struct ll_words_coder *coder, struct ll_part_reader *reader, int bits,
                              size_t count, uint32_t *words, struct ll_error *err)
{
    uint32_t *table = coder->palette.words;
    if (reader->at == reader->end) {
        return ll_fail(err, LL_E_INVALID, "the frame ends before its palette");
    }
    const size_t distinct = (size_t)*reader->at++ + 1;
    const uint8_t *places = NULL;
    ll_status status = read_planes(coder, reader, bits, distinct, table, err);
    if (status == LL_OK) {
        status = ll_part_read(&coder->part, reader, count, coder->planes[0], &places, err);
    }
    if (status != LL_OK) {
        return status;
    }
    for (size_t i = 0; i < count; i++) {
        if (places[i] >= distinct) {
            return ll_fail(err, LL_E_INVALID, "place %u in a palette of %zu", places[i], distinct);
        }
        words[i] = table[places[i]];
    }
    return LL_OK;
}

/* ---- One frequent word ---- */

static size_t write_sparse(struct ll_words_coder *coder, const uint32_t *words, size_t count,
                           int bits, uint32_t frequent, uint8_t *out)
{
    size_t others = 0;
    size_t bitmap_bytes = (count + BYTE_BITS - 1) / BYTE_BITS;
    memset(coder->bitmap, 0, bitmap_bytes);
    for (size_t i = 0; i < count; i++) {
        uint8_t is_other = words[i] != frequent;
        coder->bitmap[i / BYTE_BITS] |= (uint8_t)(is_other << i % BYTE_BITS);
        coder->others[others] = words[i];
        others += is_other;
    }
    memcpy(out, &frequent, WORD_BYTES);
    size_t used = WORD_BYTES;
    used += ll_part_write(&coder->part, LL_PART_LITERALS, coder->bitmap, bitmap_bytes, out + used);
    return used + write_planes(coder, coder->others, others, bits, out + used);
}

static size_t bits_set(const uint8_t *bytes, size_t count)
{
    size_t set = 0;
    for (size_t i = 0; i < count; i++) {
        set += (size_t)__builtin_popcount(bytes[i]);
    }
    return set;
}

static ll_status read_sparse(struct ll_words_coder *coder, struct ll_part_reader *reader, int bits,
                             size_t count, uint32_t *words, struct ll_error *err)
{
    uint32_t frequent = 0;
    const uint8_t *bitmap = NULL;
    const size_t bitmap_bytes = (count + BYTE_BITS - 1) / BYTE_BITS;
    if ((size_t)(reader->end - reader->at) < WORD_BYTES) {
        return ll_fail(err, LL_E_INVALID, "the frame ends within its frequent word");
    }
    memcpy(&frequent, reader->at, WORD_BYTES);
    reader->at += WORD_BYTES;
    if (has_bits_beyond(frequent, bits)) {
        return ll_fail(err, LL_E_INVALID, "the frequent word has more than %d bits", bits);
    }
    ll_status status =
        ll_part_read(&coder->part, reader, bitmap_bytes, coder->bitmap, &bitmap, err);
    if (status != LL_OK) {
        return status;
    }
    if (count % BYTE_BITS > 0 && bitmap[bitmap_bytes - 1] >> count % BYTE_BITS) {
        return ll_fail(err, LL_E_INVALID, "the bitmap goes on behind the last word");
    }
    size_t others = bits_set(bitmap, bitmap_bytes);
    status = read_planes(coder, reader, bits, others, coder->others, err);
    const uint32_t *next = coder->others;
    for (size_t i = 0; status == LL_OK && i < count; i++) {
        bool is_other = bitmap[i / BYTE_BITS] >> i % BYTE_BITS & 1;
        words[i] = is_other ? *next : frequent;
        next += is_other;
    }
    return status;
}

/* ---- Words ---- */

/* What is at `out` is replaced where `tried`, which has `used` bytes behind its mode, is shorter.
 */
static void take_shorter(struct ll_words_coder *coder, ll_words_mode mode, size_t used,
                         uint8_t *out, size_t *out_used)
{
    if (used > 0 && 1 + used < *out_used) {
        out[0] = (uint8_t)mode;
        memcpy(out + 1, coder->tried, used);
        *out_used = 1 + used;
    }
}

/* What pays where words are not what trained weights' are: a look at some says whether to try. */
static void try_others(struct ll_words_coder *coder, const uint32_t *words, size_t count, int bits,
                       uint8_t *out, size_t *out_used)
{
    const struct ll_sample_words sample = ll_sample_words(words, count);
    uint8_t *tried = coder->tried;
    if (sample.frequent_seen * SPARSE_ONE_IN >= sample.seen) {
        take_shorter(coder, LL_WORDS_MODE_SPARSE,
                     write_sparse(coder, words, count, bits, sample.frequent, tried), out,
                     out_used);
    }
    /* 256 words that are equally frequent show 162 in a sample of 256. */
    if (sample.distinct * 4 <= sample.seen * 3) {
        take_shorter(coder, LL_WORDS_MODE_PALETTE, write_palette(coder, words, count, bits, tried),
                     out, out_used);
    }
    /* Drafts of ordinary weights have many equal words in no order. */
    if (bits == WORD_BITS && sample.distinct * 2 <= sample.seen) {
        take_shorter(
            coder, LL_WORDS_MODE_REPEATS,
            ll_part_write_matches(&coder->part, words, count * WORD_BYTES, tried, *out_used - 1),
            out, out_used);
    }
}

size_t ll_words_write(struct ll_words_coder *coder, const uint32_t *words, size_t count, int bits,
                      uint8_t *out)
{
    out[0] = LL_WORDS_MODE_PLANES;
    size_t used = 1 + write_planes(coder, words, count, bits, out + 1);
    if (count >= LEAST_TRIED && used >= LEAST_TRIED && bits > BYTE_BITS) {
        try_others(coder, words, count, bits, out, &used);
    }
    return used;
}

static ll_status read_repeats(struct ll_words_coder *coder, struct ll_part_reader *reader, int bits,
                              size_t count, uint32_t *words, struct ll_error *err)
{
    ll_status status = ll_part_read_matches(&coder->part, reader, words, count * WORD_BYTES, err);
    uint32_t used = 0;
    for (size_t i = 0; status == LL_OK && i < count; i++) {
        used |= words[i];
    }
    if (status == LL_OK && has_bits_beyond(used, bits)) {
        return ll_fail(err, LL_E_INVALID, "words of %d bits have more", bits);
    }
    return status;
}

ll_status ll_words_read(struct ll_words_coder *coder, struct ll_part_reader *reader, int bits,
                        size_t count, uint32_t *words, struct ll_error *err)
{
    ll_status status = LL_OK;
    if (reader->at == reader->end) {
        return ll_fail(err, LL_E_INVALID, "the frame ends before its mode");
    }
    uint8_t mode = *reader->at++;
    switch (mode) {
    case LL_WORDS_MODE_PLANES:
        status = read_planes(coder, reader, bits, count, words, err);
        break;
    case LL_WORDS_MODE_PALETTE:
        status = read_palette(coder, reader, bits, count, words, err);
        break;
    case LL_WORDS_MODE_REPEATS:
        status = read_repeats(coder, reader, bits, count, words, err);
        break;
    case LL_WORDS_MODE_SPARSE:
        status = read_sparse(coder, reader, bits, count, words, err);
        break;
    default:
        return ll_fail(err, LL_E_INVALID, "the frame's mode is %u, which is none", mode);
    }
    if (status == LL_OK && reader->at != reader->end) {
        return ll_fail(err, LL_E_INVALID, "%zu bytes too many at the frame's end",
                       (size_t)(reader->end - reader->at));
    }
    return status;
}
