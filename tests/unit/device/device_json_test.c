#include "device/device_json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_status.h"
#include "tests/support/ll_test.h"

static char *text;
static size_t bytes;
static struct device_json json;

static void begin(void)
{
    json = (struct device_json){.file = open_memstream(&text, &bytes),
                                .origin_ns = 5 * LL_NS_PER_S,
                                .layer_count = 8,
                                .terms = {.slowdown = 1}};
    CU_ASSERT_PTR_NOT_NULL_FATAL(json.file);
}

/* What has been written is one line, and this one. */
static void end(const char *expected)
{
    fclose(json.file);
    CU_ASSERT_STRING_EQUAL(text, expected);
    free(text);
}

static const struct device_query_result result = {
    .issued_ns = 5 * LL_NS_PER_S + 1250000,
    .latency_ns = 3 * LL_NS_PER_MS + 500,
    .device_ns = LL_NS_PER_MS,
    .edge_ns = 2 * LL_NS_PER_MS,
    .network_ns = 500,
    .predicted_ns = 4 * LL_NS_PER_MS,
    .first = 2,
    .end = 6,
    .prefix = 7,
    .up_bytes = 5000000000,
    .down_bytes = 40,
};
#define FIRST_PART                                                                                 \
    "{\"event\":\"query\",\"id\":9,\"issued_ms\":1.250,\"latency_ms\":3.001,\"device_ms\":1.000,"  \
    "\"edge_ms\":2.000,\"network_ms\":0.001,\"first\":2,\"end\":6,\"layers\":8,\"prefix\":7,"

static void test_a_query_has_every_field(void)
{
    const struct device_top top[] = {{"elk", .1F}, {"a\"b", -1e-7F}};
    begin();
    CU_ASSERT_EQUAL(
        device_json_query(&json, 9, &result, &(struct device_view){.top = top, .top_count = 2}),
        LL_OK);
    end(FIRST_PART
        "\"fallback\":null,\"predicted_ms\":4.000,\"up_bytes\":5000000000,\"down_bytes\":"
        "40,\"top\":[[\"elk\",0.100000001],[\"a\\\"b\",-1.00000001e-07]]}\n");
}

static void test_what_is_not_usual_is_said(void)
{
    struct device_query_result odd = result;
    odd.is_rounded = true;
    odd.is_interrupted = true;
    odd.tries = DEVICE_TRY_EDGE;
    (void)ll_fail(&odd.fallback, LL_E_UNAVAILABLE, "edge lost: a/b");
    begin();
    json.terms = (struct device_terms){.slowdown = 2.5, .limit_mbps = 5};
    CU_ASSERT_EQUAL(device_json_query(&json, 9, &odd, &(struct device_view){0}), LL_OK);
    end(FIRST_PART "\"fallback\":\"edge lost: a/b\",\"predicted_ms\":4.000,\"up_bytes\":5000000000,"
                   "\"down_bytes\":40,\"top\":[],\"cut_encoding\":\"f16\",\"try\":\"edge\","
                   "\"interrupted\":true,\"slowdown\":2.5,\"limit_mbps\":5}\n");
}

/* JSON has no NaN and no infinity, a line no line ends, and none of it is anything but UTF-8. */
static void test_strange_values_make_valid_lines(void)
{
    struct device_query_result odd = result;
    const struct device_top top[] = {{"caf\xe9\n\"", NAN}, {"\u00e9\\", INFINITY}};
    const struct device_box box = {.label = "\xff", .p = -INFINITY, .left = NAN};
    (void)ll_fail(&odd.fallback, LL_E_UNAVAILABLE, "%s", "a\x80\r\x1b[2Jb");
    begin();
    CU_ASSERT_EQUAL(
        device_json_query(
            &json, 9, &odd,
            &(struct device_view){
                .top = top, .top_count = 2, .has_boxes = true, .boxes = &box, .box_count = 1}),
        LL_OK);
    end(FIRST_PART
        "\"fallback\":\"a???[2Jb\",\"predicted_ms\":4.000,\"up_bytes\":5000000000,\"down_"
        "bytes\":40,\"top\":[[\"caf??\\\"\",null],[\"\u00e9\\\\\",null]],\"boxes\":[{"
        "\"label\":\"?\",\"p\":null,\"left\":null,\"top\":0,\"right\":0,\"bottom\":0}]}\n");
}

static void test_other_events(void)
{
    const struct device_creation creation = {
        .prefix = 4, .creation_ns = 7 * LL_NS_PER_MS, .partitions = 2};
    begin();
    CU_ASSERT_EQUAL(device_json_ready(&json, 6 * LL_NS_PER_S, &creation), LL_OK);
    end("{\"event\":\"ready\",\"at_ms\":1000.000,\"prefix\":4,\"creation_ms\":7.000,\"partitions\":"
        "2}\n");
    const struct device_uploaded uploaded = {.start_ns = 5 * LL_NS_PER_S,
                                             .acked_ns = 6 * LL_NS_PER_S,
                                             .ready_ns = 7 * LL_NS_PER_S,
                                             .model_bytes = 1000,
                                             .sent_bytes = 2000,
                                             .partitions = 3,
                                             .creations = 2,
                                             .creation_ns = LL_NS_PER_MS};
    begin();
    CU_ASSERT_EQUAL(device_json_upload(&json, &uploaded), LL_OK);
    end("{\"event\":\"upload\",\"start_ms\":0.000,\"acked_ms\":1000.000,\"ready_ms\":2000.000,"
        "\"model_bytes\":1000,\"sent_bytes\":2000,\"partitions\":3,\"creations\":2,\"creation_ms\":"
        "1.000}\n");
    begin();
    CU_ASSERT_EQUAL(device_json_summary(&json, 3, 1, 2), LL_OK);
    end("{\"event\":\"summary\",\"queries\":3,\"lost\":1,\"fallbacks\":2}\n");
}

static void test_a_full_disk_is_an_error(void)
{
    begin();
    FILE *memory = json.file;
    json.file = fopen("/dev/full", "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(json.file);
    CU_ASSERT_EQUAL(device_json_summary(&json, 1, 0, 0), LL_E_IO);
    CU_ASSERT_EQUAL(device_json_query(&json, 9, &result, &(struct device_view){0}), LL_E_IO);
    fclose(json.file);
    json.file = memory;
    end("");
}

const char *const ll_test_suite = "device_json";
const struct ll_test ll_tests[] = {
    LL_TEST(test_a_query_has_every_field),         LL_TEST(test_what_is_not_usual_is_said),
    LL_TEST(test_strange_values_make_valid_lines), LL_TEST(test_other_events),
    LL_TEST(test_a_full_disk_is_an_error),         {NULL, NULL},
};
