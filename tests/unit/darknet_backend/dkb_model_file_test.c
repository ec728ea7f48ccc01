/* Models on disk: loaded, named, written again, refused. */
#include "darknet_backend/network/dkb_model_file.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "darknet_backend/network/dkb_weights.h"
#include "tests/support/ll_test.h"

/* Blobs of 4 + 12 + 36 = 52 and 2 + 8 + 6 = 16 floats; the pooling between has none. */
static const char cfg_text[] = "[net]\nwidth=4\nheight=4\nchannels=1\n"
                               "[convolutional]\nfilters=4\nsize=3\nbatch_normalize=1\n"
                               "activation=relu\n"
                               "[avgpool]\n"
                               "[connected]\noutput=2\nbatch_normalize=1\nactivation=linear\n";
enum {
    HEADER_INTS = 5,
    CONV_BYTES = 208,
    CONNECTED_BYTES = 64,
    MODEL_FLOATS = 68,
};

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
    /* The header's fourth and fifth int are what Darknet has seen; a transposed file has four. */
    int32_t words[HEADER_INTS + MODEL_FLOATS] = {major, 2};
    size_t header = major > 1000 ? HEADER_INTS - 1 : HEADER_INTS;
    for (size_t i = 0; i < MODEL_FLOATS; i++) {
        float value = (float)i;
        memcpy(&words[header + i], &value, sizeof(value));
    }
    write_text(files.weights, words, (header + MODEL_FLOATS) * sizeof(words[0]));
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

const char *const ll_test_suite = "dkb_model_file";
const struct ll_test ll_tests[] = {
    LL_TEST(test_load_names_blobs_and_model), LL_TEST(test_load_keeps_the_cfgs_bytes),
    LL_TEST(test_write_gives_same_model),     LL_TEST(test_write_to_missing_folder_names_it),
    LL_TEST(test_load_refuses_bad_files),     {NULL, NULL},
};
