/* Drafts: what devices that bring one get, those that lie about it, and the others. */
#include "edge/upload/edge_upload_drafts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/edge_fixture.h"
#include "tests/support/edge_frames.h"
#include "tests/support/ll_test.h"

/* Drafts round layers 0, 3 and 4; of layer 3 the first frame is exact as a whole, and the last. */
static const char cfg[] = "fake\n"
                          "input 8\n"
                          "layer 16 200000\n"
                          "layer 16 4000\n"
                          "layer 8 0\n"
                          "layer 4 230000 exact=70000 tail=40000\n"
                          "layer 4 70000\n";
enum {
    LAYERS = 5,
    BITS = 7,
    CHUNK = 20000,
    FRAME = LL_FRAME_BYTES,
    ALL_BYTES = 504000,
    TWO_FRAMES = 2 * FRAME,
};

static const Layerlift__V1__Encoding encodings[] = {
    LAYERLIFT__V1__ENCODING__ENCODING_FRAME,
    LAYERLIFT__V1__ENCODING__ENCODING_DRAFT_FRAME,
    LAYERLIFT__V1__ENCODING__ENCODING_REST_FRAME,
};

struct pair {
    struct fake_model model;
    struct fake_model draft;
    struct edge_open open;
};

static void set_up(struct edge_fixture *fixture, struct pair *pair)
{
    edge_fixture_set_up(fixture);
    fake_model_init_weights(&pair->model, cfg, 1);
    edge_frames_init_draft(&pair->draft, &pair->model, BITS);
    pair->open = (struct edge_open){
        .encoding_count = 3, .encodings = encodings, .draft = &pair->draft, .mantissa_bits = BITS};
}

static void tear_down(struct edge_fixture *fixture, struct pair *pair)
{
    fake_model_finish(&pair->draft);
    fake_model_finish(&pair->model);
    edge_fixture_tear_down(fixture);
}

/* All layers' draft, or what is left. */
static size_t send_pass(struct edge_call *upload, const struct fake_model *model, bool is_rest)
{
    size_t sent = 0;
    for (int i = 0; i < LAYERS; i++) {
        sent += edge_frames_send_draft_layer(upload, model, i, BITS, is_rest);
    }
    return sent;
}

static void await_draft(struct edge_call *upload, uint32_t prefix)
{
    uint32_t ready = 0;
    while (ready < prefix) {
        Layerlift__V1__UploadEvent *event = edge_call_await(upload, EVENT_DRAFT_READY);
        CU_ASSERT_PTR_NOT_NULL_FATAL(event);
        CU_ASSERT(event->draft_ready->prefix > ready);
        ready = event->draft_ready->prefix;
        layerlift__v1__upload_event__free_unpacked(event, NULL);
    }
    CU_ASSERT_EQUAL(ready, prefix);
}

static void check_complete(struct edge_call *upload)
{
    CU_ASSERT(edge_call_has_event(upload, EVENT_COMPLETE));
    CU_ASSERT_EQUAL(edge_call_end(upload, NULL), LL_OK);
    edge_call_close(upload);
}

static void test_draft_comes_first_and_goes_last(void)
{
    struct edge_fixture fixture;
    struct pair pair;
    set_up(&fixture, &pair);
    Layerlift__V1__UploadEvent *event = NULL;
    struct edge_call *upload =
        edge_client_upload_with(fixture.client, &pair.model, &pair.open, &event);
    CU_ASSERT_STRING_EQUAL(event->accepted->draft_id, pair.draft.id_text);
    CU_ASSERT_EQUAL(event->accepted->n_available_drafts, 0);
    CU_ASSERT_EQUAL(event->accepted->n_partial_drafts, 0);
    CU_ASSERT_EQUAL(event->accepted->draft_prefix, 0);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    size_t first = send_pass(upload, &pair.model, false);
    await_draft(upload, LAYERS);
    /* Listed is the model alone, which has come as far as it is not rounded. */
    Layerlift__V1__Model *told = edge_fixture_model(&fixture, &pair.model);
    CU_ASSERT_PTR_NOT_NULL_FATAL(told);
    CU_ASSERT_EQUAL(told->prefix, 0);
    CU_ASSERT_EQUAL(told->received_bytes, 4000);
    layerlift__v1__model__free_unpacked(told, NULL);
    told = edge_fixture_model(&fixture, &pair.draft);
    CU_ASSERT_PTR_NULL(told);
    size_t rest = send_pass(upload, &pair.model, true);
    check_complete(upload);
    /* Nothing was sent twice. */
    CU_ASSERT(first + rest < ALL_BYTES * 9 / 10);
    told = edge_fixture_model(&fixture, &pair.model);
    CU_ASSERT_PTR_NOT_NULL_FATAL(told);
    CU_ASSERT_EQUAL(told->prefix, LAYERS);
    layerlift__v1__model__free_unpacked(told, NULL);
    tear_down(&fixture, &pair);
}

static void test_draft_goes_on_where_it_stopped(void)
{
    struct edge_fixture fixture;
    struct pair pair;
    set_up(&fixture, &pair);
    struct edge_call *upload =
        edge_client_upload_with(fixture.client, &pair.model, &pair.open, NULL);
    const struct edge_frames draft = {.model = &pair.model,
                                      .layer = 0,
                                      .encoding = LAYERLIFT__V1__ENCODING__ENCODING_DRAFT_FRAME,
                                      .mantissa_bits = BITS};
    edge_frames_send_draft_layer(upload, &pair.model, 4, BITS, false);
    edge_frames_send(upload, &draft, 0, CHUNK);
    edge_frames_send(upload, &draft, FRAME, CHUNK);
    edge_frames_send(upload,
                     &(struct edge_frames){.model = &pair.model,
                                           .layer = 4,
                                           .encoding = LAYERLIFT__V1__ENCODING__ENCODING_REST_FRAME,
                                           .mantissa_bits = BITS},
                     0, CHUNK);
    edge_fixture_await_bytes(&fixture, &pair.model, FRAME);
    edge_call_close(upload);
    Layerlift__V1__UploadEvent *event = NULL;
    upload = edge_client_upload_with(fixture.client, &pair.model, &pair.open, &event);
    CU_ASSERT_EQUAL_FATAL(event->accepted->n_available_drafts, 1);
    CU_ASSERT_EQUAL(event->accepted->available_drafts[0], 4);
    CU_ASSERT_EQUAL_FATAL(event->accepted->n_partial_drafts, 1);
    CU_ASSERT_EQUAL(event->accepted->partial_drafts[0]->layer, 0);
    CU_ASSERT_EQUAL(event->accepted->partial_drafts[0]->offset, TWO_FRAMES);
    CU_ASSERT_EQUAL_FATAL(event->accepted->n_partial, 1);
    CU_ASSERT_EQUAL(event->accepted->partial[0]->layer, 4);
    CU_ASSERT_EQUAL(event->accepted->partial[0]->offset, FRAME);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    edge_frames_send_from(upload, &draft, TWO_FRAMES, CHUNK);
    edge_frames_send_draft_layer(upload, &pair.model, 1, BITS, false);
    edge_frames_send_draft_layer(upload, &pair.model, 3, BITS, false);
    await_draft(upload, LAYERS);
    for (int i = 0; i < 4; i++) {
        edge_frames_send_draft_layer(upload, &pair.model, i, BITS, true);
    }
    const struct edge_frames rest = {.model = &pair.model,
                                     .layer = 4,
                                     .encoding = LAYERLIFT__V1__ENCODING__ENCODING_REST_FRAME,
                                     .mantissa_bits = BITS};
    edge_frames_send_from(upload, &rest, FRAME, CHUNK);
    check_complete(upload);
    tear_down(&fixture, &pair);
}

/* Where the model's own blob is here first, the draft is created of it. */
static void test_exact_layers_serve_the_draft(void)
{
    struct edge_fixture fixture;
    struct pair pair;
    set_up(&fixture, &pair);
    struct edge_call *upload =
        edge_client_upload_with(fixture.client, &pair.model, &pair.open, NULL);
    edge_frames_send_layers(upload, &pair.model, 3, 4);
    Layerlift__V1__UploadEvent *event = edge_call_await(upload, EVENT_AVAILABLE);
    CU_ASSERT_PTR_NOT_NULL_FATAL(event);
    CU_ASSERT_EQUAL(event->blob_available->layer, 3);
    CU_ASSERT(event->blob_available->is_draft);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    edge_call_close(upload);
    upload = edge_client_upload_with(fixture.client, &pair.model, &pair.open, &event);
    CU_ASSERT_EQUAL_FATAL(event->accepted->n_available_drafts, 1);
    CU_ASSERT_EQUAL(event->accepted->available_drafts[0], 3);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    for (int i = 0; i < LAYERS; i++) {
        if (i != 3) {
            edge_frames_send_draft_layer(upload, &pair.model, i, BITS, false);
        }
    }
    await_draft(upload, LAYERS);
    edge_frames_send_draft_layer(upload, &pair.model, 0, BITS, true);
    edge_frames_send_draft_layer(upload, &pair.model, 4, BITS, true);
    check_complete(upload);
    tear_down(&fixture, &pair);
}

/* Frames that are exact in the draft may be sent raw as well. */
static void test_exact_frames_may_come_raw(void)
{
    struct edge_fixture fixture;
    struct pair pair;
    set_up(&fixture, &pair);
    struct edge_call *upload =
        edge_client_upload_with(fixture.client, &pair.model, &pair.open, NULL);
    send_pass(upload, &pair.model, false);
    const struct edge_frames rest = {.model = &pair.model,
                                     .layer = 3,
                                     .encoding = LAYERLIFT__V1__ENCODING__ENCODING_REST_FRAME,
                                     .mantissa_bits = BITS};
    edge_frames_send_from(upload, &rest, 0, CHUNK);
    edge_frames_send_draft_layer(upload, &pair.model, 0, BITS, true);
    edge_frames_send_draft_layer(upload, &pair.model, 4, BITS, true);
    check_complete(upload);
    tear_down(&fixture, &pair);
}

/* Of a blob that somebody began all that is left is exact in the draft: nobody sends it. */
static void test_what_is_left_may_be_in_the_draft(void)
{
    enum { LAST = 3 * FRAME };
    struct edge_fixture fixture;
    struct pair pair;
    for (int round = 0; round < 2; round++) {
        set_up(&fixture, &pair);
        struct edge_call *first = edge_client_upload(fixture.client, &pair.model, NULL);
        edge_call_send_part(first, &pair.model, 3, 0, LAST);
        edge_fixture_await_bytes(&fixture, &pair.model, LAST);
        struct edge_call *upload =
            edge_client_upload_with(fixture.client, &pair.model, &pair.open, NULL);
        edge_call_close(first);
        size_t sent = edge_frames_send_draft_layer(upload, &pair.model, 3, BITS, false);
        if (round == 1) {
            /* It is there before the draft's device comes back. */
            edge_call_await_received(upload, sent);
            edge_call_close(upload);
            upload = edge_client_upload_with(fixture.client, &pair.model, &pair.open, NULL);
        }
        edge_frames_send_layers(upload, &pair.model, 0, 3);
        edge_frames_send_layers(upload, &pair.model, 4, 5);
        check_complete(upload);
        tear_down(&fixture, &pair);
    }
}

/* The draft that a device names is another model's: found out with the first layer of both. */
static void test_liars_draft_goes_with_the_liar(void)
{
    struct edge_fixture fixture;
    struct pair pair;
    struct fake_model lie;
    set_up(&fixture, &pair);
    edge_frames_init_draft(&lie, &pair.model, BITS);
    uint32_t *weights = ll_buf_writable(lie.blobs[4]);
    weights[17000] ^= 1U << 31;
    fake_model_rename(&lie);
    struct edge_open open = pair.open;
    open.draft = &lie;
    struct edge_call *honest =
        edge_client_upload_with(fixture.client, &pair.model, &pair.open, NULL);
    struct edge_call *liar = edge_client_upload_with(fixture.client, &pair.model, &open, NULL);
    struct edge_call *accomplice =
        edge_client_upload_with(fixture.client, &pair.model, &open, NULL);
    edge_frames_send_draft_layer(liar, &lie, 4, BITS, false);
    edge_frames_send_draft_layer(honest, &pair.model, 4, BITS, false);
    edge_frames_send_draft_layer(honest, &pair.model, 4, BITS, true);
    edge_frames_send_draft_layer(honest, &pair.model, 0, BITS, false);
    static const char reason[] = "layer 4: the draft's blob is not the model's, rounded to 7 bits";
    edge_fixture_check_refused(&fixture, liar, LL_E_INVALID, reason);
    edge_fixture_check_refused(&fixture, accomplice, LL_E_INVALID, reason);
    for (int i = 1; i < 4; i++) {
        edge_frames_send_draft_layer(honest, &pair.model, i, BITS, false);
    }
    await_draft(honest, LAYERS);
    edge_frames_send_draft_layer(honest, &pair.model, 0, BITS, true);
    edge_frames_send_draft_layer(honest, &pair.model, 3, BITS, true);
    check_complete(honest);
    fake_model_finish(&lie);
    tear_down(&fixture, &pair);
}

/* The other order: the lie is the second of the two to come. */
static void test_lie_about_an_available_layer_is_found_out(void)
{
    struct edge_fixture fixture;
    struct pair pair;
    struct fake_model lie;
    set_up(&fixture, &pair);
    edge_frames_init_draft(&lie, &pair.model, BITS);
    ((uint32_t *)ll_buf_writable(lie.blobs[0]))[0] ^= 1U << 30;
    fake_model_rename(&lie);
    struct edge_open open = pair.open;
    open.draft = &lie;
    struct edge_call *liar = edge_client_upload_with(fixture.client, &pair.model, &open, NULL);
    const struct edge_frames draft = {.model = &lie,
                                      .layer = 0,
                                      .encoding = LAYERLIFT__V1__ENCODING__ENCODING_DRAFT_FRAME,
                                      .mantissa_bits = BITS};
    edge_frames_send(liar, &draft, 0, CHUNK);
    struct edge_call *honest =
        edge_client_upload_with(fixture.client, &pair.model, &pair.open, NULL);
    edge_frames_send_layers(honest, &pair.model, 0, 1);
    CU_ASSERT(edge_call_has_event(liar, EVENT_AVAILABLE));
    edge_frames_send_from(liar, &draft, FRAME, CHUNK);
    edge_fixture_check_refused(&fixture, liar, LL_E_INVALID, "layer 0: the draft's blob is not");
    edge_call_close(honest);
    fake_model_finish(&lie);
    tear_down(&fixture, &pair);
}

static void check_rejected(struct edge_call *upload, uint32_t layer, bool is_draft)
{
    Layerlift__V1__UploadEvent *event = edge_call_await(upload, EVENT_REJECTED);
    CU_ASSERT_PTR_NOT_NULL_FATAL(event);
    CU_ASSERT_EQUAL(event->blob_rejected->layer, layer);
    CU_ASSERT_EQUAL(event->blob_rejected->is_draft, is_draft);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
}

/* What is on its way of the rest is dropped when the draft's blob is rejected: both come again. */
static void test_rejected_draft_takes_the_rest_with_it(void)
{
    struct edge_fixture fixture;
    struct pair pair;
    struct fake_model other;
    set_up(&fixture, &pair);
    fake_model_init_weights(&other, cfg, 2);
    struct edge_call *upload =
        edge_client_upload_with(fixture.client, &pair.model, &pair.open, NULL);
    edge_frames_send_draft_layer(upload, &other, 0, BITS, false);
    edge_frames_send_draft_layer(upload, &pair.model, 0, BITS, true);
    check_rejected(upload, 0, true);
    check_rejected(upload, 0, false);
    send_pass(upload, &pair.model, false);
    await_draft(upload, LAYERS);
    send_pass(upload, &pair.model, true);
    check_complete(upload);
    fake_model_finish(&other);
    tear_down(&fixture, &pair);
}

/* ---- What breaks the rules ---- */

static void test_draft_must_be_named_rightly(void)
{
    struct edge_fixture fixture;
    struct pair pair;
    struct fake_model other;
    set_up(&fixture, &pair);
    static const struct {
        int bits;
        const char *reason;
    } bad[] = {
        {0, "draft: 0 bits of mantissa; 1 to 22 are allowed"},
        {23, "draft: 23 bits of mantissa"},
        {-1, "draft: 4294967295 bits of mantissa"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct edge_open open = pair.open;
        open.mantissa_bits = bad[i].bits;
        struct edge_call *upload = edge_client_open(fixture.client, &pair.model, &open);
        edge_fixture_check_refused(&fixture, upload, LL_E_INVALID, bad[i].reason);
    }
    fake_model_init_weights(&other, cfg, 2);
    struct edge_open open = pair.open;
    open.draft = &other;
    struct edge_call *upload = edge_client_open(fixture.client, &pair.model, &open);
    edge_fixture_check_refused(&fixture, upload, LL_E_INVALID,
                               "draft: layer 1 has a digest, but its blob of 4000 bytes is not "
                               "rounded");
    fake_model_finish(&other);
    tear_down(&fixture, &pair);
}

static void test_digests_of_drafts_are_32_bytes_for_each_layer(void)
{
    struct edge_fixture fixture;
    struct pair pair;
    set_up(&fixture, &pair);
    struct edge_open open = pair.open;
    open.digest_count = LAYERS - 1;
    struct edge_call *upload = edge_client_open(fixture.client, &pair.model, &open);
    edge_fixture_check_refused(&fixture, upload, LL_E_INVALID,
                               "draft: 4 digests, but the model has 5 layers");
    open = pair.open;
    open.digest_bytes = 31;
    upload = edge_client_open(fixture.client, &pair.model, &open);
    edge_fixture_check_refused(&fixture, upload, LL_E_INVALID,
                               "draft: the digest of layer 0 has 31 bytes instead of 32");
    tear_down(&fixture, &pair);
}

static void test_broken_frames_of_drafts_are_refused(void)
{
    enum { DRAFT = LAYERLIFT__V1__ENCODING__ENCODING_DRAFT_FRAME };
    enum { REST = LAYERLIFT__V1__ENCODING__ENCODING_REST_FRAME };
    static const struct {
        int encoding;
        uint32_t layer;
        uint64_t offset;
        bool has_draft;
        /* The layer's draft has come before. */
        bool is_drafted;
        const char *reason;
    } bad[] = {
        {DRAFT, 0, 0, false, false, "layer 0: encoding 4, but the upload has no draft"},
        {REST, 0, 0, false, false, "layer 0: encoding 5, but the upload has no draft"},
        {DRAFT, 1, 0, true, false, "layer 1: encoding 4, but the draft does not round it"},
        {DRAFT, 2, 0, true, false, "layer 2: encoding 4, but the draft does not round it"},
        {REST, 1, 0, true, false, "layer 1: encoding 5, but the draft does not round it"},
        {DRAFT, 0, FRAME, true, false, "out of order, it begins at 65536 instead of 0"},
        {DRAFT, 0, 100, true, false, "layer 0: no frame begins at 100"},
        {DRAFT, 0, 0, true, false, "layer 0: the frame at 0: "},
        {REST, 0, 0, true, false, "the rest of the frame at 0, but the draft's blob is not here"},
        {REST, 0, FRAME, true, true, "out of order, it begins at 65536 instead of 0"},
        {REST, 0, 0, true, true, "layer 0: the frame at 0: "},
        {REST, 3, TWO_FRAMES, true, true, "out of order, it begins at 131072 instead of 65536"},
    };
    struct edge_fixture fixture;
    struct pair pair;
    uint8_t data[40];
    memset(data, 0xee, sizeof(data));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        set_up(&fixture, &pair);
        struct edge_open open = pair.open;
        open.draft = bad[i].has_draft ? open.draft : NULL;
        struct edge_call *upload =
            edge_client_upload_with(fixture.client, &pair.model, &open, NULL);
        if (bad[i].is_drafted) {
            edge_frames_send_draft_layer(upload, &pair.model, (int)bad[i].layer, BITS, false);
        }
        Layerlift__V1__Chunk chunk = LAYERLIFT__V1__CHUNK__INIT;
        chunk.encoding = (Layerlift__V1__Encoding)bad[i].encoding;
        chunk.layer = bad[i].layer;
        chunk.offset = bad[i].offset;
        chunk.frame_bytes = sizeof(data);
        chunk.data.data = data;
        chunk.data.len = sizeof(data);
        edge_call_send_any_chunk(upload, &chunk);
        edge_fixture_check_refused(&fixture, upload, LL_E_INVALID, bad[i].reason);
        tear_down(&fixture, &pair);
    }
}

/* The upload goes on without: the model alone. */
static void test_draft_that_is_of_no_use_is_not_taken(void)
{
    struct edge_fixture fixture;
    struct pair pair;
    set_up(&fixture, &pair);
    Layerlift__V1__UploadEvent *event = NULL;
    struct edge_open open = pair.open;
    /* None of its blobs differs. */
    open.draft = &pair.model;
    struct edge_call *upload = edge_client_upload_with(fixture.client, &pair.model, &open, &event);
    CU_ASSERT_STRING_EQUAL(event->accepted->draft_id, "");
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    edge_call_close(upload);
    /* The device does not have the encodings. */
    open = pair.open;
    open.encoding_count = 2;
    upload = edge_client_upload_with(fixture.client, &pair.model, &open, &event);
    CU_ASSERT_STRING_EQUAL(event->accepted->draft_id, "");
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    edge_call_close(upload);
    CU_ASSERT_EQUAL(edge_client_upload_all(fixture.client, &pair.model), LL_OK);
    upload = edge_client_upload_with(fixture.client, &pair.model, &pair.open, &event);
    CU_ASSERT_STRING_EQUAL(event->accepted->draft_id, "");
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    check_complete(upload);
    tear_down(&fixture, &pair);
}

static void test_drafts_of_a_model_are_limited(void)
{
    enum { MOST = EDGE_CATALOG_DRAFTS };
    struct edge_fixture fixture;
    struct pair pair;
    struct fake_model drafts[MOST + 1];
    struct edge_call *uploads[MOST + 1];
    set_up(&fixture, &pair);
    for (int i = 0; i <= MOST; i++) {
        edge_frames_init_draft(&drafts[i], &pair.model, BITS + i);
        struct edge_open open = pair.open;
        open.draft = &drafts[i];
        open.mantissa_bits = BITS + i;
        Layerlift__V1__UploadEvent *event = NULL;
        uploads[i] = edge_client_upload_with(fixture.client, &pair.model, &open, &event);
        CU_ASSERT_STRING_EQUAL(event->accepted->draft_id, i < MOST ? drafts[i].id_text : "");
        layerlift__v1__upload_event__free_unpacked(event, NULL);
    }
    /* One that nobody uses makes room. */
    edge_call_half_close(uploads[0]);
    CU_ASSERT_EQUAL(edge_call_end(uploads[0], NULL), LL_OK);
    struct edge_open open = pair.open;
    open.draft = &drafts[MOST];
    open.mantissa_bits = BITS + MOST;
    Layerlift__V1__UploadEvent *event = NULL;
    struct edge_call *upload = edge_client_upload_with(fixture.client, &pair.model, &open, &event);
    CU_ASSERT_STRING_EQUAL(event->accepted->draft_id, drafts[MOST].id_text);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    edge_call_close(upload);
    for (int i = 0; i <= MOST; i++) {
        edge_call_close(uploads[i]);
        fake_model_finish(&drafts[i]);
    }
    tear_down(&fixture, &pair);
}

const char *const ll_test_suite = "edge_upload_drafts";
const struct ll_test ll_tests[] = {
    LL_TEST(test_draft_comes_first_and_goes_last),
    LL_TEST(test_draft_goes_on_where_it_stopped),
    LL_TEST(test_exact_layers_serve_the_draft),
    LL_TEST(test_exact_frames_may_come_raw),
    LL_TEST(test_what_is_left_may_be_in_the_draft),
    LL_TEST(test_liars_draft_goes_with_the_liar),
    LL_TEST(test_lie_about_an_available_layer_is_found_out),
    LL_TEST(test_rejected_draft_takes_the_rest_with_it),
    LL_TEST(test_draft_must_be_named_rightly),
    LL_TEST(test_digests_of_drafts_are_32_bytes_for_each_layer),
    LL_TEST(test_broken_frames_of_drafts_are_refused),
    LL_TEST(test_draft_that_is_of_no_use_is_not_taken),
    LL_TEST(test_drafts_of_a_model_are_limited),
    {NULL, NULL},
};
