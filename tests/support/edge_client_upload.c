/* What tests upload. */
#include <stdlib.h>

#include "proto/wire/wire_manifest.h"
#include "proto/wire/wire_plan.h"
#include "tests/support/edge_client.h"
#include "tests/support/ll_test.h"

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

/* What an open says besides where it says nothing. */
static const struct edge_open nothing = {.encoding_count = 0};

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

struct edge_call *edge_client_upload_with(struct edge_client *client,
                                          const struct fake_model *model,
                                          const struct edge_open *open,
                                          Layerlift__V1__UploadEvent **out_accepted)
{
    struct edge_call *upload = edge_client_open(client, model, open);
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

struct edge_call *edge_client_upload(struct edge_client *client, const struct fake_model *model,
                                     Layerlift__V1__UploadEvent **out_accepted)
{
    return edge_client_upload_with(client, model, &nothing, out_accepted);
}

void edge_call_await_received(struct edge_call *upload, uint64_t bytes)
{
    uint64_t received = 0;
    while (received < bytes) {
        Layerlift__V1__UploadEvent *event = edge_call_await(upload, EVENT_CREDIT);
        CU_ASSERT_PTR_NOT_NULL_FATAL(event);
        received = event->credit->received_bytes;
        layerlift__v1__upload_event__free_unpacked(event, NULL);
    }
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
