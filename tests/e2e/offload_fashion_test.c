/* The two hundred test images of Fashion-MNIST through device and edge, both real, with the same
 * engine on both sides: at every legal cut the same answer as the device alone, bit for bit. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "core/ll_clock.h"
#include "core/ll_limits.h"
#include "core/ll_sync.h"
#include "darknet_backend/dkb_engine.h"
#include "darknet_backend/network/dkb_model_file.h"
#include "device/edge_link/device_session.h"
#include "device/query/device_query.h"
#include "edge/edge_server.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "offload_fashion";

#define MODEL_FOLDER "tools/models/fashion_mnist/"

enum { IMAGES = 200, PIXELS = 784, CLASSES = 10 };

/* Sanitizers make Darknet's loops ten to fifty times slower: every tenth image does for them. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { STRIDE = 10 };
#else
enum { STRIDE = 1 };
#endif

static struct ll_buf *test_set;
static struct dkb_model_file file;
static struct ll_plan plan;
static struct device_model model;
static struct ll_engine *device_engine;
static struct ll_engine *edge_engine;
static struct edge_server *server;
static struct device_local *local;
static struct device_session *session;
static struct device_layer_times *profile;
static struct device_querier querier;
static char address[32];
static const char *const addresses[] = {address};

static struct ll_mutex lock;
static struct ll_cond changed;
static bool has_uploaded;

static void on_up(void *owner, const char *where, int64_t left_bytes, bool is_return)
{
    (void)owner;
    (void)where;
    (void)left_bytes;
    (void)is_return;
}

static void on_down(void *owner, const struct device_edge_loss *loss)
{
    (void)owner;
    fprintf(stderr, "%s: %s\n", loss->address, loss->reason);
}

static void on_busy(void *owner, const struct device_edge_busy *busy)
{
    (void)owner;
    fprintf(stderr, "%s: %s\n", busy->address, busy->reason->text);
}

static void on_progress(void *owner, const struct device_progress *progress)
{
    (void)owner;
    (void)progress;
}

static void on_ready(void *owner, const struct device_creation *creation)
{
    (void)owner;
    (void)creation;
}

static void on_uploaded(void *owner, const struct device_uploaded *uploaded)
{
    (void)owner;
    (void)uploaded;
    ll_mutex_lock(&lock);
    has_uploaded = true;
    ll_cond_broadcast(&changed);
    ll_mutex_unlock(&lock);
}

static const struct device_session_events events = {.up = on_up,
                                                    .busy = on_busy,
                                                    .down = on_down,
                                                    .progress = on_progress,
                                                    .ready = on_ready,
                                                    .uploaded = on_uploaded};

static void load(void)
{
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL_FATAL(
        ll_buf_map_file(ll_test_file(MODEL_FOLDER "test200.u8"), 1 << 20, &test_set, &err), LL_OK);
    CU_ASSERT_EQUAL_FATAL(ll_buf_bytes(test_set), (size_t)IMAGES * (PIXELS + 1));
    CU_ASSERT_EQUAL_FATAL(dkb_model_file_load(ll_test_file(MODEL_FOLDER "fashion.cfg"),
                                              ll_test_file(MODEL_FOLDER "fashion.weights"), &file,
                                              &err),
                          LL_OK);
    CU_ASSERT_EQUAL_FATAL(ll_plan_make(&file.network->table, "layer", &plan, &err), LL_OK);
    model = (struct device_model){.table = &file.network->table,
                                  .blobs = file.blobs,
                                  .manifest = &file.manifest,
                                  .plan = &plan};
    ll_digest_format(&file.model_id, model.id);
}

static void begin(const char *engine_name)
{
    struct ll_error err = {.text = ""};
    struct ll_engine_config engine = {.name = engine_name, .threads = 1};
    load();
    ll_mutex_init(&lock);
    ll_cond_init(&changed);
    has_uploaded = false;
    CU_ASSERT_EQUAL_FATAL(dkb_engine_create(&engine, &device_engine, &err), LL_OK);
    CU_ASSERT_EQUAL_FATAL(dkb_engine_create(&engine, &edge_engine, &err), LL_OK);
    struct edge_server_config edge;
    edge_server_config_default(&edge);
    edge.listen = "127.0.0.1:0";
    edge.engine = edge_engine;
    edge.temporary_parent = ll_test_tmp();
    CU_ASSERT_EQUAL_FATAL(edge_server_create(&edge, &server, &err), LL_OK);
    snprintf(address, sizeof(address), "127.0.0.1:%d", edge_server_port(server));
    CU_ASSERT_EQUAL_FATAL(device_layer_times_create(model.table, 1, &profile), LL_OK);
    struct device_local_config run = {.engine = device_engine,
                                      .network = file.network,
                                      .blobs = file.blobs,
                                      .slowdown = 1,
                                      .times = profile};
    CU_ASSERT_EQUAL_FATAL(device_local_create(&run, &local, &err), LL_OK);
    struct device_session_config config = {
        .model = &model, .edges = addresses, .edge_count = 1, .device = "test", .events = &events};
    CU_ASSERT_EQUAL_FATAL(device_session_create(&config, &session), LL_OK);
    querier = (struct device_querier){
        .model = &model,
        .local = local,
        .edge = device_session_edge(session),
        .requests = device_session_requests(session),
        .times = profile,
        .slowdown = 1,
        .wish = {.cut_end = -1, .choose = DEVICE_CHOOSE_FURTHEST, .deadline_ns = 60 * LL_NS_PER_S}};
    CU_ASSERT_EQUAL_FATAL(device_querier_init(&querier), LL_OK);
    device_session_start(session);
}

static void await_uploaded(void)
{
    int64_t until_ns = ll_clock_now_ns() + 60 * LL_NS_PER_S;
    ll_mutex_lock(&lock);
    while (!has_uploaded && ll_clock_now_ns() < until_ns) {
        ll_cond_wait(&changed, &lock, until_ns);
    }
    ll_mutex_unlock(&lock);
    CU_ASSERT_TRUE_FATAL(has_uploaded);
}

static void end(void)
{
    device_session_destroy(session);
    edge_server_destroy(server);
    device_querier_finish(&querier);
    device_local_destroy(local);
    device_layer_times_destroy(profile);
    ll_engine_destroy(device_engine);
    ll_engine_destroy(edge_engine);
    ll_plan_finish(&plan);
    dkb_model_file_finish(&file);
    ll_buf_unref(test_set);
    ll_cond_finish(&changed);
    ll_mutex_finish(&lock);
}

static struct ll_buf *image(int index)
{
    struct ll_buf *input = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_buf_create(PIXELS * sizeof(float), &input), LL_OK);
    const unsigned char *pixels =
        (const unsigned char *)ll_buf_data(test_set) + (size_t)index * PIXELS;
    float *values = ll_buf_writable(input);
    for (int i = 0; i < PIXELS; i++) {
        values[i] = (float)pixels[i] / 255.0F;
    }
    return input;
}

static int label(int index)
{
    return ((const unsigned char *)ll_buf_data(test_set))[IMAGES * PIXELS + index];
}

static int best(const float *values)
{
    int found = 0;
    for (int i = 1; i < CLASSES; i++) {
        found = values[i] > values[found] ? i : found;
    }
    return found;
}

/* Bit for bit. */
static bool is_same(const void *a, const void *b)
{
    return memcmp(a, b, CLASSES * sizeof(float)) == 0;
}

/* Runs an image, at the querier's cut, and returns its outputs for free(). */
static float *run(struct ll_buf *input, int first, int reached)
{
    struct device_query_result result = {0};
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL_FATAL(
        device_query_run(&querier, &(struct device_query_input){.floats = input}, &result, &err),
        LL_OK);
    CU_ASSERT_EQUAL_FATAL(result.output_floats, CLASSES);
    CU_ASSERT_EQUAL(result.first, first);
    CU_ASSERT_EQUAL(result.end, reached);
    CU_ASSERT_STRING_EQUAL(result.fallback.text, "");
    float *outputs = result.outputs;
    result.outputs = NULL;
    device_query_result_finish(&result);
    return outputs;
}

/* The image with [first, end) on the edge gives `expected`. */
static void check_cut(struct ll_buf *input, int first, int end_cut, const float *expected)
{
    querier.wish.cut_first = first;
    querier.wish.cut_end = end_cut;
    float *outputs = run(input, first, end_cut);
    CU_ASSERT_TRUE(is_same(outputs, expected));
    free(outputs);
}

static void check_every_image_at_every_cut_equals_the_device_alone(const char *engine_name)
{
    begin(engine_name);
    await_uploaded();
    int layers = model.table->layer_count;
    int right = 0;
    for (int i = 0; i < IMAGES; i += STRIDE) {
        struct ll_buf *input = image(i);
        querier.wish.cut_first = querier.wish.cut_end = 0;
        float *expected = run(input, 0, 0);
        right += best(expected) == label(i) ? 1 : 0;
        for (int cut = 0; cut <= layers; cut++) {
            if (ll_table_is_legal_cut(model.table, cut)) {
                check_cut(input, 0, cut, expected);
                check_cut(input, cut, layers, expected);
            }
        }
        free(expected);
        ll_buf_unref(input);
    }
    printf("\n    %d of %d images right\n", right, IMAGES / STRIDE);
    CU_ASSERT_TRUE(right >= IMAGES / STRIDE * 85 / 100);
    end();
}

static void check_every_pair_of_cuts_equals_the_device_alone(const char *engine_name,
                                                             bool codes_always)
{
    begin(engine_name);
    await_uploaded();
    querier.wish.codes_always = codes_always;
    int layers = model.table->layer_count;
    struct ll_buf *input = image(7);
    querier.wish.cut_first = querier.wish.cut_end = 0;
    float *expected = run(input, 0, 0);
    for (int first = 0; first <= layers; first++) {
        for (int cut = first; cut <= layers; cut++) {
            if (ll_table_is_legal_cut(model.table, first) &&
                ll_table_is_legal_cut(model.table, cut)) {
                check_cut(input, first, cut, expected);
            }
        }
    }
    free(expected);
    ll_buf_unref(input);
    end();
}

static void check_queries_during_the_upload_equal_the_device_alone(const char *engine_name)
{
    begin(engine_name);
    struct ll_buf *input = image(3);
    struct ll_error err = {.text = ""};
    struct device_query_result first = {0};
    CU_ASSERT_EQUAL_FATAL(
        device_query_run(&querier, &(struct device_query_input){.floats = input}, &first, &err),
        LL_OK);
    for (int reached = 0; reached < model.table->layer_count;) {
        struct device_query_result result = {0};
        CU_ASSERT_EQUAL_FATAL(device_query_run(&querier,
                                               &(struct device_query_input){.floats = input},
                                               &result, &err),
                              LL_OK);
        CU_ASSERT_TRUE(is_same(result.outputs, first.outputs));
        CU_ASSERT_TRUE(result.end >= reached);
        reached = result.end;
        device_query_result_finish(&result);
    }
    device_query_result_finish(&first);
    ll_buf_unref(input);
    end();
}

static void test_darknet_images_at_every_cut_equal_the_device_alone(void)
{
    check_every_image_at_every_cut_equals_the_device_alone("darknet");
}

static void test_onednn_images_at_every_cut_equal_the_device_alone(void)
{
    check_every_image_at_every_cut_equals_the_device_alone("onednn");
}

static void test_darknet_pairs_of_cuts_equal_the_device_alone(void)
{
    check_every_pair_of_cuts_equals_the_device_alone("darknet", false);
}

static void test_darknet_pairs_of_cuts_with_coded_tensors_equal_the_device_alone(void)
{
    check_every_pair_of_cuts_equals_the_device_alone("darknet", true);
}

/* Bytes that tensors take on their way at a cut, there or back. */
static int64_t bytes_at(struct ll_buf *input, int first, int reached)
{
    struct device_query_result result = {0};
    struct ll_error err = {.text = ""};
    querier.wish.cut_first = first;
    querier.wish.cut_end = reached;
    CU_ASSERT_EQUAL_FATAL(
        device_query_run(&querier, &(struct device_query_input){.floats = input}, &result, &err),
        LL_OK);
    CU_ASSERT_STRING_EQUAL(result.fallback.text, "");
    int64_t bytes = first > 0 ? result.up_bytes : result.down_bytes;
    device_query_result_finish(&result);
    return bytes;
}

/* This network has no zeros: leaky tensors lose a sixth of their bytes, both ways, and what is
 * reported is what was sent. */
static void test_coded_tensors_take_fewer_bytes(void)
{
    begin("onednn");
    await_uploaded();
    struct ll_buf *input = image(7);
    int64_t plain = 0;
    int64_t coded = 0;
    int layers = model.table->layer_count;
    querier.wish.codes_always = true;
    for (int cut = 1; cut < layers; cut++) {
        struct ll_names names;
        int64_t floats = model.table->layers[cut - 1].out_floats;
        if (!ll_table_is_legal_cut(model.table, cut) || floats < 1000) {
            continue;
        }
        CU_ASSERT_EQUAL_FATAL(ll_table_inputs(model.table, cut, layers, &names), LL_OK);
        int64_t plain_bytes = ll_names_bytes(model.table, &names);
        ll_names_finish(&names);
        for (int is_back = 0; is_back < 2; is_back++) {
            int64_t coded_bytes = is_back ? bytes_at(input, 0, cut) : bytes_at(input, cut, layers);
            CU_ASSERT_TRUE(coded_bytes * 100 < plain_bytes * 87);
            plain += plain_bytes;
            coded += coded_bytes;
        }
    }
    printf("\n    %lld of %lld bytes\n", (long long)coded, (long long)plain);
    CU_ASSERT_TRUE(plain > 0 && coded * 100 < plain * 85);
    ll_buf_unref(input);
    end();
}

static void test_onednn_pairs_of_cuts_equal_the_device_alone(void)
{
    check_every_pair_of_cuts_equals_the_device_alone("onednn", false);
}

static void test_onednn_pairs_of_cuts_with_coded_tensors_equal_the_device_alone(void)
{
    check_every_pair_of_cuts_equals_the_device_alone("onednn", true);
}

static void test_darknet_queries_during_the_upload_equal_the_device_alone(void)
{
    check_queries_during_the_upload_equal_the_device_alone("darknet");
}

static void test_onednn_queries_during_the_upload_equal_the_device_alone(void)
{
    check_queries_during_the_upload_equal_the_device_alone("onednn");
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_darknet_images_at_every_cut_equal_the_device_alone),
    LL_TEST(test_onednn_images_at_every_cut_equal_the_device_alone),
    LL_TEST(test_darknet_pairs_of_cuts_equal_the_device_alone),
    LL_TEST(test_darknet_pairs_of_cuts_with_coded_tensors_equal_the_device_alone),
    LL_TEST(test_onednn_pairs_of_cuts_with_coded_tensors_equal_the_device_alone),
    LL_TEST(test_coded_tensors_take_fewer_bytes),
    LL_TEST(test_onednn_pairs_of_cuts_equal_the_device_alone),
    LL_TEST(test_darknet_queries_during_the_upload_equal_the_device_alone),
    LL_TEST(test_onednn_queries_during_the_upload_equal_the_device_alone),
    {NULL, NULL},
};
