/* Any bytes as the .weights file of a small model with every kind of weights that is turned. The
 * oracle: a file is taken exactly if its header and its size say so, and every blob then has the
 * table's size, lies within the file or is a copy, and is aligned. */
#include "darknet_backend/network/dkb_weights.h"

#include <stdlib.h>
#include <string.h>

#include "darknet_backend/network/dkb_network.h"
#include "tests/fuzz/ll_fuzz.h"

/* 3 floats, none, 6 floats. */
static const char cfg[] = "[net]\nwidth=1\nheight=1\nchannels=2\n[conv]\nflipped=1\n[avgpool]\n"
                          "[connected]\noutput=3\n";
enum { LAYERS = 3, MODEL_BYTES = 36 };

static size_t header_bytes(const uint8_t *data)
{
    int32_t version[2];
    memcpy(version, data, sizeof(version));
    int64_t sum = (int64_t)version[0] * 10 + version[1];
    return sum >= 2 && version[0] < 1000 && version[1] < 1000 ? 20 : 16;
}

static void check_blobs(const struct ll_network *network, struct ll_buf *const *blobs)
{
    for (int i = 0; i < LAYERS; i++) {
        size_t bytes = (size_t)network->table.layers[i].blob_bytes;
        REQUIRE((blobs[i] != NULL) == (bytes > 0));
        if (!blobs[i]) {
            continue;
        }
        REQUIRE(ll_buf_bytes(blobs[i]) == bytes);
        REQUIRE((uintptr_t)ll_buf_data(blobs[i]) % sizeof(float) == 0);
        /* So that AddressSanitizer sees every byte read. */
        const uint8_t *blob = ll_buf_data(blobs[i]);
        volatile uint8_t seen = 0;
        for (size_t b = 0; b < bytes; b++) {
            seen = blob[b];
        }
        (void)seen;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ll_network *network = NULL;
    struct ll_buf *file = NULL;
    struct ll_buf *blobs[LAYERS];
    struct ll_error err = {.text = ""};
    REQUIRE(dkb_network_parse(cfg, sizeof(cfg) - 1, &network, NULL) == LL_OK);
    REQUIRE(network->table.blob_bytes == MODEL_BYTES);
    REQUIRE(ll_buf_copy(data, size, &file) == LL_OK);
    ll_status status = dkb_weights_slice(network, file, blobs, &err);
    ll_buf_unref(file);
    bool is_good = size >= 16 && size == header_bytes(data) + MODEL_BYTES;
    REQUIRE(status == (is_good ? LL_OK : LL_E_INVALID));
    if (status == LL_OK) {
        check_blobs(network, blobs);
        dkb_weights_unref(blobs, LAYERS);
    } else {
        REQUIRE(err.text[0] != '\0');
    }
    ll_network_unref(network);
    return 0;
}
