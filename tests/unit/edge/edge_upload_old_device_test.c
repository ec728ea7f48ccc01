/* Devices of before weights, tensors and pictures were encoded: their messages, written here byte
 * by byte with the fields that they know, get what they got then. What the generated code of today
 * makes of a message is not what counts, but what such a device sends; tools/compat.sh runs real
 * ones. */
#include <stdlib.h>
#include <string.h>

#include "core/ll_digest.h"
#include "tests/support/edge_fixture.h"
#include "tests/support/ll_test.h"

/* Layer 1 ends inside its fourth frame of 64 KiB. */
static const char cfg[] = "fake\n"
                          "input 8\n"
                          "layer 16 1000\n"
                          "layer 16 200000\n"
                          "layer 4 0\n";
enum { LAYERS = 3, LARGE = 1, LARGE_BYTES = 200000, MESSAGE_BYTES = 300000 };

/* ---- Protobuf by hand ---- */

enum { VARINT = 0, BYTES = 2 };

struct message {
    size_t bytes;
    uint8_t data[MESSAGE_BYTES];
};

static void put_varint(struct message *message, uint64_t value)
{
    CU_ASSERT_FATAL(message->bytes + 10 <= sizeof(message->data));
    for (; value >= 0x80; value >>= 7) {
        message->data[message->bytes++] = (uint8_t)(value | 0x80);
    }
    message->data[message->bytes++] = (uint8_t)value;
}

static void put_number(struct message *message, unsigned field, uint64_t value)
{
    put_varint(message, field << 3 | VARINT);
    put_varint(message, value);
}

static void put_bytes(struct message *message, unsigned field, const void *data, size_t bytes)
{
    put_varint(message, field << 3 | BYTES);
    put_varint(message, bytes);
    CU_ASSERT_FATAL(bytes <= sizeof(message->data) - message->bytes);
    memcpy(message->data + message->bytes, data, bytes);
    message->bytes += bytes;
}

static void put_message(struct message *message, unsigned field, const struct message *part)
{
    put_bytes(message, field, part->data, part->bytes);
}

/* ---- What an old device sends ---- */

/* UploadRequest.open: manifest, a plan of one partition, the device's name. */
static void send_old_open(struct edge_call *upload, const struct fake_model *model)
{
    static struct message request, open, manifest, blob, partition;
    request.bytes = open.bytes = manifest.bytes = partition.bytes = 0;
    put_bytes(&manifest, 1, model->manifest.cfg, model->manifest.cfg_bytes);
    for (int i = 0; i < LAYERS; i++) {
        char digest[LL_DIGEST_TEXT_BYTES];
        ll_digest_format(&model->manifest.blobs[i].digest, digest);
        blob.bytes = 0;
        put_number(&blob, 1, (uint64_t)model->manifest.blobs[i].bytes);
        put_bytes(&blob, 2, digest, strlen(digest));
        put_message(&manifest, 2, &blob);
    }
    put_number(&partition, 2, LAYERS);
    put_message(&open, 1, &manifest);
    put_message(&open, 2, &partition);
    put_bytes(&open, 3, "old", 3);
    put_message(&request, 1, &open);
    edge_call_send_bytes(upload, request.data, request.bytes);
}

/* UploadRequest.chunk: bytes [first, end) of a layer's blob, which is what `encoding` says: 0 for
 * none. */
static void send_old_chunk(struct edge_call *upload, const struct fake_model *model, int layer,
                           int64_t first, int64_t end, uint64_t encoding)
{
    static struct message request, chunk;
    request.bytes = chunk.bytes = 0;
    put_number(&chunk, 1, (uint64_t)layer);
    if (encoding != 0) {
        put_number(&chunk, 2, encoding);
    }
    put_number(&chunk, 3, (uint64_t)first);
    put_bytes(&chunk, 15, (const char *)ll_buf_data(model->blobs[layer]) + first,
              (size_t)(end - first));
    put_message(&request, 2, &chunk);
    edge_call_send_bytes(upload, request.data, request.bytes);
}

/* OffloadRequest.query of the whole network, its input as floats, and OffloadRequest.chunk with
 * them. */
static void send_old_query(struct edge_call *offload, const struct fake_model *model, uint64_t id,
                           unsigned input_seed)
{
    static struct message request, query, tensor, shape, chunk;
    struct fake_tensors input;
    request.bytes = query.bytes = tensor.bytes = shape.bytes = chunk.bytes = 0;
    fake_model_inputs(model, input_seed, 0, LAYERS, &input);
    put_varint(&shape, (uint64_t)input.floats);
    /* -1, as sint32 has it. */
    put_number(&tensor, 1, 1);
    put_number(&tensor, 2, LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F32);
    put_message(&tensor, 3, &shape);
    put_number(&query, 1, id);
    put_bytes(&query, 2, model->id_text, strlen(model->id_text));
    put_number(&query, 4, LAYERS);
    put_number(&query, 5, LAYERS);
    put_message(&query, 7, &tensor);
    put_message(&request, 1, &query);
    edge_call_send_bytes(offload, request.data, request.bytes);
    request.bytes = 0;
    put_number(&chunk, 1, id);
    put_number(&chunk, 2, 1);
    put_bytes(&chunk, 15, input.data, (size_t)input.floats * sizeof(float));
    put_message(&request, 2, &chunk);
    edge_call_send_bytes(offload, request.data, request.bytes);
    fake_tensors_finish(&input);
}

/* ---- What it gets ---- */

/* Opens an upload; gives where the large blob goes on. Nothing in what the edge accepts is new. */
static struct edge_call *open_old(struct edge_fixture *fixture, const struct fake_model *model,
                                  int64_t *out_offset)
{
    struct edge_call *upload = edge_call_open(fixture->client, "Upload");
    send_old_open(upload, model);
    Layerlift__V1__UploadEvent *event = edge_call_event(upload);
    CU_ASSERT_PTR_NOT_NULL_FATAL(event);
    CU_ASSERT_EQUAL_FATAL(event->kind_case, EVENT_ACCEPTED);
    const Layerlift__V1__UploadAccepted *accepted = event->accepted;
    CU_ASSERT_STRING_EQUAL(accepted->model_id, model->id_text);
    CU_ASSERT_EQUAL(accepted->n_encodings, 0);
    CU_ASSERT_EQUAL(accepted->n_delta_layers, 0);
    CU_ASSERT_STRING_EQUAL(accepted->draft_id, "");
    CU_ASSERT_EQUAL(accepted->n_available_drafts, 0);
    CU_ASSERT_EQUAL(accepted->n_partial_drafts, 0);
    *out_offset = 0;
    for (size_t i = 0; i < accepted->n_partial; i++) {
        CU_ASSERT_EQUAL(accepted->partial[i]->layer, LARGE);
        CU_ASSERT(accepted->partial[i]->encoding == LAYERLIFT__V1__ENCODING__ENCODING_UNSPECIFIED ||
                  accepted->partial[i]->encoding == LAYERLIFT__V1__ENCODING__ENCODING_RAW);
        *out_offset = (int64_t)accepted->partial[i]->offset;
    }
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    return upload;
}

/* Takes what comes until the upload is complete: nothing that an old device does not know. */
static void check_old_events(struct edge_call *upload)
{
    bool is_complete = false;
    Layerlift__V1__UploadEvent *event = edge_call_event(upload);
    for (; event; event = edge_call_event(upload)) {
        CU_ASSERT(event->kind_case > 0 && (int)event->kind_case <= EVENT_COMPLETE);
        is_complete = (int)event->kind_case == EVENT_COMPLETE;
        layerlift__v1__upload_event__free_unpacked(event, NULL);
    }
    CU_ASSERT(is_complete);
    CU_ASSERT_EQUAL(edge_call_end(upload, NULL), LL_OK);
}

static void check_old_query(struct edge_fixture *fixture, const struct fake_model *model)
{
    struct edge_call *offload = edge_call_open(fixture->client, "Offload");
    send_old_query(offload, model, 7, 1);
    Layerlift__V1__OffloadResponse *response = (Layerlift__V1__OffloadResponse *)edge_call_next(
        offload, &layerlift__v1__offload_response__descriptor);
    CU_ASSERT_PTR_NOT_NULL_FATAL(response);
    CU_ASSERT_EQUAL_FATAL(response->kind_case, LAYERLIFT__V1__OFFLOAD_RESPONSE__KIND_ANSWER);
    const Layerlift__V1__Answer *answer = response->answer;
    CU_ASSERT_EQUAL(answer->status, 0);
    CU_ASSERT_EQUAL(answer->precision, LAYERLIFT__V1__PRECISION__PRECISION_EXACT);
    CU_ASSERT_EQUAL_FATAL(answer->n_tensors, 1);
    CU_ASSERT_EQUAL(answer->tensors[0]->dtype, LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F32);
    CU_ASSERT_EQUAL(answer->tensors[0]->coding, LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLAIN);
    CU_ASSERT_EQUAL(answer->tensors[0]->coded_bytes, 0);
    layerlift__v1__offload_response__free_unpacked(response, NULL);
    response = (Layerlift__V1__OffloadResponse *)edge_call_next(
        offload, &layerlift__v1__offload_response__descriptor);
    CU_ASSERT_PTR_NOT_NULL_FATAL(response);
    CU_ASSERT_EQUAL(response->kind_case, LAYERLIFT__V1__OFFLOAD_RESPONSE__KIND_CHUNK);
    layerlift__v1__offload_response__free_unpacked(response, NULL);
    /* The values of another one. */
    send_old_query(offload, model, 8, 2);
    edge_call_check_right(offload, model, 8, 2, 0, LAYERS);
    edge_call_close(offload);
}

/* ---- Tests ---- */

/* Chunks of any size, with the encoding told or left out. */
static void test_an_old_device_sends_blobs_as_they_are(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    int64_t offset = 0;
    edge_fixture_set_up_model(&fixture, &model, cfg);
    struct edge_call *upload = open_old(&fixture, &model, &offset);
    CU_ASSERT_EQUAL(offset, 0);
    send_old_chunk(upload, &model, LARGE, 0, 100001, LAYERLIFT__V1__ENCODING__ENCODING_RAW);
    send_old_chunk(upload, &model, 0, 0, 1000, LAYERLIFT__V1__ENCODING__ENCODING_RAW);
    send_old_chunk(upload, &model, LARGE, 100001, 100002,
                   LAYERLIFT__V1__ENCODING__ENCODING_UNSPECIFIED);
    send_old_chunk(upload, &model, LARGE, 100002, LARGE_BYTES,
                   LAYERLIFT__V1__ENCODING__ENCODING_RAW);
    check_old_events(upload);
    edge_call_close(upload);
    check_old_query(&fixture, &model);
    edge_fixture_tear_down_model(&fixture, &model);
}

/* It left inside a frame and goes on where the edge says. */
static void test_an_old_device_goes_on_where_it_left(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    int64_t offset = 0;
    edge_fixture_set_up_model(&fixture, &model, cfg);
    struct edge_call *upload = open_old(&fixture, &model, &offset);
    send_old_chunk(upload, &model, LARGE, 0, 100001, LAYERLIFT__V1__ENCODING__ENCODING_RAW);
    edge_fixture_await_bytes(&fixture, &model, 100001);
    edge_call_close(upload);
    upload = open_old(&fixture, &model, &offset);
    CU_ASSERT(offset > 0 && offset <= 100001);
    send_old_chunk(upload, &model, LARGE, offset, LARGE_BYTES,
                   LAYERLIFT__V1__ENCODING__ENCODING_RAW);
    send_old_chunk(upload, &model, 0, 0, 1000, LAYERLIFT__V1__ENCODING__ENCODING_RAW);
    check_old_events(upload);
    edge_call_close(upload);
    edge_fixture_tear_down_model(&fixture, &model);
}

/* Nothing was agreed on: such a chunk is no old device's. */
static void test_encodings_that_were_not_agreed_on_are_refused(void)
{
    static const Layerlift__V1__Encoding encodings[] = {
        LAYERLIFT__V1__ENCODING__ENCODING_FRAME,
        LAYERLIFT__V1__ENCODING__ENCODING_DELTA_FRAME,
        LAYERLIFT__V1__ENCODING__ENCODING_DRAFT_FRAME,
        LAYERLIFT__V1__ENCODING__ENCODING_REST_FRAME,
        (Layerlift__V1__Encoding)99,
    };
    struct edge_fixture fixture;
    struct fake_model model;
    int64_t offset = 0;
    edge_fixture_set_up_model(&fixture, &model, cfg);
    for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++) {
        struct edge_call *upload = open_old(&fixture, &model, &offset);
        send_old_chunk(upload, &model, LARGE, 0, 1000, encodings[i]);
        edge_fixture_check_refused(&fixture, upload, LL_E_INVALID, "chunk of layer 1");
    }
    edge_fixture_tear_down_model(&fixture, &model);
}

const char *const ll_test_suite = "edge_upload_old_device";
const struct ll_test ll_tests[] = {
    LL_TEST(test_an_old_device_sends_blobs_as_they_are),
    LL_TEST(test_an_old_device_goes_on_where_it_left),
    LL_TEST(test_encodings_that_were_not_agreed_on_are_refused),
    {NULL, NULL},
};
