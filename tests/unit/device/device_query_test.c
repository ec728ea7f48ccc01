/* Queries against a fake edge: whatever it does, each answer is the right one, and the fallback
 * says what it did. */
#include "device/query/device_query.h"

#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "core/ll_clock.h"
#include "tests/support/fake_engine.h"
#include "tests/support/ll_test.h"
#include "tests/unit/device/device_fake_edge.h"
#include "tests/unit/device/device_fixture.h"

const char *const ll_test_suite = "device_query";

/* Legal cuts: 0, 1, 2, 4, 5, 6. Two outputs, and a tensor that crosses three cuts. */
static const char cfg[] = "fake\n"
                          "input 2000\n"
                          "layer 300 4000\n"
                          "layer 200 0 output\n"
                          "layer 100 2400 joined\n"
                          "layer 500 8\n"
                          "layer 120 20000 reads 3 0 -1\n"
                          "layer 10 400\n";
enum { LAYERS = 6 };

static struct fake_model model;
static struct fake_edge *edge;
static struct device_fixture device;
static struct fake_edge_script script;

static void begin(void)
{
    static const char *addresses[1];
    fake_model_init(&model, cfg, 5);
    edge = fake_edge_create(&model);
    script = (struct fake_edge_script){.available_layer = -1};
    addresses[0] = fake_edge_address(edge);
    device_fixture_init(&device, &model, addresses, 1, 0);
}

static void start(void)
{
    fake_edge_set_script(edge, &script);
    device_fixture_start(&device);
}

static void end(void)
{
    device_fixture_finish_with(&device, edge);
    fake_model_finish(&model);
}

static void set_answer(fake_answer how)
{
    script.answer = how;
    fake_edge_set_script(edge, &script);
}

static void expect(unsigned seed, int first, int reached, const char *fallback)
{
    device_fixture_expect(&device, seed, first, reached, fallback);
}

/* A query that falls back with a reason that begins so, after the edge was asked. */
static void expect_fallback(const char *reason)
{
    struct device_query_result result;
    device_fixture_query(&device, 77, &result);
    CU_ASSERT_EQUAL(result.end, result.first);
    CU_ASSERT_EQUAL(result.edge_ns, 0);
    if (strncmp(result.fallback.text, reason, strlen(reason)) != 0) {
        CU_ASSERT_STRING_EQUAL(result.fallback.text, reason);
    }
    device_query_result_finish(&result);
}

static void test_every_cut_gives_the_right_answer(void)
{
    const int cuts[] = {0, 1, 2, 4, 5, 6};
    begin();
    start();
    device_fixture_await_uploaded(&device);
    for (int f = 0; f < 6; f++) {
        for (int e = f; e < 6; e++) {
            device.querier.wish.cut_first = cuts[f];
            device.querier.wish.cut_end = cuts[e];
            expect((unsigned)(10 * f + e), cuts[f], cuts[e], "");
        }
    }
    end();
}

static void test_a_fixed_cut_waits_for_the_edge(void)
{
    begin();
    /* The upload takes a while: every hundred bytes need a round trip. */
    script.credit_bytes = 100;
    start();
    device.querier.wish.cut_first = 1;
    device.querier.wish.cut_end = 4;
    struct device_query_result result;
    device_fixture_query(&device, 3, &result);
    CU_ASSERT_EQUAL(result.first, 1);
    CU_ASSERT_EQUAL(result.end, 4);
    CU_ASSERT_TRUE(result.prefix >= 4);
    device_query_result_finish(&result);
    end();
}

static void test_queries_before_the_first_connection_run_here(void)
{
    begin();
    expect(1, 0, 0, "");
    end();
}

/* A single query uses the edge, which has the model already. */
static void test_the_first_query_waits_for_the_connection(void)
{
    begin();
    start();
    device_fixture_await_uploaded(&device);
    struct device_fixture other;
    const char *address = fake_edge_address(edge);
    device_fixture_init(&other, &model, &address, 1, 0);
    other.querier.wait_edge_ns = 30 * LL_NS_PER_S;
    device_fixture_start(&other);
    struct device_query_result result;
    device_fixture_query(&other, 1, &result);
    CU_ASSERT_EQUAL(result.end, LAYERS);
    CU_ASSERT_STRING_EQUAL(result.fallback.text, "");
    device_query_result_finish(&result);
    device_fixture_finish(&other);
    end();
}

/* Where nothing is ever decided, it waits as long as it may, and once. */
static void test_the_wait_for_a_connection_is_bounded(void)
{
    begin();
    device.querier.wait_edge_ns = LL_NS_PER_MS;
    expect(1, 0, 0, "");
    int64_t until_ns = device.querier.wait_until_ns;
    CU_ASSERT_TRUE(until_ns > 0 && until_ns <= ll_clock_now_ns());
    expect(2, 0, 0, "");
    CU_ASSERT_EQUAL(device.querier.wait_until_ns, until_ns);
    end();
    /* By prediction: half of the two microseconds that the device alone takes. */
    begin();
    device.querier.wait_edge_ns = DEVICE_WAIT_PREDICTED;
    for (int i = 0; i < LAYERS; i++) {
        CU_ASSERT_EQUAL(device_layer_times_set(device.times, i, 400, 5), LL_OK);
    }
    int64_t before_ns = ll_clock_now_ns();
    expect(1, 0, 0, "");
    CU_ASSERT_TRUE(device.querier.wait_until_ns >= before_ns + 1000);
    CU_ASSERT_TRUE(device.querier.wait_until_ns <= ll_clock_now_ns());
    end();
}

static void test_a_device_alone_runs_everything(void)
{
    fake_model_init(&model, cfg, 5);
    device_fixture_init(&device, &model, NULL, 0, 0);
    expect(1, 0, 0, "");
    device.querier.wish.cut_first = 2;
    device.querier.wish.cut_end = 5;
    expect(2, 2, 2, "");
    device_fixture_finish(&device);
    fake_model_finish(&model);
}

static void test_bad_answers_are_not_believed(void)
{
    const fake_answer bad[] = {FAKE_ANSWER_WRONG_SIZE, FAKE_ANSWER_ILLEGAL_REACHED,
                               FAKE_ANSWER_BEYOND_END, FAKE_ANSWER_TOO_MANY_TENSORS,
                               FAKE_ANSWER_DISORDER,   FAKE_ANSWER_OVERLONG};
    begin();
    script.longest_prefix = 4;
    start();
    device_fixture_await_prefix(&device, 4);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        set_answer(bad[i]);
        expect_fallback("bad answer: ");
        /* The connection is as good as before. */
        set_answer(FAKE_ANSWER_RIGHT);
        expect((unsigned)i, 0, 4, "");
    }
    CU_ASSERT_TRUE(fake_edge_await_cancels(edge, (int)(sizeof(bad) / sizeof(bad[0]))));
    CU_ASSERT_EQUAL(device.downs, 0);
    end();
}

/* ---- Numbers that are wrong: the fixture checks that outputs are the right ones all the same ----
 */

static struct device_query_result query(unsigned seed)
{
    struct device_query_result result;
    device_fixture_query(&device, seed, &result);
    struct device_query_result seen = result;
    seen.outputs = NULL;
    device_query_result_finish(&result);
    return seen;
}

static void test_values_that_are_not_finite_are_not_believed(void)
{
    begin();
    script.answer = FAKE_ANSWER_NAN;
    start();
    device_fixture_await_uploaded(&device);
    expect(1, 0, 0, "the edge's values are not finite");
    CU_ASSERT_EQUAL(device_fixture_downs(&device), 0);
    expect(2, 0, 0, "the edge's values are not finite");
    device_fixture_await_downs(&device, 1);
    CU_ASSERT_STRING_EQUAL(device.last_down.text, "the edge's values are not finite");
    CU_ASSERT_TRUE(device.last_is_distrust);
    expect(3, 0, 0, "no edge");
    end();
}

static void test_wrong_values_are_found_where_that_is_wanted(void)
{
    begin();
    device.querier.trust.verify_every = 2;
    start();
    device_fixture_await_uploaded(&device);
    struct device_query_result result = query(1);
    CU_ASSERT_FALSE(result.is_verified);
    result = query(2);
    CU_ASSERT_TRUE(result.is_verified && !result.is_wrong);
    CU_ASSERT_EQUAL(result.difference, 0);
    CU_ASSERT_EQUAL(result.end, LAYERS);
    device.querier.trust.verify_every = 1;
    set_answer(FAKE_ANSWER_WRONG_VALUES);
    result = query(3);
    CU_ASSERT_TRUE(result.is_verified && result.is_wrong);
    CU_ASSERT_TRUE(result.difference > 1e-4);
    CU_ASSERT_EQUAL(result.end, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(result.fallback.text, "the edge's values differ by "));
    device_fixture_await_downs(&device, 1);
    CU_ASSERT_TRUE(device.last_is_distrust);
    expect(4, 0, 0, "no edge");
    end();
}

static void test_a_fixed_cut_is_not_answered_short(void)
{
    begin();
    start();
    device_fixture_await_uploaded(&device);
    /* From now on the edge pretends to be no further than layer 2. */
    script.longest_prefix = 2;
    set_answer(FAKE_ANSWER_SHORT);
    device.querier.wish.cut_first = 1;
    device.querier.wish.cut_end = 5;
    expect_fallback("bad answer: reached layer 2, asked for 5 at least");
    end();
}

static void test_no_answer_ends_with_the_deadline(void)
{
    begin();
    script.answer = FAKE_ANSWER_NONE;
    start();
    device_fixture_await_uploaded(&device);
    device.querier.wish.deadline_ns = 20 * LL_NS_PER_MS;
    expect_fallback("deadline");
    CU_ASSERT_TRUE(fake_edge_await_cancels(edge, 1));
    set_answer(FAKE_ANSWER_RIGHT);
    device.querier.wish.deadline_ns = 30 * LL_NS_PER_S;
    expect(4, 0, LAYERS, "");
    end();
}

static void test_a_predicted_deadline_passes_as_well(void)
{
    begin();
    start();
    device_fixture_await_uploaded(&device);
    expect(4, 0, LAYERS, "");
    set_answer(FAKE_ANSWER_NONE);
    expect_fallback("deadline");
    end();
}

static void test_an_edge_that_dies_in_its_answer_is_left_and_found_again(void)
{
    begin();
    script.answer = FAKE_ANSWER_DIE;
    start();
    device_fixture_await_uploaded(&device);
    expect_fallback("edge lost: ");
    device_fixture_await_downs(&device, 1);
    set_answer(FAKE_ANSWER_RIGHT);
    device_fixture_await_ups(&device, 2);
    device_fixture_await_prefix(&device, LAYERS);
    expect(9, 0, LAYERS, "");
    end();
}

static void check_unreadable(fake_answer how)
{
    begin();
    script.answer = how;
    start();
    device_fixture_await_uploaded(&device);
    expect_fallback("edge lost: the edge sent an answer that cannot be read");
    device_fixture_await_downs(&device, 1);
    CU_ASSERT_TRUE(device.last_is_refusal);
    expect(9, 0, 0, "no edge");
    end();
}

static void test_garbage_ends_the_connection(void)
{
    check_unreadable(FAKE_ANSWER_GARBAGE);
    check_unreadable(FAKE_ANSWER_MANY_PARTS);
}

static void test_a_status_is_the_reason(void)
{
    begin();
    script.answer = FAKE_ANSWER_STATUS;
    script.status = 8;
    start();
    device_fixture_await_uploaded(&device);
    expect_fallback("edge: limit exceeded: made\nup");
    CU_ASSERT_EQUAL(device.downs, 0);
    script.status = 16;
    fake_edge_set_script(edge, &script);
    expect_fallback("edge: internal error: made\nup");
    end();
}

static void test_a_model_that_is_gone_is_uploaded_again(void)
{
    begin();
    script.answer = FAKE_ANSWER_STATUS;
    script.status = 5;
    start();
    device_fixture_await_uploaded(&device);
    expect_fallback("edge: not found: made\nup");
    set_answer(FAKE_ANSWER_RIGHT);
    device_fixture_await_ups(&device, 2);
    device_fixture_await_prefix(&device, LAYERS);
    expect(9, 0, LAYERS, "");
    end();
}

static void test_impossible_times_do_no_harm(void)
{
    begin();
    script.answer = FAKE_ANSWER_LYING_TIMES;
    start();
    device_fixture_await_uploaded(&device);
    for (unsigned seed = 0; seed < 5; seed++) {
        expect(seed, 0, LAYERS, "");
    }
    end();
}

static void test_answers_to_other_queries_are_dropped(void)
{
    begin();
    script.answer = FAKE_ANSWER_STRAY;
    start();
    device_fixture_await_uploaded(&device);
    expect(1, 0, LAYERS, "");
    end();
}

static void test_answers_are_acknowledged_where_the_edge_wants_it(void)
{
    begin();
    script.takes_receipts = true;
    /* What nobody waits for counts, too. */
    script.answer = FAKE_ANSWER_STRAY;
    start();
    device_fixture_await_uploaded(&device);
    expect(1, 0, LAYERS, "");
    expect(2, 0, LAYERS, "");
    CU_ASSERT_TRUE(fake_edge_await_receipts(edge));
    end();
}

/* Destroys the edge once the query is there. */
static void destroy_edge(void *arg)
{
    fake_edge_await_queries(arg, 1);
    fake_edge_destroy(arg);
}

static void test_an_edge_that_vanishes_while_a_query_waits(void)
{
    begin();
    script.answer = FAKE_ANSWER_NONE;
    start();
    device_fixture_await_uploaded(&device);
    struct ll_thread thread = {0};
    CU_ASSERT_EQUAL_FATAL(ll_thread_start(&thread, "destroy", destroy_edge, edge), LL_OK);
    device.querier.wish.deadline_ns = 60 * LL_NS_PER_S;
    expect_fallback("edge lost: ");
    ll_thread_join(&thread);
    device_fixture_finish(&device);
    fake_model_finish(&model);
}

/* Interrupts the device once the query is at the edge. */
static void interrupt(void *arg)
{
    fake_edge_await_queries(arg, 1);
    device_session_interrupt(device.session);
}

static void test_a_stop_ends_a_query_that_waits(void)
{
    begin();
    script.answer = FAKE_ANSWER_NONE;
    start();
    device_fixture_await_uploaded(&device);
    device.querier.wish.cut_first = 0;
    device.querier.wish.cut_end = 6;
    struct ll_thread thread = {0};
    CU_ASSERT_EQUAL_FATAL(ll_thread_start(&thread, "stop", interrupt, edge), LL_OK);
    expect_fallback("stopped");
    ll_thread_join(&thread);
    end();
}

/* Tells how the edge computes once the query is there; then it is answered, as is another device's.
 */
static void tell_engine(void *arg)
{
    fake_edge_await_queries(arg, 1);
    device_edge_state_set_same_engine(device_session_edge(device.session), true);
    script.longest_prefix = 0;
    fake_edge_set_script(edge, &script);
    struct device_fixture other;
    const char *address = fake_edge_address(edge);
    struct device_query_result result;
    device_fixture_init(&other, &model, &address, 1, 0);
    device_fixture_start(&other);
    device_fixture_await_uploaded(&other);
    device_fixture_query(&other, 1, &result);
    CU_ASSERT_EQUAL(result.end, LAYERS);
    CU_ASSERT_FALSE(result.is_exact);
    device_query_result_finish(&result);
    device_fixture_finish(&other);
}

/* The first query of a run is often its only one. */
static void test_that_an_edge_computes_alike_may_come_to_be_known_late(void)
{
    begin();
    script.longest_prefix = 2;
    start();
    device_fixture_await_prefix(&device, 2);
    device.querier.wish.cut_first = 0;
    device.querier.wish.cut_end = LAYERS;
    struct ll_thread thread = {0};
    struct device_query_result result;
    CU_ASSERT_EQUAL_FATAL(ll_thread_start(&thread, "tell", tell_engine, edge), LL_OK);
    device_fixture_query(&device, 2, &result);
    ll_thread_join(&thread);
    CU_ASSERT_EQUAL(result.end, LAYERS);
    CU_ASSERT_TRUE(result.is_exact);
    device_query_result_finish(&result);
    end();
}

/* A query whose first part on the device fails. */
static void expect_failing_engine(void)
{
    struct device_query_result result;
    struct ll_buf *input = NULL;
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL_FATAL(ll_buf_create(2000 * sizeof(float), &input), LL_OK);
    memset(ll_buf_writable(input), 0, 2000 * sizeof(float));
    fake_engine_fail(device.engine, FAKE_RUN, 1, LL_E_NO_MEMORY);
    CU_ASSERT_EQUAL(device_query_run(&device.querier, &(struct device_query_input){.floats = input},
                                     &result, &err),
                    LL_E_NO_MEMORY);
    CU_ASSERT_STRING_EQUAL(err.text, "made to fail");
    ll_buf_unref(input);
}

static void test_a_failing_engine_loses_the_query_and_says_why(void)
{
    begin();
    expect_failing_engine();
    end();
}

/* The layer times say that each layer takes a second on the device. */
static void begin_slow(void)
{
    begin();
    for (int i = 0; i < LAYERS; i++) {
        CU_ASSERT_EQUAL(device_layer_times_set(device.times, i, LL_NS_PER_S, 5), LL_OK);
    }
    device.querier.wish.choose = DEVICE_CHOOSE_FASTEST;
}

static void test_the_fastest_range_is_chosen(void)
{
    begin_slow();
    start();
    device_fixture_await_uploaded(&device);
    struct device_query_result result;
    device_fixture_query(&device, 5, &result);
    CU_ASSERT_EQUAL(result.first, 0);
    CU_ASSERT_EQUAL(result.end, LAYERS);
    CU_ASSERT_EQUAL(result.up_bytes, 8000);
    CU_ASSERT_EQUAL(result.down_bytes, 840);
    CU_ASSERT_TRUE(result.predicted_ns > 0 && result.predicted_ns < 6 * LL_NS_PER_S);
    CU_ASSERT_FALSE(result.stays);
    CU_ASSERT_EQUAL(result.tries, DEVICE_TRY_NOTHING);
    device_query_result_finish(&result);
    end();
}

static void test_a_fast_device_needs_no_edge(void)
{
    begin();
    start();
    device_fixture_await_uploaded(&device);
    device.querier.wish.choose = DEVICE_CHOOSE_FASTEST;
    for (int i = 0; i < LAYERS; i++) {
        CU_ASSERT_EQUAL(device_layer_times_set(device.times, i, 1, 5), LL_OK);
    }
    struct device_query_result result;
    device_fixture_query(&device, 5, &result);
    CU_ASSERT_EQUAL(result.end, 0);
    CU_ASSERT_STRING_EQUAL(result.fallback.text, "");
    CU_ASSERT_EQUAL(result.tries, DEVICE_TRY_NOTHING);
    CU_ASSERT_EQUAL(result.up_bytes + result.down_bytes, 0);
    CU_ASSERT_TRUE(result.stays && result.there_ns > result.predicted_ns);
    device_query_result_finish(&result);
    end();
}

static void test_a_slow_edge_is_asked_as_well_at_times(void)
{
    begin_slow();
    /* It says that it is as slow as the device, nearly. */
    script.layer_ns = (uint64_t)(2 * LL_NS_PER_S);
    start();
    device_fixture_await_uploaded(&device);
    struct device_query_result result;
    device_fixture_query(&device, 5, &result);
    CU_ASSERT_EQUAL(result.end, 0);
    CU_ASSERT_EQUAL(result.tries, DEVICE_TRY_EDGE);
    CU_ASSERT_STRING_EQUAL(result.fallback.text, "");
    device_query_result_finish(&result);
    /* Not the next query again. */
    device_fixture_query(&device, 6, &result);
    CU_ASSERT_EQUAL(result.tries, DEVICE_TRY_NOTHING);
    device_query_result_finish(&result);
    end();
}

static void test_a_failing_engine_takes_the_edges_part_back(void)
{
    begin_slow();
    script.layer_ns = (uint64_t)(2 * LL_NS_PER_S);
    start();
    device_fixture_await_uploaded(&device);
    /* The edge is asked as well; an answer would come into memory that is gone. */
    set_answer(FAKE_ANSWER_NONE);
    expect_failing_engine();
    struct device_requests_debt debt;
    device_requests_debt(device.querier.requests, &debt);
    CU_ASSERT_EQUAL(debt.queries, 0);
    /* The pause before the next try shows that this was one. */
    struct device_query_result result;
    device_fixture_query(&device, 6, &result);
    CU_ASSERT_EQUAL(result.tries, DEVICE_TRY_NOTHING);
    CU_ASSERT_EQUAL(result.end, 0);
    device_query_result_finish(&result);
    end();
}

static void test_what_the_edge_tells_of_its_layers_counts(void)
{
    begin_slow();
    script.layer_ns = (uint64_t)(7 * LL_NS_PER_S);
    start();
    device_fixture_await_uploaded(&device);
    expect(1, 0, 0, "");
    end();
}

static void test_the_prefix_bounds_the_choice(void)
{
    begin_slow();
    script.longest_prefix = 4;
    start();
    device_fixture_await_prefix(&device, 4);
    expect(1, 0, 4, "");
    end();
}

static void test_an_edge_that_never_answers_right_is_left_alone(void)
{
    begin_slow();
    script.answer = FAKE_ANSWER_STATUS;
    script.status = 8;
    start();
    device_fixture_await_uploaded(&device);
    expect_fallback("edge: limit exceeded: made\nup");
    for (unsigned seed = 0; seed < 5; seed++) {
        expect(seed, 0, 0, "");
    }
    end();
}

/* An input that bytes hold, or not quite. */
static struct ll_buf *picture(bool is_exact)
{
    struct ll_buf *input = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_buf_create(2000 * sizeof(float), &input), LL_OK);
    float *values = ll_buf_writable(input);
    for (int i = 0; i < 2000; i++) {
        values[i] = (float)(i * 7 % 256) / 255.0F;
    }
    values[1999] = is_exact ? values[1999] : 0.3F;
    return input;
}

static void run_cut(struct ll_buf *input, int first, int range_end,
                    struct device_query_result *out_result)
{
    struct ll_error err = {.text = ""};
    device.querier.wish.cut_first = first;
    device.querier.wish.cut_end = range_end;
    CU_ASSERT_EQUAL_FATAL(device_query_run(&device.querier,
                                           &(struct device_query_input){.floats = input},
                                           out_result, &err),
                          LL_OK);
    CU_ASSERT_EQUAL(out_result->end, range_end);
    CU_ASSERT_STRING_EQUAL(out_result->fallback.text, "");
}

/* Whether the edge's part changed nothing, and what it took. */
static bool is_same_as_here(struct ll_buf *input, int first, int range_end, int64_t up_bytes,
                            int64_t down_bytes)
{
    struct device_query_result here;
    struct device_query_result there;
    run_cut(input, 0, 0, &here);
    run_cut(input, first, range_end, &there);
    CU_ASSERT_EQUAL(there.up_bytes, up_bytes);
    CU_ASSERT_EQUAL(there.down_bytes, down_bytes);
    size_t bytes = (size_t)here.output_floats * sizeof(float);
    bool is_same = memcmp((void *)here.outputs, (void *)there.outputs, bytes) == 0;
    CU_ASSERT_EQUAL(there.is_rounded, !is_same);
    device_query_result_finish(&here);
    device_query_result_finish(&there);
    return is_same;
}

static void begin_encoding(bool takes_encodings)
{
    begin();
    script.takes_encodings = takes_encodings;
    start();
    device_fixture_await_uploaded(&device);
}

static void test_a_picture_goes_as_bytes(void)
{
    struct ll_buf *input = picture(true);
    begin_encoding(true);
    CU_ASSERT_TRUE(is_same_as_here(input, 0, 6, 2000, 840));
    CU_ASSERT_TRUE(is_same_as_here(input, 0, 2, 2000, 2000));
    CU_ASSERT_TRUE(is_same_as_here(input, 4, 5, 5200, 480));
    device.querier.wish.input = DEVICE_WANT_F32;
    CU_ASSERT_TRUE(is_same_as_here(input, 0, 6, 8000, 840));
    ll_buf_unref(input);
    end();
}

static void test_an_input_that_bytes_do_not_hold_goes_as_floats(void)
{
    struct ll_buf *input = picture(false);
    begin_encoding(true);
    CU_ASSERT_TRUE(is_same_as_here(input, 0, 6, 8000, 840));
    ll_buf_unref(input);
    end();
}

static void test_an_edge_that_takes_floats_alone_gets_them(void)
{
    struct ll_buf *input = picture(true);
    begin_encoding(false);
    device.querier.wish.cut_dtype = LL_F16;
    CU_ASSERT_TRUE(is_same_as_here(input, 0, 6, 8000, 840));
    CU_ASSERT_TRUE(is_same_as_here(input, 4, 5, 11200, 480));
    ll_buf_unref(input);
    end();
}

/* Nothing goes coded, and nothing may come so (device_fake_offload.c requires both). */
static void test_an_edge_that_takes_nothing_coded_gets_it_plain(void)
{
    struct ll_buf *input = picture(true);
    begin_encoding(false);
    device.querier.wish.codes_always = true;
    CU_ASSERT_TRUE(is_same_as_here(input, 4, 5, 11200, 480));
    /* What was not asked for is refused, and the device does it. */
    set_answer(FAKE_ANSWER_BAD_CODING);
    expect_fallback("bad answer: tensor 4: coding 1 was not asked for");
    ll_buf_unref(input);
    end();
}

/* The edge's bytes are not those of a tensor: the query goes on with what the device has. */
static void test_an_answer_that_does_not_decode_is_done_here(void)
{
    begin();
    script.takes_planes = true;
    script.answer = FAKE_ANSWER_BAD_CODING;
    start();
    device_fixture_await_uploaded(&device);
    device.querier.wish.input = DEVICE_WANT_F32;
    device.querier.wish.codes_always = true;
    device.querier.wish.cut_first = 0;
    device.querier.wish.cut_end = 2;
    expect_fallback("bad answer: tensor 0: coded bytes, by byte ");
    /* Plain ones do, coded as they might be. */
    set_answer(FAKE_ANSWER_RIGHT);
    expect(78, 0, 2, "");
    end();
}

static void test_cut_tensors_go_as_halves_where_that_is_wanted(void)
{
    struct ll_buf *exact = picture(true);
    struct ll_buf *input = picture(false);
    begin_encoding(true);
    device.querier.wish.cut_dtype = LL_F16;
    /* Outputs of the network stay as they are. */
    CU_ASSERT_TRUE(is_same_as_here(exact, 0, 6, 2000, 840));
    CU_ASSERT_FALSE(is_same_as_here(input, 0, 6, 4000, 840));
    CU_ASSERT_FALSE(is_same_as_here(exact, 0, 2, 2000, 1400));
    CU_ASSERT_FALSE(is_same_as_here(exact, 4, 5, 3600, 240));
    device.querier.wish.input = DEVICE_WANT_F32;
    CU_ASSERT_FALSE(is_same_as_here(exact, 4, 5, 9600, 240));
    ll_buf_unref(exact);
    ll_buf_unref(input);
    end();
}

/* Runs [0, 6) there, with a file that the edge is told to make the input of. */
static void run_file(struct ll_buf *input, struct ll_buf *file, vision_format format,
                     int64_t up_bytes, const char *encoding)
{
    struct device_query_input query = {
        .floats = input,
        .file = {.bytes = file, .format = format, .orientation = 1, .fit = VISION_FIT_CROP},
        .made_ns = 1,
    };
    struct device_query_result result;
    struct ll_error err = {.text = ""};
    device.querier.wish.cut_first = 0;
    device.querier.wish.cut_end = 6;
    CU_ASSERT_EQUAL_FATAL(device_query_run(&device.querier, &query, &result, &err), LL_OK);
    CU_ASSERT_STRING_EQUAL(result.fallback.text, "");
    CU_ASSERT_EQUAL(result.end, 6);
    CU_ASSERT_EQUAL(result.up_bytes, up_bytes);
    CU_ASSERT_STRING_EQUAL(result.input_encoding, encoding);
    device_query_result_finish(&result);
}

/* The query itself goes on with pixels, later ones begin with them. What the edge does not know is
 * not sent at all. */
static void test_an_edge_that_makes_another_input_of_a_file_gets_pixels(void)
{
    struct fake_edge_counts counts;
    struct ll_buf *file = NULL;
    struct ll_buf *bytes = picture(true);
    struct ll_buf *floats = picture(false);
    CU_ASSERT_EQUAL_FATAL(ll_buf_copy("no JPEG at all", 14, &file), LL_OK);
    begin();
    script.takes_encodings = script.refuses_pictures = true;
    start();
    device_fixture_await_uploaded(&device);
    run_file(bytes, file, VISION_PNG, 2000, "u8");
    fake_edge_get_counts(edge, &counts);
    CU_ASSERT_EQUAL(counts.queries, 1);
    run_file(bytes, file, VISION_JPEG, 14 + 2000, "u8");
    fake_edge_get_counts(edge, &counts);
    CU_ASSERT_EQUAL(counts.queries, 3);
    run_file(floats, file, VISION_JPEG, 8000, "f32");
    run_file(bytes, file, VISION_JPEG, 2000, "u8");
    fake_edge_get_counts(edge, &counts);
    CU_ASSERT_EQUAL(counts.queries, 5);
    ll_buf_unref(file);
    ll_buf_unref(bytes);
    ll_buf_unref(floats);
    end();
}

/* Whatever the edge has against a file, pixels may be all right; against that one alone. */
static void check_refused_file(int status)
{
    struct fake_edge_counts counts;
    struct ll_buf *files[2] = {NULL, NULL};
    struct ll_buf *bytes = picture(true);
    CU_ASSERT_EQUAL_FATAL(ll_buf_copy("too large", 9, &files[0]), LL_OK);
    CU_ASSERT_EQUAL_FATAL(ll_buf_copy("another one", 11, &files[1]), LL_OK);
    begin();
    script.takes_encodings = script.refuses_pictures = true;
    script.picture_status = status;
    start();
    device_fixture_await_uploaded(&device);
    run_file(bytes, files[0], VISION_JPEG, 9 + 2000, "u8");
    run_file(bytes, files[0], VISION_JPEG, 2000, "u8");
    run_file(bytes, files[1], VISION_JPEG, 11 + 2000, "u8");
    fake_edge_get_counts(edge, &counts);
    CU_ASSERT_EQUAL(counts.queries, 5);
    ll_buf_unref(files[0]);
    ll_buf_unref(files[1]);
    ll_buf_unref(bytes);
    end();
}

static void test_a_file_that_an_edge_does_not_take_goes_as_pixels(void)
{
    /* INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNIMPLEMENTED. */
    check_refused_file(3);
    check_refused_file(8);
    check_refused_file(12);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_a_file_that_an_edge_does_not_take_goes_as_pixels),
    LL_TEST(test_an_edge_that_makes_another_input_of_a_file_gets_pixels),
    LL_TEST(test_every_cut_gives_the_right_answer),
    LL_TEST(test_a_fixed_cut_waits_for_the_edge),
    LL_TEST(test_queries_before_the_first_connection_run_here),
    LL_TEST(test_the_first_query_waits_for_the_connection),
    LL_TEST(test_the_wait_for_a_connection_is_bounded),
    LL_TEST(test_a_device_alone_runs_everything),
    LL_TEST(test_bad_answers_are_not_believed),
    LL_TEST(test_values_that_are_not_finite_are_not_believed),
    LL_TEST(test_wrong_values_are_found_where_that_is_wanted),
    LL_TEST(test_that_an_edge_computes_alike_may_come_to_be_known_late),
    LL_TEST(test_a_fixed_cut_is_not_answered_short),
    LL_TEST(test_no_answer_ends_with_the_deadline),
    LL_TEST(test_a_predicted_deadline_passes_as_well),
    LL_TEST(test_an_edge_that_dies_in_its_answer_is_left_and_found_again),
    LL_TEST(test_garbage_ends_the_connection),
    LL_TEST(test_a_status_is_the_reason),
    LL_TEST(test_a_model_that_is_gone_is_uploaded_again),
    LL_TEST(test_impossible_times_do_no_harm),
    LL_TEST(test_answers_to_other_queries_are_dropped),
    LL_TEST(test_a_picture_goes_as_bytes),
    LL_TEST(test_an_input_that_bytes_do_not_hold_goes_as_floats),
    LL_TEST(test_an_edge_that_takes_floats_alone_gets_them),
    LL_TEST(test_an_edge_that_takes_nothing_coded_gets_it_plain),
    LL_TEST(test_an_answer_that_does_not_decode_is_done_here),
    LL_TEST(test_cut_tensors_go_as_halves_where_that_is_wanted),
    LL_TEST(test_the_fastest_range_is_chosen),
    LL_TEST(test_a_fast_device_needs_no_edge),
    LL_TEST(test_a_slow_edge_is_asked_as_well_at_times),
    LL_TEST(test_a_failing_engine_takes_the_edges_part_back),
    LL_TEST(test_what_the_edge_tells_of_its_layers_counts),
    LL_TEST(test_the_prefix_bounds_the_choice),
    LL_TEST(test_an_edge_that_never_answers_right_is_left_alone),
    LL_TEST(test_answers_are_acknowledged_where_the_edge_wants_it),
    LL_TEST(test_an_edge_that_vanishes_while_a_query_waits),
    LL_TEST(test_a_stop_ends_a_query_that_waits),
    LL_TEST(test_a_failing_engine_loses_the_query_and_says_why),
    {NULL, NULL},
};
