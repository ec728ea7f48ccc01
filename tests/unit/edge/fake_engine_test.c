#include "tests/support/fake_engine.h"

#include <string.h>

#include "tests/support/fake_model.h"
#include "tests/support/ll_test.h"

static const char cfg[] = "fake\n"
                          "input 8\n"
                          "layer 16 64\n"
                          "layer 16 0 joined\n"
                          "layer 8 32 reads 0 1\n"
                          "layer 4 100 reads 2 -1\n";

static void test_cfg_gives_cuts_and_reads(void)
{
    struct fake_model model;
    fake_model_init(&model, cfg, 1);
    const struct ll_table *table = &model.network->table;
    CU_ASSERT_EQUAL(table->layer_count, 4);
    CU_ASSERT_EQUAL(table->blob_bytes, 196);
    CU_ASSERT(ll_table_is_legal_cut(table, 1));
    CU_ASSERT_FALSE(ll_table_is_legal_cut(table, 2));
    CU_ASSERT_EQUAL(table->layers[3].read_count, 2);
    fake_model_finish(&model);
}

static void test_split_run_equals_whole_run(void)
{
    struct fake_model model;
    fake_model_init(&model, cfg, 1);
    struct fake_tensors whole;
    struct fake_tensors middle;
    fake_model_outputs(&model, 5, 0, 4, &whole);
    fake_model_inputs(&model, 5, 3, 4, &middle);
    CU_ASSERT_EQUAL(middle.names.count, 2);
    struct ll_engine_model *created = NULL;
    struct ll_engine_context *context = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_engine_model_create(model.engine, model.network, &created, NULL),
                          LL_OK);
    CU_ASSERT_EQUAL_FATAL(ll_engine_model_extend(created, 4, model.blobs, NULL), LL_OK);
    CU_ASSERT_EQUAL_FATAL(ll_engine_context_create(created, &context, NULL), LL_OK);
    const struct ll_tensor_in ins[2] = {{-1, 8, middle.data}, {2, 8, middle.data + 8}};
    float answer[4] = {0};
    const struct ll_tensor_out out = {3, 4, answer};
    const struct ll_run run = {
        .first = 3, .end = 4, .inputs = ins, .input_count = 2, .outputs = &out, .output_count = 1};
    CU_ASSERT_EQUAL(ll_engine_run(context, &run, NULL), LL_OK);
    CU_ASSERT(fake_floats_equal(answer, whole.data, 4));
    ll_engine_context_destroy(context);
    ll_engine_model_destroy(created);
    fake_tensors_finish(&whole);
    fake_tensors_finish(&middle);
    fake_model_finish(&model);
}

static void test_other_blobs_give_other_answers(void)
{
    struct fake_model models[2];
    struct fake_tensors answers[2];
    for (unsigned i = 0; i < 2; i++) {
        fake_model_init(&models[i], cfg, i);
        fake_model_outputs(&models[i], 5, 0, 4, &answers[i]);
    }
    CU_ASSERT_FALSE(fake_floats_equal(answers[0].data, answers[1].data, 4));
    for (unsigned i = 0; i < 2; i++) {
        fake_tensors_finish(&answers[i]);
        fake_model_finish(&models[i]);
    }
}

static void test_bad_cfg_names_the_line(void)
{
    struct ll_engine *engine = fake_engine_create();
    struct ll_network *network = NULL;
    struct ll_error err;
    const char bad[] = "fake\ninput 8\nlayer 16\n";
    CU_ASSERT_EQUAL(ll_engine_parse(engine, bad, sizeof(bad) - 1, &network, &err), LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "line 3"));
    CU_ASSERT_EQUAL(fake_engine_alive(engine), 0);
    ll_engine_destroy(engine);
}

static void test_failures_are_made_on_demand(void)
{
    struct ll_engine *engine = fake_engine_create();
    struct ll_network *network = NULL;
    fake_engine_fail(engine, FAKE_PARSE, 1, LL_E_NO_MEMORY);
    CU_ASSERT_EQUAL(ll_engine_parse(engine, cfg, strlen(cfg), &network, NULL), LL_E_NO_MEMORY);
    CU_ASSERT_EQUAL(ll_engine_parse(engine, cfg, strlen(cfg), &network, NULL), LL_OK);
    CU_ASSERT_EQUAL(fake_engine_done(engine, FAKE_PARSE), 2);
    ll_network_unref(network);
    CU_ASSERT_EQUAL(fake_engine_alive(engine), 0);
    ll_engine_destroy(engine);
}

const char *const ll_test_suite = "fake_engine";
const struct ll_test ll_tests[] = {
    LL_TEST(test_cfg_gives_cuts_and_reads),       LL_TEST(test_split_run_equals_whole_run),
    LL_TEST(test_other_blobs_give_other_answers), LL_TEST(test_bad_cfg_names_the_line),
    LL_TEST(test_failures_are_made_on_demand),    {NULL, NULL},
};
