/* One model: its creations, its owner, its contexts and times. */
#include "tests/support/catalog_fixture.h"
#include "tests/support/ll_test.h"

static void test_creation_ends_on_borders_of_open_plans(void)
{
    struct catalog_fixture fixture;
    struct fake_model fake;
    catalog_fixture_set_up(&fixture, 1000, 4, 0);
    fake_model_init(&fake, catalog_fixture_cfg, 1);
    struct edge_model *model = catalog_fixture_open(&fixture, &fake, LL_OK, NULL);
    struct ll_partition partitions[2] = {{0, 3}, {3, 5}};
    const struct ll_plan plan = {.count = 2, .partitions = partitions};
    CU_ASSERT_EQUAL(catalog_fixture_write(model, &fake, 0), LL_OK);
    edge_model_open_upload(model, &plan);
    CU_ASSERT_EQUAL(edge_model_begin_creation(model, 1000).end, 0);
    edge_model_close_upload(model, &plan);
    /* Without a session every legal cut is a border. */
    CU_ASSERT(edge_model_is_busy(model));
    CU_ASSERT_EQUAL(catalog_fixture_write(model, &fake, 1), LL_OK);
    CU_ASSERT_EQUAL(edge_model_begin_creation(model, 1000).end, 1);
    const struct edge_creation creation = {.end = 1, .wall_ns = 5};
    edge_model_end_creation(model, &creation);
    CU_ASSERT_EQUAL(edge_model_prefix(model), 1);
    CU_ASSERT_FALSE(edge_model_is_busy(model));
    catalog_fixture_close(model);
    fake_model_finish(&fake);
    catalog_fixture_tear_down(&fixture);
}

static void test_creation_takes_at_most_its_bytes_but_one_partition(void)
{
    struct catalog_fixture fixture;
    struct fake_model fake;
    catalog_fixture_set_up(&fixture, 1000, 4, 0);
    fake_model_init(&fake, catalog_fixture_cfg, 1);
    struct edge_model *model = catalog_fixture_open(&fixture, &fake, LL_OK, NULL);
    for (int i = 0; i < 5; i++) {
        if (fake.blobs[i]) {
            CU_ASSERT_EQUAL(catalog_fixture_write(model, &fake, i), LL_OK);
        }
    }
    static const int64_t most[] = {0, 10, 29, 30, 39, 40};
    static const int ends[] = {1, 1, 1, 4, 4, 5};
    for (int i = 0; i < 6; i++) {
        struct ll_error none = {.text = ""};
        CU_ASSERT_EQUAL(edge_model_begin_creation(model, most[i]).end, ends[i]);
        edge_model_fail_creation(model, LL_OK, &none);
    }
    catalog_fixture_close(model);
    fake_model_finish(&fake);
    catalog_fixture_tear_down(&fixture);
}

static void test_failure_lasts_until_the_next_session(void)
{
    struct catalog_fixture fixture;
    struct fake_model fake;
    struct edge_model_info info;
    catalog_fixture_set_up(&fixture, 1000, 4, 0);
    fake_model_init(&fake, catalog_fixture_cfg, 1);
    struct edge_model *model = catalog_fixture_open(&fixture, &fake, LL_OK, NULL);
    struct ll_plan plan;
    fake_model_plan(&fake, &plan);
    CU_ASSERT_EQUAL(catalog_fixture_write(model, &fake, 0), LL_OK);
    CU_ASSERT_EQUAL(edge_model_begin_creation(model, 1000).end, 1);
    const struct ll_error err = {.text = "no memory for layer 0"};
    edge_model_fail_creation(model, LL_E_NO_MEMORY, &err);
    edge_model_get_info(model, &info);
    CU_ASSERT_EQUAL(info.state, EDGE_MODEL_FAILED);
    CU_ASSERT_STRING_EQUAL(info.failure.text, err.text);
    CU_ASSERT_FALSE(edge_model_is_busy(model));
    edge_model_open_upload(model, &plan);
    edge_model_get_info(model, &info);
    CU_ASSERT_EQUAL(info.state, EDGE_MODEL_PARTIAL);
    CU_ASSERT_EQUAL(info.uploads, 1);
    CU_ASSERT_EQUAL(info.received_bytes, 10);
    CU_ASSERT(edge_model_is_busy(model));
    edge_model_close_upload(model, &plan);
    ll_plan_finish(&plan);
    catalog_fixture_close(model);
    fake_model_finish(&fake);
    catalog_fixture_tear_down(&fixture);
}

static void test_contexts_are_pooled_and_times_averaged(void)
{
    struct catalog_fixture fixture;
    struct fake_model fake;
    catalog_fixture_set_up(&fixture, 1000, 2, 0);
    fake_model_init(&fake, catalog_fixture_cfg, 1);
    struct edge_model *model = catalog_fixture_open(&fixture, &fake, LL_OK, NULL);
    struct ll_engine_context *contexts[2] = {NULL};
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL_FATAL(edge_model_take_context(model, &contexts[i], NULL), LL_OK);
    }
    edge_model_put_context(model, contexts[0]);
    CU_ASSERT_EQUAL_FATAL(edge_model_take_context(model, &contexts[0], NULL), LL_OK);
    CU_ASSERT_EQUAL(fake_engine_done(fixture.engine, FAKE_CONTEXT), 2);
    edge_model_put_context(model, contexts[0]);
    edge_model_put_context(model, contexts[1]);
    static const int64_t once[2] = {100, 10};
    static const int64_t again[2] = {300, 30};
    edge_model_add_run(model, 1, 3, once);
    edge_model_add_run(model, 1, 3, again);
    int64_t mean_ns[5] = {0};
    edge_model_mean_ns(model, mean_ns);
    CU_ASSERT_EQUAL(mean_ns[0], 0);
    CU_ASSERT_EQUAL(mean_ns[1], 200);
    CU_ASSERT_EQUAL(mean_ns[2], 20);
    int64_t expected_ns[2] = {-1, -1};
    edge_model_expected_ns(model, 2, 4, expected_ns);
    CU_ASSERT_EQUAL(expected_ns[0], 20);
    /* Never run, and never created. */
    CU_ASSERT_EQUAL(expected_ns[1], 0);
    catalog_fixture_close(model);
    fake_model_finish(&fake);
    catalog_fixture_tear_down(&fixture);
}

static void test_owner_and_this_machine_may_delete(void)
{
    struct catalog_fixture fixture;
    struct fake_model fake;
    struct edge_peer owner;
    struct edge_peer other;
    struct edge_peer local;
    edge_peer_parse("ipv4:10.0.0.1:1", &owner);
    edge_peer_parse("ipv4:10.0.0.2:1", &other);
    edge_peer_parse("ipv4:127.0.0.1:1", &local);
    catalog_fixture_set_up(&fixture, 1000, 2, 0);
    fake_model_init(&fake, catalog_fixture_cfg, 1);
    struct edge_model *model = catalog_fixture_open(&fixture, &fake, LL_OK, NULL);
    CU_ASSERT_FALSE(edge_model_may_be_deleted_by(model, &owner));
    edge_model_set_owner(model, &owner);
    edge_model_set_owner(model, &other);
    CU_ASSERT(edge_model_may_be_deleted_by(model, &owner));
    CU_ASSERT_FALSE(edge_model_may_be_deleted_by(model, &other));
    CU_ASSERT(edge_model_may_be_deleted_by(model, &local));
    catalog_fixture_close(model);
    fake_model_finish(&fake);
    catalog_fixture_tear_down(&fixture);
}

const char *const ll_test_suite = "edge_model";
const struct ll_test ll_tests[] = {
    LL_TEST(test_creation_ends_on_borders_of_open_plans),
    LL_TEST(test_creation_takes_at_most_its_bytes_but_one_partition),
    LL_TEST(test_failure_lasts_until_the_next_session),
    LL_TEST(test_contexts_are_pooled_and_times_averaged),
    LL_TEST(test_owner_and_this_machine_may_delete),
    {NULL, NULL},
};
