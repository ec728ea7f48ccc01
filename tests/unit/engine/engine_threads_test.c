/* Several queries on one model while it grows: run it under ThreadSanitizer too. */
#include <stdlib.h>

#include "core/ll_clock.h"
#include "core/ll_sync.h"
#include "darknet_backend/dkb_engine.h"
#include "tests/support/ll_test.h"
#include "tests/unit/engine/engine_fixture.h"

const char *const ll_test_suite = "dkb_engine_threads";

/* Layers that write more than their output: indexes, norms, deltas, scales, workspace. */
static const char busy[] = "[net]\nwidth=16\nheight=16\nchannels=3\n"
                           "[crop]\ncrop_width=12\ncrop_height=12\n"
                           "[conv]\nbatch_normalize=1\nfilters=8\nsize=3\npad=1\nactivation=leaky\n"
                           "[maxpool]\nsize=2\nstride=2\n"
                           "[normalization]\nsize=3\n"
                           "[l2norm]\n"
                           "[batchnorm]\n"
                           "[deconv]\nfilters=6\nsize=2\nstride=2\nactivation=relu\n"
                           "[local]\nfilters=4\nsize=3\nstride=3\nactivation=linear\n"
                           "[conv]\nfilters=14\nsize=1\nactivation=linear\n"
                           "[yolo]\nclasses=2\nnum=2\n"
                           "[conv]\nfilters=14\nsize=1\nactivation=linear\n"
                           "[region]\nclasses=2\nnum=2\nsoftmax=1\n";

enum { QUERY_THREADS = 3, RUNS_AT_THE_END = 20 };

struct shared {
    struct engine_fixture fixture;
    struct engine_values values;
    struct ll_mutex mutex;
    struct ll_cond changed;
    /* Guarded by mutex. */
    int prefix;
    int runs_on_prefix;
    int wrong;
};

static void query_loop(void *arg)
{
    struct shared *shared = arg;
    int layers = shared->fixture.table->layer_count;
    struct ll_engine_context *context = NULL;
    bool failed = ll_engine_context_create(shared->fixture.model, &context, NULL) != LL_OK;
    ll_thread_flush_denormals();
    int runs_at_the_end = 0;
    while (!failed && runs_at_the_end < RUNS_AT_THE_END) {
        ll_mutex_lock(&shared->mutex);
        int prefix = shared->prefix;
        ll_mutex_unlock(&shared->mutex);
        failed = !engine_values_hold(&shared->values, context, 0, prefix);
        runs_at_the_end += prefix == layers;
        ll_mutex_lock(&shared->mutex);
        shared->runs_on_prefix += prefix == shared->prefix;
        ll_cond_broadcast(&shared->changed);
        ll_mutex_unlock(&shared->mutex);
    }
    ll_mutex_lock(&shared->mutex);
    shared->wrong += failed;
    ll_cond_broadcast(&shared->changed);
    ll_mutex_unlock(&shared->mutex);
    ll_engine_context_destroy(context);
}

/* Extends while queries run on what was there before: each prefix serves as many runs as there are
 * threads before the next one comes. */
static void grow(struct shared *shared, struct ll_engine_model *model)
{
    int layers = shared->fixture.table->layer_count;
    while (ll_engine_model_prefix(model) < layers) {
        ll_mutex_lock(&shared->mutex);
        while (shared->runs_on_prefix < QUERY_THREADS && shared->wrong == 0) {
            ll_cond_wait(&shared->changed, &shared->mutex, LL_CLOCK_NEVER);
        }
        ll_mutex_unlock(&shared->mutex);
        int end = engine_fixture_next_cut(&shared->fixture, ll_engine_model_prefix(model));
        CU_ASSERT_EQUAL_FATAL(engine_fixture_extend(&shared->fixture, end, NULL), LL_OK);
        ll_mutex_lock(&shared->mutex);
        shared->prefix = end;
        shared->runs_on_prefix = 0;
        ll_mutex_unlock(&shared->mutex);
    }
}

static void test_queries_while_the_model_grows(void)
{
    struct shared shared = {0};
    ll_thread_flush_denormals();
    /* The right answers come from another model, complete from the start. */
    struct engine_fixture complete;
    engine_fixture_init(&complete, busy);
    CU_ASSERT_EQUAL_FATAL(engine_fixture_extend(&complete, complete.table->layer_count, NULL),
                          LL_OK);
    engine_values_init(&shared.values, &complete);
    engine_fixture_init(&shared.fixture, busy);
    shared.prefix = engine_fixture_next_cut(&shared.fixture, 0);
    CU_ASSERT_EQUAL_FATAL(engine_fixture_extend(&shared.fixture, shared.prefix, NULL), LL_OK);
    ll_mutex_init(&shared.mutex);
    ll_cond_init(&shared.changed);
    struct ll_thread threads[QUERY_THREADS] = {0};
    for (int i = 0; i < QUERY_THREADS; i++) {
        CU_ASSERT_EQUAL_FATAL(ll_thread_start(&threads[i], "query", query_loop, &shared), LL_OK);
    }
    grow(&shared, shared.fixture.model);
    for (int i = 0; i < QUERY_THREADS; i++) {
        ll_thread_join(&threads[i]);
    }
    CU_ASSERT_EQUAL(shared.wrong, 0);
    ll_cond_finish(&shared.changed);
    ll_mutex_finish(&shared.mutex);
    engine_values_finish(&shared.values);
    engine_fixture_finish(&shared.fixture);
    engine_fixture_finish(&complete);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_queries_while_the_model_grows),
    {NULL, NULL},
};
