#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "darknet_backend/dkb_engine.h"
#include "engine/ll_probe.h"
#include "tests/support/ll_test.h"
#include "tests/unit/engine/engine_fixture.h"

const char *const ll_test_suite = "dkb_engine";

/* A branch that stays open over many cuts, a dropout's alias, an output in the middle. */
static const char branches[] = "[net]\nwidth=8\nheight=8\nchannels=3\n"
                               "[conv]\nfilters=6\nsize=3\npad=1\nactivation=leaky\n"
                               "[dropout]\n"
                               "[maxpool]\nsize=2\nstride=2\n"
                               "[conv]\nfilters=7\nsize=1\nactivation=linear\n"
                               "[yolo]\nclasses=2\nnum=1\n"
                               "[route]\nlayers=1\n"
                               "[conv]\nfilters=7\nsize=3\nstride=2\npad=1\nactivation=relu\n"
                               "[route]\nlayers=3,-1\n"
                               "[softmax]\n"
                               "[cost]\n";

static void setup(struct engine_fixture *fixture, struct engine_values *values)
{
    engine_fixture_init(fixture, branches);
    CU_ASSERT_EQUAL_FATAL(engine_fixture_extend(fixture, fixture->table->layer_count, NULL), LL_OK);
    engine_values_init(values, fixture);
}

static void teardown(struct engine_fixture *fixture, struct engine_values *values,
                     struct ll_engine_context *context)
{
    ll_engine_context_destroy(context);
    engine_values_finish(values);
    engine_fixture_finish(fixture);
}

static void test_create_unknown_engine(void)
{
    struct ll_engine *engine = NULL;
    struct ll_error err;
    struct ll_engine_config config = {.name = "abacus", .threads = 1};
    CU_ASSERT_EQUAL(dkb_engine_create(&config, &engine, &err), LL_E_UNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "darknet"));
    config = (struct ll_engine_config){.name = "darknet", .threads = 0};
    CU_ASSERT_EQUAL(dkb_engine_create(&config, &engine, &err), LL_E_INVALID);
    CU_ASSERT_PTR_NULL(engine);
}

static void test_create_says_what_it_is(void)
{
    struct ll_engine *engine = NULL;
    const struct ll_engine_config config = {.name = "darknet", .threads = 8};
    CU_ASSERT_EQUAL_FATAL(dkb_engine_create(&config, &engine, NULL), LL_OK);
    CU_ASSERT_STRING_EQUAL(ll_engine_name(engine), "darknet");
    CU_ASSERT_EQUAL(ll_engine_threads(engine), 1);
    CU_ASSERT(strlen(ll_engine_instruction_set(engine)) > 0);
    ll_engine_destroy(engine);
}

static void test_run_every_pair_of_cuts(void)
{
    struct engine_fixture fixture;
    struct engine_values values;
    setup(&fixture, &values);
    struct ll_engine_context *context = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_engine_context_create(fixture.model, &context, NULL), LL_OK);
    const struct ll_probe poison = {.poison = true};
    ll_probe_set(context, &poison);
    int layers = fixture.table->layer_count;
    int ranges = 0;
    for (int first = 0; first < layers; first = engine_fixture_next_cut(&fixture, first)) {
        for (int end = first; end < layers; ranges++) {
            end = engine_fixture_next_cut(&fixture, end);
            CU_ASSERT(engine_values_hold(&values, context, first, end));
        }
    }
    CU_ASSERT(ranges > 20);
    teardown(&fixture, &values, context);
}

/* Whether a run over all layers with these tensors is refused with that status and that word. */
static bool is_refused(struct ll_engine_context *context, struct ll_run run, ll_status status,
                       const char *word)
{
    struct ll_error err = {.text = ""};
    ll_status got = ll_engine_run(context, &run, &err);
    return got == status && strstr(err.text, word) != NULL;
}

static void test_run_wrong_tensors(void)
{
    struct engine_fixture fixture;
    struct engine_values values;
    setup(&fixture, &values);
    struct ll_engine_context *context = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_engine_context_create(fixture.model, &context, NULL), LL_OK);
    int layers = fixture.table->layer_count;
    int64_t floats = fixture.table->in_floats;
    int64_t yolo_floats = fixture.table->layers[4].out_floats;
    float *output = calloc((size_t)yolo_floats, sizeof(float));
    CU_ASSERT_PTR_NOT_NULL_FATAL(output);
    struct ll_tensor_in in = {LL_TENSOR_INPUT, floats, fixture.input};
    struct ll_tensor_out out[] = {{4, yolo_floats, output}, {4, yolo_floats, output}};
    struct ll_run run = {
        .end = layers, .inputs = &in, .input_count = 1, .outputs = out, .output_count = 1};
    CU_ASSERT_EQUAL(ll_engine_run(context, &run, NULL), LL_OK);

    run.input_count = 0;
    CU_ASSERT(is_refused(context, run, LL_E_INVALID, "tensor -1 is missing"));
    run.input_count = 1;
    in.floats = floats - 1;
    CU_ASSERT(is_refused(context, run, LL_E_INVALID, "tensor -1 has"));
    in.floats = floats;
    in.data = NULL;
    CU_ASSERT(is_refused(context, run, LL_E_INVALID, "tensor -1 is missing"));
    in.data = fixture.input;

    out[0].floats = yolo_floats + 1;
    CU_ASSERT(is_refused(context, run, LL_E_INVALID, "output tensor 4 has room"));
    out[0].floats = yolo_floats;
    out[0].name = 2;
    CU_ASSERT(is_refused(context, run, LL_E_INVALID, "tensor 2 is no output"));
    out[0].name = 1 << 20;
    CU_ASSERT(is_refused(context, run, LL_E_INVALID, "is no output"));
    out[0].name = LL_TENSOR_INPUT;
    CU_ASSERT(is_refused(context, run, LL_E_INVALID, "is no output"));
    out[0].name = 4;
    run.output_count = 2;
    CU_ASSERT(is_refused(context, run, LL_E_INVALID, "asked for twice"));
    run.output_count = 1;
    CU_ASSERT_EQUAL(ll_engine_run(context, &run, NULL), LL_OK);
    free(output);
    teardown(&fixture, &values, context);
}

static void test_run_wrong_range(void)
{
    struct engine_fixture fixture;
    engine_fixture_init(&fixture, branches);
    CU_ASSERT_EQUAL_FATAL(engine_fixture_extend(&fixture, 5, NULL), LL_OK);
    struct ll_engine_context *context = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_engine_context_create(fixture.model, &context, NULL), LL_OK);
    const struct ll_tensor_in in = {LL_TENSOR_INPUT, fixture.table->in_floats, fixture.input};
    struct ll_run run = {.first = 0, .end = 5, .inputs = &in, .input_count = 1};
    CU_ASSERT_EQUAL(ll_engine_run(context, &run, NULL), LL_OK);
    static const int wrong[][2] = {{0, 6}, {0, 0}, {3, 2}, {-1, 5}, {5, 6}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        run.first = wrong[i][0];
        run.end = wrong[i][1];
        CU_ASSERT(is_refused(context, run, LL_E_INVALID, "cannot run"));
    }
    ll_engine_context_destroy(context);
    engine_fixture_finish(&fixture);
}

static void test_run_illegal_cut(void)
{
    /* A convolution with the shortcut behind it is one group. */
    struct engine_fixture fixture;
    engine_fixture_init(&fixture, "[net]\nwidth=4\nheight=4\nchannels=2\n"
                                  "[conv]\nfilters=2\nsize=1\nactivation=relu\n"
                                  "[conv]\nfilters=2\nsize=1\nactivation=linear\n"
                                  "[shortcut]\nfrom=-2\nactivation=linear\n");
    CU_ASSERT_FALSE_FATAL(ll_table_is_legal_cut(fixture.table, 2));
    struct ll_error err;
    CU_ASSERT_EQUAL(engine_fixture_extend(&fixture, 2, &err), LL_E_INVALID);
    CU_ASSERT_EQUAL(ll_engine_model_prefix(fixture.model), 0);
    CU_ASSERT_EQUAL_FATAL(engine_fixture_extend(&fixture, 3, NULL), LL_OK);
    struct ll_engine_context *context = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_engine_context_create(fixture.model, &context, NULL), LL_OK);
    const struct ll_tensor_in in = {LL_TENSOR_INPUT, fixture.table->in_floats, fixture.input};
    const struct ll_run run = {.first = 0, .end = 2, .inputs = &in, .input_count = 1};
    CU_ASSERT(is_refused(context, run, LL_E_INVALID, "not legal cuts"));
    ll_engine_context_destroy(context);
    engine_fixture_finish(&fixture);
}

static void test_extend_wrong_blobs(void)
{
    struct engine_fixture fixture;
    engine_fixture_init(&fixture, branches);
    struct ll_error err;
    struct ll_buf *right = fixture.blobs[0];
    fixture.blobs[0] = NULL;
    CU_ASSERT_EQUAL(engine_fixture_extend(&fixture, 3, &err), LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "layer 0 (convolutional) has 0 bytes"));
    size_t bytes = ll_buf_bytes(right);
    CU_ASSERT_EQUAL_FATAL(ll_buf_slice(right, 0, bytes - 4, &fixture.blobs[0]), LL_OK);
    CU_ASSERT_EQUAL(engine_fixture_extend(&fixture, 3, &err), LL_E_INVALID);
    ll_buf_unref(fixture.blobs[0]);

    struct ll_buf *larger = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_buf_create(bytes + 4, &larger), LL_OK);
    memset(ll_buf_writable(larger), 0, bytes + 4);
    CU_ASSERT_EQUAL_FATAL(ll_buf_slice(larger, 1, bytes, &fixture.blobs[0]), LL_OK);
    CU_ASSERT_EQUAL(engine_fixture_extend(&fixture, 3, &err), LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "aligned"));
    ll_buf_unref(fixture.blobs[0]);
    ll_buf_unref(larger);
    CU_ASSERT_EQUAL(ll_engine_model_prefix(fixture.model), 0);

    fixture.blobs[0] = right;
    CU_ASSERT_EQUAL(engine_fixture_extend(&fixture, 3, &err), LL_OK);
    CU_ASSERT_EQUAL(ll_engine_model_prefix(fixture.model), 3);
    engine_fixture_finish(&fixture);
}

static void test_extend_keeps_blobs(void)
{
    struct engine_fixture fixture;
    struct engine_values values;
    setup(&fixture, &values);
    /* The model's own references are enough. */
    for (int i = 0; i < fixture.table->layer_count; i++) {
        ll_buf_unref(fixture.blobs[i]);
        fixture.blobs[i] = NULL;
    }
    struct ll_engine_context *context = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_engine_context_create(fixture.model, &context, NULL), LL_OK);
    CU_ASSERT(engine_values_hold(&values, context, 0, fixture.table->layer_count));
    teardown(&fixture, &values, context);
}

static void test_run_times_each_layer(void)
{
    struct engine_fixture fixture;
    struct engine_values values;
    setup(&fixture, &values);
    struct ll_engine_context *context = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_engine_context_create(fixture.model, &context, NULL), LL_OK);
    int64_t layer_ns[16];
    memset(layer_ns, 0xff, sizeof(layer_ns));
    const struct ll_tensor_in in = {LL_TENSOR_INPUT, fixture.table->in_floats, fixture.input};
    const struct ll_run run = {.end = 4, .inputs = &in, .input_count = 1, .layer_ns = layer_ns};
    CU_ASSERT_EQUAL(ll_engine_run(context, &run, NULL), LL_OK);
    for (int i = 0; i < 4; i++) {
        CU_ASSERT(layer_ns[i] >= 0);
    }
    CU_ASSERT(layer_ns[0] > 0);
    CU_ASSERT_EQUAL(layer_ns[4], -1);
    teardown(&fixture, &values, context);
}

/* Twenty layers of 64 KB each, of which two live at once. */
static void test_run_memory_by_liveness(void)
{
    char cfg[4096] = "[net]\nwidth=64\nheight=64\nchannels=4\n";
    for (int i = 0; i < 20; i++) {
        strncat(cfg, "[activation]\nactivation=tanh\n", sizeof(cfg) - strlen(cfg) - 1);
    }
    struct engine_fixture fixture;
    engine_fixture_init(&fixture, cfg);
    CU_ASSERT_EQUAL_FATAL(engine_fixture_extend(&fixture, 20, NULL), LL_OK);
    struct engine_values values;
    engine_values_init(&values, &fixture);
    struct ll_engine_context *context = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_engine_context_create(fixture.model, &context, NULL), LL_OK);
    CU_ASSERT_EQUAL(ll_probe_context_bytes(context), 0);
    CU_ASSERT(engine_values_hold(&values, context, 0, 20));
    const int64_t tensor_bytes = (int64_t)64 * 64 * 4 * (int64_t)sizeof(float);
    if (strcmp(engine_fixture_engine(), "darknet") == 0) {
        CU_ASSERT_EQUAL(ll_probe_context_bytes(context), 2 * tensor_bytes);
    } else {
        /* Two that live at once and one converted, all in blocks of up to 16 channels, and the
         * input. */
        CU_ASSERT(ll_probe_context_bytes(context) <= (3 * 4 + 1) * tensor_bytes);
    }
    teardown(&fixture, &values, context);
}

/* Runs a network of one layer and four values on `in`. */
/* NOLINTNEXTLINE(readability-non-const-parameter): the engine writes to `out`. */
static void run_four(const char *section, const float in[4], float out[4])
{
    char cfg[256];
    snprintf(cfg, sizeof(cfg), "[net]\nwidth=2\nheight=2\nchannels=1\n%s", section);
    struct engine_fixture fixture;
    engine_fixture_init(&fixture, cfg);
    CU_ASSERT_EQUAL_FATAL(engine_fixture_extend(&fixture, 1, NULL), LL_OK);
    struct ll_engine_context *context = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_engine_context_create(fixture.model, &context, NULL), LL_OK);
    const struct ll_tensor_in input = {LL_TENSOR_INPUT, 4, in};
    const struct ll_tensor_out output = {0, 4, out};
    const struct ll_run run = {
        .end = 1, .inputs = &input, .input_count = 1, .outputs = &output, .output_count = 1};
    CU_ASSERT_EQUAL(ll_engine_run(context, &run, NULL), LL_OK);
    ll_engine_context_destroy(context);
    engine_fixture_finish(&fixture);
}

/* As in Darknet's own build: relu of what is no number is 0. */
static void test_relu_of_nan_is_zero(void)
{
    static const float in[4] = {NAN, -1, 2, -NAN};
    float out[4] = {7, 7, 7, 7};
    run_four("[activation]\nactivation=relu\n", in, out);
    CU_ASSERT_EQUAL(out[0], 0);
    CU_ASSERT_EQUAL(out[1], 0);
    CU_ASSERT_EQUAL(out[2], 2);
    CU_ASSERT_EQUAL(out[3], 0);
}

static void test_softmax_of_nan_is_nan_everywhere(void)
{
    static const float wrong[][4] = {{0, 1, NAN, 2},
                                     {NAN, NAN, NAN, NAN},
                                     {1, INFINITY, 0, 0},
                                     {-INFINITY, -INFINITY, -INFINITY, -INFINITY}};
    float out[4];
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        run_four("[softmax]\n", wrong[i], out);
        CU_ASSERT(isnan(out[0]) && isnan(out[1]) && isnan(out[2]) && isnan(out[3]));
    }
    static const float right[4] = {0, -INFINITY, 0, -INFINITY};
    run_four("[softmax]\n", right, out);
    CU_ASSERT_DOUBLE_EQUAL(out[0], 0.5, 1e-6);
    CU_ASSERT_EQUAL(out[1], 0);
    /* Each group is a row of its own. */
    static const float half[4] = {NAN, 1, 3, 3};
    run_four("[softmax]\ngroups=2\n", half, out);
    CU_ASSERT(isnan(out[0]) && isnan(out[1]));
    CU_ASSERT_DOUBLE_EQUAL(out[2], 0.5, 1e-6);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_relu_of_nan_is_zero),
    LL_TEST(test_softmax_of_nan_is_nan_everywhere),
    LL_TEST(test_create_unknown_engine),
    LL_TEST(test_create_says_what_it_is),
    LL_TEST(test_run_every_pair_of_cuts),
    LL_TEST(test_run_wrong_tensors),
    LL_TEST(test_run_wrong_range),
    LL_TEST(test_run_illegal_cut),
    LL_TEST(test_extend_wrong_blobs),
    LL_TEST(test_extend_keeps_blobs),
    LL_TEST(test_run_times_each_layer),
    LL_TEST(test_run_memory_by_liveness),
    {NULL, NULL},
};
