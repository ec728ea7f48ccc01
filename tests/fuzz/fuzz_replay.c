/* Replays a fuzz target's corpus as an ordinary test: every file, and every file cut short at many
 * places. Built once for each target, with FUZZ_NAME and FUZZ_CORPUS (see defs.bzl). */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/ll_fuzz.h"
#include "tests/support/ll_test.h"

enum {
    MAX_INPUT_BYTES = 1 << 20,
    CUTS_A_FILE = 200,
};

static void replay_bytes(const uint8_t *data, size_t size)
{
    /* Memory of exactly that size, so that AddressSanitizer sees what is read behind it. */
    uint8_t *copy = malloc(size ? size : 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    for (size_t i = 0; copy && i < size; i++) {
        copy[i] = data[i];
    }
    CU_ASSERT_EQUAL(LLVMFuzzerTestOneInput(copy, size), 0);
    free(copy);
}

static void replay_file(const char *path)
{
    static uint8_t data[MAX_INPUT_BYTES];
    FILE *file = fopen(path, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    size_t size = fread(data, 1, sizeof(data), file);
    CU_ASSERT_EQUAL(ferror(file), 0);
    fclose(file);
    size_t step = size / CUTS_A_FILE + 1;
    for (size_t cut = 0; cut < size; cut += step) {
        replay_bytes(data, cut);
    }
    replay_bytes(data, size);
}

static void test_replay_corpus(void)
{
    const char *folder = ll_test_file(FUZZ_CORPUS);
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, NULL, alphasort);
    CU_ASSERT_FATAL(count > 2);
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.') {
            char path[8192];
            snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
            replay_file(path);
        }
        free(entries[i]);
    }
    free(entries);
}

const char *const ll_test_suite = FUZZ_NAME;
const struct ll_test ll_tests[] = {
    LL_TEST(test_replay_corpus),
    {NULL, NULL},
};
