/* Everything here runs on the loop's thread and reads models under their own locks. Changes come
 * from other threads: they post one task, which looks at every watch; a watch whose stream still
 * has an event to send is looked at again when that is gone, so that a slow reader misses states
 * but never the latest. */
#include "edge/edge_inspect.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_log.h"
#include "core/ll_version.h"
#include "edge/edge_wire.h"

struct watch {
    struct edge_inspect *inspect;
    struct watch *next;
    struct rpc_stream *stream;
    /* NULL before the request. */
    struct edge_model *model;
    bool is_over;
    /* What was told last. */
    bool has_told;
    struct edge_model_info told;
};

struct edge_inspect {
    struct rpc_loop *loop;
    struct edge_models *models;
    const struct ll_engine *engine;
    const char *creation;
    int executors;
    struct edge_limit *limits;
    int limit_count;
    int64_t started_ns;
    atomic_bool is_draining;
    struct rpc_task drain;
    struct rpc_task changed;
    atomic_bool is_changed_posted;
    /* The loop's. */
    struct watch *watches;
};

static Layerlift__V1__ModelState wire_state(edge_model_state state)
{
    switch (state) {
    case EDGE_MODEL_PARTIAL:
        return LAYERLIFT__V1__MODEL_STATE__MODEL_STATE_PARTIAL;
    case EDGE_MODEL_CREATING:
        return LAYERLIFT__V1__MODEL_STATE__MODEL_STATE_CREATING;
    case EDGE_MODEL_READY:
        return LAYERLIFT__V1__MODEL_STATE__MODEL_STATE_READY;
    case EDGE_MODEL_FAILED:
        return LAYERLIFT__V1__MODEL_STATE__MODEL_STATE_FAILED;
    }
    return LAYERLIFT__V1__MODEL_STATE__MODEL_STATE_UNSPECIFIED;
}

/* ---- One model ---- */

/* Storage for a Model message's summary. */
struct summary {
    Layerlift__V1__Model message;
    struct edge_model_info info;
};

static void fill_summary(struct summary *summary, struct edge_model *model)
{
    Layerlift__V1__Model *message = &summary->message;
    struct edge_model_info *info = &summary->info;
    edge_model_get_info(model, info);
    edge_wire_clean(info->failure.text);
    layerlift__v1__model__init(message);
    message->model_id = (char *)edge_model_id_text(model);
    message->state = wire_state(info->state);
    message->layer_count = (uint32_t)edge_model_table(model)->layer_count;
    message->prefix = (uint32_t)info->prefix;
    message->weight_bytes = (uint64_t)edge_model_table(model)->blob_bytes;
    message->received_bytes = (uint64_t)info->received_bytes;
    message->creations = (uint32_t)info->creations;
    message->creation_ns = (uint64_t)info->creation_ns;
    message->queries = (uint64_t)info->queries;
    message->upload_sessions = (uint32_t)info->uploads;
    message->failure = info->failure.text;
}

/* Storage for one Layer message. */
struct layer_part {
    Layerlift__V1__Layer message;
    Layerlift__V1__Blob blob;
    char digest[LL_DIGEST_TEXT_BYTES];
    uint32_t shape[3];
};

static void fill_layer(struct layer_part *part, struct edge_model *model, int index, int prefix,
                       int64_t mean_ns)
{
    const struct ll_layer *layer = &edge_model_table(model)->layers[index];
    const struct ll_blob_name *name = &edge_model_manifest(model)->blobs[index];
    struct edge_blob *blob = edge_model_blob(model, index);
    layerlift__v1__layer__init(&part->message);
    layerlift__v1__blob__init(&part->blob);
    ll_digest_format(&name->digest, part->digest);
    part->blob.size = (uint64_t)name->bytes;
    part->blob.digest = part->digest;
    part->shape[0] = (uint32_t)layer->out_floats;
    part->message.n_output_shape = 1;
    if ((int64_t)layer->out_c * layer->out_h * layer->out_w == layer->out_floats) {
        part->shape[0] = (uint32_t)layer->out_c;
        part->shape[1] = (uint32_t)layer->out_h;
        part->shape[2] = (uint32_t)layer->out_w;
        part->message.n_output_shape = 3;
    }
    part->message.type = (char *)layer->type;
    part->message.output_shape = part->shape;
    part->message.blob = &part->blob;
    part->message.received_bytes = blob ? (uint64_t)edge_blob_written(blob) : 0;
    part->message.created = index < prefix;
    part->message.mean_ns = (uint64_t)mean_ns;
}

static void fill_cuts(Layerlift__V1__Model *message, const struct ll_table *table, uint32_t *cuts)
{
    message->legal_cuts = cuts;
    for (int i = 0; i <= table->layer_count; i++) {
        if (ll_table_is_legal_cut(table, i)) {
            cuts[message->n_legal_cuts++] = (uint32_t)i;
        }
    }
}

static void reply_model(struct rpc_stream *stream, struct edge_model *model)
{
    const struct ll_table *table = edge_model_table(model);
    size_t count = (size_t)table->layer_count;
    struct summary summary;
    struct layer_part *parts = calloc(count, sizeof(*parts));
    Layerlift__V1__Layer **layers = calloc(count, sizeof(Layerlift__V1__Layer *));
    uint32_t *cuts = calloc(count + 1, sizeof(*cuts));
    int64_t *mean_ns = calloc(count, sizeof(*mean_ns));
    if (parts && layers && cuts && mean_ns) {
        fill_summary(&summary, model);
        edge_model_mean_ns(model, mean_ns);
        for (size_t i = 0; i < count; i++) {
            fill_layer(&parts[i], model, (int)i, summary.info.prefix, mean_ns[i]);
            layers[i] = &parts[i].message;
        }
        summary.message.layers = layers;
        summary.message.n_layers = count;
        fill_cuts(&summary.message, table, cuts);
        edge_reply(stream, &summary.message.base);
    } else {
        rpc_stream_finish(stream, LL_E_NO_MEMORY, "out of memory for an answer");
    }
    free(parts);
    free(layers);
    free(cuts);
    free(mean_ns);
}

/* ---- Unary methods ---- */

/* Unpacks a request; answers for the caller where that fails. */
static ProtobufCMessage *unpack(struct rpc_stream *stream,
                                const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
                                size_t bytes)
{
    struct ll_error err;
    ProtobufCMessage *message = NULL;
    ll_status status = edge_unpack(descriptor, data, bytes, &message, &err);
    if (status != LL_OK) {
        rpc_stream_finish(stream, status, err.text);
        return NULL;
    }
    return message;
}

static void list_models(void *arg, struct rpc_stream *stream, const uint8_t *data, size_t bytes)
{
    struct edge_inspect *inspect = arg;
    ProtobufCMessage *request =
        unpack(stream, &layerlift__v1__list_models_request__descriptor, data, bytes);
    if (!request) {
        return;
    }
    protobuf_c_message_free_unpacked(request, NULL);
    struct edge_model **list = NULL;
    int count = 0;
    if (edge_models_list(inspect->models, &list, &count) != LL_OK) {
        rpc_stream_finish(stream, LL_E_NO_MEMORY, "out of memory for an answer");
        return;
    }
    Layerlift__V1__ListModelsResponse response = LAYERLIFT__V1__LIST_MODELS_RESPONSE__INIT;
    struct summary *summaries = calloc((size_t)count + 1, sizeof(*summaries));
    response.models = calloc((size_t)count + 1, sizeof(Layerlift__V1__Model *));
    if (summaries && response.models) {
        for (int i = 0; i < count; i++) {
            fill_summary(&summaries[i], list[i]);
            response.models[response.n_models++] = &summaries[i].message;
        }
        edge_reply(stream, &response.base);
    } else {
        rpc_stream_finish(stream, LL_E_NO_MEMORY, "out of memory for an answer");
    }
    for (int i = 0; i < count; i++) {
        edge_model_unref(list[i]);
    }
    free(list);
    free(summaries);
    free(response.models);
}

static void get_model(void *arg, struct rpc_stream *stream, const uint8_t *data, size_t bytes)
{
    struct edge_inspect *inspect = arg;
    ProtobufCMessage *message =
        unpack(stream, &layerlift__v1__get_model_request__descriptor, data, bytes);
    if (!message) {
        return;
    }
    const Layerlift__V1__GetModelRequest *request = (Layerlift__V1__GetModelRequest *)message;
    struct ll_error err;
    struct edge_model *model = NULL;
    ll_status status = edge_models_find(inspect->models, request->model_id, &model, &err);
    if (status == LL_OK) {
        reply_model(stream, model);
        edge_model_unref(model);
    } else {
        rpc_stream_finish(stream, status, err.text);
    }
    protobuf_c_message_free_unpacked(message, NULL);
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
    struct ll_error err;
    ll_status status = edge_models_remove(inspect->models, request->model_id, &err);
    if (status == LL_OK) {
        Layerlift__V1__DeleteModelResponse response = LAYERLIFT__V1__DELETE_MODEL_RESPONSE__INIT;
        edge_reply(stream, &response.base);
    } else {
        rpc_stream_finish(stream, status, err.text);
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
    info.engine = (char *)inspect->engine->name;
    info.instruction_set = (char *)inspect->engine->instruction_set;
    info.threads = (uint32_t)inspect->engine->threads;
    info.creation = (char *)inspect->creation;
    info.executors = (uint32_t)inspect->executors;
    info.uptime_ms = (uint64_t)((ll_clock_now_ns() - inspect->started_ns) / LL_NS_PER_MS);
    info.draining = atomic_load(&inspect->is_draining);
    edge_reply(stream, &info.base);
    free(entries);
    free(info.limits);
}

/* ---- WatchModel ---- */

static void end_watch(struct watch *watch, ll_status status, const char *text)
{
    watch->is_over = true;
    edge_model_unref(watch->model);
    watch->model = NULL;
    rpc_stream_finish(watch->stream, status, text);
}

static bool is_same(const struct edge_model_info *a, const struct edge_model_info *b)
{
    return a->state == b->state && a->prefix == b->prefix &&
           a->received_bytes == b->received_bytes && a->creations == b->creations &&
           strcmp(a->failure.text, b->failure.text) == 0;
}

/* Tells the model's state, if it differs from what was told and the stream has nothing else to
 * send. */
static void look(struct watch *watch)
{
    if (!watch->model || watch->is_over || rpc_stream_queued(watch->stream) > 0) {
        return;
    }
    if (edge_model_is_removed(watch->model)) {
        end_watch(watch, LL_E_NOT_FOUND, "the model was deleted");
        return;
    }
    struct summary summary;
    fill_summary(&summary, watch->model);
    if (watch->has_told && is_same(&watch->told, &summary.info)) {
        return;
    }
    watch->has_told = true;
    watch->told = summary.info;
    Layerlift__V1__ModelEvent event = LAYERLIFT__V1__MODEL_EVENT__INIT;
    event.model_id = summary.message.model_id;
    event.state = summary.message.state;
    event.prefix = summary.message.prefix;
    event.layer_count = summary.message.layer_count;
    event.received_bytes = summary.message.received_bytes;
    event.weight_bytes = summary.message.weight_bytes;
    event.creations = summary.message.creations;
    event.creation_ns = summary.message.creation_ns;
    event.failure = summary.message.failure;
    edge_send(watch->stream, &event.base);
}

static void on_watch_message(void *owner, struct rpc_stream *stream, const uint8_t *data,
                             size_t bytes)
{
    struct watch *watch = owner;
    struct ll_error err;
    if (watch->is_over) {
        return;
    }
    if (watch->model) {
        end_watch(watch, LL_E_INVALID, "a second request");
        return;
    }
    ProtobufCMessage *message =
        unpack(stream, &layerlift__v1__watch_model_request__descriptor, data, bytes);
    if (!message) {
        watch->is_over = true;
        return;
    }
    const Layerlift__V1__WatchModelRequest *request = (Layerlift__V1__WatchModelRequest *)message;
    ll_status status =
        edge_models_find(watch->inspect->models, request->model_id, &watch->model, &err);
    protobuf_c_message_free_unpacked(message, NULL);
    if (status != LL_OK) {
        end_watch(watch, status, err.text);
        return;
    }
    look(watch);
}

static void on_watch_half_close(void *owner, struct rpc_stream *stream)
{
    struct watch *watch = owner;
    (void)stream;
    if (!watch->model && !watch->is_over) {
        end_watch(watch, LL_E_INVALID, "the stream ended without a request");
    }
}

static void on_watch_writable(void *owner, struct rpc_stream *stream)
{
    (void)stream;
    look(owner);
}

static void on_watch_closed(void *owner, struct rpc_stream *stream, ll_status status,
                            const char *message)
{
    struct watch *watch = owner;
    (void)status;
    (void)message;
    struct watch **link = &watch->inspect->watches;
    while (*link != watch) {
        link = &(*link)->next;
    }
    *link = watch->next;
    edge_model_unref(watch->model);
    rpc_stream_unref(stream);
    free(watch);
}

static void open_watch(void *arg, struct rpc_stream *stream)
{
    static const struct rpc_stream_handler handler = {
        .on_message = on_watch_message,
        .on_half_close = on_watch_half_close,
        .on_writable = on_watch_writable,
        .on_closed = on_watch_closed,
    };
    struct edge_inspect *inspect = arg;
    struct watch *watch = calloc(1, sizeof(*watch));
    if (!watch || atomic_load(&inspect->is_draining)) {
        rpc_stream_finish(stream, watch ? LL_E_UNAVAILABLE : LL_E_NO_MEMORY,
                          watch ? "the server is shutting down" : "out of memory");
        free(watch);
        return;
    }
    watch->inspect = inspect;
    watch->stream = rpc_stream_ref(stream);
    watch->next = inspect->watches;
    inspect->watches = watch;
    rpc_server_accept(stream, &handler, watch);
}

/* ---- The service ---- */

static void run_changed(struct rpc_task *task)
{
    struct edge_inspect *inspect =
        (struct edge_inspect *)(void *)((char *)task - offsetof(struct edge_inspect, changed));
    atomic_store(&inspect->is_changed_posted, false);
    for (struct watch *watch = inspect->watches; watch; watch = watch->next) {
        look(watch);
    }
}

static void run_drain(struct rpc_task *task)
{
    struct edge_inspect *inspect =
        (struct edge_inspect *)(void *)((char *)task - offsetof(struct edge_inspect, drain));
    for (struct watch *watch = inspect->watches; watch; watch = watch->next) {
        if (!watch->is_over) {
            end_watch(watch, LL_E_UNAVAILABLE, "the server is shutting down");
        }
    }
}

/* Observes all models, on any thread. */
static void on_changed(void *arg, struct edge_model *model, edge_change change)
{
    struct edge_inspect *inspect = arg;
    (void)model;
    (void)change;
    if (!atomic_exchange(&inspect->is_changed_posted, true)) {
        rpc_loop_post(inspect->loop, &inspect->changed);
    }
}

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
    inspect->loop = config->loop;
    inspect->models = config->models;
    inspect->engine = config->engine;
    inspect->creation = config->creation;
    inspect->executors = config->executors;
    inspect->limits = limits;
    inspect->limit_count = config->limit_count;
    inspect->started_ns = ll_clock_now_ns();
    inspect->changed.run = run_changed;
    inspect->drain.run = run_drain;
    edge_models_observe(config->models, on_changed, inspect);
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
    return rpc_server_add(server, "/layerlift.v1.EdgeOffload/WatchModel", open_watch, inspect);
}

void edge_inspect_drain(struct edge_inspect *inspect)
{
    if (!atomic_exchange(&inspect->is_draining, true)) {
        rpc_loop_post(inspect->loop, &inspect->drain);
    }
}
