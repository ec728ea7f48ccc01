/* What models and contexts take of an engine's budget, and runs and creations that are stopped. */
#include <stdatomic.h>
#include <string.h>

#include "core/ll_memory.h"
#include "darknet_backend/dkb_engine.h"
#include "engine/ll_engine_backend.h"
#include "engine/ll_probe.h"
#include "tests/support/ll_test.h"
#include "tests/unit/engine/engine_fixture.h"

const char *const ll_test_suite = "dkb_engine_budget";

static const char cfg[] = "[net]\nwidth=32\nheight=32\nchannels=3\n"
                          "[conv]\nfilters=16\nsize=3\npad=1\nactivation=relu\n"
                          "[maxpool]\nsize=2\nstride=2\n"
                          "[conv]\nfilters=16\nsize=3\npad=1\nactivation=relu\n"
                          "[avgpool]\n"
                          "[softmax]\n";
enum { LAYERS = 5, AMPLE = 1 << 30 };

/* A model of an engine with a budget, beside the fixture's. */
struct bounded {
    struct engine_fixture fixture;
    struct ll_memory *memory;
    struct ll_engine *engine;
    struct ll_engine_model *model;
    int64_t empty_bytes;
};

static void set_up(struct bounded *bounded, int64_t limit_bytes)
{
    const struct ll_engine_config config = {.name = engine_fixture_engine(), .threads = 1};
    *bounded = (struct bounded){0};
    engine_fixture_init(&bounded->fixture, cfg);
    CU_ASSERT_EQUAL_FATAL(ll_memory_create(limit_bytes, &bounded->memory), LL_OK);
    CU_ASSERT_EQUAL_FATAL(dkb_engine_create(&config, &bounded->engine, NULL), LL_OK);
    ll_engine_set_memory(bounded->engine, bounded->memory);
    CU_ASSERT_EQUAL_FATAL(
        ll_engine_model_create(bounded->engine, bounded->fixture.network, &bounded->model, NULL),
        LL_OK);
    bounded->empty_bytes = ll_memory_used(bounded->memory);
    CU_ASSERT(bounded->empty_bytes > 0);
}

static void tear_down(struct bounded *bounded)
{
    ll_engine_model_destroy(bounded->model);
    ll_engine_destroy(bounded->engine);
    CU_ASSERT_EQUAL(ll_memory_used(bounded->memory), 0);
    ll_memory_destroy(bounded->memory);
    engine_fixture_finish(&bounded->fixture);
}

static ll_status extend(struct bounded *bounded, struct ll_error *err)
{
    return ll_engine_model_extend(bounded->model, LAYERS, bounded->fixture.blobs, err);
}

struct answer {
    float values[16];
};

/* Runs all layers. */
static ll_status run(struct bounded *bounded, struct ll_engine_context *context,
                     const atomic_bool *stop, struct answer *out, struct ll_error *err)
{
    const struct engine_fixture *fixture = &bounded->fixture;
    const struct ll_tensor_in in = {LL_TENSOR_INPUT, fixture->table->in_floats, fixture->input};
    const struct ll_tensor_out answer = {LAYERS - 1, 16, out->values};
    const struct ll_run run = {.end = LAYERS,
                               .inputs = &in,
                               .input_count = 1,
                               .outputs = &answer,
                               .output_count = 1,
                               .stop = stop};
    return ll_engine_run(context, &run, err);
}

static bool are_equal(const struct answer *a, const struct answer *b)
{
    for (int i = 0; i < 16; i++) {
        if (a->values[i] != b->values[i]) {
            return false;
        }
    }
    return true;
}

static void test_everything_taken_is_counted_and_given_back(void)
{
    struct bounded bounded;
    struct answer out;
    set_up(&bounded, AMPLE);
    int64_t model_bytes = ll_engine_model_bytes(bounded.model);
    CU_ASSERT_EQUAL(extend(&bounded, NULL), LL_OK);
    int64_t created_bytes = ll_memory_used(bounded.memory);
    CU_ASSERT_EQUAL(created_bytes - bounded.empty_bytes,
                    ll_engine_model_bytes(bounded.model) - model_bytes);
    struct ll_engine_context *context = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_engine_context_create(bounded.model, &context, NULL), LL_OK);
    CU_ASSERT_EQUAL(ll_memory_used(bounded.memory),
                    created_bytes + ll_engine_context_bytes(context));
    int64_t fixed_bytes = ll_engine_context_bytes(context);
    CU_ASSERT_EQUAL(run(&bounded, context, NULL, &out, NULL), LL_OK);
    CU_ASSERT_EQUAL(ll_engine_context_bytes(context),
                    fixed_bytes + ll_probe_context_bytes(context));
    CU_ASSERT_EQUAL(ll_memory_used(bounded.memory),
                    created_bytes + ll_engine_context_bytes(context));
    ll_engine_context_destroy(context);
    CU_ASSERT_EQUAL(ll_memory_used(bounded.memory), created_bytes);
    tear_down(&bounded);
}

static void test_run_beyond_the_budget_is_refused_by_the_limit(void)
{
    struct bounded bounded;
    struct answer out;
    struct ll_error err = {.text = ""};
    set_up(&bounded, AMPLE);
    CU_ASSERT_EQUAL(extend(&bounded, NULL), LL_OK);
    struct ll_engine_context *context = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_engine_context_create(bounded.model, &context, NULL), LL_OK);
    int64_t before_bytes = ll_memory_used(bounded.memory);
    /* Somebody else has all but 1 KB. */
    int64_t others_bytes = AMPLE - before_bytes - 1000;
    CU_ASSERT_EQUAL_FATAL(ll_memory_take(bounded.memory, others_bytes, "a test", NULL), LL_OK);
    CU_ASSERT_EQUAL(run(&bounded, context, NULL, &out, &err), LL_E_EXHAUSTED);
    CU_ASSERT_STRING_EQUAL(err.limit, "memory_bytes");
    CU_ASSERT(err.retry_ms > 0);
    ll_memory_give(bounded.memory, others_bytes);
    CU_ASSERT_EQUAL(ll_memory_used(bounded.memory), before_bytes);
    CU_ASSERT_EQUAL(run(&bounded, context, NULL, &out, &err), LL_OK);
    ll_engine_context_destroy(context);
    tear_down(&bounded);
}

static void test_model_beyond_the_budget_leaves_nothing(void)
{
    struct bounded bounded;
    set_up(&bounded, AMPLE);
    int64_t others_bytes = AMPLE - bounded.empty_bytes;
    CU_ASSERT_EQUAL_FATAL(ll_memory_take(bounded.memory, others_bytes, "a test", NULL), LL_OK);
    struct ll_error err = {.text = ""};
    struct ll_engine_model *second = NULL;
    CU_ASSERT_EQUAL(ll_engine_model_create(bounded.engine, bounded.fixture.network, &second, &err),
                    LL_E_EXHAUSTED);
    CU_ASSERT_STRING_EQUAL(err.limit, "memory_bytes");
    CU_ASSERT_PTR_NULL(second);
    ll_status status = extend(&bounded, &err);
    /* Darknet uses weights where they lie. */
    bool packs = strcmp(engine_fixture_engine(), "darknet") != 0;
    CU_ASSERT_EQUAL(status, packs ? LL_E_EXHAUSTED : LL_OK);
    CU_ASSERT_EQUAL(ll_engine_model_prefix(bounded.model), packs ? 0 : LAYERS);
    CU_ASSERT_EQUAL(ll_memory_used(bounded.memory), AMPLE);
    ll_memory_give(bounded.memory, others_bytes);
    tear_down(&bounded);
}

static void test_stopped_run_ends_and_the_next_one_is_right(void)
{
    struct bounded bounded;
    struct answer expected;
    struct answer out;
    atomic_bool stop = true;
    struct ll_error err = {.text = ""};
    set_up(&bounded, AMPLE);
    CU_ASSERT_EQUAL(extend(&bounded, NULL), LL_OK);
    struct ll_engine_context *context = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_engine_context_create(bounded.model, &context, NULL), LL_OK);
    CU_ASSERT_EQUAL(run(&bounded, context, NULL, &expected, NULL), LL_OK);
    memset(&out, 0, sizeof(out));
    CU_ASSERT_EQUAL(run(&bounded, context, &stop, &out, &err), LL_E_CANCELLED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "stopped before layer 0"));
    CU_ASSERT_EQUAL(out.values[0], 0);
    atomic_store(&stop, false);
    CU_ASSERT_EQUAL(run(&bounded, context, &stop, &out, NULL), LL_OK);
    CU_ASSERT(are_equal(&out, &expected));
    ll_engine_context_destroy(context);
    tear_down(&bounded);
}

/* Stops the run that it watches when layer 1 has been computed. */
static void stop_behind_layer_1(void *arg, int name, const float *data, int64_t floats)
{
    (void)data;
    (void)floats;
    if (name == 1) {
        atomic_store((atomic_bool *)arg, true);
    }
}

static void test_run_is_stopped_between_groups(void)
{
    struct bounded bounded;
    struct answer out;
    atomic_bool stop = false;
    struct ll_error err = {.text = ""};
    set_up(&bounded, AMPLE);
    CU_ASSERT_EQUAL(extend(&bounded, NULL), LL_OK);
    struct ll_engine_context *context = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_engine_context_create(bounded.model, &context, NULL), LL_OK);
    const struct ll_probe probe = {.made = stop_behind_layer_1, .arg = &stop};
    ll_probe_set(context, &probe);
    CU_ASSERT_EQUAL(run(&bounded, context, &stop, &out, &err), LL_E_CANCELLED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "stopped before layer 2"));
    ll_engine_context_destroy(context);
    tear_down(&bounded);
}

static void test_stopped_creation_leaves_nothing(void)
{
    struct bounded bounded;
    atomic_bool stop = true;
    set_up(&bounded, AMPLE);
    ll_engine_model_set_stop(bounded.model, &stop);
    CU_ASSERT_EQUAL(extend(&bounded, NULL), LL_E_CANCELLED);
    CU_ASSERT_EQUAL(ll_engine_model_prefix(bounded.model), 0);
    CU_ASSERT_EQUAL(ll_memory_used(bounded.memory), bounded.empty_bytes);
    atomic_store(&stop, false);
    CU_ASSERT_EQUAL(extend(&bounded, NULL), LL_OK);
    CU_ASSERT_EQUAL(ll_engine_model_prefix(bounded.model), LAYERS);
    tear_down(&bounded);
}

/* What is not warmed up has a time nevertheless, and computes the same. */
static void test_warm_up_is_bounded(void)
{
    struct bounded bounded;
    struct answer expected;
    struct answer out;
    set_up(&bounded, AMPLE);
    CU_ASSERT_EQUAL_FATAL(engine_fixture_extend(&bounded.fixture, LAYERS, NULL), LL_OK);
    const struct ll_layer *layers = bounded.fixture.table->layers;
    /* Enough for the first group, not for the convolution behind it. */
    ll_engine_model_set_warm_flops(bounded.model, layers[0].flops + layers[1].flops);
    CU_ASSERT_FATAL(layers[2].flops > layers[1].flops);
    CU_ASSERT_EQUAL(extend(&bounded, NULL), LL_OK);
    const int64_t *warm_ns = ll_engine_model_warm_ns(bounded.model);
    if (warm_ns) {
        CU_ASSERT(warm_ns[0] > 0);
        double per_flop =
            (double)(warm_ns[0] + warm_ns[1]) / (double)(layers[0].flops + layers[1].flops);
        double expected_ns = per_flop * (double)layers[2].flops;
        CU_ASSERT_DOUBLE_EQUAL((double)warm_ns[2], expected_ns, 1);
    }
    struct ll_engine_context *context = NULL;
    struct ll_engine_context *other = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_engine_context_create(bounded.model, &context, NULL), LL_OK);
    CU_ASSERT_EQUAL_FATAL(ll_engine_context_create(bounded.fixture.model, &other, NULL), LL_OK);
    CU_ASSERT_EQUAL(run(&bounded, context, NULL, &out, NULL), LL_OK);
    CU_ASSERT_EQUAL(run(&bounded, other, NULL, &expected, NULL), LL_OK);
    CU_ASSERT(are_equal(&out, &expected));
    ll_engine_context_destroy(context);
    ll_engine_context_destroy(other);
    tear_down(&bounded);
}

static ll_status foreign_run(struct ll_engine_context *context, const struct ll_run *run,
                             struct ll_error *err)
{
    (void)context;
    (void)run;
    (void)err;
    return LL_OK;
}

static void test_probe_leaves_other_backends_alone(void)
{
    static const struct ll_engine_ops ops = {.run = foreign_run};
    struct ll_engine engine = {.ops = &ops};
    struct ll_engine_model model = {.engine = &engine};
    /* As small as a context can be: whatever is written behind it shows. */
    struct {
        struct ll_engine_context context;
        char behind[256];
    } foreign = {.context = {.model = &model}};
    const struct ll_probe probe = {.poison = true, .arg = &foreign};
    ll_probe_set(&foreign.context, &probe);
    CU_ASSERT_EQUAL(ll_probe_context_bytes(&foreign.context), 0);
    for (size_t i = 0; i < sizeof(foreign.behind); i++) {
        CU_ASSERT_EQUAL(foreign.behind[i], 0);
    }
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_everything_taken_is_counted_and_given_back),
    LL_TEST(test_run_beyond_the_budget_is_refused_by_the_limit),
    LL_TEST(test_model_beyond_the_budget_leaves_nothing),
    LL_TEST(test_stopped_run_ends_and_the_next_one_is_right),
    LL_TEST(test_run_is_stopped_between_groups),
    LL_TEST(test_stopped_creation_leaves_nothing),
    LL_TEST(test_warm_up_is_bounded),
    LL_TEST(test_probe_leaves_other_backends_alone),
    {NULL, NULL},
};
