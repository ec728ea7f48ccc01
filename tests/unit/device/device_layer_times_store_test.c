/* The profile's file, in a folder of the test's own. */
#include "device/times/device_layer_times_store.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CUnit/CUnit.h>

#include "tests/support/fake_model.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_layer_times_store";

enum { LAYERS = 3, PATH_BYTES = 512, FILE_BYTES = 4096 };

static const struct device_layer_times_key key = {
    .model_id = "sha256:00", .engine = "onednn", .instruction_set = "avx512", .threads = 2};

static struct fake_model model;
static struct device_layer_times *profile;
static char folder[PATH_BYTES];
static char weights[PATH_BYTES + 16];
static const char *cache_root;

static void begin(void)
{
    const char *temporary = getenv("TEST_TMPDIR");
    snprintf(folder, sizeof(folder), "%s/profile_XXXXXX", temporary ? temporary : "/tmp");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(weights, sizeof(weights), "%s/m.weights", folder);
    cache_root = folder;
    fake_model_init(&model, "fake\ninput 20\nlayer 30 40\nlayer 20 0\nlayer 10 24\n", 1);
    CU_ASSERT_EQUAL_FATAL(device_layer_times_create(&model.network->table, 1, &profile), LL_OK);
}

static struct device_layer_times_store *open_store(const struct device_layer_times_key *which)
{
    struct device_layer_times_store *store = NULL;
    CU_ASSERT_EQUAL_FATAL(device_layer_times_store_create(which, weights, cache_root, &store),
                          LL_OK);
    return store;
}

/* The only profile of a folder; false where there is none. */
static bool find_file(const char *where, char out_path[2 * PATH_BYTES])
{
    DIR *list = opendir(where);
    bool is_found = false;
    for (struct dirent *entry = list ? readdir(list) : NULL; entry; entry = readdir(list)) {
        if (strstr(entry->d_name, ".profile")) {
            CU_ASSERT_FALSE(is_found);
            is_found = true;
            snprintf(out_path, (size_t)2 * PATH_BYTES, "%s/%s", where, entry->d_name);
        }
    }
    if (list) {
        closedir(list);
    }
    return is_found;
}

static void remove_all(const char *where)
{
    char path[2 * PATH_BYTES];
    while (find_file(where, path)) {
        CU_ASSERT_EQUAL(unlink(path), 0);
    }
}

static void end(void)
{
    char cache[2 * PATH_BYTES];
    snprintf(cache, sizeof(cache), "%s/profiles", folder);
    remove_all(folder);
    remove_all(cache);
    (void)rmdir(cache);
    CU_ASSERT_EQUAL(rmdir(folder), 0);
    device_layer_times_destroy(profile);
    fake_model_finish(&model);
}

static void fill(void)
{
    for (int i = 0; i < LAYERS; i++) {
        CU_ASSERT_EQUAL(device_layer_times_set(profile, i, (int64_t)1000 * (i + 1), i), LL_OK);
    }
}

/* Whether a new profile takes what is stored. */
static bool loads(const struct device_layer_times_key *which)
{
    struct device_layer_times *other = NULL;
    struct device_layer_times_store *store = open_store(which);
    CU_ASSERT_EQUAL_FATAL(device_layer_times_create(&model.network->table, 1, &other), LL_OK);
    bool is_loaded = device_layer_times_store_load(store, other);
    CU_ASSERT_EQUAL(device_layer_times_is_measured(other), is_loaded);
    for (int i = 0; is_loaded && i < LAYERS; i++) {
        int samples = -1;
        CU_ASSERT_EQUAL(device_layer_times_ns(other, i, &samples), (int64_t)1000 * (i + 1));
        CU_ASSERT_EQUAL(samples, i);
    }
    device_layer_times_destroy(other);
    device_layer_times_store_destroy(store);
    return is_loaded;
}

static void save(void)
{
    struct device_layer_times_store *store = open_store(&key);
    CU_ASSERT_TRUE(device_layer_times_store_save(store, profile));
    device_layer_times_store_destroy(store);
}

static void test_what_is_saved_is_loaded(void)
{
    begin();
    CU_ASSERT_FALSE(loads(&key));
    fill();
    save();
    CU_ASSERT_TRUE(loads(&key));
    char path[2 * PATH_BYTES];
    CU_ASSERT_TRUE_FATAL(find_file(folder, path));
    CU_ASSERT_EQUAL(strncmp(path, weights, strlen(weights)), 0);
    /* Another time replaces it. */
    save();
    CU_ASSERT_TRUE(loads(&key));
    end();
}

static void test_what_times_depend_on_is_part_of_the_key(void)
{
    begin();
    fill();
    save();
    struct device_layer_times_key other = key;
    other.threads = 1;
    CU_ASSERT_FALSE(loads(&other));
    other = key;
    other.engine = "darknet";
    CU_ASSERT_FALSE(loads(&other));
    other = key;
    other.model_id = "sha256:01";
    CU_ASSERT_FALSE(loads(&other));
    other = key;
    other.instruction_set = "avx2";
    CU_ASSERT_FALSE(loads(&other));
    end();
}

static void test_a_folder_that_cannot_be_written_is_no_obstacle(void)
{
    begin();
    fill();
    /* Beside weights that lie below a file nobody can write, root included. */
    snprintf(weights, sizeof(weights), "/dev/null/m.weights");
    save();
    CU_ASSERT_TRUE(loads(&key));
    char cache[PATH_BYTES + 64];
    char path[2 * PATH_BYTES];
    snprintf(cache, sizeof(cache), "%s/profiles", folder);
    CU_ASSERT_TRUE(find_file(cache, path));
    cache_root = "/dev/null";
    struct device_layer_times_store *store = open_store(&key);
    CU_ASSERT_FALSE(device_layer_times_store_save(store, profile));
    CU_ASSERT_FALSE(device_layer_times_store_load(store, profile));
    device_layer_times_store_destroy(store);
    cache_root = NULL;
    store = open_store(&key);
    CU_ASSERT_FALSE(device_layer_times_store_save(store, profile));
    device_layer_times_store_destroy(store);
    end();
}

static size_t read_file(const char *path, char out_text[FILE_BYTES])
{
    FILE *file = fopen(path, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    size_t bytes = fread(out_text, 1, FILE_BYTES - 1, file);
    fclose(file);
    out_text[bytes] = '\0';
    return bytes;
}

static void write_file(const char *path, const char *text, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fwrite(text, 1, bytes, file), bytes);
    fclose(file);
}

static void test_every_truncated_or_changed_file_is_refused(void)
{
    char path[2 * PATH_BYTES];
    char text[FILE_BYTES];
    begin();
    fill();
    save();
    CU_ASSERT_TRUE_FATAL(find_file(folder, path));
    size_t bytes = read_file(path, text);
    for (size_t length = 0; length < bytes; length++) {
        write_file(path, text, length);
        CU_ASSERT_FALSE(loads(&key));
    }
    for (size_t i = 0; i < bytes; i++) {
        char changed[FILE_BYTES];
        memcpy(changed, text, bytes);
        /* Digits become letters, everything else something else. */
        changed[i] = (char)(changed[i] ^ 0x40);
        write_file(path, changed, bytes);
        CU_ASSERT_FALSE(loads(&key));
    }
    write_file(path, text, bytes);
    CU_ASSERT_TRUE(loads(&key));
    end();
}

static void test_numbers_out_of_range_are_refused(void)
{
    static const char *const bad[] = {"-1 1",
                                      "99999999999999999999 1",
                                      "3600000000001 1",
                                      "1000 6",
                                      "1000 -1",
                                      "1000",
                                      "1000 1 1",
                                      " 1000 1",
                                      "1e3 1",
                                      ""};
    char path[2 * PATH_BYTES];
    char text[FILE_BYTES];
    begin();
    fill();
    save();
    CU_ASSERT_TRUE_FATAL(find_file(folder, path));
    read_file(path, text);
    char *line = strstr(text, "1000 0\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(line);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char changed[2 * FILE_BYTES];
        int length = snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(line - text), text,
                              bad[i], line + strlen("1000 0"));
        write_file(path, changed, (size_t)length);
        CU_ASSERT_FALSE(loads(&key));
    }
    end();
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_what_is_saved_is_loaded),
    LL_TEST(test_what_times_depend_on_is_part_of_the_key),
    LL_TEST(test_a_folder_that_cannot_be_written_is_no_obstacle),
    LL_TEST(test_every_truncated_or_changed_file_is_refused),
    LL_TEST(test_numbers_out_of_range_are_refused),
    {NULL, NULL},
};
