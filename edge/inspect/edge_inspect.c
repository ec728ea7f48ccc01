/* Everything here runs on the loop's thread and reads models under their own locks. */
#include "edge/inspect/edge_inspect.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_digest.h"
#include "core/ll_limits.h"
#include "core/ll_version.h"
#include "edge/edge_send.h"
#include "edge/fair/edge_rates.h"
#include "edge/inspect/edge_inspect_model.h"
#include "edge/upload/edge_upload_frames.h"
#include "proto/wire/wire_dtype.h"
#include "proto/wire/wire_form.h"
#include "proto/wire/wire_unpack.h"

enum {
    /* Of a page besides its models: the token. Of a model besides its message: tag and length. */
    PAGE_END_BYTES = 128,
    PAGE_ENTRY_BYTES = 6,
};

struct edge_inspect {
    struct edge_catalog *catalog;
    const struct ll_engine *engine;
    const char *creation;
    int executors;
    struct edge_limit *limits;
    int limit_count;
    int64_t started_ns;
    atomic_bool is_draining;
    struct edge_rates rates;
};

enum {
    /* So much may be asked for at once, in seconds of the rate. */
    BURST_S = 4,
    /* What an answer costs beside its bytes, and a layer that had to be looked at. */
    CALL_BYTES = 1024,
    LAYER_BYTES = 8,
};

/* ---- Who asks too often ---- */

/* Answers for the caller where the peer has to wait. */
static bool may_ask(struct edge_inspect *inspect, struct rpc_stream *stream)
{
    struct edge_peer peer;
    struct ll_error err = {.text = ""};
    edge_peer_parse(rpc_stream_peer(stream), &peer);
    int64_t wait_ms = edge_rates_wait_ms(&inspect->rates, &peer, ll_clock_now_ns());
    if (wait_ms == 0) {
        return true;
    }
    ll_status status = ll_fail_limit(
        &err, "peer_inspect_bytes", inspect->rates.bytes_per_s, wait_ms,
        "models are asked for too often: limit peer_inspect_bytes is %lld a second; again in "
        "%lld ms",
        (long long)inspect->rates.bytes_per_s, (long long)wait_ms);
    rpc_stream_finish_error(stream, status, &err);
    return false;
}

static void pay(struct edge_inspect *inspect, struct rpc_stream *stream,
                const ProtobufCMessage *message, int64_t layers)
{
    struct edge_peer peer;
    int64_t bytes = (int64_t)protobuf_c_message_get_packed_size(message);
    edge_peer_parse(rpc_stream_peer(stream), &peer);
    edge_rates_pay(&inspect->rates, &peer, CALL_BYTES + bytes + LAYER_BYTES * layers,
                   ll_clock_now_ns());
}

/* ---- Unary methods ---- */

/* Unpacks a request; answers for the caller where that fails. */
static ProtobufCMessage *unpack(struct rpc_stream *stream,
                                const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
                                size_t bytes)
{
    struct ll_error err;
    ProtobufCMessage *message = NULL;
    ll_status status = wire_unpack(descriptor, data, bytes, &message, &err);
    if (status != LL_OK) {
        rpc_stream_finish_error(stream, status, &err);
        return NULL;
    }
    return message;
}

static int compare_ids(const void *a, const void *b)
{
    const struct edge_model *const *first = a;
    const struct edge_model *const *second = b;
    return strcmp(edge_model_id_text(*first), edge_model_id_text(*second));
}

/* One page of the models in the order of their ids. */
struct page {
    struct edge_model **list;
    int count;
    struct edge_inspect_summary *summaries;
    /* Of the models that were looked at. */
    int64_t layers;
    Layerlift__V1__ListModelsResponse response;
};

static ll_status init_page(struct page *page, struct edge_catalog *catalog)
{
    *page = (struct page){.list = NULL};
    layerlift__v1__list_models_response__init(&page->response);
    ll_status status = edge_catalog_list(catalog, &page->list, &page->count);
    if (status != LL_OK) {
        return status;
    }
    qsort(page->list, (size_t)page->count, sizeof(struct edge_model *), compare_ids);
    size_t room = (size_t)page->count + 1;
    page->summaries = calloc(room, sizeof(*page->summaries));
    page->response.models = calloc(room, sizeof(Layerlift__V1__Model *));
    return page->summaries && page->response.models ? LL_OK : LL_E_NO_MEMORY;
}

static void finish_page(struct page *page)
{
    for (int i = 0; i < page->count; i++) {
        edge_model_unref(page->list[i]);
    }
    free(page->list);
    free(page->summaries);
    free(page->response.models);
}

/* What stands behind `after`, up to `most` models and one message. */
static void fill_page(struct page *page, struct edge_catalog *catalog, const char *after,
                      size_t most)
{
    Layerlift__V1__ListModelsResponse *response = &page->response;
    struct edge_inspect_summary *last = NULL;
    size_t bytes = PAGE_END_BYTES;
    for (int i = 0; i < page->count; i++) {
        if (strcmp(edge_model_id_text(page->list[i]), after) <= 0) {
            continue;
        }
        struct edge_inspect_summary *summary = &page->summaries[i];
        edge_inspect_summary_fill(summary, catalog, page->list[i]);
        page->layers += summary->message.layer_count;
        bytes += layerlift__v1__model__get_packed_size(&summary->message) + PAGE_ENTRY_BYTES;
        if (last && (response->n_models == most || bytes > LL_LIMIT_MESSAGE_BYTES)) {
            response->next_page_token = last->message.model_id;
            return;
        }
        response->models[response->n_models++] = &summary->message;
        last = summary;
    }
}

static void list_models(void *arg, struct rpc_stream *stream, const uint8_t *data, size_t bytes)
{
    struct edge_inspect *inspect = arg;
    ProtobufCMessage *message =
        unpack(stream, &layerlift__v1__list_models_request__descriptor, data, bytes);
    if (!message) {
        return;
    }
    const Layerlift__V1__ListModelsRequest *request = (Layerlift__V1__ListModelsRequest *)message;
    struct ll_digest token;
    struct page page;
    if (!may_ask(inspect, stream)) {
        protobuf_c_message_free_unpacked(message, NULL);
        return;
    }
    if (request->page_token[0] && ll_digest_parse(request->page_token, &token) != LL_OK) {
        rpc_stream_finish(stream, LL_E_INVALID, "page_token is none that this server gives");
    } else {
        if (init_page(&page, inspect->catalog) == LL_OK) {
            fill_page(&page, inspect->catalog, request->page_token,
                      request->page_size > 0 ? request->page_size : SIZE_MAX);
            pay(inspect, stream, &page.response.base, page.layers);
            edge_reply(stream, &page.response.base);
        } else {
            rpc_stream_finish(stream, LL_E_NO_MEMORY, "out of memory for an answer");
        }
        finish_page(&page);
    }
    protobuf_c_message_free_unpacked(message, NULL);
}

static void reply_model(struct edge_inspect *inspect, struct rpc_stream *stream,
                        struct edge_model *model)
{
    struct edge_inspect_model whole;
    if (edge_inspect_model_init(&whole, inspect->catalog, model) != LL_OK) {
        rpc_stream_finish(stream, LL_E_NO_MEMORY, "out of memory for an answer");
        return;
    }
    const ProtobufCMessage *message = &whole.summary.message.base;
    pay(inspect, stream, message, edge_model_table(model)->layer_count);
    edge_reply(stream, message);
    edge_inspect_model_finish(&whole);
}

static void get_model(void *arg, struct rpc_stream *stream, const uint8_t *data, size_t bytes)
{
    struct edge_inspect *inspect = arg;
    if (!may_ask(inspect, stream)) {
        return;
    }
    ProtobufCMessage *message =
        unpack(stream, &layerlift__v1__get_model_request__descriptor, data, bytes);
    if (!message) {
        return;
    }
    const Layerlift__V1__GetModelRequest *request = (Layerlift__V1__GetModelRequest *)message;
    struct ll_error err;
    struct edge_model *model = NULL;
    ll_status status = edge_catalog_find(inspect->catalog, request->model_id, &model, &err);
    if (status == LL_OK) {
        reply_model(inspect, stream, model);
        edge_model_unref(model);
    } else {
        rpc_stream_finish_error(stream, status, &err);
    }
    protobuf_c_message_free_unpacked(message, NULL);
}

/* Nobody's models are deleted by others: there is no authentication, so an address has to do. */
static ll_status check_deletion(struct edge_catalog *catalog, const char *id,
                                const struct edge_peer *peer, struct ll_error *err)
{
    struct edge_model *model = NULL;
    ll_status status = edge_catalog_find(catalog, id, &model, err);
    if (status == LL_OK && !edge_model_may_be_deleted_by(model, peer)) {
        status = ll_fail(err, LL_E_DENIED,
                         "model %s may be deleted from the address that uploaded it, or from the "
                         "server's own machine",
                         id);
    }
    edge_model_unref(model);
    return status;
}

static void delete_model(void *arg, struct rpc_stream *stream, const uint8_t *data, size_t bytes)
{
    struct edge_inspect *inspect = arg;
    ProtobufCMessage *message =
        unpack(stream, &layerlift__v1__delete_model_request__descriptor, data, bytes);
    if (!message) {
        return;
    }
    const Layerlift__V1__DeleteModelRequest *request = (Layerlift__V1__DeleteModelRequest *)message;
    struct ll_error err = {.text = ""};
    struct edge_peer peer;
    edge_peer_parse(rpc_stream_peer(stream), &peer);
    ll_status status = check_deletion(inspect->catalog, request->model_id, &peer, &err);
    if (status == LL_OK) {
        status = edge_catalog_remove(inspect->catalog, request->model_id, &err);
    }
    if (status == LL_OK) {
        Layerlift__V1__DeleteModelResponse response = LAYERLIFT__V1__DELETE_MODEL_RESPONSE__INIT;
        edge_reply(stream, &response.base);
    } else {
        rpc_stream_finish_error(stream, status, &err);
    }
    protobuf_c_message_free_unpacked(message, NULL);
}

static void get_server_info(void *arg, struct rpc_stream *stream, const uint8_t *data, size_t bytes)
{
    struct edge_inspect *inspect = arg;
    ProtobufCMessage *request =
        unpack(stream, &layerlift__v1__get_server_info_request__descriptor, data, bytes);
    if (!request) {
        return;
    }
    protobuf_c_message_free_unpacked(request, NULL);
    size_t count = (size_t)inspect->limit_count;
    Layerlift__V1__ServerInfo info = LAYERLIFT__V1__SERVER_INFO__INIT;
    Layerlift__V1__ServerInfo__LimitsEntry *entries = calloc(count + 1, sizeof(*entries));
    info.limits = calloc(count + 1, sizeof(Layerlift__V1__ServerInfo__LimitsEntry *));
    if (!entries || !info.limits) {
        rpc_stream_finish(stream, LL_E_NO_MEMORY, "out of memory for an answer");
        free(entries);
        free(info.limits);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        layerlift__v1__server_info__limits_entry__init(&entries[i]);
        entries[i].key = (char *)inspect->limits[i].name;
        entries[i].value = (uint64_t)inspect->limits[i].value;
        info.limits[info.n_limits++] = &entries[i];
    }
    info.version = LL_VERSION;
    info.engine = (char *)ll_engine_name(inspect->engine);
    info.instruction_set = (char *)ll_engine_instruction_set(inspect->engine);
    info.threads = (uint32_t)ll_engine_threads(inspect->engine);
    info.creation = (char *)inspect->creation;
    info.executors = (uint32_t)inspect->executors;
    info.uptime_ms = (uint64_t)((ll_clock_now_ns() - inspect->started_ns) / LL_NS_PER_MS);
    info.draining = atomic_load(&inspect->is_draining);
    Layerlift__V1__Format darknet = LAYERLIFT__V1__FORMAT__INIT;
    Layerlift__V1__Format *formats[] = {&darknet};
    /* Inline creation, the earlier system, takes RAW alone, the first one, and no drafts. */
    bool is_inline = strcmp(inspect->creation, "inline") == 0;
    Layerlift__V1__Precision precisions[] = {LAYERLIFT__V1__PRECISION__PRECISION_EXACT,
                                             LAYERLIFT__V1__PRECISION__PRECISION_DRAFT};
    Layerlift__V1__DataType data_types[WIRE_DTYPES];
    Layerlift__V1__TensorCoding codings[WIRE_QUERY_CODINGS];
    Layerlift__V1__PictureFormat pictures[WIRE_PICTURE_FORMATS];
    darknet.format = "darknet";
    darknet.dialect = "pjreddie";
    info.formats = formats;
    info.n_formats = 1;
    info.encodings = (Layerlift__V1__Encoding *)edge_upload_encodings;
    info.n_encodings = is_inline ? 1 : EDGE_UPLOAD_ENCODINGS;
    info.precisions = precisions;
    info.n_precisions = is_inline ? 1 : 2;
    info.data_types = data_types;
    info.n_data_types = wire_dtypes(data_types);
    info.tensor_codings = codings;
    info.n_tensor_codings = wire_query_codings(codings);
    info.picture_formats = pictures;
    info.n_picture_formats = wire_picture_formats(pictures);
    edge_reply(stream, &info.base);
    free(entries);
    free(info.limits);
}

/* ---- The service ---- */

ll_status edge_inspect_create(const struct edge_inspect_config *config,
                              struct edge_inspect **out_inspect)
{
    struct edge_inspect *inspect = calloc(1, sizeof(*inspect));
    struct edge_limit *limits = calloc((size_t)config->limit_count + 1, sizeof(*limits));
    if (!inspect || !limits) {
        free(inspect);
        free(limits);
        return LL_E_NO_MEMORY;
    }
    for (int i = 0; i < config->limit_count; i++) {
        limits[i] = config->limits[i];
    }
    inspect->catalog = config->catalog;
    inspect->engine = config->engine;
    inspect->creation = config->creation;
    inspect->executors = config->executors;
    inspect->limits = limits;
    inspect->limit_count = config->limit_count;
    inspect->started_ns = ll_clock_now_ns();
    edge_rates_init(&inspect->rates, config->peer_bytes_per_s, BURST_S * config->peer_bytes_per_s);
    *out_inspect = inspect;
    return LL_OK;
}

void edge_inspect_destroy(struct edge_inspect *inspect)
{
    if (inspect) {
        free(inspect->limits);
        free(inspect);
    }
}

ll_status edge_inspect_add(struct edge_inspect *inspect, struct rpc_server *server)
{
    static const struct {
        const char *path;
        rpc_unary_handle handle;
    } methods[] = {
        {"/layerlift.v1.EdgeOffload/ListModels", list_models},
        {"/layerlift.v1.EdgeOffload/GetModel", get_model},
        {"/layerlift.v1.EdgeOffload/DeleteModel", delete_model},
        {"/layerlift.v1.EdgeOffload/GetServerInfo", get_server_info},
    };
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        ll_status status =
            rpc_server_add_unary(server, methods[i].path, methods[i].handle, inspect);
        if (status != LL_OK) {
            return status;
        }
    }
    return LL_OK;
}

void edge_inspect_drain(struct edge_inspect *inspect)
{
    atomic_store(&inspect->is_draining, true);
}
