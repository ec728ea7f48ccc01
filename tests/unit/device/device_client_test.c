/* The client alone, without any program: against fake edges, and two of them side by side. */
#include "device/client/device_client.h"

#include <stdio.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "core/ll_clock.h"
#include "core/ll_sync.h"
#include "tests/support/fake_model.h"
#include "tests/support/ll_test.h"
#include "tests/unit/device/device_fake_edge.h"

const char *const ll_test_suite = "device_client";

static const char cfg[] = "fake\n"
                          "input 2000\n"
                          "layer 300 40000\n"
                          "layer 200 0 output\n"
                          "layer 100 24000 joined\n"
                          "layer 500 8\n"
                          "layer 10 4000\n";
enum { LAYERS = 5 };
#define PATIENCE_NS (30 * LL_NS_PER_S)

/* A device with its edge, and what the client's log told. */
struct device {
    struct fake_model fake;
    struct device_model model;
    struct fake_edge *edge;
    struct fake_edge_script script;
    const char *addresses[1];
    char address[64];
    struct ll_log_sink log;
    struct device_client_config config;
    struct device_client *client;
    struct ll_error err;
    /* Guards what is below. */
    struct ll_mutex lock;
    struct ll_cond changed;
    int lines LL_GUARDED_BY(lock);
    int foreign_lines LL_GUARDED_BY(lock);
    char last_line[300] LL_GUARDED_BY(lock);
    /* Of edges: their lines name an address. */
    int edge_lines LL_GUARDED_BY(lock);
};

static void take_line(void *owner, ll_log_level level, const char *module, const char *text)
{
    struct device *device = owner;
    (void)level;
    ll_mutex_lock(&device->lock);
    device->lines++;
    CU_ASSERT_TRUE(module[0] != '\0');
    if (strncmp(text, "edge ", 5) == 0) {
        device->edge_lines++;
        device->foreign_lines += strstr(text, device->address) ? 0 : 1;
        snprintf(device->last_line, sizeof(device->last_line), "%s", text);
    }
    ll_cond_broadcast(&device->changed);
    ll_mutex_unlock(&device->lock);
}

static void begin(struct device *device, unsigned seed, bool has_edge)
{
    *device = (struct device){.script = {.available_layer = -1}};
    ll_mutex_init(&device->lock);
    ll_cond_init(&device->changed);
    fake_model_init(&device->fake, cfg, seed);
    /* Without a plan: the client makes its own. */
    device->model = (struct device_model){.table = &device->fake.network->table,
                                          .blobs = device->fake.blobs,
                                          .manifest = &device->fake.manifest};
    memcpy(device->model.id, device->fake.id_text, sizeof(device->model.id));
    device->edge = has_edge ? fake_edge_create(&device->fake) : NULL;
    snprintf(device->address, sizeof(device->address), "%s",
             has_edge ? fake_edge_address(device->edge) : "");
    device->addresses[0] = device->address;
    device->log = (struct ll_log_sink){.write = take_line, .owner = device};
    device->config = (struct device_client_config){
        .engine = device->fake.engine,
        .network = device->fake.network,
        .model = &device->model,
        .partitioner = "ionn",
        .edges = device->addresses,
        .edge_count = has_edge ? 1 : 0,
        .slowdown = 1,
        /* The fake engine is faster than any edge. */
        .wish = {.cut_end = -1, .choose = DEVICE_CHOOSE_FURTHEST},
        .device = "test",
        .log = &device->log,
    };
}

static void start(struct device *device)
{
    if (device->edge) {
        fake_edge_set_script(device->edge, &device->script);
    }
    CU_ASSERT_EQUAL_FATAL(device_client_create(&device->config, &device->client, &device->err),
                          LL_OK);
    device_client_start(device->client);
}

static void end(struct device *device)
{
    device_client_destroy(device->client);
    fake_edge_destroy(device->edge);
    fake_model_finish(&device->fake);
    ll_cond_finish(&device->changed);
    ll_mutex_finish(&device->lock);
}

static ll_status await_uploaded(struct device *device)
{
    return device_client_await_uploaded(device->client, ll_clock_now_ns() + PATIENCE_NS,
                                        &device->err);
}

/* A query's outputs are the right ones, bit for bit, and the edge ran as many layers. */
static void expect(struct device *device, unsigned seed, int layers_there)
{
    struct fake_tensors input = {0};
    struct fake_tensors expected = {0};
    struct ll_buf *buf = NULL;
    struct device_query_result result;
    fake_model_inputs(&device->fake, seed, 0, LAYERS, &input);
    fake_model_outputs(&device->fake, seed, 0, LAYERS, &expected);
    CU_ASSERT_EQUAL_FATAL(ll_buf_copy(input.data, (size_t)input.floats * sizeof(float), &buf),
                          LL_OK);
    CU_ASSERT_EQUAL_FATAL(device_client_query(device->client, buf, &result, &device->err), LL_OK);
    CU_ASSERT_EQUAL(result.end - result.first, layers_there);
    CU_ASSERT_EQUAL_FATAL(result.output_floats, expected.floats);
    CU_ASSERT_TRUE(fake_floats_equal(result.outputs, expected.data, expected.floats));
    device_query_result_finish(&result);
    ll_buf_unref(buf);
    fake_tensors_finish(&input);
    fake_tensors_finish(&expected);
}

static void test_a_client_without_edges_computes_alone(void)
{
    struct device device;
    struct device_client_view view;
    begin(&device, 5, false);
    start(&device);
    expect(&device, 1, 0);
    CU_ASSERT_EQUAL(await_uploaded(&device), LL_E_UNAVAILABLE);
    device_client_look(device.client, &view);
    CU_ASSERT_FALSE(view.is_uploaded || view.is_refused || view.is_limited || view.is_interrupted);
    CU_ASSERT_TRUE(view.alone_since_ns > 0);
    end(&device);
}

static void test_a_client_uploads_and_asks_its_edge(void)
{
    struct device device;
    struct device_client_view view;
    begin(&device, 5, true);
    start(&device);
    CU_ASSERT_EQUAL_FATAL(await_uploaded(&device), LL_OK);
    for (unsigned i = 0; i < 5; i++) {
        expect(&device, i, LAYERS);
    }
    device_client_look(device.client, &view);
    CU_ASSERT_TRUE(view.is_uploaded);
    CU_ASSERT_EQUAL(view.alone_since_ns, 0);
    device_client_stop(device.client);
    device_client_stop(device.client);
    /* Whoever asks on has the device. */
    expect(&device, 7, 0);
    end(&device);
}

static void test_waiting_for_the_upload_says_why_it_ends(void)
{
    struct device device;
    begin(&device, 5, true);
    device.script.credit_bytes = 10;
    start(&device);
    CU_ASSERT_EQUAL(device_client_await_uploaded(device.client, ll_clock_now_ns() - 1, &device.err),
                    LL_E_DEADLINE);
    device_client_interrupt(device.client);
    CU_ASSERT_EQUAL(await_uploaded(&device), LL_E_STOPPED);
    end(&device);

    begin(&device, 5, true);
    device.script.upload = FAKE_UPLOAD_REFUSE;
    device.script.status = 12;
    start(&device);
    CU_ASSERT_EQUAL(await_uploaded(&device), LL_E_PRECONDITION);
    CU_ASSERT_PTR_NOT_NULL(strstr(device.err.text, device.address));
    CU_ASSERT_PTR_NOT_NULL(strstr(device.err.text, "refuses: no, thanks"));
    expect(&device, 3, 0);
    end(&device);

    begin(&device, 5, true);
    device.config.most_upload_bytes = 1000;
    start(&device);
    CU_ASSERT_EQUAL(await_uploaded(&device), LL_E_EXHAUSTED);
    end(&device);
}

static void interrupt(void *arg)
{
    struct device *device = arg;
    CU_ASSERT_TRUE(fake_edge_await_queries(device->edge, 1));
    device_client_interrupt(device->client);
}

static void test_an_interrupt_ends_a_query_that_waits(void)
{
    struct device device;
    struct ll_thread thread = {0};
    begin(&device, 5, true);
    device.script.answer = FAKE_ANSWER_NONE;
    device.config.wish = (struct device_wish){.cut_end = LAYERS};
    start(&device);
    CU_ASSERT_EQUAL_FATAL(ll_thread_start(&thread, "interrupt", interrupt, &device), LL_OK);
    expect(&device, 2, 0);
    ll_thread_join(&thread);
    /* Rests end at once from now on. */
    device_client_rest(device.client, LL_CLOCK_NEVER);
    end(&device);
}

/* Two clients of one process: each has its own edge, its own fate, and its own lines. */
static void test_two_clients_work_side_by_side(void)
{
    static struct device one;
    static struct device two;
    begin(&one, 5, true);
    begin(&two, 6, true);
    two.script.upload = FAKE_UPLOAD_REFUSE;
    two.script.status = 12;
    start(&one);
    start(&two);
    CU_ASSERT_EQUAL(await_uploaded(&one), LL_OK);
    CU_ASSERT_EQUAL(await_uploaded(&two), LL_E_PRECONDITION);
    for (unsigned i = 0; i < 5; i++) {
        expect(&one, i, LAYERS);
        expect(&two, i, 0);
    }
    ll_mutex_lock(&one.lock);
    CU_ASSERT_EQUAL(one.edge_lines, 0);
    ll_mutex_unlock(&one.lock);
    /* The first one's edge dies: that is in its own log. */
    fake_edge_destroy(one.edge);
    one.edge = NULL;
    int64_t until_ns = ll_clock_now_ns() + PATIENCE_NS;
    ll_mutex_lock(&one.lock);
    while (one.edge_lines == 0 && ll_clock_now_ns() < until_ns) {
        ll_cond_wait(&one.changed, &one.lock, until_ns);
    }
    CU_ASSERT_TRUE(one.edge_lines > 0);
    CU_ASSERT_EQUAL(one.foreign_lines, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(one.last_line, one.address));
    ll_mutex_unlock(&one.lock);
    ll_mutex_lock(&two.lock);
    CU_ASSERT_TRUE(two.edge_lines > 0);
    CU_ASSERT_EQUAL(two.foreign_lines, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(two.last_line, "no, thanks"));
    ll_mutex_unlock(&two.lock);
    expect(&one, 9, 0);
    end(&one);
    expect(&two, 9, 0);
    end(&two);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_a_client_without_edges_computes_alone),
    LL_TEST(test_a_client_uploads_and_asks_its_edge),
    LL_TEST(test_waiting_for_the_upload_says_why_it_ends),
    LL_TEST(test_an_interrupt_ends_a_query_that_waits),
    LL_TEST(test_two_clients_work_side_by_side),
    {NULL, NULL},
};
