/* The contract, in front of an engine that checks nothing itself: a refusal never reaches it. */
#include "engine/ll_engine.h"

#include <string.h>

#include "engine/ll_engine_backend.h"
#include "engine/ll_probe.h"
#include "tests/support/fake_engine.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "ll_engine";

/* Legal cuts: 0, 1, 3, 4. The last layer reads what comes in and what layer 2 makes. */
static const char cfg[] = "fake\n"
                          "input 8\n"
                          "layer 16 64\n"
                          "layer 16 0 joined\n"
                          "layer 8 32 reads 0 1\n"
                          "layer 4 16 reads 2 -1\n";
enum { LAYERS = 4 };

struct fixture {
    struct ll_engine *engine;
    struct ll_network *network;
    struct ll_buf *blobs[LAYERS];
    struct ll_engine_model *model;
    struct ll_engine_context *context;
    struct ll_error err;
};

static void set_up(struct fixture *fixture, int prefix)
{
    *fixture = (struct fixture){.engine = fake_engine_create()};
    CU_ASSERT_PTR_NOT_NULL_FATAL(fixture->engine);
    CU_ASSERT_EQUAL_FATAL(
        ll_engine_parse(fixture->engine, cfg, sizeof(cfg) - 1, &fixture->network, NULL), LL_OK);
    for (int i = 0; i < LAYERS; i++) {
        size_t bytes = (size_t)fixture->network->table.layers[i].blob_bytes;
        if (bytes > 0) {
            char data[64];
            memset(data, i + 1, sizeof(data));
            CU_ASSERT_FATAL(bytes <= sizeof(data));
            CU_ASSERT_EQUAL_FATAL(ll_buf_copy(data, bytes, &fixture->blobs[i]), LL_OK);
        }
    }
    CU_ASSERT_EQUAL_FATAL(
        ll_engine_model_create(fixture->engine, fixture->network, &fixture->model, NULL), LL_OK);
    if (prefix > 0) {
        CU_ASSERT_EQUAL_FATAL(ll_engine_model_extend(fixture->model, prefix, fixture->blobs, NULL),
                              LL_OK);
    }
    CU_ASSERT_EQUAL_FATAL(ll_engine_context_create(fixture->model, &fixture->context, NULL), LL_OK);
}

static void tear_down(struct fixture *fixture)
{
    ll_engine_context_destroy(fixture->context);
    ll_engine_model_destroy(fixture->model);
    for (int i = 0; i < LAYERS; i++) {
        ll_buf_unref(fixture->blobs[i]);
    }
    ll_network_unref(fixture->network);
    ll_engine_destroy(fixture->engine);
}

/* Whether the extension by `blobs` is refused with that reason, before the engine sees it. */
static bool refuses_extension(struct fixture *fixture, int end, struct ll_buf *const *blobs,
                              const char *reason)
{
    int done = fake_engine_done(fixture->engine, FAKE_CREATION);
    int prefix = ll_engine_model_prefix(fixture->model);
    return ll_engine_model_extend(fixture->model, end, blobs, &fixture->err) == LL_E_INVALID &&
           strstr(fixture->err.text, reason) &&
           fake_engine_done(fixture->engine, FAKE_CREATION) == done &&
           ll_engine_model_prefix(fixture->model) == prefix;
}

static void test_extension_to_no_legal_cut_is_refused(void)
{
    struct fixture fixture;
    set_up(&fixture, 0);
    CU_ASSERT(refuses_extension(&fixture, 2, fixture.blobs, "2 is no legal cut behind 0"));
    CU_ASSERT(refuses_extension(&fixture, -1, fixture.blobs, "-1 is no legal cut behind 0"));
    CU_ASSERT(refuses_extension(&fixture, 5, fixture.blobs, "5 is no legal cut behind 0"));
    tear_down(&fixture);
}

static void test_extension_must_grow(void)
{
    struct fixture fixture;
    set_up(&fixture, 3);
    CU_ASSERT(refuses_extension(&fixture, 3, fixture.blobs + 3, "3 is no legal cut behind 3"));
    CU_ASSERT(refuses_extension(&fixture, 1, fixture.blobs + 3, "1 is no legal cut behind 3"));
    CU_ASSERT_EQUAL(ll_engine_model_extend(fixture.model, 4, fixture.blobs + 3, NULL), LL_OK);
    CU_ASSERT_EQUAL(ll_engine_model_prefix(fixture.model), 4);
    tear_down(&fixture);
}

static void test_blobs_of_other_sizes_are_refused(void)
{
    struct fixture fixture;
    set_up(&fixture, 0);
    struct ll_buf *blobs[LAYERS];
    memcpy(blobs, fixture.blobs, sizeof(blobs));
    blobs[2] = NULL;
    CU_ASSERT(refuses_extension(&fixture, 3, blobs, "layer 2 (fake) has 0 bytes"));
    blobs[2] = fixture.blobs[0];
    CU_ASSERT(refuses_extension(&fixture, 3, blobs,
                                "layer 2 (fake) has 64 bytes of weights "
                                "instead of 32"));
    blobs[2] = fixture.blobs[2];
    blobs[1] = fixture.blobs[2];
    CU_ASSERT(refuses_extension(&fixture, 3, blobs,
                                "layer 1 (fake) has 32 bytes of weights "
                                "instead of 0"));
    tear_down(&fixture);
}

static void test_blobs_that_are_not_aligned_are_refused(void)
{
    struct fixture fixture;
    set_up(&fixture, 0);
    struct ll_buf *whole = NULL;
    struct ll_buf *odd = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_buf_create(65, &whole), LL_OK);
    CU_ASSERT_EQUAL_FATAL(ll_buf_slice(whole, 1, 64, &odd), LL_OK);
    CU_ASSERT(refuses_extension(&fixture, 1, &odd, "layer 0 (fake) are not aligned"));
    ll_buf_unref(odd);
    ll_buf_unref(whole);
    tear_down(&fixture);
}

/* A run that is right: layer 3 alone. */
struct last_run {
    float floats[8];
    float answer[8];
    int64_t layer_ns[LAYERS];
    struct ll_tensor_in inputs[2];
    struct ll_tensor_out outputs[2];
    struct ll_run run;
};

static void last_run_init(struct last_run *last)
{
    *last = (struct last_run){.floats = {1, 2, 3, 4, 5, 6, 7, 8}};
    last->inputs[0] = (struct ll_tensor_in){LL_TENSOR_INPUT, 8, last->floats};
    last->inputs[1] = (struct ll_tensor_in){2, 8, last->floats};
    last->outputs[0] = (struct ll_tensor_out){3, 4, last->answer};
    last->outputs[1] = last->outputs[0];
    last->run = (struct ll_run){.first = 3,
                                .end = 4,
                                .inputs = last->inputs,
                                .input_count = 2,
                                .outputs = last->outputs,
                                .output_count = 1,
                                .layer_ns = last->layer_ns};
}

/* Whether the run is refused with that reason, before the engine sees it and with nothing written.
 */
static bool refuses_run(struct fixture *fixture, const struct last_run *last, const char *reason)
{
    int done = fake_engine_done(fixture->engine, FAKE_RUN);
    return ll_engine_run(fixture->context, &last->run, &fixture->err) == LL_E_INVALID &&
           strstr(fixture->err.text, reason) &&
           fake_engine_done(fixture->engine, FAKE_RUN) == done && last->answer[0] == 0;
}

static void test_right_run_is_let_through(void)
{
    struct fixture fixture;
    struct last_run last;
    set_up(&fixture, LAYERS);
    last_run_init(&last);
    CU_ASSERT_EQUAL(ll_engine_run(fixture.context, &last.run, NULL), LL_OK);
    CU_ASSERT(last.answer[0] != 0);
    CU_ASSERT_EQUAL(last.layer_ns[0], 1003);
    tear_down(&fixture);
}

static void test_ranges_beyond_the_prefix_are_refused(void)
{
    static const struct {
        int first, end;
        const char *reason;
    } ranges[] = {
        {-1, 1, "layers -1 to 1 cannot run: 3 are created"},
        {1, 1, "layers 1 to 1 cannot run"},
        {3, 1, "layers 3 to 1 cannot run"},
        {3, 4, "layers 3 to 4 cannot run: 3 are created"},
        {0, 5, "layers 0 to 5 cannot run"},
        {0, 2, "layers 0 to 2 cannot run: not legal cuts"},
        {2, 3, "layers 2 to 3 cannot run: not legal cuts"},
    };
    struct fixture fixture;
    set_up(&fixture, 3);
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        struct last_run last;
        last_run_init(&last);
        last.run.first = ranges[i].first;
        last.run.end = ranges[i].end;
        CU_ASSERT(refuses_run(&fixture, &last, ranges[i].reason));
    }
    tear_down(&fixture);
}

static void test_inputs_that_are_missing_or_of_other_sizes_are_refused(void)
{
    struct fixture fixture;
    struct last_run last;
    set_up(&fixture, LAYERS);
    last_run_init(&last);
    last.run.input_count = 1;
    CU_ASSERT(refuses_run(&fixture, &last, "tensor 2 is missing: layers 3 to 4 read it"));
    last_run_init(&last);
    last.inputs[0].data = NULL;
    CU_ASSERT(refuses_run(&fixture, &last, "tensor -1 is missing"));
    last_run_init(&last);
    last.inputs[1].floats = 7;
    CU_ASSERT(refuses_run(&fixture, &last, "tensor 2 has 7 floats instead of 8"));
    /* What nobody reads is ignored. */
    last_run_init(&last);
    const struct ll_tensor_in more[] = {{77, 1, NULL}, last.inputs[0], last.inputs[1]};
    last.run.inputs = more;
    last.run.input_count = 3;
    CU_ASSERT_EQUAL(ll_engine_run(fixture.context, &last.run, NULL), LL_OK);
    tear_down(&fixture);
}

static void test_outputs_that_are_none_or_have_no_room_are_refused(void)
{
    struct fixture fixture;
    struct last_run last;
    set_up(&fixture, LAYERS);
    last_run_init(&last);
    static const int foreign[] = {-1, 2, 4, -2000000000, 2000000000};
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        last.outputs[0].name = foreign[i];
        CU_ASSERT(refuses_run(&fixture, &last, "is no output of layers 3 to 4"));
    }
    /* Made in the range, but read there alone. */
    last_run_init(&last);
    last.run.first = 0;
    last.outputs[0] = (struct ll_tensor_out){1, 16, last.answer};
    CU_ASSERT(refuses_run(&fixture, &last, "tensor 1 is no output of layers 0 to 4"));
    last_run_init(&last);
    last.outputs[0].floats = 5;
    CU_ASSERT(refuses_run(&fixture, &last, "output tensor 3 has room for 5 floats, not 4"));
    last_run_init(&last);
    last.outputs[0].data = NULL;
    CU_ASSERT(refuses_run(&fixture, &last, "output tensor 3 has room for 0 floats, not 4"));
    last_run_init(&last);
    last.run.output_count = 2;
    CU_ASSERT(refuses_run(&fixture, &last, "output tensor 3 is asked for twice"));
    tear_down(&fixture);
}

static ll_status run_nothing(struct ll_engine_context *context, const struct ll_run *run,
                             struct ll_error *err)
{
    (void)context;
    (void)run;
    (void)err;
    return LL_OK;
}

/* An engine with no ability beside computing. */
static void test_what_an_engine_cannot_is_said_and_harmless(void)
{
    static const struct ll_engine_ops ops = {.run = run_nothing};
    struct fixture fixture;
    struct last_run last;
    set_up(&fixture, LAYERS);
    struct ll_engine engine = {.ops = &ops, .name = "bare", .threads = 1};
    struct ll_engine_model model = {
        .engine = &engine, .network = fixture.network, .prefix = LAYERS};
    struct ll_engine_context context = {.model = &model};
    struct ll_network *network = NULL;
    CU_ASSERT_EQUAL(ll_engine_parse(&engine, cfg, sizeof(cfg) - 1, &network, &fixture.err),
                    LL_E_UNSUPPORTED);
    CU_ASSERT_STRING_EQUAL(fixture.err.text, "the engine bare reads no networks");
    CU_ASSERT_EQUAL(ll_engine_compute(&engine), LL_COMPUTE_F32);
    CU_ASSERT_PTR_NULL(ll_engine_memory(&engine));
    CU_ASSERT_PTR_NULL(ll_engine_model_warm_ns(&model));
    CU_ASSERT_EQUAL(ll_engine_context_bytes(&context), 0);
    const struct ll_probe probe = {.poison = true};
    ll_probe_set(&context, &probe);
    CU_ASSERT_EQUAL(ll_probe_context_bytes(&context), 0);
    last_run_init(&last);
    last.layer_ns[0] = last.layer_ns[1] = -1;
    CU_ASSERT_EQUAL(ll_engine_run(&context, &last.run, NULL), LL_OK);
    CU_ASSERT_EQUAL(last.layer_ns[0], 0);
    CU_ASSERT_EQUAL(last.layer_ns[1], -1);
    tear_down(&fixture);
}

static void test_users_read_what_stands_in_the_structs(void)
{
    struct fixture fixture;
    set_up(&fixture, 0);
    CU_ASSERT_STRING_EQUAL(ll_engine_name(fixture.engine), "fake");
    CU_ASSERT_STRING_EQUAL(ll_engine_instruction_set(fixture.engine), "none");
    CU_ASSERT_EQUAL(ll_engine_threads(fixture.engine), 1);
    CU_ASSERT_PTR_EQUAL(ll_engine_model_engine(fixture.model), fixture.engine);
    CU_ASSERT_PTR_EQUAL(ll_engine_model_network(fixture.model), fixture.network);
    CU_ASSERT_PTR_EQUAL(ll_engine_context_model(fixture.context), fixture.model);
    CU_ASSERT_EQUAL(ll_engine_model_prefix(fixture.model), 0);
    CU_ASSERT_EQUAL(ll_engine_model_bytes(fixture.model), 0);
    CU_ASSERT_EQUAL(ll_engine_model_extend(fixture.model, 1, fixture.blobs, NULL), LL_OK);
    CU_ASSERT_EQUAL(ll_engine_model_prefix(fixture.model), 1);
    CU_ASSERT_EQUAL(ll_engine_model_bytes(fixture.model), 64);
    CU_ASSERT_EQUAL(ll_engine_model_warm_ns(fixture.model)[0], FAKE_WARM_NS);
    tear_down(&fixture);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_extension_to_no_legal_cut_is_refused),
    LL_TEST(test_extension_must_grow),
    LL_TEST(test_blobs_of_other_sizes_are_refused),
    LL_TEST(test_blobs_that_are_not_aligned_are_refused),
    LL_TEST(test_right_run_is_let_through),
    LL_TEST(test_ranges_beyond_the_prefix_are_refused),
    LL_TEST(test_inputs_that_are_missing_or_of_other_sizes_are_refused),
    LL_TEST(test_outputs_that_are_none_or_have_no_room_are_refused),
    LL_TEST(test_what_an_engine_cannot_is_said_and_harmless),
    LL_TEST(test_users_read_what_stands_in_the_structs),
    {NULL, NULL},
};
