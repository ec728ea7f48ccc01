/* Any bytes as a frame of weights. Five bytes choose what is done: the kind of frame (whole, delta,
 * draft, rest; from 4 on the same for encoding), bits of mantissa, words, and which of these are
 * exact. The other bytes are an encoded frame, or the weights themselves.
 *
 * The oracle: a refusal has a sentence; what is accepted gives the same bytes each time, whatever
 * was there before, and these come back when they are encoded; weights come back in any kind,
 * within the promised size. One coder sees all inputs, and must not
 * remember any. Memory ends where frames end, for AddressSanitizer. */
#include "coding/ll_frame.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/ll_fuzz.h"

typedef enum { WHOLE, DELTA, DRAFT, REST, KINDS } frame_kind;

enum { HEAD_BYTES = 5, COUNT_STEP = 67, BASE_BYTE = 0x3b };

struct subject {
    struct ll_frame_coder *coder;
    frame_kind kind;
    struct ll_frame_draft draft;
    size_t bytes;
    /* What a delta differs from, and what a rest is added to. */
    uint8_t *base;
};

static uint8_t *take_memory(size_t bytes, int fill)
{
    uint8_t *memory = malloc(bytes);
    REQUIRE(memory);
    memset(memory, fill, bytes);
    return memory;
}

static size_t encode(struct subject *subject, const uint8_t *data, uint8_t *out)
{
    const struct ll_frame frame = {data, subject->bytes};
    switch (subject->kind) {
    case DELTA:
        return ll_frame_encode_delta(subject->coder, &frame, subject->base, out);
    case DRAFT:
        return ll_frame_encode_draft(subject->coder, &frame, &subject->draft, out);
    case REST:
        return ll_frame_encode_rest(subject->coder, &frame, &subject->draft, out);
    default:
        return ll_frame_encode(subject->coder, &frame, out);
    }
}

static ll_status decode(struct subject *subject, const struct ll_frame *encoded, uint8_t *out)
{
    struct ll_error err = {.text = ""};
    const struct ll_frame base = {subject->base, subject->bytes};
    ll_status status = LL_OK;
    switch (subject->kind) {
    case DELTA:
        status = ll_frame_decode_delta(subject->coder, encoded, subject->base, subject->bytes, out,
                                       &err);
        break;
    case DRAFT:
        status = ll_frame_decode_draft(subject->coder, encoded, &subject->draft, subject->bytes,
                                       out, &err);
        break;
    case REST:
        status = ll_frame_decode_rest(subject->coder, encoded, &subject->draft, &base, out, &err);
        break;
    default:
        status = ll_frame_decode(subject->coder, encoded, subject->bytes, out, &err);
        break;
    }
    REQUIRE(status == LL_OK || (status == LL_E_INVALID && err.text[0] != '\0'));
    return status;
}

/* Encodes weights and has them back, a draft's rounded. */
static void check_round_trip(struct subject *subject, const uint8_t *weights)
{
    uint8_t *encoded = take_memory(LL_FRAME_ENCODED_BYTES, 0);
    uint8_t *out = take_memory(subject->bytes, 0x55);
    uint8_t *expected = take_memory(subject->bytes, 0);
    const bool is_exact =
        subject->draft.exact_bytes + subject->draft.exact_tail_bytes == subject->bytes;
    memcpy(expected, weights, subject->bytes);
    if (subject->kind == DRAFT) {
        (void)!ll_frame_round(weights, subject->bytes, &subject->draft, expected);
    }
    if (subject->kind == REST) {
        (void)!ll_frame_round(weights, subject->bytes, &subject->draft, subject->base);
    }
    size_t used = encode(subject, weights, encoded);
    REQUIRE(used <= LL_FRAME_ENCODED_BYTES);
    REQUIRE(used < subject->bytes || subject->kind >= DRAFT);
    REQUIRE((used == 0) == (subject->kind == REST && is_exact) || subject->kind < DRAFT);
    if (used > 0) {
        uint8_t *cut = take_memory(used, 0);
        const struct ll_frame frame = {cut, used};
        memcpy(cut, encoded, used);
        REQUIRE(decode(subject, &frame, out) == LL_OK);
        REQUIRE(memcmp(out, expected, subject->bytes) == 0);
        free(cut);
    }
    free(encoded);
    free(out);
    free(expected);
}

static void check_decoding(struct subject *subject, const uint8_t *data, size_t size)
{
    const struct ll_frame frame = {data, size};
    uint8_t *first = take_memory(subject->bytes, 0x55);
    uint8_t *second = take_memory(subject->bytes, 0xaa);
    ll_status status = decode(subject, &frame, first);
    REQUIRE(decode(subject, &frame, second) == status);
    if (status == LL_OK) {
        REQUIRE(memcmp(first, second, subject->bytes) == 0);
        check_round_trip(subject, first);
    }
    free(first);
    free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size <= HEAD_BYTES) {
        return 0;
    }
    static struct ll_frame_coder *coder;
    REQUIRE(coder || ll_frame_coder_create(&coder) == LL_OK);
    const size_t count = 1 + (size_t)data[2] * COUNT_STEP % (LL_FRAME_BYTES / 4);
    const size_t head = data[3] * count / UINT8_MAX;
    struct subject subject = {
        .coder = coder,
        .kind = (frame_kind)(data[0] % KINDS),
        .draft = {.mantissa_bits = 1 + data[1] % LL_FRAME_MANTISSA_MOST,
                  .exact_bytes = head * 4,
                  .exact_tail_bytes = data[4] * (count - head) / UINT8_MAX * 4},
        .bytes = count * 4,
        .base = take_memory(count * 4, BASE_BYTE),
    };
    if (data[0] / KINDS % 2 == 0) {
        check_decoding(&subject, data + HEAD_BYTES, size - HEAD_BYTES);
    } else {
        uint8_t *weights = take_memory(subject.bytes, 0);
        for (size_t i = 0; i < subject.bytes; i++) {
            weights[i] = data[HEAD_BYTES + i % (size - HEAD_BYTES)];
        }
        check_round_trip(&subject, weights);
        free(weights);
    }
    free(subject.base);
    return 0;
}
