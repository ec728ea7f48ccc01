/* Between f32 and words. Rounding to k bits is an addition to the f32's 32 bits as an integer, of
 * which the upper 9+k bits are the draft's and the lower 23-k, as a signed number, the rest's:
 * their sum, which wraps around, is every bit pattern again.
 *
 * In words the sign stands behind the mantissa, so that the exponent has a byte of its own. */
#include "coding/ll_frame.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "coding/ll_part.h"
#include "coding/ll_words.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "frames are little-endian on the wire");

enum {
    WORD_BYTES = 4,
    WORD_BITS = 32,
    MANTISSA_BITS = 23,
    SIGN_AND_EXPONENT_BITS = 9,
    EXPONENT_MASK = 0xff,
};

struct ll_frame_coder {
    struct ll_words_coder words_coder;
    uint32_t words[LL_WORDS_MOST];
};

_Static_assert(LL_WORDS_MOST *WORD_BYTES == LL_FRAME_BYTES, "a frame's words");

ll_status ll_frame_coder_create(struct ll_frame_coder **out_coder)
{
    struct ll_frame_coder *coder = calloc(1, sizeof(*coder));
    if (!coder) {
        return LL_E_NO_MEMORY;
    }
    ll_status status = ll_part_coder_init(&coder->words_coder.part);
    if (status != LL_OK) {
        ll_frame_coder_destroy(coder);
        return status;
    }
    *out_coder = coder;
    return LL_OK;
}

void ll_frame_coder_destroy(struct ll_frame_coder *coder)
{
    if (coder) {
        ll_part_coder_finish(&coder->words_coder.part);
        free(coder);
    }
}

/* ---- f32 and words ---- */

static uint32_t load(const uint8_t *data, size_t index)
{
    uint32_t value = 0;
    memcpy(&value, data + index * WORD_BYTES, sizeof(value));
    return value;
}

static void store(uint8_t *data, size_t index, uint32_t value)
{
    memcpy(data + index * WORD_BYTES, &value, sizeof(value));
}

static void words_of(const uint8_t *data, size_t count, uint32_t *words)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t value = load(data, i);
        words[i] = value << 1 | value >> (WORD_BITS - 1);
    }
}

static void words_of_difference(const uint8_t *data, const uint8_t *base, size_t count,
                                uint32_t *words)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t difference = load(data, i) - load(base, i);
        words[i] = difference << 1 ^ -(difference >> (WORD_BITS - 1));
    }
}

static void data_of_words(const uint32_t *words, size_t count, uint8_t *out)
{
    for (size_t i = 0; i < count; i++) {
        store(out, i, words[i] >> 1 | words[i] << (WORD_BITS - 1));
    }
}

static void data_of_difference(const uint32_t *words, const uint8_t *base, size_t count,
                               uint8_t *restrict out)
{
    for (size_t i = 0; i < count; i++) {
        store(out, i, load(base, i) + (words[i] >> 1 ^ -(words[i] & 1)));
    }
}

/* The bits that a draft does not have. */
static int low_bits(const struct ll_frame_draft *draft)
{
    return MANTISSA_BITS - draft->mantissa_bits;
}

/* The draft's f32, as bits. */
static uint32_t nearest(uint32_t value, int low)
{
    return (value + (1U << (low - 1))) >> low << low;
}

static void words_of_rounded(const uint8_t *data, size_t count, int low, uint32_t *words)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t value = nearest(load(data, i), low);
        words[i] = value << 1 | value >> (WORD_BITS - 1) << low;
    }
}

static void rounded_of_words(const uint32_t *words, size_t count, int low, uint8_t *out)
{
    const uint32_t mask = ~0U << low;
    for (size_t i = 0; i < count; i++) {
        store(out, i, (words[i] >> 1 & mask) | words[i] >> low << (WORD_BITS - 1));
    }
}

static void words_of_rest(const uint8_t *data, size_t count, int low, uint32_t *words)
{
    /* The draft's weight, which is subtracted, has no bits there. */
    for (size_t i = 0; i < count; i++) {
        words[i] = load(data, i) << (WORD_BITS - low);
    }
}

/* Adds the rest's words, as signed numbers, to the draft's f32. */
static void add_rest(const uint32_t *words, size_t count, int low, uint8_t *out)
{
    const uint32_t sign = 1U << (low - 1);
    for (size_t i = 0; i < count; i++) {
        store(out, i, load(out, i) + ((words[i] >> (WORD_BITS - low) ^ sign) - sign));
    }
}

/* ---- What is exact ---- */

static bool is_frame(size_t bytes)
{
    return bytes > 0 && bytes <= LL_FRAME_BYTES && bytes % WORD_BYTES == 0;
}

static void check_draft(const struct ll_frame_draft *draft, size_t bytes)
{
    assert(draft->mantissa_bits >= 1 && draft->mantissa_bits <= LL_FRAME_MANTISSA_MOST);
    assert(draft->exact_bytes % WORD_BYTES == 0 && draft->exact_bytes <= bytes);
    assert(draft->exact_tail_bytes % WORD_BYTES == 0);
    assert(draft->exact_tail_bytes <= bytes - draft->exact_bytes);
    (void)draft;
    (void)bytes;
}

static size_t exact_bytes(const struct ll_frame_draft *draft)
{
    return draft->exact_bytes + draft->exact_tail_bytes;
}

/* How many of the frame's f32 are rounded. */
static size_t rounded_count(const struct ll_frame_draft *draft, size_t bytes)
{
    return (bytes - exact_bytes(draft)) / WORD_BYTES;
}

/* ---- Encoding ---- */

/* The words that `coder` holds, as a frame that may also go as it is. */
static size_t write_frame(struct ll_frame_coder *coder, size_t bytes, uint8_t *out)
{
    size_t used =
        ll_words_write(&coder->words_coder, coder->words, bytes / WORD_BYTES, WORD_BITS, out);
    return used < bytes ? used : 0;
}

size_t ll_frame_encode(struct ll_frame_coder *coder, const struct ll_frame *frame, void *out)
{
    if (!is_frame(frame->bytes)) {
        return 0;
    }
    words_of(frame->data, frame->bytes / WORD_BYTES, coder->words);
    return write_frame(coder, frame->bytes, out);
}

size_t ll_frame_encode_delta(struct ll_frame_coder *coder, const struct ll_frame *frame,
                             const void *base, void *out)
{
    if (!is_frame(frame->bytes)) {
        return 0;
    }
    words_of_difference(frame->data, base, frame->bytes / WORD_BYTES, coder->words);
    return write_frame(coder, frame->bytes, out);
}

/* Head and tail, one behind the other, as a frame of its own behind its length. */
static size_t write_exact(struct ll_frame_coder *coder, const struct ll_frame *frame,
                          const struct ll_frame_draft *draft, uint8_t *out)
{
    const size_t bytes = exact_bytes(draft);
    const uint8_t *head = frame->data;
    const uint8_t *tail = head + frame->bytes - draft->exact_tail_bytes;
    const size_t head_count = draft->exact_bytes / WORD_BYTES;
    words_of(head, head_count, coder->words);
    words_of(tail, draft->exact_tail_bytes / WORD_BYTES, coder->words + head_count);
    size_t used = write_frame(coder, bytes, out + LL_PART_HEAD_BYTES);
    uint8_t length[LL_PART_HEAD_BYTES];
    size_t length_bytes = ll_part_write_varint(used > 0 ? used : bytes, length);
    if (used > 0) {
        memmove(out + length_bytes, out + LL_PART_HEAD_BYTES, used);
    } else {
        used = bytes;
        memcpy(out + length_bytes, head, draft->exact_bytes);
        memcpy(out + length_bytes + draft->exact_bytes, tail, draft->exact_tail_bytes);
    }
    memcpy(out, length, length_bytes);
    return length_bytes + used;
}

size_t ll_frame_encode_draft(struct ll_frame_coder *coder, const struct ll_frame *frame,
                             const struct ll_frame_draft *draft, void *out)
{
    if (!is_frame(frame->bytes)) {
        return 0;
    }
    check_draft(draft, frame->bytes);
    size_t used = exact_bytes(draft) > 0 ? write_exact(coder, frame, draft, out) : 0;
    size_t count = rounded_count(draft, frame->bytes);
    if (count > 0) {
        words_of_rounded((const uint8_t *)frame->data + draft->exact_bytes, count, low_bits(draft),
                         coder->words);
        used +=
            ll_words_write(&coder->words_coder, coder->words, count,
                           SIGN_AND_EXPONENT_BITS + draft->mantissa_bits, (uint8_t *)out + used);
    }
    return used;
}

size_t ll_frame_encode_rest(struct ll_frame_coder *coder, const struct ll_frame *frame,
                            const struct ll_frame_draft *draft, void *out)
{
    if (!is_frame(frame->bytes)) {
        return 0;
    }
    check_draft(draft, frame->bytes);
    size_t count = rounded_count(draft, frame->bytes);
    if (count == 0) {
        return 0;
    }
    words_of_rest((const uint8_t *)frame->data + draft->exact_bytes, count, low_bits(draft),
                  coder->words);
    return ll_words_write(&coder->words_coder, coder->words, count, low_bits(draft), out);
}

/* ---- Decoding ---- */

static struct ll_part_reader reader_of(const struct ll_frame *encoded)
{
    const uint8_t *data = encoded->data;
    return (struct ll_part_reader){.at = data, .end = data + encoded->bytes};
}

static ll_status check_bytes(size_t bytes, struct ll_error *err)
{
    return is_frame(bytes) ? LL_OK
                           : ll_fail(err, LL_E_INVALID,
                                     "a frame of %zu bytes, which are not 4 to %d and whole f32",
                                     bytes, LL_FRAME_BYTES);
}

/* The words of a frame that may also go as it is, into `coder`. */
static ll_status read_frame(struct ll_frame_coder *coder, const struct ll_frame *encoded,
                            size_t bytes, struct ll_error *err)
{
    struct ll_part_reader reader = reader_of(encoded);
    ll_status status = check_bytes(bytes, err);
    return status == LL_OK ? ll_words_read(&coder->words_coder, &reader, WORD_BITS,
                                           bytes / WORD_BYTES, coder->words, err)
                           : status;
}

ll_status ll_frame_decode(struct ll_frame_coder *coder, const struct ll_frame *encoded,
                          size_t bytes, void *out, struct ll_error *err)
{
    ll_status status = read_frame(coder, encoded, bytes, err);
    if (status == LL_OK) {
        data_of_words(coder->words, bytes / WORD_BYTES, out);
    }
    return status;
}

ll_status ll_frame_decode_delta(struct ll_frame_coder *coder, const struct ll_frame *encoded,
                                const void *base, size_t bytes, void *out, struct ll_error *err)
{
    ll_status status = read_frame(coder, encoded, bytes, err);
    if (status == LL_OK) {
        data_of_difference(coder->words, base, bytes / WORD_BYTES, out);
    }
    return status;
}

/* What is exact, behind its length. */
static ll_status read_exact(struct ll_frame_coder *coder, struct ll_part_reader *reader,
                            const struct ll_frame_draft *draft, size_t bytes, uint8_t *out,
                            struct ll_error *err)
{
    const size_t exact = exact_bytes(draft);
    const size_t head_count = draft->exact_bytes / WORD_BYTES;
    size_t length = 0;
    ll_status status =
        ll_part_read_varint(reader, "the length of what is exact", exact, &length, err);
    if (status != LL_OK) {
        return status;
    }
    if (length > (size_t)(reader->end - reader->at)) {
        return ll_fail(err, LL_E_INVALID, "%zu exact bytes, of which %zu are there", length,
                       (size_t)(reader->end - reader->at));
    }
    struct ll_part_reader own = {.at = reader->at, .end = reader->at + length};
    uint8_t *tail = out + bytes - draft->exact_tail_bytes;
    reader->at += length;
    if (length == exact) {
        memcpy(out, own.at, draft->exact_bytes);
        memcpy(tail, own.at + draft->exact_bytes, draft->exact_tail_bytes);
        return LL_OK;
    }
    status =
        ll_words_read(&coder->words_coder, &own, WORD_BITS, exact / WORD_BYTES, coder->words, err);
    if (status == LL_OK) {
        data_of_words(coder->words, head_count, out);
        data_of_words(coder->words + head_count, draft->exact_tail_bytes / WORD_BYTES, tail);
    }
    return status;
}

ll_status ll_frame_decode_draft(struct ll_frame_coder *coder, const struct ll_frame *encoded,
                                const struct ll_frame_draft *draft, size_t bytes, void *out,
                                struct ll_error *err)
{
    struct ll_part_reader reader = reader_of(encoded);
    ll_status status = check_bytes(bytes, err);
    if (status != LL_OK) {
        return status;
    }
    check_draft(draft, bytes);
    if (exact_bytes(draft) > 0) {
        status = read_exact(coder, &reader, draft, bytes, out, err);
    }
    size_t count = rounded_count(draft, bytes);
    if (status == LL_OK && count > 0) {
        status =
            ll_words_read(&coder->words_coder, &reader,
                          SIGN_AND_EXPONENT_BITS + draft->mantissa_bits, count, coder->words, err);
    }
    if (status != LL_OK) {
        return status;
    }
    if (reader.at != reader.end) {
        return ll_fail(err, LL_E_INVALID, "%zu bytes too many at the frame's end",
                       (size_t)(reader.end - reader.at));
    }
    rounded_of_words(coder->words, count, low_bits(draft), (uint8_t *)out + draft->exact_bytes);
    return LL_OK;
}

ll_status ll_frame_decode_rest(struct ll_frame_coder *coder, const struct ll_frame *encoded,
                               const struct ll_frame_draft *draft, const struct ll_frame *rounded,
                               void *out, struct ll_error *err)
{
    struct ll_part_reader reader = reader_of(encoded);
    ll_status status = check_bytes(rounded->bytes, err);
    if (status != LL_OK) {
        return status;
    }
    check_draft(draft, rounded->bytes);
    size_t count = rounded_count(draft, rounded->bytes);
    if (count == 0) {
        return ll_fail(err, LL_E_INVALID, "the frame is exact in the draft and has no rest");
    }
    status = ll_words_read(&coder->words_coder, &reader, low_bits(draft), count, coder->words, err);
    if (status != LL_OK) {
        return status;
    }
    if (out != rounded->data) {
        memcpy(out, rounded->data, rounded->bytes);
    }
    add_rest(coder->words, count, low_bits(draft), (uint8_t *)out + draft->exact_bytes);
    return LL_OK;
}

/* ---- Rounding ---- */

bool ll_frame_round(const void *data, size_t bytes, const struct ll_frame_draft *draft, void *out)
{
    check_draft(draft, bytes);
    const int low = low_bits(draft);
    const size_t count = rounded_count(draft, bytes);
    /* Where `out` is `data`, each value is read before it is written. */
    uint8_t *values = out;
    if (out != data) {
        memcpy(out, data, bytes);
    }
    values += draft->exact_bytes;
    uint32_t exponents = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t value = load(values, i);
        uint32_t near = nearest(value, low);
        exponents |= (value >> MANTISSA_BITS & EXPONENT_MASK) == EXPONENT_MASK;
        exponents |= (near >> MANTISSA_BITS & EXPONENT_MASK) == EXPONENT_MASK;
        store(values, i, near);
    }
    return exponents == 0;
}
