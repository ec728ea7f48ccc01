/* Changes come from other threads: they post one task, which looks at every watch; a watch whose
 * stream still has an event to send is looked at again when that is gone, so that a slow reader
 * misses states but never the latest. */
#include "edge/edge_watch.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "edge/edge_wire.h"

struct watch {
    struct edge_watches *watches;
    struct watch *next;
    struct rpc_stream *stream;
    /* NULL before the request. */
    struct edge_model *model;
    bool is_over;
    /* What was told last. */
    bool has_told;
    struct edge_model_info told;
};

struct edge_watches {
    struct rpc_loop *loop;
    struct edge_models *models;
    atomic_bool is_draining;
    struct rpc_task drain;
    struct rpc_task changed;
    atomic_bool is_changed_posted;
    /* The loop's. */
    struct watch *first;
};

Layerlift__V1__ModelState edge_watch_state(edge_model_state state)
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
    struct edge_model_info info;
    edge_model_get_info(watch->model, &info);
    edge_wire_clean(info.failure.text);
    if (watch->has_told && is_same(&watch->told, &info)) {
        return;
    }
    watch->has_told = true;
    watch->told = info;
    Layerlift__V1__ModelEvent event = LAYERLIFT__V1__MODEL_EVENT__INIT;
    event.model_id = (char *)edge_model_id_text(watch->model);
    event.state = edge_watch_state(info.state);
    event.prefix = (uint32_t)info.prefix;
    event.layer_count = (uint32_t)edge_model_table(watch->model)->layer_count;
    event.received_bytes = (uint64_t)info.received_bytes;
    event.weight_bytes = (uint64_t)edge_model_table(watch->model)->blob_bytes;
    event.creations = (uint32_t)info.creations;
    event.creation_ns = (uint64_t)info.creation_ns;
    event.failure = info.failure.text;
    edge_send(watch->stream, &event.base);
}

static void on_watch_message(void *owner, struct rpc_stream *stream, const uint8_t *data,
                             size_t bytes)
{
    struct watch *watch = owner;
    struct ll_error err;
    (void)stream;
    if (watch->is_over) {
        return;
    }
    if (watch->model) {
        end_watch(watch, LL_E_INVALID, "a second request");
        return;
    }
    ProtobufCMessage *message = NULL;
    ll_status status =
        edge_unpack(&layerlift__v1__watch_model_request__descriptor, data, bytes, &message, &err);
    if (status != LL_OK) {
        end_watch(watch, status, err.text);
        return;
    }
    const Layerlift__V1__WatchModelRequest *request = (Layerlift__V1__WatchModelRequest *)message;
    status = edge_models_find(watch->watches->models, request->model_id, &watch->model, &err);
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
    struct watch **link = &watch->watches->first;
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
    struct edge_watches *watches = arg;
    struct watch *watch = calloc(1, sizeof(*watch));
    if (!watch || atomic_load(&watches->is_draining)) {
        rpc_stream_finish(stream, watch ? LL_E_UNAVAILABLE : LL_E_NO_MEMORY,
                          watch ? "the server is shutting down" : "out of memory");
        free(watch);
        return;
    }
    watch->watches = watches;
    watch->stream = rpc_stream_ref(stream);
    watch->next = watches->first;
    watches->first = watch;
    rpc_server_accept(stream, &handler, watch);
}

/* ---- The service ---- */

static void run_changed(struct rpc_task *task)
{
    struct edge_watches *watches =
        (struct edge_watches *)(void *)((char *)task - offsetof(struct edge_watches, changed));
    atomic_store(&watches->is_changed_posted, false);
    for (struct watch *watch = watches->first; watch; watch = watch->next) {
        look(watch);
    }
}

static void run_drain(struct rpc_task *task)
{
    struct edge_watches *watches =
        (struct edge_watches *)(void *)((char *)task - offsetof(struct edge_watches, drain));
    for (struct watch *watch = watches->first; watch; watch = watch->next) {
        if (!watch->is_over) {
            end_watch(watch, LL_E_UNAVAILABLE, "the server is shutting down");
        }
    }
}

/* Observes all models, on any thread. */
static void on_changed(void *arg, struct edge_model *model, edge_change change)
{
    struct edge_watches *watches = arg;
    (void)model;
    (void)change;
    if (!atomic_exchange(&watches->is_changed_posted, true)) {
        rpc_loop_post(watches->loop, &watches->changed);
    }
}

ll_status edge_watches_create(struct rpc_loop *loop, struct edge_models *models,
                              struct edge_watches **out_watches)
{
    struct edge_watches *watches = calloc(1, sizeof(*watches));
    if (!watches) {
        return LL_E_NO_MEMORY;
    }
    watches->loop = loop;
    watches->models = models;
    watches->changed.run = run_changed;
    watches->drain.run = run_drain;
    ll_status status = edge_models_observe(models, on_changed, watches);
    if (status != LL_OK) {
        free(watches);
        return status;
    }
    *out_watches = watches;
    return LL_OK;
}

void edge_watches_destroy(struct edge_watches *watches)
{
    free(watches);
}

ll_status edge_watches_add(struct edge_watches *watches, struct rpc_server *server)
{
    return rpc_server_add(server, "/layerlift.v1.EdgeOffload/WatchModel", open_watch, watches);
}

void edge_watches_drain(struct edge_watches *watches)
{
    if (!atomic_exchange(&watches->is_draining, true)) {
        rpc_loop_post(watches->loop, &watches->drain);
    }
}
