/* What the onednn engine does by itself: it fuses the layers of a group in several ways, packs
 * weights, and keeps to the bits of a whole run wherever a range begins. The darknet engine says
 * what is right. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_sync.h"
#include "darknet_backend/dkb_engine.h"
#include "engine/ll_probe.h"
#include "tests/support/ll_test.h"
#include "tests/unit/engine/engine_fixture.h"

const char *const ll_test_suite = "onednn";

/* Sets all weights and biases of a layer of `channels` 1x1 depthwise filters. */
struct uniform_scale {
    int layer;
    int channels;
    float weight;
    float bias;
};

static void set_scale(struct engine_fixture *fixture, const struct uniform_scale *scale)
{
    if (scale->channels == 0) {
        return;
    }
    struct ll_buf *blob = NULL;
    size_t floats = 2 * (size_t)scale->channels;
    CU_ASSERT_EQUAL_FATAL(fixture->table->layers[scale->layer].blob_bytes,
                          (int64_t)(floats * sizeof(float)));
    CU_ASSERT_EQUAL_FATAL(ll_buf_create(floats * sizeof(float), &blob), LL_OK);
    float *values = ll_buf_writable(blob);
    for (int i = 0; i < scale->channels; i++) {
        values[i] = scale->bias;
        values[scale->channels + i] = scale->weight;
    }
    ll_buf_unref(fixture->blobs[scale->layer]);
    fixture->blobs[scale->layer] = blob;
}

static void create(struct engine_fixture *fixture, struct engine_values *values, const char *engine,
                   const char *cfg, const struct uniform_scale *scale)
{
    ll_thread_flush_denormals();
    engine_fixture_init_as(fixture, engine, cfg);
    set_scale(fixture, scale);
    struct ll_error err = {.text = ""};
    if (engine_fixture_extend(fixture, fixture->table->layer_count, &err) != LL_OK) {
        fprintf(stderr, "%s\n", err.text);
        CU_FAIL_FATAL("the model could not be created");
    }
    engine_values_init(values, fixture);
}

/* The largest difference as a part of the largest value. */
static double difference(const float *a, const float *b, int64_t floats)
{
    double largest = 0;
    double difference = 0;
    for (int64_t i = 0; i < floats; i++) {
        largest = fmax(largest, fabs((double)b[i]));
        double d = fabs((double)a[i] - (double)b[i]);
        difference = d <= difference ? difference : d;
    }
    return difference / (largest > 0 ? largest : 1);
}

/* Whether this processor computes in bf16; `out_reason` where it does not. */
static bool has_bf16(struct ll_error *out_reason)
{
    const struct ll_engine_config config = {
        .name = "onednn", .threads = 1, .compute = LL_COMPUTE_BF16};
    struct ll_engine *engine = NULL;
    ll_status status = dkb_engine_create(&config, &engine, out_reason);
    if (status != LL_OK) {
        CU_ASSERT_EQUAL(status, LL_E_UNSUPPORTED);
        return false;
    }
    CU_ASSERT_STRING_EQUAL(ll_engine_name(engine), "onednn-bf16");
    ll_engine_destroy(engine);
    return true;
}

static void compare_values(const struct ll_table *table, const struct engine_values *fast,
                           const struct engine_values *right, double allowed)
{
    for (int i = 0; i < table->layer_count; i++) {
        if (!table->layers[i].ends_group || !right->values[i + 1]) {
            continue;
        }
        CU_ASSERT_PTR_NOT_NULL_FATAL(fast->values[i + 1]);
        double d =
            difference(fast->values[i + 1], right->values[i + 1], table->layers[i].out_floats);
        if (!(d <= allowed)) {
            fprintf(stderr, "layer %d differs by %g\n", i, d);
        }
        CU_ASSERT(d <= allowed);
    }
}

static void compare_ranges(struct engine_fixture *fixture, const struct engine_values *values)
{
    struct ll_engine_context *context = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_engine_context_create(fixture->model, &context, NULL), LL_OK);
    const struct ll_probe poison = {.poison = true};
    ll_probe_set(context, &poison);
    int layers = fixture->table->layer_count;
    for (int first = 0; first < layers; first = engine_fixture_next_cut(fixture, first)) {
        for (int end = first; end < layers;) {
            end = engine_fixture_next_cut(fixture, end);
            CU_ASSERT(engine_values_hold(values, context, first, end));
        }
    }
    ll_engine_context_destroy(context);
}

static void check_engine(const char *engine, double allowed, const char *cfg,
                         const struct uniform_scale *scale)
{
    struct engine_fixture fast;
    struct engine_fixture right;
    struct engine_values fast_values;
    struct engine_values right_values;
    create(&fast, &fast_values, engine, cfg, scale);
    create(&right, &right_values, "darknet", cfg, scale);
    compare_values(fast.table, &fast_values, &right_values, allowed);
    compare_ranges(&fast, &fast_values);
    engine_values_finish(&fast_values);
    engine_values_finish(&right_values);
    engine_fixture_finish(&fast);
    engine_fixture_finish(&right);
}

/* Every layer that ends a group is right, and every range gives the same bits; in bf16 too, with
 * the rounding errors of a few layers. */
static void check(const char *cfg, struct uniform_scale scale)
{
    struct ll_error reason = {.text = ""};
    check_engine("onednn", 2e-5, cfg, &scale);
    if (has_bf16(&reason)) {
        check_engine("onednn-bf16", 6e-2, cfg, &scale);
    }
}

static const struct uniform_scale as_seeded = {0};

#define NET "[net]\nwidth=10\nheight=9\nchannels=3\n"
#define WIDE "[conv]\nfilters=32\nsize=3\npad=1\nactivation=leaky\n"

static void check_relu6(float weight, float bias)
{
    check(NET WIDE "[conv]\nbatch_normalize=1\nfilters=24\nsize=3\npad=1\nactivation=hardtan\n"
                   "[conv]\nfilters=24\ngroups=24\nsize=1\nactivation=linear\n"
                   "[conv]\nfilters=24\ngroups=24\nsize=3\nstride=2\npad=1\nactivation=hardtan\n",
          (struct uniform_scale){.layer = 2, .channels = 24, .weight = weight, .bias = bias});
}

static void test_scale_relu6(void)
{
    check_relu6(3, 3);
}

static void test_scale_hardtan_negative(void)
{
    check_relu6(-2, .5F);
}

static void test_scale_hardtan_zero(void)
{
    check_relu6(0, 1);
}

static void test_scale_other_activations(void)
{
    static const char *const activations[] = {"linear", "hardtan", "leaky", "selu", "plse"};
    for (size_t i = 0; i < sizeof(activations) / sizeof(activations[0]); i++) {
        char cfg[1024];
        snprintf(cfg, sizeof(cfg),
                 NET WIDE "[conv]\nfilters=40\nsize=1\nactivation=%s\n"
                          "[conv]\nfilters=40\ngroups=40\nsize=1\nactivation=linear\n"
                          "[maxpool]\nsize=2\nstride=2\n",
                 activations[i]);
        check(cfg, as_seeded);
    }
}

static void test_scale_and_sum(void)
{
    check(NET WIDE "[conv]\nfilters=32\nsize=1\nactivation=leaky\n"
                   "[conv]\nfilters=32\nsize=3\npad=1\nactivation=hardtan\n"
                   "[conv]\nfilters=32\ngroups=32\nsize=1\nactivation=linear\n"
                   "[shortcut]\nfrom=-3\nactivation=leaky\n"
                   "[conv]\nfilters=32\nsize=3\npad=1\nactivation=linear\n"
                   "[conv]\nfilters=32\ngroups=32\nsize=1\nactivation=linear\n"
                   "[shortcut]\nfrom=-3\nbeta=.5\nactivation=linear\n",
          as_seeded);
}

static void test_sum_variants(void)
{
    static const char *const variants[] = {
        "activation=linear",          "activation=leaky", "beta=2\nactivation=relu",
        "alpha=.5\nactivation=leaky", "activation=plse",  "alpha=2\nbeta=3\nactivation=tanh",
    };
    static const char *const activations[] = {"linear", "leaky", "selu", "stair"};
    for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
        for (size_t k = 0; k < sizeof(activations) / sizeof(activations[0]); k++) {
            char cfg[1024];
            snprintf(cfg, sizeof(cfg),
                     NET WIDE "[conv]\nbatch_normalize=1\nfilters=16\nsize=1\nactivation=relu\n"
                              "[conv]\nfilters=32\nsize=3\npad=1\nactivation=%s\n"
                              "[shortcut]\nfrom=-3\n%s\n"
                              "[maxpool]\nsize=3\nstride=2\n",
                     activations[k], variants[i]);
            check(cfg, as_seeded);
        }
    }
}

/* The sum must not overwrite what the convolution reads, nor what others read later. */
static void test_sum_keeps_its_sources(void)
{
    check(NET WIDE "[conv]\nfilters=32\nsize=3\npad=1\nactivation=linear\n"
                   "[shortcut]\nfrom=-2\nactivation=leaky\n"
                   "[conv]\nfilters=32\nsize=3\npad=1\nactivation=linear\n"
                   "[shortcut]\nfrom=-4\nactivation=leaky\n"
                   "[route]\nlayers=0,2,4\n"
                   "[conv]\nfilters=5\nsize=1\nactivation=linear\n",
          as_seeded);
}

static void test_sum_other_shapes(void)
{
    check("[net]\nwidth=12\nheight=8\nchannels=3\n" WIDE
          "[conv]\nfilters=64\nsize=3\nstride=2\npad=1\nactivation=leaky\n"
          "[shortcut]\nfrom=-2\nactivation=leaky\n"
          "[conv]\nfilters=20\nsize=1\nactivation=relu\n"
          "[shortcut]\nfrom=-2\nalpha=.5\nbeta=2\nactivation=relu\n"
          "[upsample]\nstride=2\n"
          "[shortcut]\nfrom=1\nactivation=plse\n"
          "[conv]\nfilters=3\nsize=1\nactivation=linear\n"
          "[shortcut]\nfrom=0\nactivation=linear\n",
          as_seeded);
}

static void test_groups(void)
{
    static const char *const groups[] = {
        "filters=64\ngroups=16\nsize=3\npad=1", "filters=64\ngroups=2\nsize=3\npad=1",
        "filters=64\ngroups=64\nsize=3\npad=1", "filters=128\ngroups=64\nsize=3\npad=1",
        "filters=64\ngroups=32\nsize=1",        "filters=96\ngroups=4\nsize=5\nstride=2\npad=1",
    };
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        char cfg[1024];
        snprintf(cfg, sizeof(cfg),
                 NET "[conv]\nfilters=64\nsize=3\npad=1\nactivation=leaky\n"
                     "[conv]\nbatch_normalize=1\n%s\nactivation=leaky\n"
                     "[conv]\nfilters=7\nsize=3\nstride=2\nactivation=logistic\n",
                 groups[i]);
        check(cfg, as_seeded);
    }
}

static void test_channels_of_any_number(void)
{
    for (int channels = 1; channels <= 34; channels += 3) {
        char cfg[1024];
        snprintf(cfg, sizeof(cfg),
                 "[net]\nwidth=7\nheight=6\nchannels=%d\n"
                 "[conv]\nfilters=%d\nsize=3\npad=1\nactivation=logistic\n"
                 "[batchnorm]\n"
                 "[maxpool]\nsize=2\nstride=1\n"
                 "[conv]\nbatch_normalize=1\nfilters=%d\nsize=2\nactivation=leaky\n"
                 "[route]\nlayers=-1,-1\n"
                 "[avgpool]\n"
                 "[connected]\nbatch_normalize=1\noutput=%d\nactivation=tanh\n"
                 "[softmax]\n",
                 channels, channels, 35 - channels, channels + 1);
        check(cfg, as_seeded);
    }
}

/* A model that grew group by group gives the bits of one that was created at once. */
static void check_pieces(const char *engine)
{
    static const char cfg[] =
        NET WIDE "[conv]\nfilters=32\nsize=3\npad=1\nactivation=linear\n"
                 "[shortcut]\nfrom=-2\nactivation=leaky\n"
                 "[dropout]\n[maxpool]\nsize=2\nstride=2\n[lrn]\n"
                 "[connected]\noutput=40\nactivation=leaky\n[softmax]\ntemperature=2\n[cost]\n";
    struct engine_fixture whole;
    struct engine_fixture pieces;
    struct engine_values values;
    create(&whole, &values, engine, cfg, &as_seeded);
    engine_fixture_init_as(&pieces, engine, cfg);
    int layers = pieces.table->layer_count;
    struct ll_engine_context *context = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_engine_context_create(pieces.model, &context, NULL), LL_OK);
    for (int end = 0; end < layers;) {
        end = engine_fixture_next_cut(&pieces, end);
        CU_ASSERT_EQUAL_FATAL(engine_fixture_extend(&pieces, end, NULL), LL_OK);
        CU_ASSERT_EQUAL(ll_engine_model_prefix(pieces.model), end);
        CU_ASSERT(engine_values_hold(&values, context, 0, end));
    }
    ll_engine_context_destroy(context);
    engine_values_finish(&values);
    engine_fixture_finish(&pieces);
    engine_fixture_finish(&whole);
}

static void test_extend_in_pieces(void)
{
    check_pieces("onednn");
}

/* Skipped where the other tests leave bf16 out as well. */
static void test_extend_in_pieces_in_bf16(void)
{
    struct ll_error reason = {.text = ""};
    if (!has_bf16(&reason)) {
        ll_test_skip(reason.text);
        return;
    }
    check_pieces("onednn-bf16");
}

static void test_bf16_is_the_fast_engines_own(void)
{
    struct ll_engine *engine = NULL;
    struct ll_error err = {.text = ""};
    const struct ll_engine_config config = {
        .name = "darknet", .threads = 1, .compute = LL_COMPUTE_BF16};
    CU_ASSERT_EQUAL(dkb_engine_create(&config, &engine, &err), LL_E_UNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "f32 only"));
    CU_ASSERT_PTR_NULL(engine);
    ll_compute compute = LL_COMPUTE_F32;
    CU_ASSERT_EQUAL(ll_compute_parse("f16", &compute, &err), LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "'f16'"));
    CU_ASSERT_EQUAL(ll_compute_parse("bf16", &compute, &err), LL_OK);
    CU_ASSERT_EQUAL(compute, LL_COMPUTE_BF16);
}

/* Every group has a time; one that repeats another (layers 3 to 5 are alike, layer 7 is not) has
 * that one's. */
static void test_warm_up_tells_times(void)
{
    static const char cfg[] = NET WIDE WIDE "[maxpool]\nsize=2\nstride=2\n" WIDE WIDE WIDE
                                            "[local]\nfilters=2\nsize=1\nactivation=linear\n"
                                            "[conv]\nfilters=32\nsize=3\nactivation=leaky\n"
                                            "[dropout]\n[softmax]\n[cost]\n";
    struct engine_fixture fixture;
    engine_fixture_init_as(&fixture, "onednn", cfg);
    int half = 4;
    CU_ASSERT_EQUAL_FATAL(engine_fixture_extend(&fixture, half, NULL), LL_OK);
    const int64_t *warm_ns = ll_engine_model_warm_ns(fixture.model);
    CU_ASSERT_PTR_NOT_NULL_FATAL(warm_ns);
    CU_ASSERT_EQUAL_FATAL(engine_fixture_extend(&fixture, fixture.table->layer_count, NULL), LL_OK);
    CU_ASSERT_PTR_EQUAL(ll_engine_model_warm_ns(fixture.model), warm_ns);
    for (int i = 0; i < 8; i++) {
        CU_ASSERT(warm_ns[i] > 0);
    }
    CU_ASSERT_EQUAL(warm_ns[4], warm_ns[3]);
    CU_ASSERT_EQUAL(warm_ns[5], warm_ns[3]);
    engine_fixture_finish(&fixture);
}

/* Two compute threads, one for creation; ranges keep the bits of the whole run. */
static void test_two_threads(void)
{
    static const char cfg[] =
        "[net]\nwidth=40\nheight=32\nchannels=3\n" WIDE
        "[conv]\nbatch_normalize=1\nfilters=64\nsize=3\nstride=2\npad=1\nactivation=leaky\n"
        "[conv]\nfilters=64\ngroups=64\nsize=3\npad=1\nactivation=relu\n"
        "[conv]\nfilters=64\nsize=1\nactivation=linear\n"
        "[shortcut]\nfrom=-3\nactivation=leaky\n"
        "[maxpool]\nsize=2\nstride=2\n[connected]\noutput=50\nactivation=leaky\n[softmax]\n";
    ll_thread_flush_denormals();
    struct engine_fixture two;
    struct engine_fixture right;
    struct engine_values right_values;
    create(&right, &right_values, "darknet", cfg, &as_seeded);
    engine_fixture_init_as(&two, "onednn", cfg);
    ll_engine_model_destroy(two.model);
    ll_engine_destroy(two.engine);
    const struct ll_engine_config config = {.name = "onednn", .threads = 2};
    CU_ASSERT_EQUAL_FATAL(dkb_engine_create(&config, &two.engine, NULL), LL_OK);
    CU_ASSERT_EQUAL(ll_engine_threads(two.engine), 2);
    CU_ASSERT_EQUAL_FATAL(ll_engine_model_create(two.engine, two.network, &two.model, NULL), LL_OK);
    CU_ASSERT_EQUAL_FATAL(engine_fixture_extend(&two, two.table->layer_count, NULL), LL_OK);
    struct engine_values values;
    engine_values_init(&values, &two);
    compare_values(two.table, &values, &right_values, 2e-5);
    compare_ranges(&two, &values);
    engine_values_finish(&values);
    engine_values_finish(&right_values);
    engine_fixture_finish(&two);
    engine_fixture_finish(&right);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_scale_relu6),
    LL_TEST(test_scale_hardtan_negative),
    LL_TEST(test_scale_hardtan_zero),
    LL_TEST(test_scale_other_activations),
    LL_TEST(test_scale_and_sum),
    LL_TEST(test_sum_variants),
    LL_TEST(test_sum_keeps_its_sources),
    LL_TEST(test_sum_other_shapes),
    LL_TEST(test_groups),
    LL_TEST(test_channels_of_any_number),
    LL_TEST(test_extend_in_pieces),
    LL_TEST(test_extend_in_pieces_in_bf16),
    LL_TEST(test_bf16_is_the_fast_engines_own),
    LL_TEST(test_warm_up_tells_times),
    LL_TEST(test_two_threads),
    {NULL, NULL},
};
