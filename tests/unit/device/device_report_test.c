/* Boxes on the terminal and in the JSON. */
#include "device/device_report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/ll_clock.h"
#include "core/ll_sync.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_report";

/* What was printed. */
static FILE *text_file;
static FILE *json_file;
static char *text;
static char *json;
static size_t text_bytes;
static size_t json_bytes;
static struct device_report *report;

static void begin(void)
{
    text_file = open_memstream(&text, &text_bytes);
    json_file = open_memstream(&json, &json_bytes);
    CU_ASSERT_FATAL(text_file && json_file);
    const struct device_report_config config = {
        .text = text_file, .json = json_file, .layer_count = 3, .terms = {.slowdown = 1}};
    CU_ASSERT_EQUAL_FATAL(device_report_create(&config, &report), LL_OK);
}

/* One query that shows this, and the end. */
static void print(const struct device_view *view)
{
    static const struct device_query_result result = {.latency_ns = 2000000, .device_ns = 1500000};
    device_report_query(report, 1, &result, view);
    CU_ASSERT_EQUAL(device_report_end(report, LL_CLOCK_NEVER), LL_OK);
    fflush(text_file);
    fflush(json_file);
}

static void end(void)
{
    device_report_destroy(report);
    fclose(text_file);
    fclose(json_file);
    free(text);
    free(json);
}

static void check_text(const char *expected)
{
    if (strcmp(text, expected) != 0) {
        fprintf(stderr, "%s\n-- expected\n%s\n", text, expected);
        CU_FAIL("another text");
    }
}

static const struct vision_box four[] = {
    {.label = "dog", .p = .824F, .left = 131.4F, .top = 222, .right = 310.5F, .bottom = 540},
    {.label = "a\tbicycle", .p = .77F, .left = 0, .top = .25F, .right = 20, .bottom = 30},
    {.label = "truck", .p = .5F, .left = 1, .top = 2, .right = 3, .bottom = 4},
    {.label = "cat", .p = .25F, .left = 1, .top = 2, .right = 3, .bottom = 4},
};

#define QUERY "query 1          2.0 ms  device [0, 3) 1.5 ms  network 0.0 ms"
#define END "1 queries, 0 lost, 0 fell back to the device; the first took 2.0 ms, the last 2.0 ms\n"

static void test_boxes_as_text(void)
{
    begin();
    print(&(struct device_view){
        .answer.has_boxes = true, .answer.boxes = four, .answer.box_count = 4});
    check_text(QUERY "  4 boxes: dog 82%, a?bicycle 77%, truck 50%, ...\n"
                     " 82.4%  dog  left 131, top 222, right 310, bottom 540\n"
                     " 77.0%  a?bicycle  left 0, top 0, right 20, bottom 30\n"
                     " 50.0%  truck  left 1, top 2, right 3, bottom 4\n"
                     " 25.0%  cat  left 1, top 2, right 3, bottom 4\n" END);
    end();
    begin();
    print(&(struct device_view){
        .answer.has_boxes = true, .answer.boxes = four, .answer.box_count = 1});
    check_text(QUERY "  1 box: dog 82%\n"
                     " 82.4%  dog  left 131, top 222, right 310, bottom 540\n" END);
    end();
    begin();
    print(&(struct device_view){.answer.has_boxes = true});
    check_text(QUERY "  0 boxes\n" END);
    end();
}

/* Boxes stand for the best values, which are those of a tensor that says nothing by itself. */
static void test_best_values_as_text(void)
{
    static const struct cli_top top[] = {{"elk", .75F}};
    begin();
    print(&(struct device_view){.answer.top = top, .answer.top_count = 1});
    check_text(QUERY "\n 0.750000  elk\n" END);
    end();
    begin();
    print(
        &(struct device_view){.answer.top = top, .answer.top_count = 1, .answer.has_boxes = true});
    check_text(QUERY "  0 boxes\n" END);
    end();
}

static void test_many_boxes_are_counted(void)
{
    struct vision_box many[100];
    char name[1000];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    for (int i = 0; i < 100; i++) {
        many[i] = (struct vision_box){.label = name, .p = INFINITY, .right = 1e6F, .bottom = 1e6F};
    }
    begin();
    print(&(struct device_view){
        .answer.has_boxes = true, .answer.boxes = many, .answer.box_count = 100});
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "  100 boxes: nnn"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "right 1000000, bottom 1000000\nand 36 more\n1 queries"));
    end();
}

static void test_boxes_as_json(void)
{
    static const struct cli_top top[] = {{"7", .75F}};
    static const struct vision_box boxes[] = {
        {.label = "dog", .p = .75F, .left = 131.5F, .top = 222, .right = 310.25F, .bottom = 540},
        {.label = "a\"b", .p = INFINITY, .left = 0, .top = 0, .right = 1, .bottom = 1e-3F},
    };
    begin();
    print(&(struct device_view){.answer.top = top,
                                .answer.top_count = 1,
                                .answer.has_boxes = true,
                                .answer.boxes = boxes,
                                .answer.box_count = 2});
    CU_ASSERT_PTR_NOT_NULL(strstr(
        json, ",\"top\":[[\"7\",0.75]],\"boxes\":[{\"label\":\"dog\",\"p\":0.75,\"left\":131.5,"
              "\"top\":222,\"right\":310.25,\"bottom\":540},{\"label\":\"a\\\"b\",\"p\":null,"
              "\"left\":0,\"top\":0,\"right\":1,\"bottom\":0.00100000005}]}\n"));
    end();
    begin();
    print(&(struct device_view){.answer.has_boxes = true});
    CU_ASSERT_PTR_NOT_NULL(strstr(json, ",\"top\":[],\"boxes\":[]}\n"));
    end();
    begin();
    print(&(struct device_view){0});
    CU_ASSERT_PTR_NOT_NULL(strstr(json, ",\"top\":[]}\n"));
    end();
}

/* ---- A pager that does not read ---- */

enum { PIPE_QUERIES = 3000 };

static void run_queries(void *arg)
{
    (void)arg;
    static const struct device_query_result result = {.latency_ns = 2000000};
    static const struct device_view view = {0};
    for (int i = 1; i <= PIPE_QUERIES; i++) {
        device_report_query(report, i, &result, &view);
    }
}

static int count_lines(FILE *file)
{
    int lines = 0;
    for (int byte = fgetc(file); byte != EOF; byte = fgetc(file)) {
        lines += byte == '\n' ? 1 : 0;
    }
    return lines;
}

static void count(void *arg)
{
    int *lines = arg;
    FILE *file = fdopen(*lines, "r");
    *lines = file ? count_lines(file) : -1;
    if (file) {
        fclose(file);
    }
}

/* Nobody waits for it who must not; a stop lets queries go on; and once it reads, it gets all. */
static void test_a_pager_that_does_not_read(void)
{
    int ends[2];
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    text_file = fdopen(ends[1], "w");
    json_file = open_memstream(&json, &json_bytes);
    CU_ASSERT_FATAL(text_file && json_file);
    const struct device_report_config config = {
        .text = text_file, .json = json_file, .layer_count = 3, .terms = {.slowdown = 1}};
    CU_ASSERT_EQUAL_FATAL(device_report_create(&config, &report), LL_OK);
    struct ll_thread queries = {0};
    CU_ASSERT_EQUAL_FATAL(ll_thread_start(&queries, "queries", run_queries, NULL), LL_OK);
    /* More than pipe and room hold: the thread of the queries is going to wait. */
    for (int i = 0; i < PIPE_QUERIES; i++) {
        device_report_line(report, "%0400d", i);
    }
    CU_ASSERT_EQUAL(device_report_end(report, ll_clock_now_ns()), LL_E_DEADLINE);
    device_report_hurry(report);
    ll_thread_join(&queries);
    int lines = ends[0];
    struct ll_thread reader = {0};
    CU_ASSERT_EQUAL_FATAL(ll_thread_start(&reader, "reader", count, &lines), LL_OK);
    CU_ASSERT_EQUAL(device_report_end(report, LL_CLOCK_NEVER), LL_OK);
    device_report_destroy(report);
    fclose(text_file);
    fclose(json_file);
    ll_thread_join(&reader);
    CU_ASSERT_TRUE(lines >= PIPE_QUERIES);
    CU_ASSERT_PTR_NOT_NULL(strstr(json, "\"event\":\"summary\""));
    free(json);
}

static void test_what_is_not_finite(void)
{
    begin();
    print(&(struct device_view){.answer.not_finite = 3});
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "  (3 output values are NaN or infinite)"));
    CU_ASSERT_PTR_NOT_NULL(strstr(json, ",\"top\":[],\"not_finite\":3}\n"));
    end();
    begin();
    print(&(struct device_view){.answer.not_finite = 0});
    CU_ASSERT_PTR_NULL(strstr(text, "NaN"));
    CU_ASSERT_PTR_NULL(strstr(json, "not_finite"));
    end();
}

/* A label may hold anything: neither the terminal nor a reader of JSON is to suffer. */
static void test_labels_of_any_bytes(void)
{
    static const struct cli_top top[] = {{"\x1b[2JK\xe4se", .75F}};
    begin();
    print(&(struct device_view){.answer.top = top, .answer.top_count = 1});
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "?[2JK?se"));
    CU_ASSERT_PTR_NOT_NULL(strstr(json, "\"\\u001b[2JK\xef\xbf\xbdse\""));
    end();
}

/* How far the edge can run queries is told of both kinds of weights. */
static void test_a_draft_is_told_apart(void)
{
    const struct device_view nothing = {.image = NULL};
    struct device_progress progress = {
        .acked_bytes = 2000000, .model_bytes = 10000000, .prefix = 1, .draft_prefix = 2};
    begin();
    device_report_progress(report, &progress);
    progress.acked_bytes = 9000000;
    progress.prefix = 2;
    device_report_progress(report, &progress);
    print(&nothing);
    check_text("upload 2.0 of 10.0 MB, 0.0 Mbit/s, 1 of 3 layers ready, 2 with the draft\n"
               "upload 9.0 of 10.0 MB, 0.0 Mbit/s, 2 of 3 layers ready\n" QUERY "\n" END);
    end();
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_a_draft_is_told_apart),
    LL_TEST(test_what_is_not_finite),
    LL_TEST(test_labels_of_any_bytes),
    LL_TEST(test_boxes_as_text),
    LL_TEST(test_best_values_as_text),
    LL_TEST(test_many_boxes_are_counted),
    LL_TEST(test_boxes_as_json),
    LL_TEST(test_a_pager_that_does_not_read),
    {NULL, NULL},
};
