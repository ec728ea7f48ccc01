#include "core/ll_text.h"

#include <stdlib.h>
#include <string.h>

#include "core/ll_json.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "ll_text";

static void test_characters(void)
{
    CU_ASSERT_EQUAL(ll_text_character(""), 0);
    CU_ASSERT_EQUAL(ll_text_character("a"), 1);
    CU_ASSERT_EQUAL(ll_text_character("\xc3\xa4x"), 2);
    CU_ASSERT_EQUAL(ll_text_character("\xe2\x82\xac"), 3);
    CU_ASSERT_EQUAL(ll_text_character("\xf0\x9f\x90\x88"), 4);
    CU_ASSERT_EQUAL(ll_text_character("\xf4\x8f\xbf\xbf"), 4);
    /* A lone continuation, an end within, overlong ones, a surrogate, too large, no lead byte. */
    static const char *const wrong[] = {"\xa4",
                                        "\xc3",
                                        "\xe2\x82",
                                        "\xc3x",
                                        "\xc0\x80",
                                        "\xe0\x80\x80",
                                        "\xed\xa0\x80",
                                        "\xf4\x90\x80\x80",
                                        "\xf0\x80\x80\x80",
                                        "\xff",
                                        "\xfe",
                                        "\xf8\x88\x80\x80\x80"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CU_ASSERT_EQUAL(ll_text_character(wrong[i]), 0);
    }
}

static void test_tame(void)
{
    static const struct {
        const char *text;
        const char *tame;
    } cases[] = {
        {"", ""},
        {"plain ~", "plain ~"},
        {"\x1b[31mcat\x1b[2J", "?[31mcat?[2J"},
        {"a\nb\tc\rd\x7f", "a?b?c?d?"},
        {"K\xc3\xa4se \xe2\x82\xac", "K\xc3\xa4se \xe2\x82\xac"},
        {"\xc2\x9b"
         "2J",
         "??2J"},
        {"\xc2\xa0", "\xc2\xa0"},
        {"K\xe4se", "K?se"},
        {"cut \xe2\x82", "cut ??"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[64];
        snprintf(text, sizeof(text), "%s", cases[i].text);
        ll_text_tame(text);
        CU_ASSERT_STRING_EQUAL(text, cases[i].tame);
        char printed[64] = "";
        FILE *file = fmemopen(printed, sizeof(printed), "w");
        CU_ASSERT_PTR_NOT_NULL_FATAL(file);
        ll_text_print(file, cases[i].text);
        CU_ASSERT_EQUAL(fclose(file), 0);
        CU_ASSERT_STRING_EQUAL(printed, cases[i].tame);
    }
}

static void test_to_utf8(void)
{
    char *valid = ll_text_to_utf8("K\xe4se \xe2\x82\xac \xff\xfe");
    CU_ASSERT_PTR_NOT_NULL_FATAL(valid);
    CU_ASSERT_STRING_EQUAL(valid, "K\xef\xbf\xbdse \xe2\x82\xac \xef\xbf\xbd\xef\xbf\xbd");
    free(valid);
}

static void test_json(void)
{
    struct json_object *string = ll_json_string("\x1b\"K\xe4se\"\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(string);
    CU_ASSERT_STRING_EQUAL(json_object_to_json_string_ext(string, JSON_C_TO_STRING_PLAIN),
                           "\"\\u001b\\\"K\xef\xbf\xbdse\\\"\\n\"");
    json_object_put(string);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_characters), LL_TEST(test_tame), LL_TEST(test_to_utf8),
    LL_TEST(test_json),       {NULL, NULL},
};
