#include "core/ll_json_line.h"

#include <math.h>
#include <stdlib.h>

#include "tests/support/ll_test.h"

const char *const ll_test_suite = "ll_json_line";

static void check(struct ll_json_line *line, const char *expected)
{
    char *text = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_json_line_end(line, &text), LL_OK);
    CU_ASSERT_STRING_EQUAL(text, expected);
    CU_ASSERT_PTR_NULL(line->object);
    free(text);
}

static void test_empty(void)
{
    struct ll_json_line line = ll_json_line_begin();
    check(&line, "{}\n");
}

static void test_every_kind(void)
{
    struct ll_json_line line = ll_json_line_begin();
    ll_json_line_text(&line, "path", "a/\"K\xe4se\"\n");
    ll_json_line_int(&line, "int", INT64_MIN);
    ll_json_line_number(&line, "number", 0.1);
    ll_json_line_number(&line, "nan", NAN);
    ll_json_line_number(&line, "infinite", -INFINITY);
    ll_json_line_ms(&line, "ms", 1234567);
    ll_json_line_null(&line, "null");
    ll_json_line_add(&line, "more", json_object_new_boolean(1));
    check(&line, "{\"path\":\"a/\\\"K\xef\xbf\xbdse\\\"\\n\",\"int\":-9223372036854775808,"
                 "\"number\":0.1,\"nan\":null,\"infinite\":null,\"ms\":1.235,\"null\":null,"
                 "\"more\":true}\n");
}

static void test_lists(void)
{
    struct ll_json_line line = ll_json_line_begin();
    struct json_object *list = json_object_new_array();
    CU_ASSERT(ll_json_append(list, ll_json_string("a")));
    CU_ASSERT(ll_json_append_number(list, 2));
    CU_ASSERT(ll_json_append_number(list, NAN));
    CU_ASSERT(!ll_json_append(list, NULL));
    CU_ASSERT(!ll_json_append(NULL, json_object_new_boolean(1)));
    CU_ASSERT(!ll_json_append_number(NULL, 1));
    CU_ASSERT(!ll_json_append_number(NULL, NAN));
    ll_json_line_add(&line, "list", list);
    check(&line, "{\"list\":[\"a\",2,null]}\n");
}

/* What follows a missing value does not make the line whole again. */
static void test_a_missing_value_spoils_the_line(void)
{
    struct ll_json_line line = ll_json_line_begin();
    char *text = NULL;
    ll_json_line_int(&line, "before", 1);
    ll_json_line_add(&line, "missing", NULL);
    ll_json_line_add(&line, "after", json_object_new_boolean(1));
    ll_json_line_null(&line, "null");
    CU_ASSERT_EQUAL(ll_json_line_end(&line, &text), LL_E_NO_MEMORY);
    CU_ASSERT_PTR_NULL(text);
    line = ll_json_line_begin();
    ll_json_line_add(&line, "missing", NULL);
    CU_ASSERT_PTR_NULL(ll_json_line_take(&line));
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_empty), LL_TEST(test_every_kind),
    LL_TEST(test_lists), LL_TEST(test_a_missing_value_spoils_the_line),
    {NULL, NULL},
};
