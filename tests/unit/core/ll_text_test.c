#include "core/ll_text.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/ll_test.h"

static void check(const char *text, const char *expected)
{
    /* On the heap and no byte larger, so that a sanitizer sees what reads beyond. */
    size_t bytes = strlen(text);
    char *copy = malloc(bytes);
    CU_ASSERT_FATAL(copy || bytes == 0);
    memcpy(copy, text, bytes);
    ll_text_clean(copy, bytes);
    CU_ASSERT_EQUAL(strlen(expected), bytes);
    CU_ASSERT_EQUAL(memcmp(copy, expected, bytes), 0);
    free(copy);
}

static void test_printable_text_stays(void)
{
    check("", "");
    check(" edge 1: ~\"\\", " edge 1: ~\"\\");
    /* The first and last of each length. */
    check("\u00a0\u00e9\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff",
          "\u00a0\u00e9\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff");
}

static void test_controls_go(void)
{
    check("a\nb\rc\td\x1b[31me\x7f", "a?b?c?d?[31me?");
    /* C1's CSI, as UTF-8 and as a byte; a line separator; a right-to-left override. */
    check("a\xc2\x9b\x31m", "a??1m");
    check("a\x9b\x31m", "a?1m");
    check("a\u2028b\u2029c", "a???b???c");
    check("a\u202eb\u2066c", "a???b???c");
}

static void test_what_is_no_utf8_goes(void)
{
    check("\x80\xbf", "??");
    check("caf\xe9 au lait", "caf? au lait");
    /* Overlong, a surrogate, beyond the last code point. */
    check("\xc0\x8a", "??");
    check("\xe0\x80\x8a", "???");
    check("\xf0\x80\x80\x8a", "????");
    check("\xed\xa0\x80", "???");
    check("\xf4\x90\x80\x80", "????");
    check("\xff\xfe", "??");
    /* A newline where a continuation should be is no part of the character. */
    check("\xe2\x80\nx", "???x");
    /* Cut short at the end. */
    check("a\xf0\x9f\x98", "a???");
}

static void test_a_nul_within_is_a_control(void)
{
    char text[] = {'a', '\0', 'b'};
    ll_text_clean(text, sizeof(text));
    CU_ASSERT_EQUAL(memcmp(text, "a?b", 3), 0);
}

const char *const ll_test_suite = "ll_text";
const struct ll_test ll_tests[] = {
    LL_TEST(test_printable_text_stays),
    LL_TEST(test_controls_go),
    LL_TEST(test_what_is_no_utf8_goes),
    LL_TEST(test_a_nul_within_is_a_control),
    {NULL, NULL},
};
