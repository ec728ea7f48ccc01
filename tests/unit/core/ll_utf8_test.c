#include "core/ll_utf8.h"

#include <string.h>

#include "core/ll_status.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "ll_utf8";

static void test_characters_stay_whole(void)
{
    static const struct {
        const char *text;
        size_t most;
        size_t cut;
    } cases[] = {
        {"", 5, 0},
        {"abc", 5, 3},
        {"abc", 2, 2},
        {"a\xc3\xbc", 3, 3},
        {"a\xc3\xbc", 2, 1},
        {"\xe2\x82\xac", 3, 3},
        {"\xe2\x82\xac", 2, 0},
        {"\xe2\x82\xac", 1, 0},
        {"\xf0\x9f\x98\x80x", 4, 4},
        {"\xf0\x9f\x98\x80x", 3, 0},
        {"x\xf0\x9f\x98\x80", 2, 1},
        /* No UTF-8 at all: nothing to keep whole. */
        {"\x80\x80\x80\x80\x80", 5, 5},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CU_ASSERT_EQUAL(ll_utf8_cut(cases[i].text, cases[i].most), cases[i].cut);
    }
}

static void test_sentences_are_cut_between_characters(void)
{
    char name[1024];
    for (size_t shift = 0; shift < 3; shift++) {
        memset(name, 'x', shift);
        for (size_t at = shift; at + 3 < sizeof(name); at += 3) {
            memcpy(name + at, "\xe2\x82\xac", 4);
        }
        struct ll_error err = {.text = ""};
        CU_ASSERT_EQUAL(ll_fail(&err, LL_E_INVALID, "%s", name), LL_E_INVALID);
        CU_ASSERT_EQUAL((strlen(err.text) - shift) % 3, 0);
        CU_ASSERT(strlen(err.text) > sizeof(err.text) - 4);
        CU_ASSERT_EQUAL(ll_fail_limit(&err, "l", 1, 0, "%s", name), LL_E_EXHAUSTED);
        CU_ASSERT_EQUAL((strlen(err.text) - shift) % 3, 0);
        ll_error_prefix(&err, "y");
        CU_ASSERT_EQUAL((strlen(err.text) - shift) % 3, 0);
    }
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_characters_stay_whole),
    LL_TEST(test_sentences_are_cut_between_characters),
    {NULL, NULL},
};
