/* The agent's run against a fake edge, and what it prints. */
#include "device/device_agent.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "core/ll_clock.h"
#include "core/ll_sync.h"
#include "tests/support/fake_engine.h"
#include "tests/support/fake_model.h"
#include "tests/support/ll_test.h"
#include "tests/unit/device/device_fake_edge.h"

const char *const ll_test_suite = "device_agent";

static const char cfg[] = "fake\n"
                          "input 2000\n"
                          "layer 300 40000\n"
                          "layer 200 0 output\n"
                          "layer 100 24000 joined\n"
                          "layer 500 8\n"
                          "layer 10 4000\n";
enum { LAYERS = 5, MODEL_BYTES = 68008 };

static struct fake_model fake;
static struct fake_edge *edge;
static struct fake_edge_script script;
static struct ll_plan plan;
static struct device_model model;
static struct ll_buf *input;
static struct device_report *report;
static struct device_agent_config config;
static const char *addresses[1];
/* What was printed. */
static FILE *text_file;
static FILE *json_file;
static char *text;
static char *json;
static size_t text_bytes;
static size_t json_bytes;
static struct ll_error err;

/* Position and value of the two first values. */
static void look(void *owner, const struct device_query_result *result,
                 struct device_view *out_view)
{
    static char labels[2][32];
    static struct cli_top top[2];
    for (int i = 0; i < 2 && i < result->output_floats; i++) {
        snprintf(labels[i], sizeof(labels[i]), "\x1b[2Jv%d", i);
        top[i] = (struct cli_top){.label = labels[i], .value = result->outputs[i]};
    }
    CU_ASSERT_PTR_EQUAL(owner, &fake);
    out_view->answer.top = top;
    out_view->answer.top_count = 2;
}

static void begin(bool has_edge, bool is_terminal)
{
    fake_model_init(&fake, cfg, 5);
    fake_model_plan(&fake, &plan);
    model = (struct device_model){.table = &fake.network->table,
                                  .blobs = fake.blobs,
                                  .manifest = &fake.manifest,
                                  .plan = &plan};
    memcpy(model.id, fake.id_text, sizeof(model.id));
    struct fake_tensors values = {0};
    fake_model_inputs(&fake, 1, 0, LAYERS, &values);
    CU_ASSERT_EQUAL_FATAL(ll_buf_copy(values.data, (size_t)values.floats * sizeof(float), &input),
                          LL_OK);
    fake_tensors_finish(&values);
    edge = has_edge ? fake_edge_create(&fake) : NULL;
    script = (struct fake_edge_script){.available_layer = -1};
    addresses[0] = has_edge ? fake_edge_address(edge) : NULL;
    text_file = open_memstream(&text, &text_bytes);
    json_file = open_memstream(&json, &json_bytes);
    CU_ASSERT_FATAL(text_file && json_file);
    struct device_report_config reporting = {.text = text_file,
                                             .is_terminal = is_terminal,
                                             .json = json_file,
                                             .layer_count = LAYERS,
                                             .terms = {.slowdown = 1}};
    CU_ASSERT_EQUAL_FATAL(device_report_create(&reporting, &report), LL_OK);
    config = (struct device_agent_config){
        .client = {.model = &model,
                   .engine = fake.engine,
                   .network = fake.network,
                   .input = input,
                   .edges = addresses,
                   .edge_count = has_edge ? 1 : 0,
                   .slowdown = 1,
                   /* The fake engine is faster than any edge. */
                   .wish = {.cut_end = -1, .choose = DEVICE_CHOOSE_FURTHEST}},
        .until = DEVICE_UNTIL_UPLOADED,
        .count = 3,
        .look = look,
        .owner = &fake,
        .report = report,
    };
}

static ll_status run(void)
{
    struct device_agent *agent = NULL;
    if (edge) {
        fake_edge_set_script(edge, &script);
    }
    CU_ASSERT_EQUAL_FATAL(device_agent_create(&config, &agent, &err), LL_OK);
    ll_status status = device_agent_run(agent, &err);
    struct fake_tensors expected = {0};
    fake_model_outputs(&fake, 1, 0, LAYERS, &expected);
    int64_t floats = 0;
    const void *outputs = device_agent_outputs(agent, &floats);
    if (outputs) {
        CU_ASSERT_EQUAL_FATAL(floats, expected.floats);
        CU_ASSERT_EQUAL(memcmp(outputs, (const void *)expected.data, (size_t)floats * 4), 0);
    }
    fake_tensors_finish(&expected);
    device_agent_destroy(agent);
    fflush(text_file);
    fflush(json_file);
    return status;
}

static void end(void)
{
    device_report_destroy(report);
    fclose(text_file);
    fclose(json_file);
    free(text);
    free(json);
    fake_edge_destroy(edge);
    ll_buf_unref(input);
    ll_plan_finish(&plan);
    fake_model_finish(&fake);
}

/* How often an event of this name stands in the JSON; every line must be an object. */
static int count_events(const char *name)
{
    int count = 0;
    for (const char *line = json; line && *line;) {
        const char *line_end = strchr(line, '\n');
        CU_ASSERT_PTR_NOT_NULL_FATAL(line_end);
        struct json_tokener *tokener = json_tokener_new();
        struct json_object *object = json_tokener_parse_ex(tokener, line, (int)(line_end - line));
        struct json_object *event = NULL;
        CU_ASSERT_TRUE(json_object_object_get_ex(object, "event", &event));
        count += event && strcmp(json_object_get_string(event), name) == 0 ? 1 : 0;
        json_object_put(object);
        json_tokener_free(tokener);
        line = line_end + 1;
    }
    return count;
}

static bool says(const char *sentence)
{
    return strstr(text, sentence) != NULL;
}

static void test_until_uploaded_runs_extra_queries(void)
{
    begin(true, false);
    CU_ASSERT_EQUAL(run(), LL_OK);
    CU_ASSERT_EQUAL(count_events("upload"), 1);
    CU_ASSERT_EQUAL(count_events("summary"), 1);
    CU_ASSERT_TRUE(count_events("query") >= 3);
    CU_ASSERT_TRUE(count_events("ready") >= 1);
    const char *upload = strstr(json, "\"event\":\"upload\"");
    CU_ASSERT_PTR_NOT_NULL_FATAL(upload);
    CU_ASSERT_PTR_NOT_NULL(strstr(upload, "\"model_bytes\":68008,"));
    int after = 0;
    for (const char *at = upload; (at = strstr(at, "\"event\":\"query\"")); at++) {
        after++;
    }
    /* Those that were issued before the agent saw that the model is ready come on top. */
    CU_ASSERT_TRUE(after >= 3);
    CU_ASSERT_TRUE(says("0.1 MB to upload"));
    CU_ASSERT_TRUE(says("the edge has the whole model"));
    CU_ASSERT_TRUE(says("edge [0, 5)"));
    /* A label's bytes do not steer the terminal. */
    CU_ASSERT_TRUE(says("?[2Jv0"));
    CU_ASSERT_PTR_NULL(strchr(text, '\x1b'));
    end();
}

static void test_a_count_ends_before_the_upload(void)
{
    begin(true, false);
    config.until = DEVICE_UNTIL_COUNT;
    config.count = 2;
    script.credit_bytes = 10;
    CU_ASSERT_EQUAL(run(), LL_OK);
    CU_ASSERT_EQUAL(count_events("query"), 2);
    CU_ASSERT_EQUAL(count_events("upload"), 0);
    CU_ASSERT_TRUE(says("2 queries, 0 lost, 0 fell back"));
    end();
}

static void test_a_time_ends_the_run(void)
{
    begin(true, false);
    config.until = DEVICE_UNTIL_TIME;
    config.duration_ns = 50 * LL_NS_PER_MS;
    /* Longer than the run: it must not be waited for. */
    config.interval_ns = 3600 * LL_NS_PER_S;
    CU_ASSERT_EQUAL(run(), LL_OK);
    CU_ASSERT_EQUAL(count_events("query"), 1);
    end();
}

/* Two pictures in turn, and none for the third query. */
static ll_status pick(void *owner, int64_t id, struct device_query_input *out_input,
                      const char **out_name, struct ll_error *pick_err)
{
    CU_ASSERT_PTR_EQUAL(owner, &fake);
    *out_input = (struct device_query_input){.floats = input};
    *out_name = id == 1 ? "one" : "t\"wo";
    return id < 3 ? LL_OK : ll_fail(pick_err, LL_E_NOT_FOUND, "three: not there");
}

static void test_each_query_has_its_picture(void)
{
    begin(false, false);
    config.pick = pick;
    config.until = DEVICE_UNTIL_COUNT;
    config.count = 5;
    CU_ASSERT_EQUAL(run(), LL_E_NOT_FOUND);
    CU_ASSERT_STRING_EQUAL(err.text, "three: not there");
    CU_ASSERT_EQUAL(count_events("query"), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(json, "\"id\":1,\"image\":\"one\","));
    CU_ASSERT_PTR_NOT_NULL(strstr(json, "\"id\":2,\"image\":\"t\\\"wo\","));
    CU_ASSERT_TRUE(says("query 3    failed: three: not there"));
    CU_ASSERT_TRUE(says("5 layers, 0.1 MB of weights"));
    end();
}

/* Where nobody uses the edge, the run says why, once. */
static void test_queries_that_stay_are_explained(void)
{
    begin(true, false);
    config.client.wish.choose = DEVICE_CHOOSE_FASTEST;
    CU_ASSERT_EQUAL(run(), LL_OK);
    const char *first = strstr(text, "queries stay on the device: predicted ");
    CU_ASSERT_PTR_NOT_NULL_FATAL(first);
    CU_ASSERT_PTR_NULL(strstr(first + 1, "queries stay"));
    end();
}

static void test_without_an_edge_everything_runs_here(void)
{
    begin(false, false);
    CU_ASSERT_EQUAL(run(), LL_OK);
    CU_ASSERT_EQUAL(count_events("query"), 3);
    CU_ASSERT_TRUE(says("no --edge: everything runs on this device"));
    CU_ASSERT_FALSE(says("edge ["));
    end();
}

static void test_a_model_that_every_edge_refuses_fails_the_run(void)
{
    begin(true, false);
    script.upload = FAKE_UPLOAD_REFUSE;
    script.status = 12;
    CU_ASSERT_EQUAL(run(), LL_E_PRECONDITION);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "refuses: no, thanks"));
    CU_ASSERT_TRUE(count_events("query") >= 3);
    CU_ASSERT_EQUAL(count_events("summary"), 1);
    CU_ASSERT_TRUE(says("refuses (no, thanks): going on on the device alone"));
    end();
}

/* Another edge than the one that was lost is not back: it is there. */
static void test_an_edge_that_was_never_there_is_not_back(void)
{
    begin(true, false);
    struct fake_edge *second = fake_edge_create(&fake);
    const char *both[] = {addresses[0], fake_edge_address(second)};
    config.client.edges = both;
    config.client.edge_count = 2;
    script.upload = FAKE_UPLOAD_REFUSE;
    script.status = 3;
    CU_ASSERT_EQUAL(run(), LL_OK);
    CU_ASSERT_TRUE(says("refuses (no, thanks)"));
    CU_ASSERT_TRUE(says(" is there: 0.1 MB to upload"));
    CU_ASSERT_FALSE(says(" is back: "));
    fake_edge_destroy(second);
    end();
}

static void test_patience_without_an_edge_ends(void)
{
    begin(true, false);
    addresses[0] = "127.0.0.1:1";
    config.patience_ns = 30 * LL_NS_PER_MS;
    CU_ASSERT_EQUAL(run(), LL_OK);
    CU_ASSERT_TRUE(count_events("query") >= 3);
    CU_ASSERT_EQUAL(count_events("upload"), 0);
    CU_ASSERT_TRUE(says("no edge for 0 s: not waiting for the upload"));
    end();
}

static void test_a_failing_engine_fails_the_run(void)
{
    begin(false, false);
    fake_engine_fail(fake.engine, FAKE_RUN, 1, LL_E_NO_MEMORY);
    CU_ASSERT_EQUAL(run(), LL_E_NO_MEMORY);
    CU_ASSERT_TRUE(says("failed: made to fail"));
    CU_ASSERT_PTR_NOT_NULL(strstr(json, "\"queries\":1,\"lost\":1,\"fallbacks\":0"));
    end();
}

static void test_the_terminal_shows_a_bar(void)
{
    begin(true, true);
    CU_ASSERT_EQUAL(run(), LL_OK);
    CU_ASSERT_TRUE(says("upload ["));
    CU_ASSERT_TRUE(says("of 5 layers ready"));
    CU_ASSERT_TRUE(says("\r\033[K"));
    CU_ASSERT_FALSE(says("MB, "));
    end();
}

static void stop_agent(void *arg)
{
    fake_edge_await_queries(edge, 1);
    device_agent_stop(arg);
}

static void test_a_stop_ends_the_run_in_order(void)
{
    begin(true, false);
    config.until = DEVICE_UNTIL_COUNT;
    config.count = 1000000;
    config.client.wish.cut_first = 0;
    config.client.wish.cut_end = LAYERS;
    script.answer = FAKE_ANSWER_NONE;
    fake_edge_set_script(edge, &script);
    struct device_agent *agent = NULL;
    struct ll_thread thread = {0};
    CU_ASSERT_EQUAL_FATAL(device_agent_create(&config, &agent, &err), LL_OK);
    CU_ASSERT_EQUAL_FATAL(ll_thread_start(&thread, "stop", stop_agent, agent), LL_OK);
    CU_ASSERT_EQUAL(device_agent_run(agent, &err), LL_OK);
    ll_thread_join(&thread);
    device_agent_destroy(agent);
    fflush(text_file);
    fflush(json_file);
    CU_ASSERT_EQUAL(count_events("query"), 1);
    CU_ASSERT_EQUAL(count_events("summary"), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(json, "\"fallback\":\"stopped\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(json, "\"interrupted\":true"));
    end();
}

static void test_json_that_cannot_be_written_fails_the_run(void)
{
    begin(false, false);
    FILE *full = fopen("/dev/full", "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(full);
    device_report_destroy(report);
    struct device_report_config reporting = {
        .text = text_file, .json = full, .layer_count = LAYERS, .terms = {.slowdown = 1}};
    CU_ASSERT_EQUAL_FATAL(device_report_create(&reporting, &report), LL_OK);
    config.report = report;
    CU_ASSERT_EQUAL(run(), LL_E_IO);
    fclose(full);
    end();
}

static void test_numbers_that_json_has_not_become_null(void)
{
    begin(false, false);
    struct device_writer *writer = NULL;
    CU_ASSERT_EQUAL_FATAL(device_writer_create(json_file, 1000, &writer), LL_OK);
    struct device_json out = {
        .writer = writer, .origin_ns = 0, .layer_count = LAYERS, .terms = {.slowdown = 1}};
    struct device_query_result result = {.issued_ns = 1500000};
    struct cli_top top[] = {{"a \"b\"\n", 0.25F}, {"n", 0.0F / 0.0F}, {"i", 1e38F * 10}};
    struct device_view view = {.answer.top = top, .answer.top_count = 3};
    CU_ASSERT_EQUAL(device_json_query(&out, 7, &result, &view), LL_OK);
    device_writer_destroy(writer);
    CU_ASSERT_PTR_NOT_NULL(strstr(json, "\"issued_ms\":1.500,"));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(json, "\"top\":[[\"a \\\"b\\\"\\n\",0.25],[\"n\",null],[\"i\",null]]}"));
    CU_ASSERT_EQUAL(count_events("query"), 1);
    end();
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_an_edge_that_was_never_there_is_not_back),
    LL_TEST(test_until_uploaded_runs_extra_queries),
    LL_TEST(test_a_count_ends_before_the_upload),
    LL_TEST(test_a_time_ends_the_run),
    LL_TEST(test_each_query_has_its_picture),
    LL_TEST(test_queries_that_stay_are_explained),
    LL_TEST(test_without_an_edge_everything_runs_here),
    LL_TEST(test_a_model_that_every_edge_refuses_fails_the_run),
    LL_TEST(test_patience_without_an_edge_ends),
    LL_TEST(test_a_failing_engine_fails_the_run),
    LL_TEST(test_the_terminal_shows_a_bar),
    LL_TEST(test_a_stop_ends_the_run_in_order),
    LL_TEST(test_json_that_cannot_be_written_fails_the_run),
    LL_TEST(test_numbers_that_json_has_not_become_null),
    {NULL, NULL},
};
