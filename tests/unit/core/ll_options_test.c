#include "core/ll_options.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/ll_test.h"

const char *const ll_test_suite = "ll_options";

static void test_parse_int(void)
{
    int64_t value = 0;
    CU_ASSERT_EQUAL(ll_parse_int("42", 0, 100, &value, NULL), LL_OK);
    CU_ASSERT_EQUAL(value, 42);
    CU_ASSERT_EQUAL(ll_parse_int("-7", -7, -7, &value, NULL), LL_OK);
    CU_ASSERT_EQUAL(value, -7);
    CU_ASSERT_EQUAL(ll_parse_int("9223372036854775807", 0, INT64_MAX, &value, NULL), LL_OK);
    CU_ASSERT_EQUAL(value, INT64_MAX);
}

static void test_parse_int_refuses(void)
{
    static const char *const wrong[] = {
        "",    " 1",  "1 ", "+1",  "0x1", "1e1", "1.0",
        "one", "101", "-1", "--1", "-",   "1\n", "9223372036854775808"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        int64_t value = 5;
        struct ll_error err = {.text = ""};
        CU_ASSERT_EQUAL(ll_parse_int(wrong[i], 0, 100, &value, &err), LL_E_INVALID);
        CU_ASSERT_EQUAL(value, 5);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, wrong[i]));
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "from 0 to 100"));
    }
}

static void test_parse_size(void)
{
    static const struct {
        const char *text;
        int64_t bytes;
    } right[] = {
        {"0", 0},           {"17", 17},
        {"3K", 3000},       {"3Ki", 3072},
        {"2M", 2000000},    {"2Mi", 2097152},
        {"8G", 8000000000}, {"8Gi", 8589934592},
        {"007K", 7000},     {"9223372036854775807", INT64_MAX},
    };
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        int64_t bytes = -1;
        CU_ASSERT_EQUAL(ll_parse_size(right[i].text, 0, INT64_MAX, &bytes, NULL), LL_OK);
        CU_ASSERT_EQUAL(bytes, right[i].bytes);
    }
}

static void test_parse_size_refuses(void)
{
    static const char *const wrong[] = {"",
                                        "K",
                                        "1k",
                                        "1KB",
                                        "1 K",
                                        " 1K",
                                        "+1",
                                        "-1",
                                        "1.5G",
                                        "1T",
                                        "1ki",
                                        "1KiB",
                                        "1e3",
                                        "0x1",
                                        "1K ",
                                        "9",
                                        "101K",
                                        "9223372036854775807K",
                                        "99999999999999999999"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        int64_t bytes = 5;
        struct ll_error err = {.text = ""};
        CU_ASSERT_EQUAL(ll_parse_size(wrong[i], 10, 100000, &bytes, &err), LL_E_INVALID);
        CU_ASSERT_EQUAL(bytes, 5);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, wrong[i]));
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "from 10 to 100000 bytes"));
    }
}

static void test_parse_double(void)
{
    double value = 0;
    CU_ASSERT_EQUAL(ll_parse_double("2.5", 0, 10, &value, NULL), LL_OK);
    CU_ASSERT_EQUAL(value, 2.5);
    CU_ASSERT_EQUAL(ll_parse_double("-1e-3", -1, 1, &value, NULL), LL_OK);
    CU_ASSERT_EQUAL(value, -1e-3);
}

static void test_parse_double_refuses(void)
{
    static const char *const wrong[] = {"",    " 1",   "1 ",   "nan", "inf", "1e999", "0x1p3",
                                        "1,5", "1.5x", "10.1", "-.1", "e5",  "."};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        double value = 5;
        struct ll_error err = {.text = ""};
        CU_ASSERT_EQUAL(ll_parse_double(wrong[i], 0, 10, &value, &err), LL_E_INVALID);
        CU_ASSERT_EQUAL(value, 5);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "from 0 to 10"));
    }
}

static void test_enter_caller_folder(void)
{
    char before[4096];
    char after[4096];
    CU_ASSERT_PTR_NOT_NULL_FATAL(getcwd(before, sizeof(before)));
    unsetenv("BUILD_WORKING_DIRECTORY");
    ll_options_enter_caller_folder();
    CU_ASSERT_STRING_EQUAL(getcwd(after, sizeof(after)), before);
    setenv("BUILD_WORKING_DIRECTORY", "/", 1);
    ll_options_enter_caller_folder();
    CU_ASSERT_STRING_EQUAL(getcwd(after, sizeof(after)), "/");
    CU_ASSERT_EQUAL(chdir(before), 0);
    setenv("BUILD_WORKING_DIRECTORY", "/no/such/folder", 1);
    ll_options_enter_caller_folder();
    CU_ASSERT_STRING_EQUAL(getcwd(after, sizeof(after)), before);
    unsetenv("BUILD_WORKING_DIRECTORY");
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_parse_int),           LL_TEST(test_parse_int_refuses),
    LL_TEST(test_parse_size),          LL_TEST(test_parse_size_refuses),
    LL_TEST(test_parse_double),        LL_TEST(test_parse_double_refuses),
    LL_TEST(test_enter_caller_folder), {NULL, NULL},
};
