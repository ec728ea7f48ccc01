/* The first byte chooses the width, the next three the values' bytes; the others are what a peer
 * sends as their coded bytes, and then values themselves. The oracle: a refusal has a sentence and
 * writes nothing beyond the tensor; what decodes is coded again and comes back as it was, and so
 * does any value. */
#include "coding/ll_planes.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/ll_fuzz.h"

enum { HEAD_BYTES = 4, MOST_BYTES = 4 * LL_PLANES_PIECE_VALUES + 4096 };

static struct ll_planes *planes;

/* Values come back as they were, from no more bytes than they have and one a piece. */
static void check_round_trip(const uint8_t *values, size_t bytes, int width)
{
    size_t room = bytes + bytes / LL_PLANES_PIECE_VALUES + 1;
    uint8_t *coded = malloc(room);
    uint8_t *back = malloc(bytes);
    REQUIRE(coded && back);
    const struct ll_planes_values all = {.data = values, .bytes = bytes, .width = width};
    size_t used = ll_planes_encode(planes, &all, coded, room);
    REQUIRE(used > 0);
    const struct ll_planes_coded sent = {.data = coded, .bytes = used, .width = width};
    REQUIRE(ll_planes_decode(planes, &sent, back, bytes, NULL) == LL_OK);
    REQUIRE(memcmp(values, back, bytes) == 0);
    free(coded);
    free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD_BYTES || (!planes && ll_planes_create(&planes) != LL_OK)) {
        return 0;
    }
    int width = 1 << data[0] % 3;
    size_t bytes = (size_t)data[1] | (size_t)data[2] << 8 | (size_t)data[3] << 16;
    bytes = (bytes % MOST_BYTES + (size_t)width) / (size_t)width * (size_t)width;
    uint8_t *out = malloc(bytes);
    struct ll_error err = {.text = ""};
    REQUIRE(out);
    const struct ll_planes_coded sent = {
        .data = data + HEAD_BYTES, .bytes = size - HEAD_BYTES, .width = width};
    ll_status status = ll_planes_decode(planes, &sent, out, bytes, &err);
    if (status == LL_OK) {
        check_round_trip(out, bytes, width);
    } else {
        REQUIRE(status == LL_E_INVALID && err.text[0] != '\0');
    }
    free(out);
    size_t whole = (size - HEAD_BYTES) / (size_t)width * (size_t)width;
    if (whole > 0) {
        check_round_trip(data + HEAD_BYTES, whole, width);
    }
    return 0;
}
