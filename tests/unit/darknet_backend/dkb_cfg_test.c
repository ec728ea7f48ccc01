#include "darknet_backend/network/dkb_cfg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_limits.h"
#include "darknet_backend/network/dkb_reader.h"
#include "tests/support/ll_test.h"

static struct dkb_cfg lex_bytes(const char *text, size_t bytes)
{
    struct dkb_cfg cfg;
    struct ll_error err = {.text = ""};
    if (dkb_cfg_init(&cfg, text, bytes, &err) != LL_OK) {
        fprintf(stderr, "%s\n", err.text);
        CU_FAIL_FATAL("the test's cfg was refused");
    }
    return cfg;
}

static struct dkb_cfg lex(const char *text)
{
    return lex_bytes(text, strlen(text));
}

static const char *value_of(const struct dkb_cfg *cfg, const char *key)
{
    const struct dkb_cfg_option *option = dkb_cfg_find(&cfg->sections[0], key);
    return option ? option->value : "(absent)";
}

static void test_lex_sections_and_lines(void)
{
    struct dkb_cfg cfg = lex("# head\n\n[net]\na=1\n\n[conv]\n; c\nb=2\nc=3\n[max]");
    CU_ASSERT_EQUAL_FATAL(cfg.section_count, 3);
    CU_ASSERT_STRING_EQUAL(cfg.sections[0].name, "[net]");
    CU_ASSERT_EQUAL(cfg.sections[0].line, 3);
    CU_ASSERT_EQUAL(cfg.sections[0].option_count, 1);
    CU_ASSERT_EQUAL(cfg.sections[1].line, 6);
    CU_ASSERT_EQUAL_FATAL(cfg.sections[1].option_count, 2);
    CU_ASSERT_STRING_EQUAL(cfg.sections[1].options[1].key, "c");
    CU_ASSERT_EQUAL(cfg.sections[1].options[1].line, 9);
    CU_ASSERT_EQUAL(cfg.sections[2].line, 10);
    CU_ASSERT_EQUAL(cfg.sections[2].option_count, 0);
    dkb_cfg_finish(&cfg);
}

static void test_lex_deletes_blanks_everywhere(void)
{
    struct dkb_cfg cfg = lex(" [ n e t ]\t\n\tlist = 1 , 2,\t3 \n  # comment\nwo rd=a b\n");
    CU_ASSERT_STRING_EQUAL(cfg.sections[0].name, "[net]");
    CU_ASSERT_STRING_EQUAL(value_of(&cfg, "list"), "1,2,3");
    CU_ASSERT_STRING_EQUAL(value_of(&cfg, "word"), "ab");
    CU_ASSERT_EQUAL(cfg.sections[0].option_count, 2);
    dkb_cfg_finish(&cfg);
}

static void test_lex_first_of_equal_keys_wins(void)
{
    struct dkb_cfg cfg = lex("[net]\nempty=\nempty=1\nalone\nalone=2\ntwice=3\ntwice=4\n=\n=5\n"
                             "nested=a=b\n");
    CU_ASSERT_STRING_EQUAL(value_of(&cfg, "empty"), "");
    /* Without a value, and hides the second. */
    CU_ASSERT_PTR_NULL(value_of(&cfg, "alone"));
    CU_ASSERT_STRING_EQUAL(value_of(&cfg, "twice"), "3");
    CU_ASSERT_STRING_EQUAL(value_of(&cfg, ""), "");
    CU_ASSERT_STRING_EQUAL(value_of(&cfg, "nested"), "a=b");
    CU_ASSERT_STRING_EQUAL(value_of(&cfg, "none"), "(absent)");
    dkb_cfg_finish(&cfg);
}

static void test_lex_comments_only_at_line_start(void)
{
    struct dkb_cfg cfg = lex("[net]\na=1#x\nb=2;y\n[conv]#not a comment\n");
    CU_ASSERT_STRING_EQUAL(value_of(&cfg, "a"), "1#x");
    CU_ASSERT_STRING_EQUAL(value_of(&cfg, "b"), "2;y");
    CU_ASSERT_STRING_EQUAL(cfg.sections[1].name, "[conv]#notacomment");
    dkb_cfg_finish(&cfg);
}

static void test_lex_takes_crlf_as_lf(void)
{
    struct dkb_cfg cfg = lex("[net]\r\n\r\na=1\r\nb=xy\r\r\nc=3\r");
    CU_ASSERT_STRING_EQUAL(cfg.sections[0].name, "[net]");
    CU_ASSERT_STRING_EQUAL(value_of(&cfg, "a"), "1");
    CU_ASSERT_STRING_EQUAL(value_of(&cfg, "b"), "xy");
    CU_ASSERT_STRING_EQUAL(value_of(&cfg, "c"), "3");
    CU_ASSERT_EQUAL(cfg.sections[0].options[2].line, 5);
    dkb_cfg_finish(&cfg);
}

static void test_lex_takes_cr_alone_as_lf(void)
{
    struct dkb_cfg cfg = lex("[net]\r# a=9\ra=1\r\rb=2");
    CU_ASSERT_STRING_EQUAL(cfg.sections[0].name, "[net]");
    CU_ASSERT_STRING_EQUAL(value_of(&cfg, "a"), "1");
    CU_ASSERT_STRING_EQUAL(value_of(&cfg, "b"), "2");
    CU_ASSERT_EQUAL(cfg.sections[0].options[1].line, 5);
    dkb_cfg_finish(&cfg);
}

static void test_lex_skips_a_byte_order_mark(void)
{
    struct dkb_cfg cfg = lex("\xef\xbb\xbf[net]\r\na=1\n");
    CU_ASSERT_STRING_EQUAL(cfg.sections[0].name, "[net]");
    CU_ASSERT_EQUAL(cfg.sections[0].options[0].line, 2);
    dkb_cfg_finish(&cfg);
}

static void check_lex_refused(const char *text, size_t bytes, ll_status expected,
                              const char *reason)
{
    struct dkb_cfg cfg;
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(dkb_cfg_init(&cfg, text, bytes, &err), expected);
    if (!strstr(err.text, reason)) {
        fprintf(stderr, "%s\n", err.text);
        CU_FAIL("another reason than expected");
    }
}

static void test_lex_refuses_what_is_no_cfg(void)
{
    check_lex_refused("", 0, LL_E_INVALID, "no sections");
    check_lex_refused("# only\n\n", 8, LL_E_INVALID, "no sections");
    check_lex_refused("\n\na=1\n[net]\n", 12, LL_E_INVALID, "line 3: an option before any section");
    check_lex_refused("alone", 5, LL_E_INVALID, "line 1: an option before any section");
    /* A mark in the middle is no blank. */
    check_lex_refused("\n\xef\xbb\xbf[net]\n", 10, LL_E_INVALID, "line 2: an option before any");
    check_lex_refused("\xef\xbb\xbf", 3, LL_E_INVALID, "no sections");
    check_lex_refused("\xff\xfe[\0n\0", 6, LL_E_INVALID, "not a cfg but text in UTF-16");
    check_lex_refused("<!DOCTYPE html>\n", 16, LL_E_INVALID, "not a cfg but a web page");
    check_lex_refused("[net]\na=1\rb=2\n", 15, LL_E_INVALID,
                      "line 2: a carriage return (CR) inside");
    check_lex_refused("[net]\n#a=1\rb=2\n", 16, LL_E_INVALID, "line 2: a carriage return (CR)");
    check_lex_refused("[net]\nab\0c=1\n", 13, LL_E_INVALID, "line 2: a NUL byte");
    check_lex_refused("[net]\n\0", 7, LL_E_INVALID, "line 2: a NUL byte");
}

/* `count` times `unit` behind `head`; NULL where memory is short. */
static char *repeat(const char *head, const char *unit, size_t count, size_t *out_bytes)
{
    size_t room = strlen(head) + strlen(unit) * count + 1;
    char *text = malloc(room);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    char *next = text ? stpcpy(text, head) : NULL;
    for (size_t i = 0; next && i < count; i++) {
        next = stpcpy(next, unit);
    }
    *out_bytes = room - 1;
    return text;
}

static void test_lex_refuses_too_much(void)
{
    static const struct {
        const char *head;
        const char *unit;
        size_t count;
        const char *reason;
    } cases[] = {
        {"[net]\n", "[dropout]\n", 100000, "line 4098: more than 4096 layers"},
        {"[net]\n", "ab=1\n", (size_t)64 << 20 >> 2, "a cfg of 83886086 bytes, the limit is"},
        {"[net]\n", "a=1\n", 257, "line 258: more than 256 options in the section of line 1"},
        {"[net]\na=", "1", 65535, "line 2: longer than 65536 bytes"},
        {"[net]\n#", " ", 65536, "line 2: longer than 65536 bytes"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t bytes = 0;
        char *text = repeat(cases[i].head, cases[i].unit, cases[i].count, &bytes);
        check_lex_refused(text, bytes, LL_E_EXHAUSTED, cases[i].reason);
        free(text);
    }
}

static void test_lex_takes_up_to_the_limits(void)
{
    size_t bytes = 0;
    char *text = repeat("[net]\n", "[dropout]\n", LL_LIMIT_LAYERS, &bytes);
    struct dkb_cfg cfg = lex_bytes(text, bytes);
    CU_ASSERT_EQUAL(cfg.section_count, LL_LIMIT_LAYERS + 1);
    dkb_cfg_finish(&cfg);
    free(text);
    text = repeat("[net]\n", "a=1\n", LL_LIMIT_SECTION_OPTIONS, &bytes);
    cfg = lex_bytes(text, bytes);
    CU_ASSERT_EQUAL(cfg.sections[0].option_count, LL_LIMIT_SECTION_OPTIONS);
    dkb_cfg_finish(&cfg);
    free(text);
    text = repeat("[net]\na=", "1", LL_LIMIT_CFG_LINE_BYTES - 2, &bytes);
    cfg = lex_bytes(text, bytes);
    CU_ASSERT_EQUAL(strlen(value_of(&cfg, "a")), LL_LIMIT_CFG_LINE_BYTES - 2);
    dkb_cfg_finish(&cfg);
    free(text);
}

/* Reads the numbers of "[net]\nn=VALUE". */
static int read_int(const char *value, ll_status expected, const char *reason)
{
    char text[256];
    snprintf(text, sizeof(text), "[net]\n%s%s\n", value[0] ? "n=" : "", value);
    struct dkb_cfg cfg = lex(text);
    struct ll_error err = {.text = ""};
    struct dkb_reader reader = {.section = &cfg.sections[0], .err = &err};
    int result = dkb_read_int(&reader, "n", 7, -100, 1000);
    CU_ASSERT_EQUAL(reader.status, expected);
    CU_ASSERT_STRING_EQUAL(err.text, reason);
    dkb_cfg_finish(&cfg);
    return result;
}

static void test_read_int_is_atoi_for_numbers(void)
{
    static const char *const values[] = {"0",   "12",   "-3",     "+4",      "007",
                                         "- 5", "1 00", "32#a,b", "16;note", "-100"};
    static const int expected[] = {0, 12, -3, 4, 7, -5, 100, 32, 16, -100};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        CU_ASSERT_EQUAL(read_int(values[i], LL_OK, ""), expected[i]);
    }
    CU_ASSERT_EQUAL(read_int("", LL_OK, ""), 7);
}

static void test_read_int_refuses_the_rest(void)
{
    static const char *const not_whole[] = {"abc", "1.5", "1e3", "0x10", "12abc",   "-",
                                            "--1", "1,2", "#",   "=3",   "\xc3\xa4"};
    for (size_t i = 0; i < sizeof(not_whole) / sizeof(not_whole[0]); i++) {
        char reason[256];
        const char *shown = not_whole[i][0] == '\xc3' ? "??" : not_whole[i];
        snprintf(reason, sizeof(reason), "line 2, [net] n=%s: not a whole number", shown);
        CU_ASSERT_EQUAL(read_int(not_whole[i], LL_E_INVALID, reason), -100);
    }
    static const char *const out_of_range[] = {
        "1001", "-101", "2147483648", "99999999999999999999999999", "-99999999999999999999999999"};
    for (size_t i = 0; i < sizeof(out_of_range) / sizeof(out_of_range[0]); i++) {
        char reason[256];
        snprintf(reason, sizeof(reason), "line 2, [net] n=%s: must be from -100 to 1000",
                 out_of_range[i]);
        CU_ASSERT_EQUAL(read_int(out_of_range[i], LL_E_INVALID, reason), -100);
    }
}

static void test_refusal_shortens_and_cleans_values(void)
{
    read_int("\x1b[31m0123456789012345678901234567890123456789", LL_E_INVALID,
             "line 2, [net] n=?[31m01234567890123456789012345678901234...: not a whole number");
}

static void check_float(const char *value, ll_status expected, float result)
{
    char text[256];
    snprintf(text, sizeof(text), "[net]\nf=%s\n", value);
    struct dkb_cfg cfg = lex(text);
    struct dkb_reader reader = {.section = &cfg.sections[0]};
    CU_ASSERT_EQUAL(dkb_read_float(&reader, "f", 9), result);
    CU_ASSERT_EQUAL(reader.status, expected);
    dkb_cfg_finish(&cfg);
}

static void test_read_float_is_atof_for_numbers(void)
{
    check_float("1", LL_OK, 1);
    check_float("-.5", LL_OK, -.5F);
    check_float("1.", LL_OK, 1);
    check_float("+0.0001", LL_OK, .0001F);
    check_float("1e-3", LL_OK, .001F);
    check_float("2E+2", LL_OK, 200);
    check_float(".1 #rate", LL_OK, .1F);
    check_float("1e-400", LL_OK, 0);
    static const char *const bad[] = {"abc", ".",   "-",    "1e",  "nan",   "inf",
                                      "0x1", "1,5", "1e40", "1..", "1e+99x"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        check_float(bad[i], LL_E_INVALID, 9);
    }
}

static void check_ints(const char *value, int count, int first, int last)
{
    char text[256];
    snprintf(text, sizeof(text), "[route]\nlayers=%s\n", value);
    struct dkb_cfg cfg = lex(text);
    struct dkb_reader reader = {.section = &cfg.sections[0]};
    int *values = NULL;
    CU_ASSERT_EQUAL(dkb_read_ints(&reader, "layers", 4, &values), count);
    CU_ASSERT_EQUAL(reader.status, count ? LL_OK : LL_E_INVALID);
    CU_ASSERT_EQUAL(values != NULL, count > 0);
    if (values) {
        CU_ASSERT_EQUAL(values[0], first);
        CU_ASSERT_EQUAL(values[count - 1], last);
    }
    free(values);
    dkb_cfg_finish(&cfg);
}

static void test_read_lists(void)
{
    check_ints("-1", 1, -1, -1);
    check_ints("-1, 61", 2, -1, 61);
    check_ints("1,2,3,4 # four", 4, 1, 4);
    check_ints("1,2,3,4,5", 0, 0, 0);
    check_ints("1,,2", 0, 0, 0);
    check_ints("1,", 0, 0, 0);
    check_ints(",1", 0, 0, 0);
    check_ints("1;2,3", 0, 0, 0);
    check_ints("-1;-2", 0, 0, 0);
    check_ints("1,2 ###P6, and so on", 2, 1, 2);
    check_ints("#1", 0, 0, 0);
    check_ints("1.5,2", 0, 0, 0);
    check_ints("2147483648", 0, 0, 0);
}

static void test_read_keeps_the_first_refusal(void)
{
    struct dkb_cfg cfg = lex("[net]\na=x\nb=y\nactivation=mish\n");
    struct ll_error err = {.text = ""};
    struct dkb_reader reader = {.section = &cfg.sections[0], .err = &err};
    dkb_read_int(&reader, "a", 1, 0, 9);
    dkb_read_int(&reader, "b", 1, 0, 9);
    CU_ASSERT_EQUAL(dkb_read_activation(&reader, LL_ACTIVATION_LINEAR), LL_ACTIVATION_LINEAR);
    CU_ASSERT_EQUAL(reader.status, LL_E_INVALID);
    CU_ASSERT_STRING_EQUAL(err.text, "line 2, [net] a=x: not a whole number");
    dkb_cfg_finish(&cfg);
}

const char *const ll_test_suite = "dkb_cfg";
const struct ll_test ll_tests[] = {
    LL_TEST(test_lex_sections_and_lines),
    LL_TEST(test_lex_deletes_blanks_everywhere),
    LL_TEST(test_lex_first_of_equal_keys_wins),
    LL_TEST(test_lex_comments_only_at_line_start),
    LL_TEST(test_lex_takes_crlf_as_lf),
    LL_TEST(test_lex_takes_cr_alone_as_lf),
    LL_TEST(test_lex_skips_a_byte_order_mark),
    LL_TEST(test_lex_refuses_what_is_no_cfg),
    LL_TEST(test_lex_refuses_too_much),
    LL_TEST(test_lex_takes_up_to_the_limits),
    LL_TEST(test_read_int_is_atoi_for_numbers),
    LL_TEST(test_read_int_refuses_the_rest),
    LL_TEST(test_refusal_shortens_and_cleans_values),
    LL_TEST(test_read_float_is_atof_for_numbers),
    LL_TEST(test_read_lists),
    LL_TEST(test_read_keeps_the_first_refusal),
    {NULL, NULL},
};
