/* Devices that upload the same model at once, through a real server and connection: what each is
 * told that others bring, and what becomes of that when one leaves, lies, or sends nothing. How
 * blobs are dealt: edge_upload_share_test.c. */
#include <stdlib.h>
#include <string.h>

#include "coding/ll_frame.h"
#include "edge/upload/edge_upload.h"
#include "tests/support/edge_fixture.h"
#include "tests/support/ll_test.h"

static const char cfg[] = "fake\n"
                          "input 8\n"
                          "layer 16 3000\n"
                          "layer 4 5000\n"
                          "layer 8 0\n"
                          "layer 2 200000\n"
                          "layer 3 4000\n"
                          "layer 5 150000\n"
                          "layer 5 6000\n";
enum { LAYERS = 7, BYTES = 368000, LARGE = 3, TWO_FRAMES = 2 * LL_FRAME_BYTES };

/* A device: what it was told, and what it has sent. */
struct device {
    struct edge_call *call;
    bool is_elsewhere[LAYERS];
    bool is_here[LAYERS];
    int64_t at[LAYERS];
    int64_t sent_bytes;
    uint64_t received_bytes;
    int lists;
    int rejections;
    bool is_complete;
};

static struct edge_fixture fixture;
static struct fake_model model;

static void begin(void)
{
    edge_fixture_set_up_model(&fixture, &model, cfg);
}

static void end(void)
{
    edge_fixture_tear_down_model(&fixture, &model);
}

static int64_t size_of(int layer)
{
    return model.network->table.layers[layer].blob_bytes;
}

static void take_list(struct device *device, const Layerlift__V1__BlobsElsewhere *elsewhere)
{
    memset(device->is_elsewhere, 0, sizeof(device->is_elsewhere));
    for (size_t i = 0; i < elsewhere->n_layers; i++) {
        CU_ASSERT_FATAL(elsewhere->layers[i] < LAYERS);
        device->is_elsewhere[elsewhere->layers[i]] = true;
    }
    for (size_t i = 0; i < elsewhere->n_partial; i++) {
        const Layerlift__V1__BlobOffset *partial = elsewhere->partial[i];
        CU_ASSERT_FATAL(partial->layer < LAYERS);
        CU_ASSERT_FALSE(device->is_elsewhere[partial->layer]);
        CU_ASSERT_EQUAL(partial->offset % LL_FRAME_BYTES, 0);
        if (device->at[partial->layer] < (int64_t)partial->offset) {
            device->at[partial->layer] = (int64_t)partial->offset;
        }
    }
    device->lists++;
}

/* Takes the next event; false at the call's end. */
static bool take_event(struct device *device)
{
    Layerlift__V1__UploadEvent *event = edge_call_event(device->call);
    if (!event) {
        return false;
    }
    switch ((int)event->kind_case) {
    case EVENT_ELSEWHERE:
        take_list(device, event->elsewhere);
        break;
    case EVENT_AVAILABLE:
        CU_ASSERT_FATAL(event->blob_available->layer < LAYERS);
        device->is_here[event->blob_available->layer] = true;
        break;
    case EVENT_REJECTED:
        device->rejections++;
        break;
    case EVENT_CREDIT:
        device->received_bytes = event->credit->received_bytes;
        break;
    case EVENT_COMPLETE:
        device->is_complete = true;
        break;
    default:
        break;
    }
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    return true;
}

/* Opens an upload; where others have begun one, it is told what they bring before it may send. */
static void open_device(struct device *device, bool is_shared)
{
    Layerlift__V1__UploadEvent *event = NULL;
    *device = (struct device){.call = edge_client_upload(fixture.client, &model, &event)};
    CU_ASSERT_EQUAL(event->accepted->credit_bytes == 0, is_shared);
    for (size_t i = 0; i < event->accepted->n_partial; i++) {
        device->at[event->accepted->partial[i]->layer] =
            (int64_t)event->accepted->partial[i]->offset;
    }
    for (size_t i = 0; i < event->accepted->n_available_layers; i++) {
        device->is_here[event->accepted->available_layers[i]] = true;
    }
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    if (is_shared) {
        CU_ASSERT(take_event(device));
        CU_ASSERT_EQUAL(device->lists, 1);
    }
}

/* Sends the layer's blob from where the device is up to `end`. */
static void send_up_to(struct device *device, int layer, int64_t end_offset)
{
    edge_call_send_part(device->call, &model, layer, device->at[layer], end_offset);
    device->sent_bytes += end_offset - device->at[layer];
    device->at[layer] = end_offset;
}

static bool wants(const struct device *device, int layer)
{
    return !device->is_elsewhere[layer] && !device->is_here[layer] &&
           device->at[layer] < size_of(layer);
}

/* Sends whatever is its own. */
static void send_own(struct device *device)
{
    for (int i = 0; i < LAYERS; i++) {
        if (wants(device, i)) {
            send_up_to(device, i, size_of(i));
        }
    }
}

/* Takes events, and sends what is its own, until the model is complete. */
static void finish_upload(struct device *device)
{
    send_own(device);
    while (!device->is_complete && take_event(device)) {
        send_own(device);
    }
    CU_ASSERT(device->is_complete);
    CU_ASSERT_EQUAL(device->rejections, 0);
    edge_call_close(device->call);
}

static void await_list(struct device *device, int lists)
{
    while (device->lists < lists && take_event(device)) {
    }
    CU_ASSERT_EQUAL(device->lists, lists);
}

static void await_receipt(struct device *device)
{
    while (device->received_bytes < (uint64_t)device->sent_bytes && take_event(device)) {
    }
    CU_ASSERT_EQUAL(device->received_bytes, device->sent_bytes);
}

static void test_one_alone_is_told_nothing(void)
{
    struct device device;
    begin();
    open_device(&device, false);
    finish_upload(&device);
    CU_ASSERT_EQUAL(device.lists, 0);
    CU_ASSERT_EQUAL(device.sent_bytes, BYTES);
    end();
}

static void test_two_are_told_different_blobs(void)
{
    struct device devices[2];
    begin();
    open_device(&devices[0], false);
    open_device(&devices[1], true);
    await_list(&devices[0], 1);
    for (int i = 0; i < LAYERS; i++) {
        CU_ASSERT_EQUAL(devices[0].is_elsewhere[i] + devices[1].is_elsewhere[i], size_of(i) > 0);
    }
    send_own(&devices[0]);
    send_own(&devices[1]);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT(devices[i].sent_bytes > 0);
        finish_upload(&devices[i]);
    }
    /* All of it was on its way at once: what is dealt anew meanwhile may come twice. */
    CU_ASSERT((devices[0].sent_bytes + devices[1].sent_bytes) / 2 < BYTES);
    end();
}

/* Whatever was told before this byte's receipt is known then. */
static void hear_all(struct device *device)
{
    int layer = 0;
    while (layer < LAYERS && !wants(device, layer)) {
        layer++;
    }
    if (layer < LAYERS) {
        send_up_to(device, layer, device->at[layer] + 1);
        await_receipt(device);
    }
}

static void test_many_send_little_more_than_one(void)
{
    enum { MANY = 5 };
    struct device devices[MANY];
    int64_t sent = 0;
    begin();
    for (int i = 0; i < MANY; i++) {
        open_device(&devices[i], i > 0);
    }
    for (int i = 0; i < MANY; i++) {
        hear_all(&devices[i]);
    }
    for (int i = 0; i < MANY; i++) {
        send_own(&devices[i]);
    }
    for (int i = 0; i < MANY; i++) {
        finish_upload(&devices[i]);
        sent += devices[i].sent_bytes;
    }
    /* Alone, each would send all; where the machine is slow, some count as stalled. */
    CU_ASSERT(sent / 2 < BYTES);
    end();
}

/* The device that has this layer, of two; the other one in `out_other`. */
static struct device *who_brings(struct device *devices, int layer, struct device **out_other)
{
    int first = devices[0].is_elsewhere[layer] ? 1 : 0;
    *out_other = &devices[1 - first];
    return &devices[first];
}

static void open_two(struct device *devices)
{
    open_device(&devices[0], false);
    open_device(&devices[1], true);
    await_list(&devices[0], 1);
}

static void test_one_that_leaves_is_made_up_for(void)
{
    struct device devices[2];
    struct device *stays = NULL;
    begin();
    open_two(devices);
    struct device *leaves = who_brings(devices, LARGE, &stays);
    send_up_to(leaves, LARGE, 150000);
    await_receipt(leaves);
    edge_call_close(leaves->call);
    int before = stays->lists;
    await_list(stays, before + 1);
    for (int i = 0; i < LAYERS; i++) {
        CU_ASSERT_FALSE(stays->is_elsewhere[i]);
    }
    /* It goes on where the other one was. */
    CU_ASSERT_EQUAL(stays->at[LARGE], TWO_FRAMES);
    finish_upload(stays);
    CU_ASSERT_EQUAL(stays->sent_bytes, BYTES - TWO_FRAMES);
    end();
}

/* It waits: the first has nothing that it could send. */
static void test_one_that_sends_nothing_is_made_up_for(void)
{
    struct device devices[2];
    begin();
    open_two(devices);
    finish_upload(&devices[1]);
    CU_ASSERT_EQUAL(devices[1].sent_bytes, BYTES);
    CU_ASSERT(edge_call_has_event(devices[0].call, EVENT_COMPLETE));
    edge_call_close(devices[0].call);
    end();
}

static void test_one_that_stops_in_the_middle_is_made_up_for(void)
{
    struct device devices[2];
    struct device *goes_on = NULL;
    begin();
    open_two(devices);
    struct device *stops = who_brings(devices, LARGE, &goes_on);
    send_up_to(stops, LARGE, 70000);
    await_receipt(stops);
    finish_upload(goes_on);
    /* Nothing of what came was for nothing, but for the part of a frame. */
    CU_ASSERT_EQUAL(goes_on->sent_bytes, BYTES - LL_FRAME_BYTES);
    CU_ASSERT(edge_call_has_event(stops->call, EVENT_COMPLETE));
    CU_ASSERT_EQUAL(edge_call_end(stops->call, NULL), LL_OK);
    edge_call_close(stops->call);
    end();
}

static void test_one_that_lies_is_made_up_for(void)
{
    static char wrong[200000];
    struct device devices[2];
    struct device *honest = NULL;
    struct ll_error message;
    begin();
    open_two(devices);
    struct device *liar = who_brings(devices, LARGE, &honest);
    for (int i = 0; i < 2; i++) {
        edge_call_send_chunk(liar->call, LARGE, 0, wrong, sizeof(wrong));
    }
    CU_ASSERT_EQUAL(edge_call_end(liar->call, &message), LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(message.text, "wrong bytes were sent again"));
    edge_call_close(liar->call);
    finish_upload(honest);
    CU_ASSERT_EQUAL(honest->sent_bytes, BYTES);
    end();
}

/* A device of the earlier version sends everything; the other one is none the worse. */
static void test_one_that_does_not_listen_harms_nobody(void)
{
    struct device devices[2];
    begin();
    open_two(devices);
    edge_call_send_layers(devices[0].call, &model, 0, LAYERS);
    finish_upload(&devices[1]);
    CU_ASSERT(devices[1].sent_bytes <= BYTES);
    CU_ASSERT(edge_call_has_event(devices[0].call, EVENT_COMPLETE));
    edge_call_close(devices[0].call);
    end();
}

static void test_one_that_comes_back_alone_has_everything(void)
{
    struct device devices[2];
    struct device again;
    begin();
    open_two(devices);
    send_up_to(&devices[1], devices[1].is_elsewhere[LARGE] ? 5 : LARGE, 100000);
    await_receipt(&devices[1]);
    edge_call_close(devices[0].call);
    edge_call_close(devices[1].call);
    edge_fixture_await_bytes(&fixture, &model, 100000);
    open_device(&again, false);
    finish_upload(&again);
    CU_ASSERT_EQUAL(again.sent_bytes, BYTES - 100000);
    CU_ASSERT_EQUAL(again.lists, 0);
    end();
}

/* A byte behind what another device brings has all before it duplicated: so much at a time. */
static void test_duplicates_have_a_rate(void)
{
    Layerlift__V1__UploadEvent *event = NULL;
    fake_model_init(&model, cfg, 1);
    edge_fixture_init(&fixture);
    fixture.config.peer_copied_bytes = 1;
    edge_fixture_start(&fixture);
    struct edge_call *owner = edge_client_upload(fixture.client, &model, NULL);
    edge_call_send_part(owner, &model, LARGE, 0, TWO_FRAMES);
    edge_fixture_await_bytes(&fixture, &model, TWO_FRAMES);
    struct edge_call *second = edge_client_upload(fixture.client, &model, &event);
    CU_ASSERT_EQUAL_FATAL(event->accepted->n_partial, 1);
    CU_ASSERT_EQUAL(event->accepted->partial[0]->offset, TWO_FRAMES);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    edge_call_send_part(second, &model, LARGE, TWO_FRAMES, TWO_FRAMES + 1);
    struct edge_call *third = edge_client_upload(fixture.client, &model, NULL);
    edge_call_send_part(third, &model, LARGE, TWO_FRAMES, TWO_FRAMES + 1);
    edge_fixture_check_refused(&fixture, third, LL_E_EXHAUSTED,
                               "limit peer_copied_bytes is 1 a second");
    edge_call_close(second);
    edge_call_close(owner);
    edge_fixture_tear_down_model(&fixture, &model);
}

const char *const ll_test_suite = "edge_upload_sharing";
const struct ll_test ll_tests[] = {
    LL_TEST(test_one_alone_is_told_nothing),
    LL_TEST(test_two_are_told_different_blobs),
    LL_TEST(test_many_send_little_more_than_one),
    LL_TEST(test_one_that_leaves_is_made_up_for),
    LL_TEST(test_one_that_sends_nothing_is_made_up_for),
    LL_TEST(test_one_that_stops_in_the_middle_is_made_up_for),
    LL_TEST(test_one_that_lies_is_made_up_for),
    LL_TEST(test_one_that_does_not_listen_harms_nobody),
    LL_TEST(test_one_that_comes_back_alone_has_everything),
    LL_TEST(test_duplicates_have_a_rate),
    {NULL, NULL},
};
