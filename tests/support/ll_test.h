/* The main of every unit test: a table of tests, run by CUnit.
 *
 * A failure becomes the exit status, and the counts go to $XML_OUTPUT_FILE, where tools/test.sh
 * adds them up. Use CUnit's CU_ASSERT_* in the tests. */
#ifndef LL_TEST_H
#define LL_TEST_H

#include <CUnit/CUnit.h>

/* Static analysis does not know that a fatal assertion does not return. */
#ifdef __clang_analyzer__
#undef CU_ASSERT_FATAL
#undef CU_ASSERT_EQUAL_FATAL
#undef CU_ASSERT_PTR_NOT_NULL_FATAL
#define LL_TEST_FATAL(holds) ((holds) ? (void)0 : __builtin_unreachable())
#define CU_ASSERT_FATAL(value) LL_TEST_FATAL(value)
#define CU_ASSERT_EQUAL_FATAL(actual, expected) LL_TEST_FATAL((actual) == (expected))
#define CU_ASSERT_PTR_NOT_NULL_FATAL(value) LL_TEST_FATAL((value) != NULL)
#endif

struct ll_test {
    const char *name;
    void (*run)(void);
};

#define LL_TEST(function)                                                                          \
    {                                                                                              \
#function, function                                                                        \
    }

/* Defined by the test file: the suite's name (the module's) and its tests, ended by {NULL, NULL}.
 */
extern const char *const ll_test_suite;
extern const struct ll_test ll_tests[];

/* Counts the running test as skipped, and says why; then return from it. For what a machine lacks,
 * such as a processor's instructions. */
void ll_test_skip(const char *reason);

/* The path of a file that the test has as `data`, given as workspace path ("tests/cli/small.cfg") or
 * as "external/darknet/cfg/x.cfg". Static buffer, overwritten by the fourth call after. */
const char *ll_test_file(const char *path);

/* A new folder for this test's files, below $TEST_TMPDIR; the name is unique within the process. */
const char *ll_test_folder(void);

/* Writes a file of these bytes, over what was there. */
void ll_test_write_file(const char *path, const void *bytes, size_t count);
/* The same in a new folder. Its path: a static buffer, overwritten by the next call. */
const char *ll_test_new_file(const char *name, const void *bytes, size_t count);

#endif
