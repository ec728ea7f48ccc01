/* Lack of memory in the engine: the n-th allocation fails, for every n until the work passes. The
 * linker hands allocations to the functions here (-Wl,--wrap). */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "darknet_backend/dkb_engine.h"
#include "tests/support/ll_test.h"
#include "tests/unit/engine/engine_fixture.h"

const char *const ll_test_suite = "dkb_engine_memory";

/* NOLINTBEGIN(readability-identifier-naming): the linker makes these names. */
void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
int __real_posix_memalign(void **memory, size_t alignment, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
int __wrap_posix_memalign(void **memory, size_t alignment, size_t bytes);

/* Allocations that pass before one fails; below 0: all pass. */
static int passes = -1;

static bool is_to_fail(void)
{
    return passes >= 0 && passes-- == 0;
}

void *__wrap_malloc(size_t bytes)
{
    return is_to_fail() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return is_to_fail() ? NULL : __real_calloc(count, bytes);
}

int __wrap_posix_memalign(void **memory, size_t alignment, size_t bytes)
{
    return is_to_fail() ? ENOMEM : __real_posix_memalign(memory, alignment, bytes);
}
/* NOLINTEND(readability-identifier-naming) */

static const char cfg[] = "[net]\nwidth=6\nheight=6\nchannels=3\n"
                          "[batchnorm]\n"
                          "[conv]\nfilters=4\nsize=3\npad=1\nactivation=relu\n"
                          "[maxpool]\nsize=2\nstride=2\n"
                          "[route]\nlayers=-1,-1\n"
                          "[softmax]\n";

struct answer {
    float values[128];
};

/* Everything from the engine to the answer; what was made stays the same whatever fails. */
static ll_status work(struct engine_fixture *fixture, struct answer *answer, struct ll_error *err)
{
    const struct ll_engine_config config = {.name = engine_fixture_engine(), .threads = 1};
    int layers = fixture->table->layer_count;
    struct ll_engine *engine = NULL;
    struct ll_engine_model *model = NULL;
    struct ll_engine_context *context = NULL;
    ll_status status = dkb_engine_create(&config, &engine, err);
    if (status == LL_OK) {
        status = ll_engine_model_create(engine, fixture->network, &model, err);
    }
    if (status == LL_OK) {
        status = ll_engine_model_extend(model, layers, fixture->blobs, err);
    }
    if (status == LL_OK) {
        status = ll_engine_context_create(model, &context, err);
    }
    if (status == LL_OK) {
        const struct ll_tensor_in in = {LL_TENSOR_INPUT, fixture->table->in_floats, fixture->input};
        const struct ll_tensor_out out = {layers - 1, fixture->table->layers[layers - 1].out_floats,
                                          answer->values};
        const struct ll_run run = {
            .end = layers, .inputs = &in, .input_count = 1, .outputs = &out, .output_count = 1};
        status = ll_engine_run(context, &run, err);
    }
    ll_engine_context_destroy(context);
    ll_engine_model_destroy(model);
    ll_engine_destroy(engine);
    return status;
}

static void test_every_allocation_may_fail(void)
{
    struct engine_fixture fixture;
    engine_fixture_init(&fixture, cfg);
    struct answer expected = {{0}};
    struct answer answer = {{0}};
    CU_ASSERT_EQUAL_FATAL(work(&fixture, &expected, NULL), LL_OK);
    int failures = 0;
    ll_status status = LL_E_NO_MEMORY;
    while (status != LL_OK && failures < 100) {
        struct ll_error err = {.text = ""};
        passes = failures;
        status = work(&fixture, &answer, &err);
        bool used_up = passes < 0;
        passes = -1;
        if (status == LL_OK) {
            CU_ASSERT_FALSE(used_up);
            break;
        }
        CU_ASSERT_EQUAL_FATAL(status, LL_E_NO_MEMORY);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "no memory"));
        failures++;
    }
    /* Engine, model and its parts, context and its parts, the run's memory. */
    CU_ASSERT(failures >= 10 && failures < 100);
    for (int i = 0; i < 128; i++) {
        CU_ASSERT_EQUAL(answer.values[i], expected.values[i]);
    }
    engine_fixture_finish(&fixture);
}

/* Creations that fail over and over keep nothing of what they packed. */
static void test_failed_creations_take_no_memory(void)
{
    enum { TRIES = 50 };
    struct engine_fixture fixture;
    engine_fixture_init(&fixture, cfg);
    int64_t before_bytes = ll_engine_model_bytes(fixture.model);
    int failures = 0;
    for (int i = 0; i < TRIES; i++) {
        struct ll_error err = {.text = ""};
        passes = i % 6;
        ll_status status = engine_fixture_extend(&fixture, fixture.table->layer_count, &err);
        passes = -1;
        if (status == LL_OK) {
            /* An engine that allocates nothing, or no more. */
            break;
        }
        CU_ASSERT_EQUAL(status, LL_E_NO_MEMORY);
        CU_ASSERT_EQUAL(ll_engine_model_bytes(fixture.model), before_bytes);
        CU_ASSERT_EQUAL(ll_engine_model_prefix(fixture.model), 0);
        failures++;
    }
    bool allocates = strcmp(engine_fixture_engine(), "darknet") != 0;
    CU_ASSERT_EQUAL(failures, allocates ? TRIES : 0);
    engine_fixture_finish(&fixture);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_failed_creations_take_no_memory),
    LL_TEST(test_every_allocation_may_fail),
    {NULL, NULL},
};
