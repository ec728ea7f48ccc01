/* Any bytes as a network's input in lossless WebP. The oracle: a refusal has a sentence; what is
 * taken gives every byte of the planes, twice the same, and comes back from a file of our own; the
 * size that the bytes are asked for follows from their number. */
#include "vision/vision_webp.h"

#include <stdlib.h>
#include <string.h>
#include <webp/decode.h>

#include "tests/fuzz/ll_fuzz.h"

enum { SIDE_MOST = 512 };

static void decode(const uint8_t *data, size_t size, int h, int w)
{
    size_t bytes = (size_t)3 * (size_t)h * (size_t)w;
    uint8_t *first = malloc(bytes);
    uint8_t *second = malloc(bytes);
    struct ll_buf *file = NULL;
    struct ll_error err = {.text = ""};
    REQUIRE(first && second);
    memset(first, 0x55, bytes);
    memset(second, 0xaa, bytes);
    ll_status status = vision_webp_decode(data, size, h, w, first, &err);
    int64_t most_bytes = 0;
    ll_status measured = vision_webp_measure(data, size, h, w, &most_bytes, &err);
    if (status == LL_OK) {
        /* Who measures understands what the decoder does. */
        bool is_plain =
            size > 16 && memcmp(data, "RIFF", 4) == 0 && memcmp(data + 8, "WEBPVP8L", 8) == 0;
        REQUIRE(measured == LL_OK || !is_plain);
        REQUIRE(vision_webp_decode(data, size, h, w, second, &err) == LL_OK);
        REQUIRE(memcmp(first, second, bytes) == 0);
        REQUIRE(vision_webp_encode(first, h, w, &file, &err) == LL_OK);
        memset(second, 0xaa, bytes);
        REQUIRE(vision_webp_decode(ll_buf_data(file), ll_buf_bytes(file), h, w, second, &err) ==
                LL_OK);
        REQUIRE(memcmp(first, second, bytes) == 0);
        ll_buf_unref(file);
    } else {
        REQUIRE(status == LL_E_INVALID || status == LL_E_NO_MEMORY);
        REQUIRE(err.text[0] != '\0');
    }
    free(first);
    free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int w = 0;
    int h = 0;
    /* What the file itself says, where that is small, and something else. */
    if (WebPGetInfo(data, size, &w, &h) && w <= SIDE_MOST && h <= SIDE_MOST) {
        decode(data, size, h, w);
    }
    decode(data, size, 1 + (int)(size % 7), 1 + (int)(size % 5));
    return 0;
}
