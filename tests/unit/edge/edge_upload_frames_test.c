/* Weights that come encoded, through a real server and connection: what devices that keep to the
 * rules get, and what the others are told. */
#include "edge/upload/edge_upload_frames.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/edge_fixture.h"
#include "tests/support/edge_frames.h"
#include "tests/support/ll_test.h"

/* Layer 0 has three frames and a bit; layer 2's blob is not whole weights. */
static const char cfg[] = "fake\n"
                          "input 8\n"
                          "layer 16 200000\n"
                          "layer 16 4000\n"
                          "layer 8 502\n"
                          "layer 4 70000\n";
enum {
    LAYERS = 4,
    BIG_BYTES = 200000,
    CHUNK = 20000,
    FRAME = LL_FRAME_BYTES,
    TWO_FRAMES = 2 * FRAME,
    FOUR_FRAMES = 4 * FRAME,
};

static const Layerlift__V1__Encoding all[] = {
    /* Of a version to come: not used. */
    (Layerlift__V1__Encoding)77,
    LAYERLIFT__V1__ENCODING__ENCODING_DELTA_FRAME,
    LAYERLIFT__V1__ENCODING__ENCODING_FRAME,
    (Layerlift__V1__Encoding)-1,
};
static const struct edge_open encoded = {.encoding_count = 4, .encodings = all};

static void set_up(struct edge_fixture *fixture, struct fake_model *model)
{
    edge_fixture_set_up(fixture);
    fake_model_init_weights(model, cfg, 1);
}

/* Takes events to the end; checks what Credit says on the way. The last of it may not be told. */
static void await_complete(struct edge_call *upload, size_t sent_bytes)
{
    uint64_t received = 0;
    uint64_t stored = 0;
    bool is_complete = false;
    Layerlift__V1__UploadEvent *event = NULL;
    while (!is_complete && (event = edge_call_event(upload)) != NULL) {
        is_complete = event->kind_case == (unsigned)EVENT_COMPLETE;
        if (event->kind_case == (unsigned)EVENT_CREDIT) {
            CU_ASSERT(event->credit->received_bytes >= received);
            CU_ASSERT(event->credit->stored_bytes >= stored);
            CU_ASSERT(event->credit->stored_bytes <= event->credit->received_bytes);
            received = event->credit->received_bytes;
            stored = event->credit->stored_bytes;
        }
        layerlift__v1__upload_event__free_unpacked(event, NULL);
    }
    CU_ASSERT(is_complete);
    CU_ASSERT(received <= sent_bytes);
    CU_ASSERT_EQUAL(edge_call_end(upload, NULL), LL_OK);
    edge_call_close(upload);
}

static void test_frames_bring_a_model(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    set_up(&fixture, &model);
    Layerlift__V1__UploadEvent *event = NULL;
    struct edge_call *upload = edge_client_upload_with(fixture.client, &model, &encoded, &event);
    CU_ASSERT_EQUAL_FATAL(event->accepted->n_encodings, 3);
    CU_ASSERT_EQUAL(event->accepted->encodings[0], LAYERLIFT__V1__ENCODING__ENCODING_RAW);
    CU_ASSERT_EQUAL(event->accepted->encodings[1], LAYERLIFT__V1__ENCODING__ENCODING_FRAME);
    CU_ASSERT_EQUAL(event->accepted->encodings[2], LAYERLIFT__V1__ENCODING__ENCODING_DELTA_FRAME);
    CU_ASSERT_EQUAL(event->accepted->n_delta_layers, 0);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    size_t sent = edge_frames_send_layers(upload, &model, 0, LAYERS);
    CU_ASSERT(sent < 274502 * 9 / 10);
    await_complete(upload, sent);
    edge_fixture_tear_down_model(&fixture, &model);
}

/* What Credit says is stored once `received` bytes have come. */
static uint64_t stored_at(struct edge_call *upload, uint64_t received)
{
    uint64_t at = 0;
    uint64_t stored = 0;
    while (at < received) {
        Layerlift__V1__UploadEvent *event = edge_call_await(upload, EVENT_CREDIT);
        CU_ASSERT_PTR_NOT_NULL_FATAL(event);
        at = event->credit->received_bytes;
        stored = event->credit->stored_bytes;
        layerlift__v1__upload_event__free_unpacked(event, NULL);
    }
    CU_ASSERT_EQUAL(at, received);
    return stored;
}

/* A temporary store's bytes go with the process. */
static void test_credit_of_a_temporary_store_says_nothing(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    set_up(&fixture, &model);
    struct edge_call *upload = edge_client_upload_with(fixture.client, &model, &encoded, NULL);
    const struct edge_frames frames = {
        .model = &model, .layer = 0, .encoding = LAYERLIFT__V1__ENCODING__ENCODING_FRAME};
    uint64_t sent = edge_frames_send(upload, &frames, 0, CHUNK);
    CU_ASSERT_EQUAL(stored_at(upload, sent), 0);
    edge_call_close(upload);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_credit_says_what_is_stored(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_init(&fixture);
    fixture.config.store_folder = ll_test_folder();
    edge_fixture_start(&fixture);
    fake_model_init_weights(&model, cfg, 1);
    struct edge_call *upload = edge_client_upload_with(fixture.client, &model, &encoded, NULL);
    const struct edge_frames frames = {
        .model = &model, .layer = 0, .encoding = LAYERLIFT__V1__ENCODING__ENCODING_FRAME};
    uint8_t data[LL_FRAME_ENCODED_BYTES];
    Layerlift__V1__Chunk chunk;
    uint64_t sent = edge_frames_send(upload, &frames, 0, CHUNK);
    CU_ASSERT_EQUAL(stored_at(upload, sent), sent);
    /* Not at a border, and a frame that is not whole: what would be lost does not count. */
    edge_call_send_part(upload, &model, 0, FRAME, FRAME + 1001);
    CU_ASSERT_EQUAL(stored_at(upload, sent + 1001), sent);
    edge_call_send_part(upload, &model, 0, FRAME + 1001, TWO_FRAMES);
    sent += FRAME;
    CU_ASSERT_EQUAL(stored_at(upload, sent), sent);
    edge_frames_encode(&frames, TWO_FRAMES, data, &chunk);
    chunk.data.len = 1000;
    edge_call_send_any_chunk(upload, &chunk);
    CU_ASSERT_EQUAL(stored_at(upload, sent + 1000), sent);
    chunk.frame_offset = 1000;
    chunk.data.data += 1000;
    chunk.data.len = chunk.frame_bytes - 1000;
    edge_call_send_any_chunk(upload, &chunk);
    sent += chunk.frame_bytes;
    CU_ASSERT_EQUAL(stored_at(upload, sent), sent);
    edge_call_close(upload);
    edge_fixture_tear_down_model(&fixture, &model);
}

/* Two layers' frames in pieces of their own, in turns. */
static void test_frames_of_layers_may_interleave(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    set_up(&fixture, &model);
    struct edge_call *upload = edge_client_upload_with(fixture.client, &model, &encoded, NULL);
    uint8_t data[2][LL_FRAME_ENCODED_BYTES];
    Layerlift__V1__Chunk chunks[2];
    const int layers[2] = {1, 3};
    for (int i = 0; i < 2; i++) {
        const struct edge_frames frames = {.model = &model,
                                           .layer = layers[i],
                                           .encoding = LAYERLIFT__V1__ENCODING__ENCODING_FRAME};
        edge_frames_encode(&frames, 0, data[i], &chunks[i]);
        CU_ASSERT(chunks[i].frame_bytes > 0);
    }
    size_t sent = chunks[0].frame_bytes + chunks[1].frame_bytes;
    for (int part = 0; part < 4; part++) {
        for (int i = 0; i < 2; i++) {
            Layerlift__V1__Chunk chunk = chunks[i];
            uint32_t step = chunk.frame_bytes / 4;
            chunk.frame_offset = (uint32_t)part * step;
            chunk.data.data += chunk.frame_offset;
            chunk.data.len = part < 3 ? step : chunk.frame_bytes - chunk.frame_offset;
            edge_call_send_any_chunk(upload, &chunk);
        }
    }
    const struct edge_frames rest = {
        .model = &model, .layer = 3, .encoding = LAYERLIFT__V1__ENCODING__ENCODING_FRAME};
    sent += edge_frames_send_from(upload, &rest, FRAME, CHUNK);
    sent += edge_frames_send_layers(upload, &model, 0, 1);
    sent += edge_frames_send_layers(upload, &model, 2, 3);
    await_complete(upload, sent);
    edge_fixture_tear_down_model(&fixture, &model);
}

/* Raw pieces may end anywhere; frames go on at the next border. */
static void test_raw_and_frames_mix(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    set_up(&fixture, &model);
    struct edge_call *upload = edge_client_upload_with(fixture.client, &model, &encoded, NULL);
    const struct edge_frames frames = {
        .model = &model, .layer = 0, .encoding = LAYERLIFT__V1__ENCODING__ENCODING_FRAME};
    size_t sent = edge_frames_send(upload, &frames, 0, CHUNK);
    edge_call_send_part(upload, &model, 0, FRAME, FRAME + 1001);
    edge_call_send_part(upload, &model, 0, FRAME + 1001, TWO_FRAMES);
    sent += FRAME;
    sent += edge_frames_send_from(upload, &frames, TWO_FRAMES, CHUNK);
    sent += edge_frames_send_layers(upload, &model, 1, LAYERS);
    await_complete(upload, sent);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_offsets_are_borders_where_frames_are_used(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    set_up(&fixture, &model);
    struct edge_call *upload = edge_client_upload(fixture.client, &model, NULL);
    edge_call_send_part(upload, &model, 0, 0, FRAME + 5000);
    edge_call_send_part(upload, &model, 1, 0, 3000);
    edge_fixture_await_bytes(&fixture, &model, FRAME + 8000);
    edge_call_close(upload);
    Layerlift__V1__UploadEvent *event = NULL;
    /* Who does not use frames goes on where the bytes end. */
    upload = edge_client_upload(fixture.client, &model, &event);
    CU_ASSERT_EQUAL_FATAL(event->accepted->n_partial, 2);
    CU_ASSERT_EQUAL(event->accepted->partial[0]->offset, FRAME + 5000);
    CU_ASSERT_EQUAL(event->accepted->n_encodings, 0);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    edge_call_close(upload);
    upload = edge_client_upload_with(fixture.client, &model, &encoded, &event);
    CU_ASSERT_EQUAL_FATAL(event->accepted->n_partial, 1);
    CU_ASSERT_EQUAL(event->accepted->partial[0]->layer, 0);
    CU_ASSERT_EQUAL(event->accepted->partial[0]->offset, FRAME);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    const struct edge_frames frames = {
        .model = &model, .layer = 0, .encoding = LAYERLIFT__V1__ENCODING__ENCODING_FRAME};
    size_t sent = edge_frames_send_from(upload, &frames, FRAME, CHUNK);
    sent += edge_frames_send_layers(upload, &model, 1, LAYERS);
    await_complete(upload, sent);
    edge_fixture_tear_down_model(&fixture, &model);
}

/* Changes some weights a little, as tuning does. */
static void tune(struct fake_model *model)
{
    for (int i = 0; i < LAYERS; i++) {
        uint32_t *bits = ll_buf_writable(model->blobs[i]);
        for (size_t w = 0; w < ll_buf_bytes(model->blobs[i]) / 4; w += 3) {
            bits[w] ^= (uint32_t)w % 64;
        }
    }
    fake_model_rename(model);
}

static void test_differences_from_an_earlier_model(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    struct fake_model tuned;
    set_up(&fixture, &model);
    fake_model_init_weights(&tuned, cfg, 1);
    tune(&tuned);
    struct edge_open open = encoded;
    open.base = &model;
    /* Nothing of it is here: neither listed nor taken. */
    Layerlift__V1__UploadEvent *event = NULL;
    struct edge_call *upload = edge_client_upload_with(fixture.client, &tuned, &open, &event);
    CU_ASSERT_EQUAL(event->accepted->n_delta_layers, 0);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    struct edge_frames frames = {.model = &tuned,
                                 .layer = 0,
                                 .encoding = LAYERLIFT__V1__ENCODING__ENCODING_DELTA_FRAME,
                                 .base = &model};
    edge_frames_send(upload, &frames, 0, CHUNK);
    edge_fixture_check_refused(&fixture, upload, LL_E_INVALID,
                               "layer 0: a difference at 0, but the layer has no base");
    CU_ASSERT_EQUAL(edge_client_upload_all(fixture.client, &model), LL_OK);
    upload = edge_client_upload_with(fixture.client, &tuned, &open, &event);
    CU_ASSERT_EQUAL_FATAL(event->accepted->n_delta_layers, LAYERS);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    size_t sent = 0;
    for (frames.layer = 0; frames.layer < LAYERS; frames.layer++) {
        sent += edge_frames_send_from(upload, &frames, 0, CHUNK);
    }
    CU_ASSERT(sent < 274502 / 4);
    await_complete(upload, sent);
    fake_model_finish(&tuned);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_bases_must_be_named_rightly(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    struct fake_model other;
    set_up(&fixture, &model);
    fake_model_init_weights(&other,
                            "fake\ninput 8\nlayer 4 4\nlayer 4 4\nlayer 4 4\nlayer 4 8\n"
                            "layer 4 4\n",
                            1);
    struct edge_open open = encoded;
    open.base = &other;
    struct edge_call *upload = edge_client_open(fixture.client, &model, &open);
    edge_fixture_check_refused(&fixture, upload, LL_E_INVALID,
                               "delta_bases: 5 of them, but the model has 4 layers");
    edge_fixture_tear_down_model(&fixture, &model);
    fake_model_finish(&other);
}

/* ---- What breaks the rules ---- */

static void test_broken_frames_are_refused(void)
{
    enum { SIZE = 40, RAW = LAYERLIFT__V1__ENCODING__ENCODING_RAW };
    enum { ENC = LAYERLIFT__V1__ENCODING__ENCODING_FRAME };
    static const struct {
        int encoding;
        uint32_t layer;
        uint64_t offset;
        uint32_t frame_bytes;
        uint32_t frame_offset;
        /* Sent before, rightly: the frame at 0 of 100 bytes has begun, with 40. */
        bool has_begun;
        const char *reason;
    } bad[] = {
        {ENC, 9, 0, SIZE, 0, false, "there is no layer 9"},
        {77, 0, 0, SIZE, 0, false, "layer 0: encoding 77 was not agreed upon"},
        {-1, 0, 0, SIZE, 0, false, "layer 0: encoding -1 was not agreed upon"},
        {ENC, 0, 100, SIZE, 0, false, "layer 0: no frame begins at 100 in its blob of 200000"},
        {ENC, 0, FOUR_FRAMES, SIZE, 0, false, "layer 0: no frame begins at 262144"},
        {ENC, 0, UINT64_MAX - 65535, SIZE, 0, false, "no frame begins at 18446744073709486080"},
        {ENC, 0, FRAME, SIZE, 0, false, "out of order, it begins at 65536 instead of 0"},
        {ENC, 0, 0, 0, 0, false, "layer 0: a frame of 0 bytes at 0; 1 to 65600"},
        {ENC, 0, 0, LL_FRAME_ENCODED_BYTES + 1, 0, false, "a frame of 65601 bytes at 0"},
        {ENC, 0, 0, UINT32_MAX, 0, false, "a frame of 4294967295 bytes at 0"},
        {ENC, 0, 0, 39, 0, false, "40 bytes behind 0 lie beyond the frame of 39 bytes at 0"},
        {ENC, 0, 0, 100, 61, false, "40 bytes behind 61 lie beyond the frame of 100 bytes at 0"},
        {ENC, 0, 0, 100, UINT32_MAX, false, "behind 4294967295 lie beyond"},
        {ENC, 0, 0, 100, 40, false, "it is byte 40 of the frame at 0 instead of 0"},
        {ENC, 0, 0, 100, 0, true, "it is byte 0 of the frame at 0 instead of 40"},
        {ENC, 0, 0, 99, 40, true, "the frame at 0 began with 100 bytes in encoding 2, not 99 in 2"},
        {RAW, 0, 0, 0, 0, true, "raw bytes at 0, where a frame has begun and is not whole"},
        {RAW, 0, 0, 40, 0, false, "raw bytes at 0 are of no frame"},
        {ENC, 0, 0, SIZE, 0, false, "layer 0: the frame at 0: "},
        {ENC, 2, 0, SIZE, 0, false, "layer 2: the frame at 0: "},
    };
    struct edge_fixture fixture;
    struct fake_model model;
    uint8_t data[SIZE];
    set_up(&fixture, &model);
    memset(data, 0xee, sizeof(data));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct edge_call *upload = edge_client_upload_with(fixture.client, &model, &encoded, NULL);
        Layerlift__V1__Chunk chunk = LAYERLIFT__V1__CHUNK__INIT;
        chunk.data.data = data;
        chunk.data.len = SIZE;
        if (bad[i].has_begun) {
            chunk.encoding = LAYERLIFT__V1__ENCODING__ENCODING_FRAME;
            chunk.frame_bytes = 100;
            edge_call_send_any_chunk(upload, &chunk);
        }
        chunk.encoding = (Layerlift__V1__Encoding)bad[i].encoding;
        chunk.layer = bad[i].layer;
        chunk.offset = bad[i].offset;
        chunk.frame_bytes = bad[i].frame_bytes;
        chunk.frame_offset = bad[i].frame_offset;
        edge_call_send_any_chunk(upload, &chunk);
        edge_fixture_check_refused(&fixture, upload, LL_E_INVALID, bad[i].reason);
    }
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_frames_need_agreement(void)
{
    static const Layerlift__V1__Encoding frame_alone[] = {LAYERLIFT__V1__ENCODING__ENCODING_FRAME};
    static const Layerlift__V1__Encoding raw_alone[] = {LAYERLIFT__V1__ENCODING__ENCODING_RAW};
    struct edge_fixture fixture;
    struct fake_model model;
    set_up(&fixture, &model);
    const struct edge_frames frames = {
        .model = &model, .layer = 0, .encoding = LAYERLIFT__V1__ENCODING__ENCODING_FRAME};
    Layerlift__V1__UploadEvent *event = NULL;
    const struct edge_open raw = {.encoding_count = 1, .encodings = raw_alone};
    struct edge_call *upload = edge_client_upload_with(fixture.client, &model, &raw, &event);
    CU_ASSERT_EQUAL(event->accepted->n_encodings, 0);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    edge_frames_send(upload, &frames, 0, CHUNK);
    edge_fixture_check_refused(&fixture, upload, LL_E_INVALID, "encoding 2 was not agreed upon");
    const struct edge_open open = {.encoding_count = 1, .encodings = frame_alone, .base = &model};
    CU_ASSERT_EQUAL(edge_client_upload_all(fixture.client, &model), LL_OK);
    struct fake_model tuned;
    fake_model_init_weights(&tuned, cfg, 1);
    tune(&tuned);
    upload = edge_client_upload_with(fixture.client, &tuned, &open, &event);
    CU_ASSERT_EQUAL(event->accepted->n_encodings, 2);
    CU_ASSERT_EQUAL(event->accepted->n_delta_layers, 0);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    const struct edge_frames delta = {.model = &tuned,
                                      .layer = 0,
                                      .encoding = LAYERLIFT__V1__ENCODING__ENCODING_DELTA_FRAME,
                                      .base = &model};
    edge_frames_send(upload, &delta, 0, CHUNK);
    edge_fixture_check_refused(&fixture, upload, LL_E_INVALID, "encoding 3 was not agreed upon");
    fake_model_finish(&tuned);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_frames_that_are_not_whole_are_limited(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    char many[EDGE_UPLOAD_FRAMES * 20 + 64] = "fake\ninput 8\n";
    size_t used = strlen(many);
    for (int i = 0; i <= EDGE_UPLOAD_FRAMES; i++) {
        used += (size_t)snprintf(many + used, sizeof(many) - used, "layer 4 400\n");
    }
    edge_fixture_set_up(&fixture);
    fake_model_init_weights(&model, many, 1);
    struct edge_call *upload = edge_client_upload_with(fixture.client, &model, &encoded, NULL);
    Layerlift__V1__Chunk chunk = LAYERLIFT__V1__CHUNK__INIT;
    chunk.encoding = LAYERLIFT__V1__ENCODING__ENCODING_FRAME;
    chunk.frame_bytes = 100;
    chunk.data.data = (uint8_t *)"x";
    chunk.data.len = 1;
    for (uint32_t i = 0; i <= EDGE_UPLOAD_FRAMES; i++) {
        chunk.layer = i;
        edge_call_send_any_chunk(upload, &chunk);
    }
    edge_fixture_check_refused(&fixture, upload, LL_E_EXHAUSTED,
                               "layer 8: too many frames have begun and are not whole: limit "
                               "upload_frames is 8");
    edge_fixture_tear_down_model(&fixture, &model);
}

/* Frames that are fine, of bytes that are not the digest's: as with raw ones. */
static void test_wrong_bytes_are_rejected_and_may_be_sent_again(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    struct fake_model liar;
    set_up(&fixture, &model);
    fake_model_init_weights(&liar, cfg, 2);
    struct edge_call *upload = edge_client_upload_with(fixture.client, &model, &encoded, NULL);
    size_t sent = edge_frames_send_layers(upload, &liar, 0, 1);
    Layerlift__V1__UploadEvent *event = edge_call_await(upload, EVENT_REJECTED);
    CU_ASSERT_PTR_NOT_NULL_FATAL(event);
    CU_ASSERT_EQUAL(event->blob_rejected->layer, 0);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    sent += edge_frames_send_layers(upload, &model, 0, LAYERS);
    await_complete(upload, sent);
    fake_model_finish(&liar);
    edge_fixture_tear_down_model(&fixture, &model);
}

/* The blob comes whole from another device while a frame of it is under way here. */
static void test_frames_of_an_available_blob_are_dropped(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    set_up(&fixture, &model);
    struct edge_call *upload = edge_client_upload_with(fixture.client, &model, &encoded, NULL);
    const struct edge_frames frames = {
        .model = &model, .layer = 0, .encoding = LAYERLIFT__V1__ENCODING__ENCODING_FRAME};
    uint8_t data[LL_FRAME_ENCODED_BYTES];
    Layerlift__V1__Chunk chunk;
    edge_frames_encode(&frames, 0, data, &chunk);
    size_t sent = chunk.data.len;
    chunk.data.len = 1000;
    edge_call_send_any_chunk(upload, &chunk);
    struct edge_call *other = edge_client_upload(fixture.client, &model, NULL);
    edge_call_send_layers(other, &model, 0, 1);
    CU_ASSERT(edge_call_has_event(upload, EVENT_AVAILABLE));
    chunk.frame_offset = 1000;
    chunk.data.data += 1000;
    chunk.data.len = sent - 1000;
    edge_call_send_any_chunk(upload, &chunk);
    sent += edge_frames_send_layers(upload, &model, 1, LAYERS);
    await_complete(upload, sent);
    edge_call_close(other);
    edge_fixture_tear_down_model(&fixture, &model);
}

const char *const ll_test_suite = "edge_upload_frames";
const struct ll_test ll_tests[] = {
    LL_TEST(test_frames_bring_a_model),
    LL_TEST(test_credit_of_a_temporary_store_says_nothing),
    LL_TEST(test_credit_says_what_is_stored),
    LL_TEST(test_frames_of_layers_may_interleave),
    LL_TEST(test_raw_and_frames_mix),
    LL_TEST(test_offsets_are_borders_where_frames_are_used),
    LL_TEST(test_differences_from_an_earlier_model),
    LL_TEST(test_bases_must_be_named_rightly),
    LL_TEST(test_broken_frames_are_refused),
    LL_TEST(test_frames_need_agreement),
    LL_TEST(test_frames_that_are_not_whole_are_limited),
    LL_TEST(test_wrong_bytes_are_rejected_and_may_be_sent_again),
    LL_TEST(test_frames_of_an_available_blob_are_dropped),
    {NULL, NULL},
};
