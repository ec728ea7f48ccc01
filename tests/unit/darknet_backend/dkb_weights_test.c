#include "darknet_backend/dkb_weights.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "darknet_backend/dkb_model_file.h"
#include "darknet_backend/dkb_network.h"
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
    const struct dkb_layer *layers = dkb_network_of(network)->layers;
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
    CU_ASSERT_EQUAL(dkb_network_of(network)->layers[0].nscales, 0);
    CU_ASSERT_EQUAL(dkb_network_of(network)->layers[0].weights_at, 4);
    CU_ASSERT(dkb_network_of(network)->layers[0].batch_normalize);
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

/* A model on disk. */
struct files {
    char cfg[4096];
    char weights[4096];
};

static void write_text(const char *path, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL_FATAL(fwrite(data, 1, bytes, file), bytes);
    CU_ASSERT_EQUAL_FATAL(fclose(file), 0);
}

static struct files write_model(int major, const char *folder)
{
    struct files files;
    snprintf(files.cfg, sizeof(files.cfg), "%s/model.cfg", folder);
    snprintf(files.weights, sizeof(files.weights), "%s/model.weights", folder);
    write_text(files.cfg, cfg_text, sizeof(cfg_text) - 1);
    struct ll_buf *weights = make_file(major, 2, major > 1000 ? 16 : 20, MODEL_FLOATS);
    write_text(files.weights, ll_buf_data(weights), ll_buf_bytes(weights));
    ll_buf_unref(weights);
    return files;
}

static void test_load_names_blobs_and_model(void)
{
    struct files files = write_model(0, ll_test_folder());
    struct dkb_model_file model;
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL_FATAL(dkb_model_file_load(files.cfg, files.weights, &model, &err), LL_OK);
    CU_ASSERT_EQUAL(model.manifest.cfg_bytes, sizeof(cfg_text) - 1);
    CU_ASSERT_EQUAL_FATAL(model.manifest.blob_count, 3);
    CU_ASSERT_EQUAL(model.manifest.blobs[0].bytes, CONV_BYTES);
    CU_ASSERT_EQUAL(model.manifest.blobs[1].bytes, 0);

    struct ll_digest digest;
    CU_ASSERT_EQUAL(ll_digest_of(ll_buf_data(model.blobs[2]), CONNECTED_BYTES, &digest), LL_OK);
    CU_ASSERT(ll_digest_equal(&digest, &model.manifest.blobs[2].digest));
    char text[LL_DIGEST_TEXT_BYTES];
    ll_digest_format(&model.manifest.blobs[1].digest, text);
    CU_ASSERT_STRING_EQUAL(
        text, "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    struct ll_digest id;
    CU_ASSERT_EQUAL(ll_manifest_model_id(&model.manifest, &id), LL_OK);
    CU_ASSERT(ll_digest_equal(&id, &model.model_id));
    dkb_model_file_finish(&model);
}

/* The file's bytes name the model, whatever of them is skipped in reading. */
static void test_load_keeps_the_cfgs_bytes(void)
{
    const char *folder = ll_test_folder();
    struct files files = write_model(0, folder);
    char marked[4200];
    char text[sizeof(cfg_text) + 3];
    snprintf(marked, sizeof(marked), "%s/marked.cfg", folder);
    snprintf(text, sizeof(text), "\xef\xbb\xbf%s", cfg_text);
    write_text(marked, text, strlen(text));
    struct dkb_model_file plain;
    struct dkb_model_file model;
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL_FATAL(dkb_model_file_load(files.cfg, files.weights, &plain, &err), LL_OK);
    CU_ASSERT_EQUAL_FATAL(dkb_model_file_load(marked, files.weights, &model, &err), LL_OK);
    CU_ASSERT_EQUAL(model.manifest.cfg_bytes, strlen(text));
    CU_ASSERT_EQUAL(memcmp(model.manifest.cfg, text, strlen(text)), 0);
    CU_ASSERT_FALSE(ll_digest_equal(&plain.model_id, &model.model_id));
    CU_ASSERT(ll_digest_equal(&plain.manifest.blobs[0].digest, &model.manifest.blobs[0].digest));
    CU_ASSERT_EQUAL(plain.network->table.flops, model.network->table.flops);
    dkb_model_file_finish(&plain);
    dkb_model_file_finish(&model);
}

static void test_write_gives_same_model(void)
{
    struct files files = write_model(1001, ll_test_folder());
    struct dkb_model_file model;
    CU_ASSERT_EQUAL_FATAL(dkb_model_file_load(files.cfg, files.weights, &model, NULL), LL_OK);
    char path[4096];
    snprintf(path, sizeof(path), "%s/again.weights", ll_test_folder());
    CU_ASSERT_EQUAL_FATAL(dkb_weights_write(model.network, model.blobs, path, NULL), LL_OK);
    struct dkb_model_file again;
    CU_ASSERT_EQUAL_FATAL(dkb_model_file_load(files.cfg, path, &again, NULL), LL_OK);
    CU_ASSERT(ll_digest_equal(&model.model_id, &again.model_id));
    dkb_model_file_finish(&again);
    dkb_model_file_finish(&model);
}

static void test_write_to_missing_folder_names_it(void)
{
    struct files files = write_model(0, ll_test_folder());
    struct dkb_model_file model;
    CU_ASSERT_EQUAL_FATAL(dkb_model_file_load(files.cfg, files.weights, &model, NULL), LL_OK);
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(dkb_weights_write(model.network, model.blobs, "/no/such/folder/w", &err),
                    LL_E_IO);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(err.text, "/no/such/folder/w: cannot be written: No such file or directory"));
    dkb_model_file_finish(&model);
}

static void check_load(const char *cfg, const char *weights, ll_status expected, const char *reason)
{
    struct dkb_model_file model = {0};
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(dkb_model_file_load(cfg, weights, &model, &err), expected);
    CU_ASSERT_PTR_NULL(model.network);
    if (!strstr(err.text, reason)) {
        fprintf(stderr, "%s\n", err.text);
        CU_FAIL("another reason than expected");
    }
}

/* Other files that people take for weights. */
static void check_kinds(const char *folder, const char *cfg)
{
    static const struct {
        const char *bytes;
        size_t count;
        const char *reason;
    } cases[] = {
        {"<!DOCTYPE html>\n<html>", 22, "other: not a .weights file but a web page"},
        {"\n\n<html><head><title>Not found</title>", 39, "but a web page"},
        {"version https://git-lfs.github.com/spec/v1\n", 43, "but a Git LFS pointer"},
        {"\x1f\x8b\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 18, "but a gzip archive"},
        {"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0", 18, "but a zip archive"},
        {"hi\n", 3, "but text"},
        {"\0\0\0\2\0\0\0\3\0\0\0\0\0\0\0\0\0\0\0\0", 20,
         "it would begin with its version, but that would be 33554432.50331648"},
        {"\xff\xff\xff\xff\2\0\0\0\0\0\0\0\0\0\0\0", 16, "that would be -1.2"},
    };
    char path[4200];
    snprintf(path, sizeof(path), "%s/other", folder);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        write_text(path, cases[i].bytes, cases[i].count);
        check_load(cfg, path, LL_E_INVALID, cases[i].reason);
    }
    write_text(path, "<!DOCTYPE html>", 15);
    check_load(path, cfg, LL_E_INVALID, "other: not a cfg but a web page");
}

static void test_load_refuses_bad_files(void)
{
    const char *folder = ll_test_folder();
    struct files files = write_model(0, folder);
    char path[4200];
    check_load("/no/such.cfg", files.weights, LL_E_NOT_FOUND, "/no/such.cfg: cannot be opened");
    check_load(files.cfg, "/no/such.weights", LL_E_NOT_FOUND, "/no/such.weights: cannot be");
    check_load(folder, files.weights, LL_E_IO, "not a regular file");
    check_load(files.cfg, folder, LL_E_IO, "not a regular file");
    check_load(files.weights, files.weights, LL_E_INVALID, "model.weights: line 1: a NUL byte");
    check_load(files.cfg, files.cfg, LL_E_INVALID, "model.cfg: not a .weights file but text");

    check_kinds(folder, files.cfg);

    snprintf(path, sizeof(path), "%s/empty", folder);
    write_text(path, "", 0);
    check_load(path, files.weights, LL_E_INVALID, "empty: no sections");
    check_load(files.cfg, path, LL_E_INVALID, "empty: not a .weights file: 0 bytes");

    /* A converter that writes no version, but the header of a later one. */
    snprintf(path, sizeof(path), "%s/zeros", folder);
    write_text(path, "", 0);
    CU_ASSERT_EQUAL_FATAL(truncate(path, 292), 0);
    check_load(files.cfg, path, LL_E_INVALID,
               "zeros: version 0.0 in its header means a header of 16 bytes, but its length fits "
               "one of 20 (version 0.2 has 20 bytes, 0.1 has 16), or 4 bytes are too many");

    snprintf(path, sizeof(path), "%s/huge", folder);
    write_text(path, "", 0);
    CU_ASSERT_EQUAL_FATAL(truncate(path, (off_t)64 << 20), 0);
    check_load(path, files.weights, LL_E_EXHAUSTED, "67108864 bytes, the limit is 4194304");
    check_load(files.cfg, path, LL_E_INVALID,
               "huge: too long: 67108864 bytes, but the cfg's "
               "layers and a header of 16 make 288");
}

const char *const ll_test_suite = "dkb_weights";
const struct ll_test ll_tests[] = {
    LL_TEST(test_slice_takes_every_header),
    LL_TEST(test_slice_turns_transposed_connected_weights),
    LL_TEST(test_slice_turns_flipped_convolutions),
    LL_TEST(test_layout_of_parts),
    LL_TEST(test_dontloadscales_leaves_them_out),
    LL_TEST(test_slice_refuses_other_sizes),
    LL_TEST(test_load_names_blobs_and_model),
    LL_TEST(test_load_keeps_the_cfgs_bytes),
    LL_TEST(test_write_gives_same_model),
    LL_TEST(test_write_to_missing_folder_names_it),
    LL_TEST(test_load_refuses_bad_files),
    {NULL, NULL},
};
