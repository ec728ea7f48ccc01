/* Lack of memory: every allocation fails in turn until the call passes. A failure says so and
 * leaves nothing behind (AddressSanitizer looks for leaks). */
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_sync.h"
#include "edge/edge_executor.h"
#include "edge/edge_server.h"
#include "edge/model/edge_catalog.h"
#include "tests/support/catalog_fixture.h"
#include "tests/support/ll_fail_alloc.h"
#include "tests/support/ll_test.h"

static const char cfg[] = "fake\n"
                          "input 4\n"
                          "layer 6 10\n"
                          "layer 5 0\n"
                          "layer 4 10\n";
enum { LAYERS = 3, MOST_ALLOCATIONS = 1000 };

static void test_server_starts_or_says_why(void)
{
    struct ll_engine *engine = fake_engine_create();
    struct edge_server_config config;
    edge_server_config_default(&config);
    config.listen = "127.0.0.1:0";
    config.engine = engine;
    config.temporary_parent = ll_test_tmp();
    bool has_failed = true;
    int failures = 0;
    for (int n = 0; has_failed && n < MOST_ALLOCATIONS; n++) {
        struct edge_server *server = NULL;
        struct ll_error err = {.text = ""};
        ll_fail_alloc_after(n);
        ll_status status = edge_server_create(&config, &server, &err);
        has_failed = ll_fail_alloc_finish();
        CU_ASSERT(status == LL_OK || (status == LL_E_NO_MEMORY && err.text[0] != '\0'));
        failures += status != LL_OK;
        edge_server_destroy(status == LL_OK ? server : NULL);
    }
    CU_ASSERT_FALSE(has_failed);
    CU_ASSERT(failures > 10);
    ll_engine_destroy(engine);
}

static void test_model_opens_or_leaves_nothing(void)
{
    struct fake_model fake;
    struct ll_plan plan;
    struct catalog_fixture fixture;
    catalog_fixture_set_up(&fixture, 1000, 2, 0);
    fake_model_init(&fake, cfg, 1);
    fake_model_plan(&fake, &plan);
    struct edge_model *model = NULL;
    int failures = 0;
    for (int n = 0; !model && n < MOST_ALLOCATIONS; n++) {
        struct ll_manifest manifest;
        struct ll_error err = {.text = ""};
        fake_model_copy_manifest(&fake, &manifest);
        ll_fail_alloc_after(n);
        ll_status status = edge_catalog_open(fixture.catalog, &manifest, &plan, &model, &err);
        bool has_failed = ll_fail_alloc_finish();
        ll_manifest_finish(&manifest);
        CU_ASSERT_EQUAL(status, has_failed ? LL_E_NO_MEMORY : LL_OK);
        CU_ASSERT(model || fake_engine_alive(fixture.engine) == 0);
        failures += has_failed;
    }
    CU_ASSERT(failures > 10);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    catalog_fixture_close(model);
    ll_plan_finish(&plan);
    fake_model_finish(&fake);
    catalog_fixture_tear_down(&fixture);
}

static void test_blob_is_written_or_its_frontier_stays(void)
{
    static const char content[10] = "0123456789";
    struct edge_store *store = NULL;
    struct edge_blob *blob = NULL;
    struct ll_digest digest;
    const struct edge_store_config config = {.temporary_parent = ll_test_tmp(),
                                             .budget_bytes = 1000};
    CU_ASSERT_EQUAL_FATAL(edge_store_create(&config, &store, NULL), LL_OK);
    CU_ASSERT_EQUAL_FATAL(ll_digest_of(content, sizeof(content), &digest), LL_OK);
    CU_ASSERT_EQUAL_FATAL(edge_store_get(store, &digest, sizeof(content), &blob), LL_OK);
    int failures = 0;
    for (int n = 0; !edge_blob_data(blob) && n < MOST_ALLOCATIONS; n++) {
        edge_write_outcome outcome;
        struct ll_error err = {.text = ""};
        ll_fail_alloc_after(n);
        ll_status status = edge_blob_write(blob, 0, content, sizeof(content), &outcome, &err);
        bool has_failed = ll_fail_alloc_finish();
        CU_ASSERT_EQUAL(status, has_failed ? LL_E_NO_MEMORY : LL_OK);
        CU_ASSERT(status == LL_OK || (edge_blob_written(blob) == 0 && err.text[0] != '\0'));
        CU_ASSERT_EQUAL(edge_store_used_bytes(store), edge_blob_written(blob));
        failures += has_failed;
    }
    CU_ASSERT(failures > 0);
    CU_ASSERT_PTR_NOT_NULL(edge_blob_data(blob));
    edge_blob_unref(blob);
    edge_store_destroy(store);
}

struct waiter {
    struct edge_job job;
    struct ll_mutex lock;
    struct ll_cond changed;
    /* Guarded by lock. */
    bool has_ended;
};

static void on_done(struct edge_job *job)
{
    struct waiter *waiter = (struct waiter *)(void *)job;
    ll_mutex_lock(&waiter->lock);
    waiter->has_ended = true;
    ll_cond_broadcast(&waiter->changed);
    ll_mutex_unlock(&waiter->lock);
}

static void run(struct edge_executor *executor, struct waiter *waiter)
{
    edge_executor_submit(executor, &waiter->job);
    ll_mutex_lock(&waiter->lock);
    while (!waiter->has_ended) {
        ll_cond_wait(&waiter->changed, &waiter->lock, LL_CLOCK_NEVER);
    }
    ll_mutex_unlock(&waiter->lock);
}

static void test_query_is_answered_or_fails_alone(void)
{
    struct fake_model fake;
    struct fake_tensors input;
    struct catalog_fixture fixture;
    struct edge_executor *executor = NULL;
    catalog_fixture_set_up(&fixture, 1000, 2, 0);
    fake_model_init(&fake, cfg, 1);
    fake_model_inputs(&fake, 1, 0, LAYERS, &input);
    struct edge_model *model = catalog_fixture_open(&fixture, &fake, LL_OK, NULL);
    catalog_fixture_create(model, &fake, LAYERS);
    CU_ASSERT_EQUAL_FATAL(edge_executor_create(1, &executor), LL_OK);
    CU_ASSERT_EQUAL_FATAL(edge_executor_start(executor), LL_OK);
    const struct ll_tensor_in in = {.name = LL_TENSOR_INPUT, .floats = 4, .data = input.data};
    struct edge_flow flow = {0};
    bool has_failed = true;
    int failures = 0;
    for (int n = 0; has_failed && n < MOST_ALLOCATIONS; n++) {
        struct waiter waiter = {.job = {.model = model,
                                        .flow = &flow,
                                        .end = LAYERS,
                                        .inputs = &in,
                                        .input_count = 1,
                                        .done = on_done}};
        ll_mutex_init(&waiter.lock);
        ll_cond_init(&waiter.changed);
        ll_fail_alloc_after(n);
        run(executor, &waiter);
        has_failed = ll_fail_alloc_finish();
        /* Without memory for the pool a context is destroyed instead of kept: no failure. */
        CU_ASSERT(
            waiter.job.status == LL_OK ||
            (has_failed && waiter.job.status == LL_E_NO_MEMORY && waiter.job.err.text[0] != '\0'));
        failures += waiter.job.status != LL_OK;
        edge_job_finish(&waiter.job);
        ll_mutex_finish(&waiter.lock);
        ll_cond_finish(&waiter.changed);
    }
    CU_ASSERT_FALSE(has_failed);
    CU_ASSERT(failures > 3);
    edge_executor_destroy(executor);
    catalog_fixture_close(model);
    fake_tensors_finish(&input);
    fake_model_finish(&fake);
    catalog_fixture_tear_down(&fixture);
}

const char *const ll_test_suite = "edge_memory";
const struct ll_test ll_tests[] = {
    LL_TEST(test_server_starts_or_says_why),
    LL_TEST(test_model_opens_or_leaves_nothing),
    LL_TEST(test_blob_is_written_or_its_frontier_stays),
    LL_TEST(test_query_is_answered_or_fails_alone),
    {NULL, NULL},
};
