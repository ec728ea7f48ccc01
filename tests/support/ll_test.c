#include "tests/support/ll_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <CUnit/Basic.h>

static char runfiles_root[4096];

const char *ll_test_file(const char *path)
{
    static char paths[4][8192];
    static unsigned next;
    char *text = paths[next++ % 4];
    if (strncmp(path, "external/", 9) == 0) {
        /* Runfiles keep other repositories beside the main one. */
        snprintf(text, sizeof(paths[0]), "%s/../%s", runfiles_root, path + 9);
        if (access(text, R_OK) == 0) {
            return text;
        }
    }
    snprintf(text, sizeof(paths[0]), "%s/%s", runfiles_root, path);
    return text;
}

const char *ll_test_tmp(void)
{
    const char *folder = getenv("TEST_TMPDIR");
    return folder ? folder : "/tmp";
}

const char *ll_test_folder(void)
{
    static char folder[8192];
    snprintf(folder, sizeof(folder), "%s/ll-XXXXXX", ll_test_tmp());
    return mkdtemp(folder);
}

void ll_test_write_file(const char *path, const void *bytes, size_t count)
{
    FILE *file = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL_FATAL(fwrite(bytes, 1, count, file), count);
    CU_ASSERT_EQUAL_FATAL(fclose(file), 0);
}

const char *ll_test_new_file(const char *name, const void *bytes, size_t count)
{
    static char path[8448];
    snprintf(path, sizeof(path), "%s/%s", ll_test_folder(), name);
    ll_test_write_file(path, bytes, count);
    return path;
}

static void find_runfiles(void)
{
    const char *root = getenv("TEST_SRCDIR");
    const char *workspace = getenv("TEST_WORKSPACE");
    if (root && workspace) {
        snprintf(runfiles_root, sizeof(runfiles_root), "%s/%s", root, workspace);
    } else if (!getcwd(runfiles_root, sizeof(runfiles_root))) {
        runfiles_root[0] = '\0';
    }
}

static unsigned skipped;

void ll_test_skip(const char *reason)
{
    fprintf(stderr, "skipped: %s: %s\n", CU_get_current_test()->pName, reason);
    skipped++;
}

/* The counts as Bazel's test.xml has them; written by this main since Bazel's own counts one test a
 * program. */
static int write_counts(unsigned tests, unsigned failures)
{
    const char *path = getenv("XML_OUTPUT_FILE");
    if (!path) {
        return 0;
    }
    FILE *file = fopen(path, "w");
    if (!file) {
        return -1;
    }
    fprintf(file,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
            "  <testsuite name=\"%s\" tests=\"%u\" failures=\"%u\" errors=\"0\" "
            "skipped=\"%u\">\n",
            ll_test_suite, tests, failures, skipped);
    for (const struct ll_test *test = ll_tests; test->name; test++) {
        fprintf(file, "    <testcase name=\"%s\" classname=\"%s\"/>\n", test->name, ll_test_suite);
    }
    fprintf(file, "  </testsuite>\n</testsuites>\n");
    return fclose(file);
}

int main(void)
{
    find_runfiles();
    /* Of programs that a test starts. */
    setenv("TMPDIR", ll_test_tmp(), 1);
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 2;
    }
    CU_pSuite suite = CU_add_suite(ll_test_suite, NULL, NULL);
    for (const struct ll_test *test = ll_tests; suite && test->name; test++) {
        if (!CU_add_test(suite, test->name, test->run)) {
            suite = NULL;
        }
    }
    if (!suite) {
        fprintf(stderr, "CUnit: %s\n", CU_get_error_msg());
        return 2;
    }
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned run = CU_get_number_of_tests_run();
    unsigned failures = CU_get_number_of_tests_failed();
    CU_cleanup_registry();
    if (write_counts(run, failures) != 0) {
        return 2;
    }
    return failures == 0 && run > 0 ? 0 : 1;
}
