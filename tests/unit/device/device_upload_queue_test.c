#include "device/edge_link/device_upload_queue.h"

#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "coding/ll_draft.h"
#include "coding/ll_frame.h"
#include "core/ll_clock.h"
#include "core/ll_sync.h"
#include "tests/support/fake_model.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_upload_queue";

#define PATIENCE_NS (30 * LL_NS_PER_S)

enum {
    RAW = LAYERLIFT__V1__ENCODING__ENCODING_RAW,
    FRAME = LAYERLIFT__V1__ENCODING__ENCODING_FRAME,
    DELTA = LAYERLIFT__V1__ENCODING__ENCODING_DELTA_FRAME,
    DRAFT = LAYERLIFT__V1__ENCODING__ENCODING_DRAFT_FRAME,
    REST = LAYERLIFT__V1__ENCODING__ENCODING_REST_FRAME,
    LAYERS = 5,
    MODEL_BYTES = 200000 + 30 + 65536 + 100000,
    LAYER_BYTES = 200000,
};

static const char cfg[] = "fake\n"
                          "input 4\n"
                          "layer 8 200000\n"
                          "layer 8 0\n"
                          "layer 8 30\n"
                          "layer 8 65536\n"
                          "layer 8 100000\n";

static struct fake_model fake;
static struct fake_model base;
static struct device_model model;
static struct device_encoder *encoder;
static struct device_upload_queue queue;
static struct ll_mutex lock;
static struct ll_cond changed;
static int ready_count;

/* What has come out of the queue, put together as an edge does. */
static struct ll_frame_coder *coder;
static uint8_t *received[LAYERS];
static int64_t here[LAYERS];
/* The same of the draft's blobs. */
static uint8_t *rounded[LAYERS];
static int64_t drafted[LAYERS];
static struct device_draft draft;
static uint8_t frame[LL_FRAME_ENCODED_BYTES];
static int64_t model_bytes;
static int counts[8];

static void on_ready(void *owner)
{
    (void)owner;
    ll_mutex_lock(&lock);
    ready_count++;
    ll_cond_broadcast(&changed);
    ll_mutex_unlock(&lock);
}

static void begin(void)
{
    fake_model_init_weights(&fake, cfg, 3);
    model = (struct device_model){.table = &fake.network->table, .blobs = fake.blobs};
    ll_mutex_init(&lock);
    ll_cond_init(&changed);
    ready_count = 0;
    struct device_encoder_config config = {.model = &model, .ready = on_ready};
    CU_ASSERT_EQUAL_FATAL(device_encoder_create(&config, &encoder), LL_OK);
    CU_ASSERT_EQUAL_FATAL(device_upload_queue_init(&queue, &model, encoder), LL_OK);
    CU_ASSERT_EQUAL_FATAL(ll_frame_coder_create(&coder), LL_OK);
    for (int i = 0; i < LAYERS; i++) {
        received[i] = calloc(1, LAYER_BYTES);
        CU_ASSERT_PTR_NOT_NULL_FATAL(received[i]);
        rounded[i] = calloc(1, LAYER_BYTES);
        CU_ASSERT_PTR_NOT_NULL_FATAL(rounded[i]);
        here[i] = drafted[i] = 0;
    }
    model_bytes = 0;
    memset(counts, 0, sizeof(counts));
}

static void end(void)
{
    device_upload_queue_finish(&queue);
    device_encoder_destroy(encoder);
    ll_frame_coder_destroy(coder);
    for (int i = 0; i < LAYERS; i++) {
        free(received[i]);
        free(rounded[i]);
    }
    ll_cond_finish(&changed);
    ll_mutex_finish(&lock);
    fake_model_finish(&fake);
}

/* The next chunk, once it is there. */
static bool next(int64_t limit, struct device_chunk *out_chunk)
{
    int64_t deadline_ns = ll_clock_now_ns() + PATIENCE_NS;
    device_upload_next outcome = DEVICE_UPLOAD_LATER;
    ll_mutex_lock(&lock);
    for (;;) {
        int seen = ready_count;
        ll_mutex_unlock(&lock);
        outcome = device_upload_queue_next(&queue, limit, out_chunk);
        ll_mutex_lock(&lock);
        if (outcome != DEVICE_UPLOAD_LATER ||
            (seen == ready_count && !ll_cond_wait(&changed, &lock, deadline_ns))) {
            break;
        }
    }
    ll_mutex_unlock(&lock);
    CU_ASSERT_TRUE_FATAL(outcome == DEVICE_UPLOAD_CHUNK || outcome == DEVICE_UPLOAD_NOTHING);
    return outcome == DEVICE_UPLOAD_CHUNK;
}

/* The model's behind the whole of the draft's. */
static ll_status receive_draft(const struct wire_upload_chunk *head, const struct ll_frame *encoded,
                               size_t bytes, uint8_t *out)
{
    struct ll_error err = {.text = ""};
    const struct ll_layer *layer = &model.table->layers[head->layer];
    struct ll_draft_blob blob = device_draft_blob(&draft, layer);
    struct ll_frame_draft how = ll_draft_frame(&blob, (int64_t)head->offset);
    uint8_t *at = rounded[head->layer] + head->offset;
    if (head->encoding == DRAFT) {
        drafted[head->layer] += (int64_t)bytes;
        return ll_frame_decode_draft(coder, encoded, &how, bytes, at, &err);
    }
    CU_ASSERT_EQUAL(drafted[head->layer], layer->blob_bytes);
    here[head->layer] += (int64_t)bytes;
    const struct ll_frame whole = {.data = at, .bytes = bytes};
    return ll_frame_decode_rest(coder, encoded, &how, &whole, out, &err);
}

static void receive_frame(const struct wire_upload_chunk *head)
{
    struct ll_error err = {.text = ""};
    struct ll_frame encoded = {.data = frame, .bytes = head->frame_bytes};
    int64_t left = model.table->layers[head->layer].blob_bytes - (int64_t)head->offset;
    size_t bytes = left < LL_FRAME_BYTES ? (size_t)left : LL_FRAME_BYTES;
    uint8_t *out = received[head->layer] + head->offset;
    ll_status status = LL_E_INVALID;
    if (head->encoding == DRAFT || head->encoding == REST) {
        CU_ASSERT_EQUAL(receive_draft(head, &encoded, bytes, out), LL_OK);
        return;
    }
    if (head->encoding == DELTA) {
        const uint8_t *from = ll_buf_data(base.blobs[head->layer]);
        status = ll_frame_decode_delta(coder, &encoded, from + head->offset, bytes, out, &err);
    } else if (head->encoding == FRAME) {
        status = ll_frame_decode(coder, &encoded, bytes, out, &err);
    }
    CU_ASSERT_EQUAL(status, LL_OK);
    here[head->layer] += (int64_t)bytes;
}

/* Sends the chunk, which must be what comes next of its layer. */
static void take(const struct device_chunk *chunk)
{
    const struct wire_upload_chunk *head = &chunk->head;
    const uint8_t *data = (const uint8_t *)ll_buf_data(chunk->whole) + chunk->from;
    CU_ASSERT_TRUE_FATAL(head->layer < LAYERS && head->encoding < 8);
    int64_t at = head->encoding == DRAFT ? drafted[head->layer] : here[head->layer];
    CU_ASSERT_EQUAL_FATAL(head->offset, (uint64_t)at);
    model_bytes += chunk->model_bytes;
    counts[head->encoding]++;
    if (head->encoding == RAW) {
        CU_ASSERT_EQUAL(head->frame_bytes, 0);
        memcpy(received[head->layer] + head->offset, data, (size_t)chunk->bytes);
        here[head->layer] += chunk->bytes;
    } else {
        CU_ASSERT_TRUE_FATAL(head->frame_bytes <= LL_FRAME_ENCODED_BYTES &&
                             head->frame_offset + chunk->bytes <= head->frame_bytes);
        memcpy(frame + head->frame_offset, data, (size_t)chunk->bytes);
        if (head->frame_offset + chunk->bytes == head->frame_bytes) {
            receive_frame(head);
        }
    }
    device_upload_queue_advance(&queue, chunk);
}

static int64_t take_all(int64_t limit)
{
    struct device_chunk chunk;
    int64_t payload = 0;
    while (next(limit, &chunk)) {
        CU_ASSERT_TRUE(chunk.bytes > 0 && chunk.bytes <= limit);
        int64_t left = device_upload_queue_left(&queue);
        take(&chunk);
        CU_ASSERT_EQUAL(device_upload_queue_left(&queue), left - chunk.model_bytes);
        payload += chunk.bytes;
    }
    CU_ASSERT_EQUAL(device_upload_queue_left(&queue), 0);
    return payload;
}

static void expect_layer(int layer)
{
    int64_t bytes = model.table->layers[layer].blob_bytes;
    CU_ASSERT_EQUAL(here[layer], bytes);
    CU_ASSERT_TRUE(bytes == 0 ||
                   memcmp(received[layer], ll_buf_data(fake.blobs[layer]), (size_t)bytes) == 0);
}

static void expect_model(void)
{
    for (int i = 0; i < LAYERS; i++) {
        expect_layer(i);
    }
}

static void test_without_frames_the_blobs_go_as_they_are(void)
{
    begin();
    CU_ASSERT_EQUAL(device_upload_queue_left(&queue), MODEL_BYTES);
    CU_ASSERT_EQUAL(take_all(10000), MODEL_BYTES);
    CU_ASSERT_EQUAL(model_bytes, MODEL_BYTES);
    expect_model();
    CU_ASSERT_EQUAL(counts[FRAME], 0);
    end();
}

static void test_frames_bring_the_model_in_fewer_bytes(void)
{
    begin();
    device_upload_queue_encode(&queue);
    CU_ASSERT_TRUE(take_all(64 << 10) < MODEL_BYTES * 9 / 10);
    CU_ASSERT_EQUAL(model_bytes, MODEL_BYTES);
    expect_model();
    /* 4 + 1 + 2; 30 bytes are no floats. */
    CU_ASSERT_EQUAL(counts[FRAME], 7);
    CU_ASSERT_EQUAL(counts[RAW], 1);
    end();
}

static void test_frames_are_cut_as_the_link_wants_it(void)
{
    begin();
    device_upload_queue_encode(&queue);
    CU_ASSERT_TRUE(take_all(1000) < MODEL_BYTES * 9 / 10);
    CU_ASSERT_EQUAL(model_bytes, MODEL_BYTES);
    expect_model();
    CU_ASSERT_TRUE(counts[FRAME] > MODEL_BYTES / 2 / 1000);
    end();
}

static void test_what_does_not_shrink_goes_as_it_is(void)
{
    begin();
    fake_model_finish(&fake);
    fake_model_init(&fake, cfg, 3);
    model.table = &fake.network->table;
    model.blobs = fake.blobs;
    device_upload_queue_finish(&queue);
    CU_ASSERT_EQUAL_FATAL(device_upload_queue_init(&queue, &model, encoder), LL_OK);
    device_upload_queue_encode(&queue);
    CU_ASSERT_EQUAL(take_all(10000), MODEL_BYTES);
    expect_model();
    end();
}

/* An edge that has got a beginning without frames: raw up to the border. */
static void test_a_frame_begins_on_its_border(void)
{
    begin();
    device_upload_queue_encode(&queue);
    struct device_upload_rest *rest = device_upload_queue_change(&queue, -1, false);
    CU_ASSERT_EQUAL(device_upload_rest_seek(rest, 0, 70000), LL_OK);
    CU_ASSERT_EQUAL(device_upload_rest_seek(rest, 3, 65535), LL_OK);
    here[0] = 70000;
    here[3] = 65535;
    memcpy(received[0], ll_buf_data(fake.blobs[0]), 70000);
    memcpy(received[3], ll_buf_data(fake.blobs[3]), 65535);
    struct device_chunk chunk;
    CU_ASSERT_TRUE_FATAL(next(LL_FRAME_BYTES, &chunk));
    CU_ASSERT_EQUAL(chunk.head.encoding, RAW);
    CU_ASSERT_EQUAL(chunk.bytes, 2 * LL_FRAME_BYTES - 70000);
    take(&chunk);
    CU_ASSERT_TRUE_FATAL(next(LL_FRAME_BYTES, &chunk));
    CU_ASSERT_EQUAL(chunk.head.encoding, FRAME);
    CU_ASSERT_EQUAL(chunk.head.offset, (uint64_t)2 * LL_FRAME_BYTES);
    (void)take_all(LL_FRAME_BYTES);
    CU_ASSERT_EQUAL(model_bytes, MODEL_BYTES - 70000 - 65535);
    expect_model();
    end();
}

static void test_a_change_elsewhere_lets_a_frame_go_on(void)
{
    begin();
    device_upload_queue_encode(&queue);
    struct device_chunk chunk;
    CU_ASSERT_TRUE_FATAL(next(1000, &chunk));
    take(&chunk);
    int64_t left = device_upload_queue_left(&queue);
    struct device_upload_rest *rest = device_upload_queue_change(&queue, 4, false);
    CU_ASSERT_EQUAL(device_upload_queue_left(&queue), left);
    CU_ASSERT_EQUAL(device_upload_rest_skip(rest, 4), LL_OK);
    CU_ASSERT_TRUE_FATAL(next(1000, &chunk));
    CU_ASSERT_EQUAL(chunk.head.layer, 0);
    CU_ASSERT_EQUAL(chunk.head.frame_offset, 1000);
    (void)take_all(64 << 10);
    CU_ASSERT_EQUAL(here[4], 0);
    for (int i = 0; i < 4; i++) {
        expect_layer(i);
    }
    end();
}

static void test_a_layer_that_is_not_wanted_any_more_ends_in_mid_frame(void)
{
    begin();
    device_upload_queue_encode(&queue);
    struct device_chunk chunk;
    CU_ASSERT_TRUE_FATAL(next(1000, &chunk));
    take(&chunk);
    struct device_upload_rest *rest = device_upload_queue_change(&queue, 0, false);
    CU_ASSERT_EQUAL(device_upload_rest_skip(rest, 0), LL_OK);
    CU_ASSERT_TRUE_FATAL(next(1000, &chunk));
    CU_ASSERT_EQUAL(chunk.head.layer, 2);
    (void)take_all(64 << 10);
    for (int i = 1; i < LAYERS; i++) {
        expect_layer(i);
    }
    end();
}

static void test_a_rejected_layer_goes_again(void)
{
    begin();
    device_upload_queue_encode(&queue);
    struct device_chunk chunk;
    while (here[0] < LAYER_BYTES) {
        CU_ASSERT_TRUE_FATAL(next(64 << 10, &chunk));
        take(&chunk);
    }
    struct device_upload_rest *rest = device_upload_queue_change(&queue, 0, false);
    CU_ASSERT_EQUAL(device_upload_rest_again(rest, 0, 0), LL_OK);
    here[0] = 0;
    memset(received[0], 0, LAYER_BYTES);
    CU_ASSERT_TRUE_FATAL(next(64 << 10, &chunk));
    CU_ASSERT_EQUAL(chunk.head.layer, 0);
    CU_ASSERT_EQUAL(chunk.head.offset, 0);
    (void)take_all(64 << 10);
    expect_model();
    end();
}

/* The base differs in a few weights of layer 0, and wholly in the others. */
static void test_differences_go_where_they_are_shorter(void)
{
    begin();
    fake_model_init_weights(&base, cfg, 4);
    uint8_t *near = ll_buf_writable(base.blobs[0]);
    memcpy(near, ll_buf_data(fake.blobs[0]), LAYER_BYTES);
    for (size_t i = 0; i < LAYER_BYTES; i += 1000) {
        near[i] ^= 1;
    }
    model.bases = base.blobs;
    device_upload_queue_encode(&queue);
    CU_ASSERT_EQUAL(device_upload_queue_use_base(&queue, 0), LL_OK);
    CU_ASSERT_EQUAL(device_upload_queue_use_base(&queue, 4), LL_OK);
    CU_ASSERT_EQUAL(device_upload_queue_use_base(&queue, 1), LL_E_INVALID);
    CU_ASSERT_EQUAL(device_upload_queue_use_base(&queue, LAYERS), LL_E_INVALID);
    CU_ASSERT_TRUE(take_all(64 << 10) < (MODEL_BYTES - LAYER_BYTES) * 9 / 10 + LAYER_BYTES / 20);
    CU_ASSERT_EQUAL(model_bytes, MODEL_BYTES);
    expect_model();
    CU_ASSERT_EQUAL(counts[DELTA], 4);
    CU_ASSERT_EQUAL(counts[FRAME], 3);
    fake_model_finish(&base);
    end();
}

/* Layers 0 and 4 are large enough to be rounded: 4 and 2 frames. */
static void test_a_draft_and_its_rest_are_the_model(void)
{
    begin();
    struct device_draft_source source = {
        .table = model.table, .blobs = model.blobs, .manifest = &fake.manifest};
    CU_ASSERT_EQUAL_FATAL(device_draft_init(&draft, &source, 7), LL_OK);
    model.draft = &draft;
    CU_ASSERT_EQUAL_FATAL(device_upload_queue_use_draft(&queue), LL_OK);
    device_upload_queue_encode(&queue);
    struct device_chunk chunk;
    int64_t first = 0;
    while (next(64 << 10, &chunk) && chunk.is_first_pass) {
        CU_ASSERT_EQUAL(counts[REST], 0);
        take(&chunk);
        first += chunk.bytes;
    }
    CU_ASSERT_EQUAL(counts[DRAFT], 6);
    CU_ASSERT_EQUAL(here[2] + here[3], 30 + 65536);
    CU_ASSERT_TRUE(first < MODEL_BYTES / 2);
    int64_t all = first + take_all(64 << 10);
    CU_ASSERT_EQUAL(counts[REST], 6);
    CU_ASSERT_EQUAL(model_bytes, MODEL_BYTES);
    expect_model();
    CU_ASSERT_TRUE(all < MODEL_BYTES * 9 / 10);
    device_draft_finish(&draft);
    end();
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_without_frames_the_blobs_go_as_they_are),
    LL_TEST(test_frames_bring_the_model_in_fewer_bytes),
    LL_TEST(test_frames_are_cut_as_the_link_wants_it),
    LL_TEST(test_what_does_not_shrink_goes_as_it_is),
    LL_TEST(test_a_frame_begins_on_its_border),
    LL_TEST(test_a_change_elsewhere_lets_a_frame_go_on),
    LL_TEST(test_a_layer_that_is_not_wanted_any_more_ends_in_mid_frame),
    LL_TEST(test_a_rejected_layer_goes_again),
    LL_TEST(test_differences_go_where_they_are_shorter),
    LL_TEST(test_a_draft_and_its_rest_are_the_model),
    {NULL, NULL},
};
