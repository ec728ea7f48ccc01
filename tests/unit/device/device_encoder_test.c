#include "device/edge_link/device_encoder.h"

#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "coding/ll_frame.h"
#include "core/ll_clock.h"
#include "core/ll_sync.h"
#include "tests/support/fake_model.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_encoder";

#define PATIENCE_NS (30 * LL_NS_PER_S)

#define RAW LAYERLIFT__V1__ENCODING__ENCODING_RAW
#define FRAME LAYERLIFT__V1__ENCODING__ENCODING_FRAME

static const char cfg[] = "fake\n"
                          "input 4\n"
                          "layer 8 200000\n"
                          "layer 8 400000\n";

static struct fake_model fake;
static struct device_model model;
static struct device_encoder *encoder;
static struct ll_mutex lock;
static struct ll_cond changed;
static int ready_count;

static void on_ready(void *owner)
{
    (void)owner;
    ll_mutex_lock(&lock);
    ready_count++;
    ll_cond_broadcast(&changed);
    ll_mutex_unlock(&lock);
}

static void begin(bool is_weights)
{
    (is_weights ? fake_model_init_weights : fake_model_init)(&fake, cfg, 3);
    model = (struct device_model){.table = &fake.network->table, .blobs = fake.blobs};
    ll_mutex_init(&lock);
    ll_cond_init(&changed);
    ready_count = 0;
    struct device_encoder_config config = {.model = &model, .ready = on_ready};
    CU_ASSERT_EQUAL_FATAL(device_encoder_create(&config, &encoder), LL_OK);
}

static void end(void)
{
    device_encoder_destroy(encoder);
    ll_cond_finish(&changed);
    ll_mutex_finish(&lock);
    fake_model_finish(&fake);
}

static struct device_frame frame_at(int layer, int index)
{
    int64_t offset = (int64_t)index * LL_FRAME_BYTES;
    int64_t left = model.table->layers[layer].blob_bytes - offset;
    return (struct device_frame){.layer = layer,
                                 .encoding = FRAME,
                                 .offset = offset,
                                 .bytes = left < LL_FRAME_BYTES ? left : LL_FRAME_BYTES};
}

/* Takes the frame that is wanted first, when it is ready. */
static struct device_encoded await(struct device_frame frame)
{
    struct device_encoded encoded = {.data = NULL};
    int64_t deadline_ns = ll_clock_now_ns() + PATIENCE_NS;
    device_encoder_outcome outcome = DEVICE_ENCODER_NOT_YET;
    ll_mutex_lock(&lock);
    for (;;) {
        int seen = ready_count;
        ll_mutex_unlock(&lock);
        outcome = device_encoder_take(encoder, &frame, &encoded);
        ll_mutex_lock(&lock);
        if (outcome != DEVICE_ENCODER_NOT_YET ||
            (seen == ready_count && !ll_cond_wait(&changed, &lock, deadline_ns))) {
            break;
        }
    }
    ll_mutex_unlock(&lock);
    CU_ASSERT_EQUAL_FATAL(outcome, DEVICE_ENCODER_DONE);
    return encoded;
}

/* Waits until the frame that is wanted first is ready. */
static void await_ready(void)
{
    int64_t deadline_ns = ll_clock_now_ns() + PATIENCE_NS;
    ll_mutex_lock(&lock);
    while (ready_count == 0 && ll_cond_wait(&changed, &lock, deadline_ns)) {
    }
    ll_mutex_unlock(&lock);
    CU_ASSERT_TRUE_FATAL(ready_count > 0);
}

static void expect_frame(struct device_frame frame, struct device_encoded encoded)
{
    static uint8_t decoded[LL_FRAME_BYTES];
    struct ll_frame_coder *coder = NULL;
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL_FATAL(ll_frame_coder_create(&coder), LL_OK);
    CU_ASSERT_EQUAL(encoded.encoding, FRAME);
    CU_ASSERT_PTR_NOT_NULL_FATAL(encoded.data);
    CU_ASSERT_TRUE((int64_t)encoded.bytes < frame.bytes);
    struct ll_frame in = {.data = ll_buf_data(encoded.data), .bytes = encoded.bytes};
    CU_ASSERT_EQUAL(ll_frame_decode(coder, &in, (size_t)frame.bytes, decoded, &err), LL_OK);
    const uint8_t *blob = ll_buf_data(fake.blobs[frame.layer]);
    CU_ASSERT_EQUAL(memcmp(decoded, blob + frame.offset, (size_t)frame.bytes), 0);
    ll_buf_unref(encoded.data);
    ll_frame_coder_destroy(coder);
}

static void test_frames_come_as_they_are_wanted(void)
{
    begin(true);
    struct device_frame frames[] = {frame_at(1, 2), frame_at(0, 3), frame_at(0, 0)};
    device_encoder_want(encoder, frames, 3);
    for (int i = 0; i < 3; i++) {
        expect_frame(frames[i], await(frames[i]));
    }
    CU_ASSERT_TRUE(ready_count >= 1);
    CU_ASSERT_TRUE(device_encoder_cpu_ns(encoder) > 0);
    end();
}

static void test_what_does_not_shrink_goes_raw(void)
{
    begin(false);
    struct device_frame frame = frame_at(0, 1);
    device_encoder_want(encoder, &frame, 1);
    struct device_encoded encoded = await(frame);
    CU_ASSERT_EQUAL(encoded.encoding, RAW);
    CU_ASSERT_PTR_NULL(encoded.data);
    end();
}

static void test_a_new_order_keeps_what_is_done(void)
{
    begin(true);
    struct device_frame first = frame_at(0, 0);
    device_encoder_want(encoder, &first, 1);
    await_ready();
    struct device_frame turned[] = {frame_at(1, 0), first};
    device_encoder_want(encoder, turned, 2);
    struct device_encoded encoded = {.data = NULL};
    CU_ASSERT_EQUAL_FATAL(device_encoder_take(encoder, &first, &encoded), DEVICE_ENCODER_DONE);
    expect_frame(first, encoded);
    expect_frame(turned[0], await(turned[0]));
    /* One that was taken is made again where it is wanted again. */
    device_encoder_want(encoder, &first, 1);
    expect_frame(first, await(first));
    end();
}

static void test_what_is_not_wanted_is_forgotten(void)
{
    begin(true);
    struct device_frame first = frame_at(0, 0);
    struct device_frame second = frame_at(1, 0);
    device_encoder_want(encoder, &first, 1);
    device_encoder_want(encoder, &second, 1);
    expect_frame(second, await(second));
    struct device_encoded encoded;
    CU_ASSERT_EQUAL(device_encoder_take(encoder, &first, &encoded), DEVICE_ENCODER_NOT_YET);
    device_encoder_want(encoder, NULL, 0);
    end();
}

static void test_nothing_comes_after_the_stop(void)
{
    begin(true);
    struct device_frame frame = frame_at(0, 0);
    device_encoder_stop(encoder);
    device_encoder_want(encoder, &frame, 1);
    struct device_encoded encoded;
    CU_ASSERT_EQUAL(device_encoder_take(encoder, &frame, &encoded), DEVICE_ENCODER_NOT_YET);
    CU_ASSERT_EQUAL(ready_count, 0);
    device_encoder_stop(encoder);
    end();
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_frames_come_as_they_are_wanted), LL_TEST(test_what_does_not_shrink_goes_raw),
    LL_TEST(test_a_new_order_keeps_what_is_done), LL_TEST(test_what_is_not_wanted_is_forgotten),
    LL_TEST(test_nothing_comes_after_the_stop),   {NULL, NULL},
};
