#include "net/plan/ll_chain_csv.h"

#include <stdlib.h>
#include <string.h>

#include "core/ll_limits.h"
#include "tests/support/ll_test.h"

#define HEADER "name,input_bytes,output_bytes,weight_bytes,device_ms,edge_ms,create_ms\n"

static void test_parse_keeps_every_column(void)
{
    static const char text[] = HEADER "conv1/dw 2,618348,1161600,139776,70.6632,0.080698,0.9880\r\n"
                                      "p,0,1,2,1e3,0,.0000014";
    struct ll_chain chain;
    CU_ASSERT_EQUAL_FATAL(ll_chain_csv_parse(text, sizeof(text) - 1, &chain, NULL), LL_OK);
    CU_ASSERT_EQUAL_FATAL(chain.count, 2);
    const struct ll_chain_element *element = &chain.elements[0];
    CU_ASSERT_STRING_EQUAL(element->name, "conv1/dw 2");
    CU_ASSERT(element->first == 0 && element->end == 1);
    CU_ASSERT_EQUAL(element->input_bytes, 618348);
    CU_ASSERT_EQUAL(element->output_bytes, 1161600);
    CU_ASSERT_EQUAL(element->early_bytes, 0);
    CU_ASSERT_EQUAL(element->weight_bytes, 139776);
    CU_ASSERT_EQUAL(element->device_ns, 70663200);
    CU_ASSERT_EQUAL(element->edge_ns, 80698);
    CU_ASSERT_EQUAL(element->create_ns, 988000);
    element = &chain.elements[1];
    CU_ASSERT(element->first == 1 && element->end == 2);
    CU_ASSERT_EQUAL(element->device_ns, 1000000000);
    CU_ASSERT_EQUAL(element->create_ns, 1);
    ll_chain_finish(&chain);
}

static void refuse_bytes(const char *text, size_t bytes, const char *reason)
{
    struct ll_chain chain = {0};
    struct ll_error err = {.text = ""};
    CU_ASSERT_NOT_EQUAL(ll_chain_csv_parse(text, bytes, &chain, &err), LL_OK);
    CU_ASSERT_PTR_NULL(chain.elements);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, reason));
}

static void refuse(const char *text, const char *reason)
{
    refuse_bytes(text, strlen(text), reason);
}

static void test_parse_refuses_a_bad_frame(void)
{
    refuse("", "empty; a profile begins with 'name,input_bytes");
    refuse("\n", "line 1: not the header");
    refuse("name,input_bytes\n", "line 1: not the header");
    refuse("name,output_bytes,input_bytes,weight_bytes,device_ms,edge_ms,create_ms\n",
           "line 1: not the header");
    refuse(HEADER, "line 1: no element behind the header");
    refuse(HEADER "a,1,1,1,1,1,1\n\nb,1,1,1,1,1,1\n", "line 3: a blank line");
    refuse(HEADER "a,1,1,1,1,1\n", "line 2: column create_ms is missing");
    refuse(HEADER "a\n", "line 2: column input_bytes is missing");
    refuse(HEADER "a,1,1,1,1,1,1,\n", "line 2: more than 7 columns");
    refuse_bytes(HEADER "a\0,1,1,1,1,1,1\n", sizeof(HEADER "a\0,1,1,1,1,1,1\n") - 1,
                 "line 2: name: a quote, or a character that");
}

static void test_parse_refuses_bad_values(void)
{
    static const struct {
        const char *line;
        const char *reason;
    } cases[] = {
        {",1,1,1,1,1,1", "line 3: name: empty"},
        {"\"a\",1,1,1,1,1,1", "line 3: name: a quote"},
        {"b\xc3\xa4,1,1,1,1,1,1", "line 3: name: a quote, or a character"},
        {"b\rb,1,1,1,1,1,1", "line 3: name: a quote, or a character"},
        {"b,-1,1,1,1,1,1", "line 3: input_bytes: '-1' is not a whole number from 0 to 536870912"},
        {"b,1,536870913,1,1,1,1", "line 3: output_bytes: '536870913' is not"},
        {"b,1,1,99999999999999999999999,1,1,1", "line 3: weight_bytes: '9999"},
        {"b,1,1,1.5,1,1,1", "line 3: weight_bytes: '1.5' is not a whole number"},
        {"b,1,1,,1,1,1", "line 3: weight_bytes: empty"},
        {"b,1,1, 1,1,1,1", "line 3: weight_bytes: ' 1' is not"},
        {"b,1,1,1,-0.1,1,1", "line 3: device_ms: '-0.1' is not a number from 0 to 1e+09"},
        {"b,1,1,1,nan,1,1", "line 3: device_ms: 'nan' is not"},
        {"b,1,1,1,1,inf,1", "line 3: edge_ms: 'inf' is not"},
        {"b,1,1,1,1,1,1e400", "line 3: create_ms: '1e400' is not"},
        {"b,1,1,1,1,1,1e9", "line 3: creation ns: the sum up to here passes"},
        {"b,1,1,4294967296,1,1,1", "line 3: weight bytes: the sum up to here passes"},
        {"b,1,1,1,1,1,0x1p3", "line 3: create_ms: '0x1p3' is not"},
        {"b,1,1,1,1,1,1111111111111111111111111111111111111111111111111111111111111111",
         "line 3: create_ms: longer than 63 characters"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[512] = HEADER "a,1,1,1,1,1,1\n";
        strncat(text, cases[i].line, sizeof(text) - strlen(text) - 1);
        refuse(text, cases[i].reason);
    }
}

static void test_parse_refuses_too_much(void)
{
    static const char line[] = "a,1,1,1,1,1,1\n";
    size_t header_bytes = sizeof(HEADER) - 1;
    size_t line_bytes = sizeof(line) - 1;
    size_t bytes = header_bytes + (LL_LIMIT_LAYERS + 1) * line_bytes;
    char *text = malloc(bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    memcpy(text, HEADER, header_bytes);
    for (size_t at = header_bytes; at < bytes; at += line_bytes) {
        memcpy(text + at, line, line_bytes);
    }
    struct ll_chain chain;
    CU_ASSERT_EQUAL_FATAL(ll_chain_csv_parse(text, bytes - line_bytes, &chain, NULL), LL_OK);
    CU_ASSERT_EQUAL(chain.count, LL_LIMIT_LAYERS);
    ll_chain_finish(&chain);
    refuse_bytes(text, bytes, "line 4098: more than 4096 elements");
    free(text);
    text = calloc(1, LL_LIMIT_PROFILE_BYTES + 1);
    refuse_bytes(text, LL_LIMIT_PROFILE_BYTES + 1, "1048577 bytes, the limit is 1048576");
    free(text);
}

const char *const ll_test_suite = "ll_chain_csv";
const struct ll_test ll_tests[] = {
    LL_TEST(test_parse_keeps_every_column),
    LL_TEST(test_parse_refuses_a_bad_frame),
    LL_TEST(test_parse_refuses_bad_values),
    LL_TEST(test_parse_refuses_too_much),
    {NULL, NULL},
};
