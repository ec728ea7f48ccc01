#include "darknet_backend/network/dkb_weights.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "darknet_backend/network/dkb_network.h"
#include "tests/support/ll_test.h"

/* Blobs of 4 + 12 + 36 = 52 and 2 + 8 + 6 = 16 floats; the pooling between has none. */
static const char cfg_text[] = "[net]\nwidth=4\nheight=4\nchannels=1\n"
                               "[convolutional]\nfilters=4\nsize=3\nbatch_normalize=1\n"
                               "activation=relu\n"
                               "[avgpool]\n"
                               "[connected]\noutput=2\nbatch_normalize=1\nactivation=linear\n";
enum {
    CONV_FLOATS = 52,
    CONV_BYTES = 208,
    CONNECTED_FLOATS = 16,
    CONNECTED_BYTES = 64,
    MODEL_FLOATS = CONV_FLOATS + CONNECTED_FLOATS,
};

static struct ll_network *parse(const char *text)
{
    struct ll_network *network = NULL;
    struct ll_error err = {.text = ""};
    if (dkb_network_parse(text, strlen(text), &network, &err) != LL_OK) {
        fprintf(stderr, "%s\n", err.text);
        CU_FAIL_FATAL("the test's cfg was refused");
    }
    return network;
}

/* A file with that version; its floats are 0, 1, 2, ... */
static struct ll_buf *make_file(int major, int minor, size_t header_bytes, size_t floats)
{
    struct ll_buf *file = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_buf_create(header_bytes + floats * sizeof(float), &file), LL_OK);
    char *data = ll_buf_writable(file);
    memset(data, 0x55, header_bytes);
    const int32_t version[3] = {major, minor, 0};
    memcpy(data, version, sizeof(version));
    float *values = (float *)(void *)(data + header_bytes);
    for (size_t i = 0; i < floats; i++) {
        values[i] = (float)i;
    }
    return file;
}

static const float *floats_of(const struct ll_buf *blob)
{
    return ll_buf_data(blob);
}

static void check_version(int major, int minor, size_t header_bytes, bool is_transposed)
{
    struct ll_network *network = parse(cfg_text);
    struct ll_buf *file = make_file(major, minor, header_bytes, MODEL_FLOATS);
    struct ll_buf *blobs[3];
    struct ll_error err = {.text = ""};
    ll_status status = dkb_weights_slice(network, file, blobs, &err);
    if (status != LL_OK) {
        fprintf(stderr, "version %d.%d: %s\n", major, minor, err.text);
        CU_FAIL_FATAL("a good file was refused");
    }
    CU_ASSERT_EQUAL(ll_buf_bytes(blobs[0]), CONV_FLOATS * sizeof(float));
    CU_ASSERT_PTR_EQUAL(ll_buf_data(blobs[0]), (const char *)ll_buf_data(file) + header_bytes);
    CU_ASSERT_EQUAL(floats_of(blobs[0])[CONV_FLOATS - 1], CONV_FLOATS - 1);
    CU_ASSERT_PTR_NULL(blobs[1]);

    /* 2 biases, 2 x 4 weights, 3 x 2 scales. */
    const float *connected = floats_of(blobs[2]);
    CU_ASSERT_EQUAL(ll_buf_bytes(blobs[2]), CONNECTED_FLOATS * sizeof(float));
    CU_ASSERT_EQUAL((uintptr_t)connected % sizeof(float), 0);
    for (int i = 0; i < CONNECTED_FLOATS; i++) {
        int from = i;
        if (is_transposed && i >= 2 && i < 10) {
            from = 2 + (i - 2) % 4 * 2 + (i - 2) / 4;
        }
        CU_ASSERT_EQUAL(connected[i], CONV_FLOATS + from);
    }
    dkb_weights_unref(blobs, 3);
    ll_buf_unref(file);
    ll_network_unref(network);
}

static void test_slice_takes_every_header(void)
{
    check_version(0, 1, 16, false);
    check_version(0, 2, 20, false);
    check_version(0, 999, 20, false);
    check_version(1, 0, 20, false);
    check_version(999, 0, 20, false);
    check_version(-1, 11, 16, false);
    check_version(1000, 0, 16, false);
    check_version(0, 1000, 16, false);
}

static void test_slice_turns_transposed_connected_weights(void)
{
    check_version(1001, 0, 16, true);
    check_version(0, 1001, 16, true);
    check_version(INT32_MAX, INT32_MAX, 16, true);
}

static void test_slice_turns_flipped_convolutions(void)
{
    struct ll_network *network = parse("[net]\nwidth=4\nheight=4\nchannels=2\n"
                                       "[conv]\nfilters=3\nsize=1\nflipped=1\n");
    struct ll_buf *file = make_file(0, 2, 20, 9);
    struct ll_buf *blob = NULL;
    CU_ASSERT_EQUAL_FATAL(dkb_weights_slice(network, file, &blob, NULL), LL_OK);
    const float expected[] = {0, 1, 2, 3, 6, 4, 7, 5, 8};
    for (int i = 0; i < 9; i++) {
        CU_ASSERT_EQUAL(floats_of(blob)[i], expected[i]);
    }

    char path[4096];
    snprintf(path, sizeof(path), "%s/flipped.weights", ll_test_folder());
    CU_ASSERT_EQUAL_FATAL(dkb_weights_write(network, &blob, path, NULL), LL_OK);
    struct ll_buf *again = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_buf_map_file(path, 1000, &again, NULL), LL_OK);
    CU_ASSERT_EQUAL_FATAL(ll_buf_bytes(again), ll_buf_bytes(file));
    CU_ASSERT_EQUAL(memcmp((const char *)ll_buf_data(again) + 20,
                           (const char *)ll_buf_data(file) + 20, 9 * sizeof(float)),
                    0);
    ll_buf_unref(again);
    dkb_weights_unref(&blob, 1);
    ll_buf_unref(file);
    ll_network_unref(network);
}

static void test_layout_of_parts(void)
{
    struct ll_network *network = parse(cfg_text);
    const struct ll_layer_params *layers = network->layers;
    CU_ASSERT_EQUAL(layers[0].nbiases, 4);
    CU_ASSERT_EQUAL(layers[0].scales_at, 4);
    CU_ASSERT_EQUAL(layers[0].nscales, 4);
    CU_ASSERT_EQUAL(layers[0].weights_at, 16);
    CU_ASSERT_EQUAL(layers[0].nweights, 36);
    CU_ASSERT_EQUAL(layers[2].nbiases, 2);
    CU_ASSERT_EQUAL(layers[2].weights_at, 2);
    CU_ASSERT_EQUAL(layers[2].nweights, 8);
    CU_ASSERT_EQUAL(layers[2].scales_at, 10);
    CU_ASSERT_EQUAL(layers[2].nscales, 2);
    ll_network_unref(network);
}

static void test_dontloadscales_leaves_them_out(void)
{
    struct ll_network *network =
        parse("[net]\nwidth=4\nheight=4\nchannels=1\n"
              "[conv]\nfilters=4\nsize=3\nbatch_normalize=1\ndontloadscales=1\n");
    CU_ASSERT_EQUAL(network->table.blob_bytes, 160);
    CU_ASSERT_EQUAL(network->layers[0].nscales, 0);
    CU_ASSERT_EQUAL(network->layers[0].weights_at, 4);
    CU_ASSERT(network->layers[0].batch_normalize);
    ll_network_unref(network);
}

static void check_refused(size_t bytes, const char *reason)
{
    struct ll_network *network = parse(cfg_text);
    struct ll_buf *whole = make_file(0, 2, 20, MODEL_FLOATS + 8);
    struct ll_buf *file = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_buf_slice(whole, 0, bytes, &file), LL_OK);
    struct ll_buf *blobs[3];
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(dkb_weights_slice(network, file, blobs, &err), LL_E_INVALID);
    if (!strstr(err.text, reason)) {
        fprintf(stderr, "%zu bytes: %s\n", bytes, err.text);
        CU_FAIL("another reason than expected");
    }
    ll_buf_unref(file);
    ll_buf_unref(whole);
    ll_network_unref(network);
}

static void test_slice_refuses_other_sizes(void)
{
    check_refused(0, "0 bytes, but the header alone has 16 or 20");
    check_refused(15, "15 bytes, but the header alone has 16 or 20");
    check_refused(16, "truncated in layer 0 (convolutional, cfg line 5): 16 bytes, but the cfg's "
                      "layers and a header of 20 make 292");
    check_refused(227, "truncated in layer 0");
    check_refused(228, "truncated in layer 2 (connected, cfg line 11): 228 bytes");
    check_refused(291, "truncated in layer 2 (connected, cfg line 11): 291 bytes, but the cfg's "
                       "layers and a header of 20 make 292");
    check_refused(293, "too long: 293 bytes, but the cfg's layers and a header of 20 make 292");
    check_refused(324, "too long: 324 bytes");
    check_refused(294, "the 2 left over are no whole number of weights: it is damaged");
    check_refused(324, "make 292; the 32 left over belong to a cfg with more or larger layers");
    check_refused(284, "layers and a header of 20 make 292; or it belongs to a smaller cfg");
    check_refused(288, "version 0.2 in its header means a header of 20 bytes, but its length fits "
                       "one of 16 (version 0.2 has 20 bytes, 0.1 has 16), or 4 bytes are missing");
}

const char *const ll_test_suite = "dkb_weights";
const struct ll_test ll_tests[] = {
    LL_TEST(test_slice_takes_every_header),
    LL_TEST(test_slice_turns_transposed_connected_weights),
    LL_TEST(test_slice_turns_flipped_convolutions),
    LL_TEST(test_layout_of_parts),
    LL_TEST(test_dontloadscales_leaves_them_out),
    LL_TEST(test_slice_refuses_other_sizes),
    {NULL, NULL},
};
