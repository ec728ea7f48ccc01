#include "tests/support/edge_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_sync.h"
#include "proto/wire/wire_manifest.h"
#include "proto/wire/wire_pack.h"
#include "proto/wire/wire_plan.h"
#include "proto/wire/wire_tensor.h"
#include "rpc/rpc_channel.h"
#include "rpc/rpc_details.h"
#include "rpc/rpc_loop.h"
#include "tests/support/ll_test.h"

enum { PATIENCE_S = 30, MAX_ANSWERS = 64 };

struct edge_client {
    struct rpc_loop *loop;
    struct rpc_channel *channel;
};

struct received {
    struct received *next;
    size_t bytes;
    uint8_t data[];
};

/* An answer whose chunks are still coming. */
struct assembly {
    bool is_open;
    struct edge_answer answer;
    int64_t room_bytes;
    int64_t filled_bytes;
};

struct edge_call {
    struct rpc_stream *stream;
    struct assembly assemblies[MAX_ANSWERS];
    struct ll_mutex lock;
    struct ll_cond changed;
    /* Guarded by lock. */
    struct received *first LL_GUARDED_BY(lock);
    struct received **last_link LL_GUARDED_BY(lock);
    bool is_closed LL_GUARDED_BY(lock);
    ll_status status LL_GUARDED_BY(lock);
    struct ll_error message LL_GUARDED_BY(lock);
};

static void on_message(void *owner, struct rpc_stream *stream, const uint8_t *data, size_t bytes)
{
    struct edge_call *call = owner;
    (void)stream;
    struct received *received = malloc(sizeof(*received) + bytes);
    received->next = NULL;
    received->bytes = bytes;
    memcpy(received->data, data, bytes);
    ll_mutex_lock(&call->lock);
    *call->last_link = received;
    call->last_link = &received->next;
    ll_cond_broadcast(&call->changed);
    ll_mutex_unlock(&call->lock);
}

static void on_closed(void *owner, struct rpc_stream *stream, ll_status status, const char *message)
{
    struct edge_call *call = owner;
    ll_mutex_lock(&call->lock);
    call->is_closed = true;
    call->status = status;
    call->message = *rpc_stream_error(stream);
    snprintf(call->message.text, sizeof(call->message.text), "%s", message ? message : "");
    ll_cond_broadcast(&call->changed);
    ll_mutex_unlock(&call->lock);
}

struct edge_client *edge_client_create(int port)
{
    struct edge_client *client = calloc(1, sizeof(*client));
    char target[64];
    snprintf(target, sizeof(target), "127.0.0.1:%d", port);
    CU_ASSERT_EQUAL_FATAL(rpc_loop_create(&client->loop), LL_OK);
    CU_ASSERT_EQUAL_FATAL(rpc_channel_create(client->loop, target, &client->channel, NULL), LL_OK);
    return client;
}

void edge_client_destroy(struct edge_client *client)
{
    rpc_channel_destroy(client->channel);
    rpc_loop_destroy(client->loop);
    free(client);
}

LL_NO_ANALYSIS struct edge_call *edge_call_open(struct edge_client *client, const char *method)
{
    static const struct rpc_stream_handler handler = {.on_message = on_message,
                                                      .on_closed = on_closed};
    char path[128];
    struct edge_call *call = calloc(1, sizeof(*call));
    ll_mutex_init(&call->lock);
    ll_cond_init(&call->changed);
    call->last_link = &call->first;
    snprintf(path, sizeof(path), "/layerlift.v1.EdgeOffload/%s", method);
    CU_ASSERT_EQUAL_FATAL(
        rpc_channel_open(client->channel, path, LL_CLOCK_NEVER, &handler, call, &call->stream),
        LL_OK);
    return call;
}

/* Waits for a message or the end, whichever is asked for. */
static struct received *wait_for(struct edge_call *call, bool for_end)
{
    int64_t deadline_ns = ll_clock_deadline(ll_clock_now_ns(), PATIENCE_S * LL_NS_PER_S);
    bool in_time = true;
    ll_mutex_lock(&call->lock);
    while (in_time && !call->is_closed && (for_end || !call->first)) {
        in_time = ll_cond_wait(&call->changed, &call->lock, deadline_ns);
    }
    struct received *received = NULL;
    if (!for_end && call->first) {
        received = call->first;
        call->first = received->next;
        if (!call->first) {
            call->last_link = &call->first;
        }
    }
    bool has_come = received || call->is_closed;
    ll_mutex_unlock(&call->lock);
    CU_ASSERT_FATAL(has_come);
    return received;
}

LL_NO_ANALYSIS void edge_call_close(struct edge_call *call)
{
    edge_call_cancel(call);
    wait_for(call, true);
    while (call->first) {
        struct received *received = call->first;
        call->first = received->next;
        free(received);
    }
    for (int i = 0; i < MAX_ANSWERS; i++) {
        free(call->assemblies[i].answer.data);
    }
    rpc_stream_unref(call->stream);
    ll_mutex_finish(&call->lock);
    ll_cond_finish(&call->changed);
    free(call);
}

void edge_call_cancel(struct edge_call *call)
{
    rpc_stream_cancel(call->stream);
}

void edge_call_half_close(struct edge_call *call)
{
    rpc_stream_finish(call->stream, LL_OK, NULL);
}

void edge_call_send(struct edge_call *call, const ProtobufCMessage *message)
{
    uint8_t *packed = NULL;
    size_t bytes = 0;
    CU_ASSERT_EQUAL_FATAL(wire_pack(message, &packed, &bytes), LL_OK);
    edge_call_send_bytes(call, packed, bytes);
    free(packed);
}

void edge_call_send_bytes(struct edge_call *call, const void *data, size_t bytes)
{
    /* The server may have ended the call meanwhile: the test will see how. */
    ll_status status = rpc_stream_send(call->stream, data, bytes, NULL);
    CU_ASSERT(status == LL_OK || status == LL_E_STOPPED);
}

ProtobufCMessage *edge_call_next(struct edge_call *call,
                                 const ProtobufCMessageDescriptor *descriptor)
{
    struct received *received = wait_for(call, false);
    if (!received) {
        return NULL;
    }
    ProtobufCMessage *message =
        protobuf_c_message_unpack(descriptor, NULL, received->bytes, received->data);
    CU_ASSERT_PTR_NOT_NULL_FATAL(message);
    free(received);
    return message;
}

LL_NO_ANALYSIS ll_status edge_call_end(struct edge_call *call, struct ll_error *out_message)
{
    wait_for(call, true);
    if (out_message) {
        *out_message = call->message;
    }
    return call->status;
}

ProtobufCMessage *edge_client_ask(struct edge_client *client, const char *method,
                                  const ProtobufCMessage *request,
                                  const ProtobufCMessageDescriptor *response, ll_status *out_status,
                                  struct ll_error *out_message)
{
    struct edge_call *call = edge_call_open(client, method);
    edge_call_send(call, request);
    edge_call_half_close(call);
    ProtobufCMessage *message = edge_call_next(call, response);
    ll_status status = edge_call_end(call, out_message);
    if (out_status) {
        *out_status = status;
    }
    edge_call_close(call);
    return message;
}

/* ---- Uploads ---- */

Layerlift__V1__UploadEvent *edge_call_event(struct edge_call *upload)
{
    return (Layerlift__V1__UploadEvent *)edge_call_next(upload,
                                                        &layerlift__v1__upload_event__descriptor);
}

Layerlift__V1__UploadEvent *edge_call_await(struct edge_call *upload, int kind)
{
    Layerlift__V1__UploadEvent *event = edge_call_event(upload);
    while (event && event->kind_case != (unsigned)kind) {
        layerlift__v1__upload_event__free_unpacked(event, NULL);
        event = edge_call_event(upload);
    }
    return event;
}

bool edge_call_has_event(struct edge_call *upload, int kind)
{
    Layerlift__V1__UploadEvent *event = edge_call_await(upload, kind);
    bool has_come = event != NULL;
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    return has_come;
}

/* Storage for an open's bases. */
struct bases {
    Layerlift__V1__DeltaBase *messages;
    Layerlift__V1__DeltaBase **list;
    char (*digests)[LL_DIGEST_TEXT_BYTES];
    size_t count;
};

static void init_bases(struct bases *bases, const struct fake_model *model)
{
    size_t count = model ? (size_t)model->manifest.blob_count : 0;
    *bases = (struct bases){.messages = calloc(count + 1, sizeof(*bases->messages)),
                            .list = calloc(count + 1, sizeof(Layerlift__V1__DeltaBase *)),
                            .digests = calloc(count + 1, LL_DIGEST_TEXT_BYTES)};
    CU_ASSERT_FATAL(bases->messages && bases->list && bases->digests);
    for (size_t i = 0; i < count; i++) {
        if (model->blobs[i]) {
            Layerlift__V1__DeltaBase *base = &bases->messages[bases->count];
            layerlift__v1__delta_base__init(base);
            ll_digest_format(&model->manifest.blobs[i].digest, bases->digests[bases->count]);
            base->layer = (uint32_t)i;
            base->digest = bases->digests[bases->count];
            bases->list[bases->count++] = base;
        }
    }
}

static void finish_bases(struct bases *bases)
{
    free(bases->messages);
    free(bases->list);
    free(bases->digests);
}

/* The digests that differ from the model's. The caller frees the list. */
static void init_draft(Layerlift__V1__Draft *message, const struct fake_model *model,
                       const struct edge_open *more)
{
    size_t count = (size_t)model->manifest.blob_count;
    layerlift__v1__draft__init(message);
    message->mantissa_bits = (uint32_t)more->mantissa_bits;
    message->digests = calloc(count, sizeof(*message->digests));
    CU_ASSERT_PTR_NOT_NULL_FATAL(message->digests);
    message->n_digests = count;
    for (size_t i = 0; i < count; i++) {
        struct ll_blob_name *name = &more->draft->manifest.blobs[i];
        if (!ll_digest_equal(&name->digest, &model->manifest.blobs[i].digest)) {
            message->digests[i].data = name->digest.bytes;
            message->digests[i].len =
                more->digest_bytes > 0 ? more->digest_bytes : sizeof(name->digest.bytes);
        }
    }
    if (more->digest_count > 0) {
        message->n_digests = more->digest_count;
    }
}

static void send_open(struct edge_call *upload, const struct fake_model *model,
                      const struct ll_plan *plan, const struct edge_open *more)
{
    struct wire_manifest manifest;
    struct wire_plan wire_plan;
    struct bases bases;
    CU_ASSERT_EQUAL_FATAL(wire_manifest_init(&manifest, &model->manifest), LL_OK);
    CU_ASSERT_EQUAL_FATAL(wire_plan_init(&wire_plan, plan), LL_OK);
    init_bases(&bases, more->base);
    Layerlift__V1__UploadOpen open = LAYERLIFT__V1__UPLOAD_OPEN__INIT;
    open.manifest = &manifest.message;
    open.plan = wire_plan.list;
    open.n_plan = wire_plan.count;
    open.device = "test";
    open.encodings = (Layerlift__V1__Encoding *)more->encodings;
    open.n_encodings = more->encoding_count;
    open.delta_bases = bases.list;
    open.n_delta_bases = bases.count;
    Layerlift__V1__Draft draft = LAYERLIFT__V1__DRAFT__INIT;
    if (more->draft) {
        init_draft(&draft, model, more);
        open.draft = &draft;
    }
    Layerlift__V1__UploadRequest request = LAYERLIFT__V1__UPLOAD_REQUEST__INIT;
    request.kind_case = LAYERLIFT__V1__UPLOAD_REQUEST__KIND_OPEN;
    request.open = &open;
    edge_call_send(upload, &request.base);
    free(draft.digests);
    finish_bases(&bases);
    wire_plan_finish(&wire_plan);
    wire_manifest_finish(&manifest);
}

void edge_call_send_open(struct edge_call *upload, const struct fake_model *model,
                         const struct ll_plan *plan)
{
    static const struct edge_open nothing = {.encoding_count = 0};
    send_open(upload, model, plan, &nothing);
}

struct edge_call *edge_client_open(struct edge_client *client, const struct fake_model *model,
                                   const struct edge_open *open)
{
    struct ll_plan plan;
    fake_model_plan(model, &plan);
    struct edge_call *upload = edge_call_open(client, "Upload");
    send_open(upload, model, &plan, open);
    ll_plan_finish(&plan);
    return upload;
}

struct edge_call *edge_client_upload(struct edge_client *client, const struct fake_model *model,
                                     Layerlift__V1__UploadEvent **out_accepted)
{
    struct ll_plan plan;
    fake_model_plan(model, &plan);
    struct edge_call *upload = edge_call_open(client, "Upload");
    edge_call_send_open(upload, model, &plan);
    ll_plan_finish(&plan);
    Layerlift__V1__UploadEvent *event = edge_call_event(upload);
    CU_ASSERT_PTR_NOT_NULL_FATAL(event);
    CU_ASSERT_EQUAL_FATAL(event->kind_case, LAYERLIFT__V1__UPLOAD_EVENT__KIND_ACCEPTED);
    if (out_accepted) {
        *out_accepted = event;
    } else {
        layerlift__v1__upload_event__free_unpacked(event, NULL);
    }
    return upload;
}

void edge_call_send_any_chunk(struct edge_call *upload, const Layerlift__V1__Chunk *chunk)
{
    Layerlift__V1__UploadRequest request = LAYERLIFT__V1__UPLOAD_REQUEST__INIT;
    request.kind_case = LAYERLIFT__V1__UPLOAD_REQUEST__KIND_CHUNK;
    request.chunk = (Layerlift__V1__Chunk *)chunk;
    edge_call_send(upload, &request.base);
}

void edge_call_send_chunk(struct edge_call *upload, int layer, int64_t offset, const void *data,
                          size_t bytes)
{
    Layerlift__V1__Chunk chunk = LAYERLIFT__V1__CHUNK__INIT;
    chunk.layer = (uint32_t)layer;
    chunk.encoding = LAYERLIFT__V1__ENCODING__ENCODING_RAW;
    chunk.offset = (uint64_t)offset;
    chunk.data.data = (uint8_t *)data;
    chunk.data.len = bytes;
    edge_call_send_any_chunk(upload, &chunk);
}

void edge_call_send_part(struct edge_call *upload, const struct fake_model *model, int layer,
                         int64_t first, int64_t end)
{
    edge_call_send_chunk(upload, layer, first,
                         (const char *)ll_buf_data(model->blobs[layer]) + first,
                         (size_t)(end - first));
}

void edge_call_send_layers(struct edge_call *upload, const struct fake_model *model, int first,
                           int end)
{
    for (int i = first; i < end; i++) {
        if (model->blobs[i]) {
            edge_call_send_part(upload, model, i, 0, (int64_t)ll_buf_bytes(model->blobs[i]));
        }
    }
}

ll_status edge_client_upload_all(struct edge_client *client, const struct fake_model *model)
{
    Layerlift__V1__UploadEvent *event = NULL;
    struct edge_call *upload = edge_client_upload(client, model, &event);
    const Layerlift__V1__UploadAccepted *accepted = event->accepted;
    for (int i = 0; i < model->manifest.blob_count; i++) {
        bool is_here = !model->blobs[i];
        int64_t offset = 0;
        for (size_t a = 0; a < accepted->n_available_layers; a++) {
            is_here = is_here || accepted->available_layers[a] == (uint32_t)i;
        }
        for (size_t p = 0; p < accepted->n_partial; p++) {
            offset = accepted->partial[p]->layer == (uint32_t)i
                         ? (int64_t)accepted->partial[p]->offset
                         : offset;
        }
        if (!is_here) {
            edge_call_send_part(upload, model, i, offset, (int64_t)ll_buf_bytes(model->blobs[i]));
        }
    }
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    bool is_complete = edge_call_has_event(upload, LAYERLIFT__V1__UPLOAD_EVENT__KIND_COMPLETE);
    ll_status status = edge_call_end(upload, NULL);
    CU_ASSERT_EQUAL(is_complete, status == LL_OK);
    edge_call_close(upload);
    return status;
}

/* ---- Queries ---- */

void edge_call_send_query(struct edge_call *offload, const struct fake_model *model,
                          const struct edge_ask *ask)
{
    const struct ll_table *table = &model->network->table;
    struct ll_names names;
    CU_ASSERT_EQUAL_FATAL(ll_table_inputs(table, ask->first, ask->end, &names), LL_OK);
    struct wire_tensors tensors;
    CU_ASSERT_EQUAL_FATAL(wire_tensors_init(&tensors, table, &names, ask->forms), LL_OK);
    for (size_t i = 0; ask->dtype != 0 && i < tensors.count; i++) {
        tensors.list[i]->dtype = ask->dtype;
    }
    for (size_t i = 0; ask->coding != 0 && i < tensors.count; i++) {
        tensors.list[i]->coding = ask->coding;
        tensors.list[i]->coded_bytes = ask->coded_bytes;
    }
    Layerlift__V1__Query query = LAYERLIFT__V1__QUERY__INIT;
    query.id = ask->id;
    query.model_id = (char *)model->id_text;
    query.first = (uint32_t)ask->first;
    query.end = (uint32_t)ask->end;
    query.least_prefix = (uint32_t)ask->least_prefix;
    query.deadline_ms = (uint32_t)ask->deadline_ms;
    query.answer_dtype = ask->answer_dtype;
    Layerlift__V1__TensorCoding codings[WIRE_CODINGS];
    query.n_answer_codings = ask->may_code_answer ? wire_codings(codings) : 0;
    query.answer_codings = codings;
    query.sends_receipts = ask->sends_receipts;
    query.precision = ask->precision;
    query.draft_id = (char *)(ask->draft_id ? ask->draft_id : "");
    query.tensors = tensors.list;
    query.n_tensors = tensors.count;
    Layerlift__V1__OffloadRequest request = LAYERLIFT__V1__OFFLOAD_REQUEST__INIT;
    request.kind_case = LAYERLIFT__V1__OFFLOAD_REQUEST__KIND_QUERY;
    request.query = &query;
    edge_call_send(offload, &request.base);
    ll_names_finish(&names);
    wire_tensors_finish(&tensors);
}

void edge_call_send_tensor_chunk(struct edge_call *offload, uint64_t id, int name, size_t offset,
                                 const void *data, size_t bytes)
{
    Layerlift__V1__TensorChunk chunk = LAYERLIFT__V1__TENSOR_CHUNK__INIT;
    chunk.id = id;
    chunk.name = name;
    chunk.offset = offset;
    chunk.data.data = (uint8_t *)data;
    chunk.data.len = bytes;
    Layerlift__V1__OffloadRequest request = LAYERLIFT__V1__OFFLOAD_REQUEST__INIT;
    request.kind_case = LAYERLIFT__V1__OFFLOAD_REQUEST__KIND_CHUNK;
    request.chunk = &chunk;
    edge_call_send(offload, &request.base);
}

void edge_call_send_tensors(struct edge_call *offload, const struct fake_model *model,
                            const struct edge_ask *ask, unsigned input_seed, size_t chunk_bytes)
{
    struct fake_tensors tensors;
    fake_model_inputs(model, input_seed, ask->first, ask->end, &tensors);
    const char *data = (const char *)tensors.data;
    for (int i = 0; i < tensors.names.count; i++) {
        int name = tensors.names.names[i];
        size_t bytes = (size_t)ll_table_tensor_floats(&model->network->table, name) * 4;
        for (size_t at = 0; at < bytes; at += chunk_bytes) {
            size_t part = bytes - at < chunk_bytes ? bytes - at : chunk_bytes;
            edge_call_send_tensor_chunk(offload, ask->id, name, at, data + at, part);
        }
        data += bytes;
    }
    fake_tensors_finish(&tensors);
}

void edge_call_ask(struct edge_call *offload, const struct fake_model *model,
                   const struct edge_ask *ask, unsigned input_seed)
{
    edge_call_send_query(offload, model, ask);
    edge_call_send_tensors(offload, model, ask, input_seed, 64 << 10);
}

void edge_call_send_cancel(struct edge_call *offload, uint64_t id)
{
    Layerlift__V1__Cancel cancel = LAYERLIFT__V1__CANCEL__INIT;
    cancel.id = id;
    Layerlift__V1__OffloadRequest request = LAYERLIFT__V1__OFFLOAD_REQUEST__INIT;
    request.kind_case = LAYERLIFT__V1__OFFLOAD_REQUEST__KIND_CANCEL;
    request.cancel = &cancel;
    edge_call_send(offload, &request.base);
}

void edge_call_send_receipt(struct edge_call *offload, uint64_t received_bytes)
{
    Layerlift__V1__Receipt receipt = LAYERLIFT__V1__RECEIPT__INIT;
    receipt.received_bytes = received_bytes;
    Layerlift__V1__OffloadRequest request = LAYERLIFT__V1__OFFLOAD_REQUEST__INIT;
    request.kind_case = LAYERLIFT__V1__OFFLOAD_REQUEST__KIND_RECEIPT;
    request.receipt = &receipt;
    edge_call_send(offload, &request.base);
}

static struct assembly *assembly_of(struct edge_call *call, uint64_t id, bool is_new)
{
    for (int i = 0; i < MAX_ANSWERS; i++) {
        struct assembly *assembly = &call->assemblies[i];
        if (is_new ? !assembly->is_open : assembly->is_open && assembly->answer.id == id) {
            return assembly;
        }
    }
    return NULL;
}

static struct assembly *begin_answer(struct edge_call *call, const Layerlift__V1__Answer *message)
{
    struct assembly *assembly = assembly_of(call, message->id, true);
    CU_ASSERT_PTR_NOT_NULL_FATAL(assembly);
    *assembly = (struct assembly){.is_open = true};
    struct edge_answer *answer = &assembly->answer;
    answer->id = message->id;
    answer->status = ll_status_from_grpc((int)message->status);
    snprintf(answer->message, sizeof(answer->message), "%s", message->message);
    CU_ASSERT_EQUAL(rpc_details_take(message->error_info, message->retry_info, &answer->refusal),
                    LL_OK);
    answer->reached = (int)message->reached;
    answer->prefix = (int)message->prefix;
    answer->precision = message->precision;
    answer->exact_reached = (int)message->exact_reached;
    answer->computed_ns = (int64_t)message->computed_ns;
    answer->coding_ns = (int64_t)message->coding_ns;
    answer->tensors = (int)message->n_tensors;
    for (size_t i = 0; i < message->n_tensors; i++) {
        int64_t floats = 1;
        for (size_t d = 0; d < message->tensors[i]->n_shape; d++) {
            floats *= message->tensors[i]->shape[d];
        }
        struct wire_form form = {0};
        CU_ASSERT_EQUAL(wire_tensor_check(message->tensors[i], floats, &form, NULL), LL_OK);
        if (i < EDGE_ANSWER_DTYPES) {
            answer->dtypes[i] = message->tensors[i]->dtype;
            answer->codings[i] = form.coding;
            answer->tensor_bytes[i] = form.bytes;
        }
        answer->floats += floats;
        answer->bytes += form.bytes;
    }
    assembly->room_bytes = answer->bytes;
    answer->data = calloc((size_t)answer->floats + 1, sizeof(float));
    return assembly;
}

static struct assembly *add_chunk(struct edge_call *call, const Layerlift__V1__TensorChunk *chunk)
{
    struct assembly *assembly = assembly_of(call, chunk->id, false);
    CU_ASSERT_PTR_NOT_NULL_FATAL(assembly);
    CU_ASSERT_FATAL((int64_t)chunk->data.len <= assembly->room_bytes - assembly->filled_bytes);
    memcpy((char *)assembly->answer.data + assembly->filled_bytes, chunk->data.data,
           chunk->data.len);
    assembly->filled_bytes += (int64_t)chunk->data.len;
    return assembly;
}

bool edge_call_answer(struct edge_call *offload, struct edge_answer *out_answer)
{
    for (;;) {
        Layerlift__V1__OffloadResponse *response = (Layerlift__V1__OffloadResponse *)edge_call_next(
            offload, &layerlift__v1__offload_response__descriptor);
        if (!response) {
            return false;
        }
        bool is_head = response->kind_case == LAYERLIFT__V1__OFFLOAD_RESPONSE__KIND_ANSWER;
        struct assembly *assembly =
            is_head ? begin_answer(offload, response->answer) : add_chunk(offload, response->chunk);
        layerlift__v1__offload_response__free_unpacked(response, NULL);
        if (assembly->filled_bytes == assembly->room_bytes) {
            *out_answer = assembly->answer;
            *assembly = (struct assembly){0};
            return true;
        }
    }
}

void edge_answer_finish(struct edge_answer *answer)
{
    free(answer->data);
    answer->data = NULL;
}

bool edge_answer_is_right(const struct edge_answer *answer, const struct fake_model *model,
                          unsigned input_seed, int first)
{
    struct fake_tensors expected;
    fake_model_outputs(model, input_seed, first, answer->reached, &expected);
    bool is_right = answer->status == LL_OK && answer->tensors == expected.names.count &&
                    answer->floats == expected.floats &&
                    fake_floats_equal(answer->data, expected.data, expected.floats);
    fake_tensors_finish(&expected);
    return is_right;
}

void edge_call_check_error(struct edge_call *offload, uint64_t id, ll_status status,
                           const char *reason)
{
    struct edge_answer answer;
    bool has_come = edge_call_answer(offload, &answer);
    CU_ASSERT_FATAL(has_come);
    CU_ASSERT_EQUAL(answer.id, id);
    CU_ASSERT_EQUAL(answer.status, status);
    bool has_reason = strstr(answer.message, reason) != NULL;
    CU_ASSERT(has_reason);
    if (!has_reason || answer.status != status) {
        fprintf(stderr, "expected \"%s\", the answer says %s \"%s\"\n", reason,
                ll_status_text(answer.status), answer.message);
    }
    CU_ASSERT_EQUAL(answer.tensors, 0);
    edge_answer_finish(&answer);
}

void edge_call_check_right(struct edge_call *offload, const struct fake_model *model, uint64_t id,
                           unsigned input_seed, int first, int reached)
{
    struct edge_answer answer;
    bool has_come = edge_call_answer(offload, &answer);
    CU_ASSERT_FATAL(has_come);
    CU_ASSERT_EQUAL(answer.id, id);
    CU_ASSERT_EQUAL(answer.status, LL_OK);
    CU_ASSERT_EQUAL(answer.reached, reached);
    CU_ASSERT(edge_answer_is_right(&answer, model, input_seed, first));
    edge_answer_finish(&answer);
}
