/* The session against a fake edge that takes weights in other forms than as they are: frames,
 * differences, drafts. */
#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "device/edge_link/device_session.h"
#include "tests/support/ll_test.h"
#include "tests/unit/device/device_fake_edge.h"
#include "tests/unit/device/device_fixture.h"

const char *const ll_test_suite = "device_session_weights";

static const char cfg[] = "fake\n"
                          "input 2000\n"
                          "layer 300 40000\n"
                          "layer 200 0 output\n"
                          "layer 100 24000 joined\n"
                          "layer 500 8\n"
                          "layer 120 200000 reads 3 0 -1\n"
                          "layer 10 4000\n";
enum { LAYERS = 6, MODEL_BYTES = 268008 };

static struct fake_model model;
static struct fake_edge *edge;
static struct device_fixture device;
static struct fake_edge_script script;

static void begin(void)
{
    fake_model_init_weights(&model, cfg, 5);
    edge = fake_edge_create(&model);
    script = (struct fake_edge_script){.available_layer = -1};
    const char *address = fake_edge_address(edge);
    static const char *addresses[1];
    addresses[0] = address;
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

static void expect_query(unsigned seed, int first, int reached, const char *fallback)
{
    device_fixture_expect(&device, seed, first, reached, fallback);
}

/* 4 frames in layer 4, and one in each of the others but layer 1. */
enum { FRAMES = 8 };

static void test_frames_bring_the_model_in_fewer_bytes(void)
{
    begin();
    script.takes_frames = true;
    start();
    device_fixture_await_uploaded(&device);
    struct fake_edge_counts counts;
    fake_edge_get_counts(edge, &counts);
    CU_ASSERT_TRUE(counts.frames >= FRAMES - 1);
    CU_ASSERT_TRUE(device.uploaded.sent_weight_bytes < MODEL_BYTES * 9 / 10);
    CU_ASSERT_EQUAL(device.uploaded.sent_weight_bytes, (int64_t)counts.chunk_bytes);
    CU_ASSERT_EQUAL(device.uploaded.model_bytes, MODEL_BYTES);
    CU_ASSERT_EQUAL(device.acked_bytes, MODEL_BYTES);
    expect_query(1, 0, LAYERS, "");
    end();
}

static void test_frames_keep_a_small_credit(void)
{
    begin();
    script.takes_frames = true;
    script.credit_bytes = 5000;
    start();
    device_fixture_await_uploaded(&device);
    CU_ASSERT_EQUAL(device.acked_bytes, MODEL_BYTES);
    expect_query(1, 0, LAYERS, "");
    end();
}

/* At most the frame that was under way is sent twice. */
static void test_a_broken_upload_goes_on_at_the_frame(void)
{
    begin();
    script.takes_frames = true;
    script.break_after_bytes = 120000;
    start();
    device_fixture_await_uploaded(&device);
    struct fake_edge_counts counts;
    fake_edge_get_counts(edge, &counts);
    CU_ASSERT_EQUAL(counts.opens, 2);
    CU_ASSERT_EQUAL(counts.first_layer, 4);
    CU_ASSERT_TRUE(counts.first_offset > 0 && counts.first_offset % 65536 == 0);
    CU_ASSERT_EQUAL(counts.repeated_bytes, 0);
    CU_ASSERT_TRUE(counts.chunk_bytes < MODEL_BYTES * 9 / 10 + 65536);
    CU_ASSERT_EQUAL(device.acked_bytes, MODEL_BYTES);
    end();
}

/* The edge that the upload began at took no frames, and has an odd beginning; that it takes them
 * now leaves what it has. */
static void test_frames_go_on_behind_a_raw_beginning(void)
{
    begin();
    script.break_after_bytes = 100000;
    script.takes_frames_later = true;
    start();
    device_fixture_await_uploaded(&device);
    struct fake_edge_counts counts;
    fake_edge_get_counts(edge, &counts);
    CU_ASSERT_EQUAL(counts.opens, 2);
    CU_ASSERT_TRUE(counts.frames >= 2);
    CU_ASSERT_TRUE(counts.first_is_raw == (counts.first_offset % 65536 != 0));
    CU_ASSERT_EQUAL(counts.repeated_bytes, 0);
    end();
}

static void test_a_rejected_blob_comes_again_in_frames(void)
{
    begin();
    script.takes_frames = true;
    script.rejections = 2;
    start();
    device_fixture_await_uploaded(&device);
    CU_ASSERT_EQUAL(device.downs, 0);
    device_fixture_finish(&device);
    fake_edge_destroy(edge);
    fake_model_finish(&model);
}

static void test_differences_from_an_earlier_model_are_enough(void)
{
    struct fake_model base;
    fake_model_init_weights(&base, cfg, 5);
    begin();
    struct ll_digest digests[LAYERS];
    for (int i = 0; i < LAYERS; i++) {
        digests[i] = base.manifest.blobs[i].digest;
    }
    ((uint8_t *)ll_buf_writable(base.blobs[4]))[77] ^= 1;
    device.model.bases = base.blobs;
    device.model.base_digests = digests;
    script.takes_frames = true;
    script.base = &base;
    start();
    device_fixture_await_uploaded(&device);
    struct fake_edge_counts counts;
    fake_edge_get_counts(edge, &counts);
    CU_ASSERT_TRUE(counts.deltas >= FRAMES - 1);
    CU_ASSERT_TRUE(device.uploaded.sent_weight_bytes < MODEL_BYTES / 100);
    CU_ASSERT_EQUAL(device.acked_bytes, MODEL_BYTES);
    expect_query(1, 0, LAYERS, "");
    end();
    fake_model_finish(&base);
}

/* ---- Drafts: layer 4 is the only one that is large enough to be rounded ---- */

static struct device_draft draft;

static void begin_draft(void)
{
    begin();
    struct device_draft_source source = {
        .table = &model.network->table, .blobs = model.blobs, .manifest = &model.manifest};
    CU_ASSERT_EQUAL_FATAL(device_draft_init(&draft, &source, 7), LL_OK);
    CU_ASSERT_TRUE_FATAL(draft.is_rounded[4] && !draft.is_rounded[0]);
    device.model.draft = &draft;
    script.takes_frames = true;
    script.draft = &draft;
}

static void end_draft(void)
{
    end();
    device_draft_finish(&draft);
}

static void test_a_draft_comes_first_and_costs_no_more(void)
{
    begin_draft();
    start();
    device_fixture_await_uploaded(&device);
    struct fake_edge_counts counts;
    fake_edge_get_counts(edge, &counts);
    CU_ASSERT_EQUAL(counts.drafts, 4);
    CU_ASSERT_EQUAL(counts.rests, 4);
    CU_ASSERT_EQUAL(device.drafts, 1);
    CU_ASSERT_EQUAL(device.draftless, 0);
    CU_ASSERT_TRUE(device.uploaded.draft_ready_ns > device.uploaded.start_ns);
    CU_ASSERT_TRUE(device.uploaded.draft_ready_ns <= device.uploaded.ready_ns);
    CU_ASSERT_EQUAL(device.uploaded.draft_ready_ns, device.drafted.ready_ns);
    /* Layer 4 in 0.36 of its bytes, the others wholly. */
    CU_ASSERT_TRUE(device.uploaded.sent_draft_bytes < (MODEL_BYTES - 200000) + 200000 * 4 / 10);
    CU_ASSERT_TRUE(device.uploaded.sent_weight_bytes < MODEL_BYTES * 9 / 10);
    CU_ASSERT_EQUAL(device.uploaded.sent_weight_bytes, (int64_t)counts.chunk_bytes);
    CU_ASSERT_EQUAL(device.acked_bytes, MODEL_BYTES);
    /* The model is there: nothing is a draft's any more. */
    expect_query(1, 0, LAYERS, "");
    fake_edge_get_counts(edge, &counts);
    CU_ASSERT_EQUAL(counts.draft_queries, 0);
    end_draft();
}

static void test_queries_take_a_draft_until_the_model_is_there(void)
{
    begin_draft();
    script.longest_prefix = 2;
    start();
    device_fixture_await_draft(&device);
    struct device_query_result result;
    device.querier.wish.cut_first = 0;
    device.querier.wish.cut_end = LAYERS;
    device_fixture_query(&device, 1, &result);
    CU_ASSERT_EQUAL(result.end, LAYERS);
    CU_ASSERT_TRUE(result.is_draft);
    CU_ASSERT_FALSE(result.is_exact);
    CU_ASSERT_EQUAL(result.prefix, 2);
    device_query_result_finish(&result);
    /* What the model's own weights reach is exact. */
    device.querier.wish.cut_end = 2;
    device_fixture_query(&device, 2, &result);
    CU_ASSERT_EQUAL(result.end, 2);
    CU_ASSERT_FALSE(result.is_draft);
    device_query_result_finish(&result);
    struct fake_edge_counts counts;
    fake_edge_get_counts(edge, &counts);
    CU_ASSERT_EQUAL(counts.draft_queries, 2);
    end_draft();
}

static void test_a_draft_is_not_compared(void)
{
    begin_draft();
    script.longest_prefix = 2;
    device.querier.trust.verify_every = 1;
    start();
    device_fixture_await_draft(&device);
    struct device_query_result result;
    device.querier.wish.cut_first = 0;
    device.querier.wish.cut_end = LAYERS;
    device_fixture_query(&device, 1, &result);
    CU_ASSERT_TRUE(result.is_draft);
    CU_ASSERT_FALSE(result.is_verified);
    device_query_result_finish(&result);
    device.querier.wish.cut_end = 2;
    device_fixture_query(&device, 2, &result);
    CU_ASSERT_TRUE(result.is_verified);
    device_query_result_finish(&result);
    end_draft();
}

static void test_an_edge_without_drafts_brings_exact_answers(void)
{
    begin_draft();
    script.draft = NULL;
    start();
    device_fixture_await_uploaded(&device);
    CU_ASSERT_EQUAL(device.draftless, 1);
    CU_ASSERT_EQUAL(device.drafts, 0);
    CU_ASSERT_EQUAL(device.uploaded.draft_ready_ns, 0);
    CU_ASSERT_EQUAL(device.uploaded.sent_draft_bytes, 0);
    expect_query(1, 0, LAYERS, "");
    end_draft();
}

/* Breaks in the draft's frames, and in what is left. */
static void check_broken_draft(uint64_t after, bool forgets)
{
    begin_draft();
    script.break_after_bytes = after;
    script.forgets_draft = forgets;
    start();
    device_fixture_await_uploaded(&device);
    struct fake_edge_counts counts;
    fake_edge_get_counts(edge, &counts);
    CU_ASSERT_EQUAL(counts.opens, 2);
    CU_ASSERT_EQUAL(counts.repeated_bytes, 0);
    CU_ASSERT_EQUAL(device.acked_bytes, MODEL_BYTES);
    CU_ASSERT_EQUAL(counts.drafts, forgets ? counts.drafts : 4);
    CU_ASSERT_TRUE(forgets ? counts.rests < 4 : counts.rests == 4);
    CU_ASSERT_EQUAL(device.draftless, forgets ? 1 : 0);
    expect_query(1, 0, LAYERS, "");
    end_draft();
}

static void test_a_broken_draft_goes_on_where_it_stopped(void)
{
    check_broken_draft(90000, false);
    check_broken_draft(160000, false);
}

static void test_without_its_draft_the_rest_comes_in_whole_frames(void)
{
    check_broken_draft(90000, true);
    check_broken_draft(160000, true);
}

static void test_a_rejected_draft_is_sent_again(void)
{
    begin_draft();
    script.draft_rejections = 1;
    start();
    device_fixture_await_uploaded(&device);
    struct fake_edge_counts counts;
    fake_edge_get_counts(edge, &counts);
    CU_ASSERT_EQUAL(counts.drafts, 8);
    CU_ASSERT_EQUAL(device.drafts, 1);
    CU_ASSERT_EQUAL(device.downs, 0);
    device_fixture_finish(&device);
    fake_edge_destroy(edge);
    fake_model_finish(&model);
    device_draft_finish(&draft);
}

static void test_a_draft_that_was_not_asked_for_is_refused(void)
{
    begin();
    script.answer = FAKE_ANSWER_OF_DRAFT;
    start();
    device_fixture_await_uploaded(&device);
    struct device_query_result result;
    device_fixture_query(&device, 1, &result);
    CU_ASSERT_EQUAL(result.end, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(result.fallback.text, "a draft's answer was not asked for"));
    CU_ASSERT_TRUE(result.is_exact);
    device_query_result_finish(&result);
    end();
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_frames_bring_the_model_in_fewer_bytes),
    LL_TEST(test_frames_keep_a_small_credit),
    LL_TEST(test_a_broken_upload_goes_on_at_the_frame),
    LL_TEST(test_frames_go_on_behind_a_raw_beginning),
    LL_TEST(test_a_rejected_blob_comes_again_in_frames),
    LL_TEST(test_differences_from_an_earlier_model_are_enough),
    LL_TEST(test_a_draft_comes_first_and_costs_no_more),
    LL_TEST(test_queries_take_a_draft_until_the_model_is_there),
    LL_TEST(test_a_draft_is_not_compared),
    LL_TEST(test_an_edge_without_drafts_brings_exact_answers),
    LL_TEST(test_a_broken_draft_goes_on_where_it_stopped),
    LL_TEST(test_without_its_draft_the_rest_comes_in_whole_frames),
    LL_TEST(test_a_rejected_draft_is_sent_again),
    LL_TEST(test_a_draft_that_was_not_asked_for_is_refused),
    {NULL, NULL},
};
