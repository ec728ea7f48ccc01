/* Devices that send wrong bytes of blobs that others send as well: what is right counts, nobody
 * else begins again, and whoever is found out is sent away. Through a real server and connection,
 * with blobs in memory and in files. */
#include <stdlib.h>
#include <string.h>

#include "edge/upload/edge_upload.h"
#include "tests/support/edge_fixture.h"
#include "tests/support/ll_test.h"

/* The first blob is a file, the others lie in memory. */
static const char cfg[] = "fake\ninput 8\nlayer 16 200000\nlayer 4 3000\nlayer 8 0\nlayer 2 500\n";
enum { LAYERS = 4, LARGE = 0, LARGE_BYTES = 200000, SMALL = 1, SMALL_BYTES = 3000, LAST = 3 };
enum { BYTES = LARGE_BYTES + SMALL_BYTES + 500 };

static struct edge_fixture fixture;
static struct fake_model model;
static char wrong[LARGE_BYTES];

static void begin(void)
{
    edge_fixture_set_up_model(&fixture, &model, cfg);
    memset(wrong, 0x55, sizeof(wrong));
}

static void end(void)
{
    edge_fixture_tear_down_model(&fixture, &model);
}

static int64_t size_of(int layer)
{
    return model.network->table.layers[layer].blob_bytes;
}

/* The next rejection is this one. */
static void expect_rejection(struct edge_call *upload, int layer, int64_t of_first_bytes)
{
    Layerlift__V1__UploadEvent *event = edge_call_await(upload, EVENT_REJECTED);
    CU_ASSERT_PTR_NOT_NULL_FATAL(event);
    CU_ASSERT_EQUAL(event->blob_rejected->layer, layer);
    CU_ASSERT_EQUAL(event->blob_rejected->end, of_first_bytes);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
}

/* Everything that comes until the upload is complete is no rejection. */
static void expect_complete(struct edge_call *upload)
{
    Layerlift__V1__UploadEvent *event = edge_call_event(upload);
    while (event && event->kind_case != (unsigned)EVENT_COMPLETE) {
        CU_ASSERT_NOT_EQUAL(event->kind_case, (unsigned)EVENT_REJECTED);
        layerlift__v1__upload_event__free_unpacked(event, NULL);
        event = edge_call_event(upload);
    }
    CU_ASSERT_PTR_NOT_NULL_FATAL(event);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    edge_call_close(upload);
}

static void expect_sent_away(struct edge_call *upload, const char *reason)
{
    struct ll_error message;
    CU_ASSERT_EQUAL(edge_call_end(upload, &message), LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(message.text, reason));
    edge_call_close(upload);
}

/* Opens an upload that is told of a beginning of one blob. */
static struct edge_call *open_told(int layer, int64_t offset)
{
    Layerlift__V1__UploadEvent *event = NULL;
    struct edge_call *upload = edge_client_upload(fixture.client, &model, &event);
    CU_ASSERT_EQUAL_FATAL(event->accepted->n_partial, 1);
    CU_ASSERT_EQUAL(event->accepted->partial[0]->layer, layer);
    CU_ASSERT_EQUAL(event->accepted->partial[0]->offset, offset);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    return upload;
}

/* Whatever of the model is not of `layer`. */
static void send_others(struct edge_call *upload, int layer)
{
    for (int i = 0; i < LAYERS; i++) {
        if (i != layer && size_of(i) > 0) {
            edge_call_send_layers(upload, &model, i, i + 1);
        }
    }
}

static void send_wrong_beginnings(struct edge_call *upload, int64_t bytes)
{
    edge_call_send_chunk(upload, LARGE, 0, wrong, (size_t)bytes);
    edge_call_send_chunk(upload, SMALL, 0, wrong, (size_t)bytes);
    edge_call_send_chunk(upload, LAST, 0, wrong, (size_t)bytes);
}

/* A liar begins every blob before the honest device does: that sends each once. */
static void test_wrong_beginnings_cost_others_nothing(void)
{
    begin();
    struct edge_call *liar = edge_client_upload(fixture.client, &model, NULL);
    struct edge_call *honest = edge_client_upload(fixture.client, &model, NULL);
    send_wrong_beginnings(liar, 400);
    edge_call_await_received(liar, 1200);
    edge_call_send_layers(honest, &model, 0, LAYERS);
    expect_complete(honest);
    expect_sent_away(liar, "layer 0: the bytes are not those of its digest");
    end();
}

/* A device that goes on from the beginning that a liar brings brings that as well, and nothing
 * else. */
static void check_beginning_of_a_liar(int layer, int64_t bytes)
{
    begin();
    struct edge_call *liar = edge_client_upload(fixture.client, &model, NULL);
    edge_call_send_chunk(liar, layer, 0, wrong, (size_t)bytes);
    edge_call_await_received(liar, (uint64_t)bytes);
    struct edge_call *honest = open_told(layer, bytes);
    edge_call_send_part(honest, &model, layer, bytes, size_of(layer));
    expect_rejection(honest, layer, bytes);
    edge_call_send_part(honest, &model, layer, 0, bytes);
    send_others(honest, layer);
    expect_complete(honest);
    expect_sent_away(liar, "the bytes are not those of its digest");
    end();
}

static void test_wrong_beginning_is_brought_by_who_goes_on(void)
{
    check_beginning_of_a_liar(LARGE, 70000);
    check_beginning_of_a_liar(SMALL, 1000);
}

/* The same when the liar has gone: nobody is blamed. */
static void check_beginning_left_behind(int layer, int64_t bytes, bool knows_end)
{
    begin();
    struct edge_call *liar = edge_client_upload(fixture.client, &model, NULL);
    edge_call_send_chunk(liar, layer, 0, wrong, (size_t)bytes);
    edge_fixture_await_bytes(&fixture, &model, bytes);
    edge_call_close(liar);
    struct edge_call *honest = open_told(layer, bytes);
    edge_call_send_part(honest, &model, layer, bytes, size_of(layer));
    expect_rejection(honest, layer, bytes);
    edge_call_send_part(honest, &model, layer, 0, knows_end ? bytes : size_of(layer));
    send_others(honest, layer);
    expect_complete(honest);
    end();
}

static void test_wrong_beginning_left_behind_is_brought_by_who_goes_on(void)
{
    check_beginning_left_behind(LARGE, 70000, true);
    check_beginning_left_behind(SMALL, 1000, true);
}

static void test_who_sends_all_of_it_again_is_served_too(void)
{
    check_beginning_left_behind(LARGE, 70000, false);
    check_beginning_left_behind(SMALL, 1000, false);
}

/* Who lies about the rest of a blob that another brings: that one goes on as if nothing were. */
static void check_lying_rest(int layer)
{
    begin();
    int64_t half = size_of(layer) / 2;
    struct edge_call *honest = edge_client_upload(fixture.client, &model, NULL);
    edge_call_send_part(honest, &model, layer, 0, half);
    edge_call_await_received(honest, (uint64_t)half);
    struct edge_call *liar = open_told(layer, half);
    edge_call_send_chunk(liar, layer, half, wrong, (size_t)(size_of(layer) - half));
    expect_rejection(liar, layer, half);
    edge_call_send_chunk(liar, layer, 0, wrong, (size_t)half);
    expect_rejection(liar, layer, 0);
    edge_call_send_part(honest, &model, layer, half, size_of(layer));
    send_others(honest, layer);
    expect_complete(honest);
    expect_complete(liar);
    end();
}

static void test_wrong_rest_does_not_harm_who_brought_the_beginning(void)
{
    check_lying_rest(LARGE);
    check_lying_rest(SMALL);
}

/* As above, but the right bytes come while the liar's are there. */
static void test_wrong_rest_is_found_out_when_the_right_bytes_come(void)
{
    begin();
    struct edge_call *honest = edge_client_upload(fixture.client, &model, NULL);
    edge_call_send_part(honest, &model, LARGE, 0, 100000);
    edge_call_await_received(honest, 100000);
    struct edge_call *liar = open_told(LARGE, 100000);
    edge_call_send_chunk(liar, LARGE, 100000, wrong, 70000);
    edge_call_await_received(liar, 70000);
    edge_call_send_part(honest, &model, LARGE, 100000, LARGE_BYTES);
    expect_sent_away(liar, "layer 0: the bytes are not those of its digest");
    send_others(honest, LARGE);
    expect_complete(honest);
    end();
}

/* A device of the earlier version sends everything from the start, however much is there: what it
 * has brought beyond that stays when it goes. */
static void check_joining(int layer, int64_t first, int64_t second)
{
    begin();
    struct edge_call *gone = edge_client_upload(fixture.client, &model, NULL);
    struct edge_call *other = edge_client_upload(fixture.client, &model, NULL);
    edge_call_send_part(gone, &model, layer, 0, first);
    edge_fixture_await_bytes(&fixture, &model, first);
    edge_call_send_part(other, &model, layer, 0, first / 2);
    edge_call_await_received(other, (uint64_t)(first / 2));
    edge_call_close(gone);
    edge_call_send_part(other, &model, layer, first / 2, second);
    edge_call_await_received(other, (uint64_t)second);
    edge_call_close(other);
    struct edge_call *third = open_told(layer, second);
    edge_call_send_part(third, &model, layer, second, size_of(layer));
    send_others(third, layer);
    expect_complete(third);
    end();
}

static void test_same_bytes_join_those_of_who_has_gone(void)
{
    check_joining(LARGE, 90000, 150000);
    check_joining(SMALL, 900, 2000);
}

static void check_staying_apart(int layer, int64_t bytes)
{
    begin();
    struct edge_call *gone = edge_client_upload(fixture.client, &model, NULL);
    struct edge_call *honest = edge_client_upload(fixture.client, &model, NULL);
    edge_call_send_chunk(gone, layer, 0, wrong, (size_t)bytes);
    edge_fixture_await_bytes(&fixture, &model, bytes);
    edge_call_close(gone);
    for (int64_t at = 0; at < size_of(layer); at += bytes) {
        int64_t next = at + bytes < size_of(layer) ? at + bytes : size_of(layer);
        edge_call_send_part(honest, &model, layer, at, next);
    }
    send_others(honest, layer);
    expect_complete(honest);
    end();
}

static void test_other_bytes_stay_apart_from_those_of_who_has_gone(void)
{
    check_staying_apart(LARGE, 60000);
    check_staying_apart(SMALL, 700);
}

/* Two devices at the same rate, both from the start, as those of the earlier version are. */
static void test_two_of_the_same_cost_nobody_a_byte_more(void)
{
    begin();
    struct edge_call *calls[2];
    for (int i = 0; i < 2; i++) {
        calls[i] = edge_client_upload(fixture.client, &model, NULL);
    }
    for (int64_t at = 0; at < LARGE_BYTES; at += 50000) {
        for (int i = 0; i < 2; i++) {
            edge_call_send_part(calls[i], &model, LARGE, at, at + 50000);
        }
    }
    for (int i = 0; i < 2; i++) {
        send_others(calls[i], LARGE);
    }
    for (int i = 0; i < 2; i++) {
        expect_complete(calls[i]);
    }
    end();
}

/* Who owed a beginning and goes leaves a blob that others bring from wherever they are. */
static void test_beginning_that_is_owed_by_who_has_gone(void)
{
    begin();
    struct edge_call *liar = edge_client_upload(fixture.client, &model, NULL);
    edge_call_send_chunk(liar, LARGE, 0, wrong, 70000);
    edge_fixture_await_bytes(&fixture, &model, 70000);
    edge_call_close(liar);
    struct edge_call *honest = open_told(LARGE, 70000);
    edge_call_send_part(honest, &model, LARGE, 70000, LARGE_BYTES);
    expect_rejection(honest, LARGE, 70000);
    edge_call_send_part(honest, &model, LARGE, 0, 66000);
    edge_call_await_received(honest, LARGE_BYTES - 70000 + 66000);
    edge_call_close(honest);
    struct edge_call *other = open_told(LARGE, 66000);
    edge_call_send_part(other, &model, LARGE, 66000, LARGE_BYTES);
    send_others(other, LARGE);
    expect_complete(other);
    end();
}

/* Opens an upload and sends a wrong byte behind each beginning of which it is told, but for that of
 * the large blob, which somebody else brings. */
static struct edge_call *lie_on(void)
{
    Layerlift__V1__UploadEvent *event = NULL;
    struct edge_call *liar = edge_client_upload(fixture.client, &model, &event);
    uint64_t sent = 0;
    for (size_t i = 0; i < event->accepted->n_partial; i++) {
        const Layerlift__V1__BlobOffset *partial = event->accepted->partial[i];
        if (partial->layer != LARGE) {
            edge_call_send_chunk(liar, (int)partial->layer, (int64_t)partial->offset, wrong, 1);
            sent++;
        }
    }
    CU_ASSERT_EQUAL(sent, 2);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    edge_call_await_received(liar, sent);
    return liar;
}

/* The edge wants the beginning that liars brought, a few bytes more than `least`, and gets it. */
static void bring_beginning(struct edge_call *upload, int layer, uint64_t least)
{
    Layerlift__V1__UploadEvent *event = edge_call_await(upload, EVENT_REJECTED);
    CU_ASSERT_PTR_NOT_NULL_FATAL(event);
    uint64_t end = event->blob_rejected->end;
    CU_ASSERT_EQUAL(event->blob_rejected->layer, layer);
    CU_ASSERT(end >= least && end < least + 20);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    edge_call_send_part(upload, &model, layer, 0, (int64_t)end);
}

/* A liar that comes back again and again while an honest device uploads: that sends its bytes, and
 * the beginnings that it was told of, once. */
static void test_liar_that_comes_back_delays_nobody(void)
{
    enum { STEP = 20000, LIE = 300, LIES = 3 * LIE };
    begin();
    struct edge_call *liar = edge_client_upload(fixture.client, &model, NULL);
    send_wrong_beginnings(liar, LIE);
    edge_call_await_received(liar, LIES);
    Layerlift__V1__UploadEvent *event = NULL;
    struct edge_call *honest = edge_client_upload(fixture.client, &model, &event);
    CU_ASSERT_EQUAL(event->accepted->n_partial, 3);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    int64_t sent = 0;
    for (int64_t at = LIE; at < LARGE_BYTES; at += STEP) {
        int64_t next = at + STEP < LARGE_BYTES ? at + STEP : LARGE_BYTES;
        edge_call_send_part(honest, &model, LARGE, at, next);
        sent += next - at;
        edge_call_await_received(honest, (uint64_t)sent);
        edge_call_close(liar);
        liar = lie_on();
    }
    bring_beginning(honest, LARGE, LIE);
    edge_call_send_part(honest, &model, SMALL, LIE, SMALL_BYTES);
    bring_beginning(honest, SMALL, LIE);
    edge_call_send_part(honest, &model, LAST, LIE, 500);
    bring_beginning(honest, LAST, LIE);
    expect_complete(honest);
    expect_sent_away(liar, "the bytes are not those of its digest");
    end();
}

const char *const ll_test_suite = "edge_upload_wrong_bytes";
const struct ll_test ll_tests[] = {
    LL_TEST(test_wrong_beginnings_cost_others_nothing),
    LL_TEST(test_wrong_beginning_is_brought_by_who_goes_on),
    LL_TEST(test_wrong_beginning_left_behind_is_brought_by_who_goes_on),
    LL_TEST(test_who_sends_all_of_it_again_is_served_too),
    LL_TEST(test_wrong_rest_does_not_harm_who_brought_the_beginning),
    LL_TEST(test_wrong_rest_is_found_out_when_the_right_bytes_come),
    LL_TEST(test_same_bytes_join_those_of_who_has_gone),
    LL_TEST(test_other_bytes_stay_apart_from_those_of_who_has_gone),
    LL_TEST(test_two_of_the_same_cost_nobody_a_byte_more),
    LL_TEST(test_beginning_that_is_owed_by_who_has_gone),
    LL_TEST(test_liar_that_comes_back_delays_nobody),
    {NULL, NULL},
};
