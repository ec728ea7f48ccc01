/* Changes come from other threads: they post one task, which looks at every watch, at most once in
 * PAUSE_MS. A model's state is taken and packed once for all its watches, which stand side by side
 * in the list; the message is shared. A watch whose stream still has an event to send is looked at
 * again when that is gone, so that a slow reader misses states but never the latest. */
#include "edge/inspect/edge_watch.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_buf.h"
#include "core/ll_clock.h"
#include "core/ll_container.h"
#include "core/ll_digest.h"
#include "edge/edge_send.h"
#include "edge/fair/edge_peer.h"
#include "edge/fair/edge_places.h"
#include "proto/wire/wire_text.h"
#include "proto/wire/wire_unpack.h"

enum {
    /* Between two looks at all watches. */
    PAUSE_MS = 20,
};

struct watch {
    struct edge_watches *watches;
    struct watch *next;
    struct rpc_stream *stream;
    struct edge_place place;
    /* The state has changed while an event was on its way. */
    bool has_missed;
    /* Empty before the request. The name alone: who watches must not keep a model's memory when
     * that is to go; and a model that was put away is another one of its name. */
    char model_id[LL_DIGEST_TEXT_BYTES];
    bool is_over;
    /* What was told last. */
    bool has_told;
    struct edge_model_info told;
    int told_draft_prefix;
};

struct edge_watches {
    struct rpc_loop *loop;
    struct edge_catalog *catalog;
    atomic_bool is_draining;
    struct rpc_task drain;
    struct rpc_task changed;
    atomic_bool is_changed_posted;
    /* The loop's. */
    struct watch *first;
    struct edge_places places;
    /* There is one as long as there is a watch. */
    struct rpc_timer *timer;
    /* The timer is set, and the task has run. */
    bool is_paused;
    int64_t looked_ns;
};

/* A model's state, taken once for several watches. */
struct snapshot {
    /* A reference, or NULL. */
    struct edge_model *model;
    struct edge_model_info info;
    int draft_prefix;
    /* The event, once a watch needs it. */
    struct ll_buf *event;
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

static void fail_watch(struct watch *watch, ll_status status, const struct ll_error *err)
{
    watch->is_over = true;
    edge_places_leave(&watch->watches->places, &watch->place);
    rpc_stream_finish_error(watch->stream, status, err);
}

static void end_watch(struct watch *watch, ll_status status, const char *text)
{
    struct ll_error err;
    (void)ll_fail(&err, status, "%s", text);
    fail_watch(watch, status, &err);
}

static bool is_same(const struct edge_model_info *a, const struct edge_model_info *b)
{
    return a->state == b->state && a->prefix == b->prefix &&
           a->received_bytes == b->received_bytes && a->creations == b->creations &&
           strcmp(a->failure.text, b->failure.text) == 0;
}

static void finish_snapshot(struct snapshot *snapshot)
{
    ll_buf_unref(snapshot->event);
    edge_model_unref(snapshot->model);
    *snapshot = (struct snapshot){.model = NULL};
}

/* False where there is no such model any more. */
static bool take_snapshot(struct snapshot *snapshot, struct edge_catalog *catalog, const char *id)
{
    struct ll_error err;
    if (snapshot->model && strcmp(edge_model_id_text(snapshot->model), id) == 0) {
        return true;
    }
    finish_snapshot(snapshot);
    if (edge_catalog_find(catalog, id, &snapshot->model, &err) != LL_OK) {
        return false;
    }
    if (edge_model_is_removed(snapshot->model)) {
        finish_snapshot(snapshot);
        return false;
    }
    edge_model_get_info(snapshot->model, &snapshot->info);
    snapshot->draft_prefix = edge_catalog_draft_prefix(catalog, snapshot->model);
    wire_text_clean(snapshot->info.failure.text);
    return true;
}

static ll_status pack_event(struct snapshot *snapshot)
{
    struct edge_model_info *info = &snapshot->info;
    Layerlift__V1__ModelEvent event = LAYERLIFT__V1__MODEL_EVENT__INIT;
    event.model_id = (char *)edge_model_id_text(snapshot->model);
    event.state = edge_watch_state(info->state);
    event.prefix = (uint32_t)info->prefix;
    event.layer_count = (uint32_t)edge_model_table(snapshot->model)->layer_count;
    event.received_bytes = (uint64_t)info->received_bytes;
    event.weight_bytes = (uint64_t)edge_model_table(snapshot->model)->blob_bytes;
    event.creations = (uint32_t)info->creations;
    event.creation_ns = (uint64_t)info->creation_ns;
    event.failure = info->failure.text;
    event.draft_prefix = (uint32_t)snapshot->draft_prefix;
    size_t bytes = layerlift__v1__model_event__get_packed_size(&event);
    ll_status status = ll_buf_create(bytes, &snapshot->event);
    if (status == LL_OK) {
        layerlift__v1__model_event__pack(&event, ll_buf_writable(snapshot->event));
    }
    return status;
}

/* Tells the model's state, if it differs from what was told and the stream has nothing else to
 * send. */
static void look(struct watch *watch, struct snapshot *snapshot)
{
    if (!watch->model_id[0] || watch->is_over) {
        return;
    }
    if (rpc_stream_queued(watch->stream) > 0) {
        watch->has_missed = true;
        return;
    }
    if (!take_snapshot(snapshot, watch->watches->catalog, watch->model_id)) {
        end_watch(watch, LL_E_NOT_FOUND, "the model was deleted");
        return;
    }
    if (watch->has_told && is_same(&watch->told, &snapshot->info) &&
        watch->told_draft_prefix == snapshot->draft_prefix) {
        return;
    }
    watch->has_told = true;
    watch->told = snapshot->info;
    watch->told_draft_prefix = snapshot->draft_prefix;
    ll_status status = snapshot->event ? LL_OK : pack_event(snapshot);
    if (status == LL_OK) {
        status = rpc_stream_send(watch->stream, NULL, 0, snapshot->event);
    }
    if (status != LL_OK && status != LL_E_STOPPED) {
        end_watch(watch, status, "the edge cannot send its event");
    }
}

static void take_from_list(struct watch *watch)
{
    struct watch **link = &watch->watches->first;
    while (*link != watch) {
        link = &(*link)->next;
    }
    *link = watch->next;
}

/* Beside another watch of its model. */
static void move_to_model(struct watch *watch)
{
    take_from_list(watch);
    struct watch **link = &watch->watches->first;
    while (*link && strcmp((*link)->model_id, watch->model_id) != 0) {
        link = &(*link)->next;
    }
    watch->next = *link;
    *link = watch;
}

/* Has all watches looked at, soon. */
static void post_changed(struct edge_watches *watches)
{
    if (!atomic_exchange(&watches->is_changed_posted, true)) {
        rpc_loop_post(watches->loop, &watches->changed);
    }
}

/* The task's or the timer's: there were changes. */
static void look_at_all(void *arg)
{
    struct edge_watches *watches = arg;
    struct snapshot snapshot = {.model = NULL};
    watches->is_paused = false;
    atomic_store(&watches->is_changed_posted, false);
    watches->looked_ns = ll_clock_now_ns();
    for (struct watch *watch = watches->first; watch; watch = watch->next) {
        look(watch, &snapshot);
    }
    finish_snapshot(&snapshot);
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
    if (watch->model_id[0]) {
        end_watch(watch, LL_E_INVALID, "a second request");
        return;
    }
    ProtobufCMessage *message = NULL;
    ll_status status =
        wire_unpack(&layerlift__v1__watch_model_request__descriptor, data, bytes, &message, &err);
    if (status != LL_OK) {
        fail_watch(watch, status, &err);
        return;
    }
    const Layerlift__V1__WatchModelRequest *request = (Layerlift__V1__WatchModelRequest *)message;
    struct edge_model *model = NULL;
    status = edge_catalog_find(watch->watches->catalog, request->model_id, &model, &err);
    protobuf_c_message_free_unpacked(message, NULL);
    if (status != LL_OK) {
        fail_watch(watch, status, &err);
        return;
    }
    snprintf(watch->model_id, sizeof(watch->model_id), "%s", edge_model_id_text(model));
    edge_model_unref(model);
    move_to_model(watch);
    struct snapshot snapshot = {.model = NULL};
    look(watch, &snapshot);
    finish_snapshot(&snapshot);
}

static void on_watch_half_close(void *owner, struct rpc_stream *stream)
{
    struct watch *watch = owner;
    (void)stream;
    if (!watch->model_id[0] && !watch->is_over) {
        end_watch(watch, LL_E_INVALID, "the stream ended without a request");
    }
}

static void on_watch_writable(void *owner, struct rpc_stream *stream)
{
    struct watch *watch = owner;
    (void)stream;
    if (watch->has_missed) {
        watch->has_missed = false;
        post_changed(watch->watches);
    }
}

static void on_watch_closed(void *owner, struct rpc_stream *stream, ll_status status,
                            const char *message)
{
    struct watch *watch = owner;
    (void)status;
    (void)message;
    struct edge_watches *watches = watch->watches;
    take_from_list(watch);
    edge_places_leave(&watches->places, &watch->place);
    if (!watches->first) {
        rpc_timer_destroy(watches->timer);
        watches->timer = NULL;
        if (watches->is_paused) {
            watches->is_paused = false;
            atomic_store(&watches->is_changed_posted, false);
        }
    }
    rpc_stream_unref(stream);
    free(watch);
}

static ll_status take_place(struct watch *watch, struct rpc_stream *stream, struct ll_error *err)
{
    struct edge_watches *watches = watch->watches;
    struct edge_places *places = &watches->places;
    struct edge_peer peer;
    int64_t now_ns = ll_clock_now_ns();
    edge_peer_parse(rpc_stream_peer(stream), &peer);
    if (!watches->timer &&
        rpc_timer_create(watches->loop, look_at_all, watches, &watches->timer) != LL_OK) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory for a watch");
    }
    if (edge_places_is_full(places)) {
        struct edge_place *victim = edge_places_giving_way(places, &peer, now_ns);
        if (!victim) {
            return ll_fail_limit(err, "watches", places->most, LL_RETRY_MS,
                                 "too many watches: limit watches is %d", places->most);
        }
        struct ll_error why;
        ll_status status = ll_fail_limit(
            &why, "watches", places->most, LL_RETRY_MS,
            "the watch had to make room for another: limit watches is %d", places->most);
        fail_watch(LL_CONTAINER_OF(victim, struct watch, place), status, &why);
    }
    edge_places_take(places, &watch->place, &peer, now_ns);
    return LL_OK;
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
    struct ll_error err = {.text = ""};
    ll_status status = take_place(watch, stream, &err);
    if (status != LL_OK) {
        rpc_stream_finish_error(stream, status, &err);
        free(watch);
        return;
    }
    watch->stream = rpc_stream_ref(stream);
    watch->next = watches->first;
    watches->first = watch;
    rpc_server_accept(stream, &handler, watch);
}

/* ---- The service ---- */

static void run_changed(struct rpc_task *task)
{
    struct edge_watches *watches = LL_CONTAINER_OF(task, struct edge_watches, changed);
    int64_t next_ns = watches->looked_ns + PAUSE_MS * LL_NS_PER_MS;
    if (watches->timer && ll_clock_now_ns() < next_ns) {
        watches->is_paused = true;
        rpc_timer_set(watches->timer, next_ns);
    } else {
        look_at_all(watches);
    }
}

static void run_drain(struct rpc_task *task)
{
    struct edge_watches *watches = LL_CONTAINER_OF(task, struct edge_watches, drain);
    for (struct watch *watch = watches->first; watch; watch = watch->next) {
        if (!watch->is_over) {
            end_watch(watch, LL_E_UNAVAILABLE, "the server is shutting down");
        }
    }
}

/* Observes all models, on any thread. */
static void on_changed(void *arg, struct edge_model *model, edge_change change)
{
    (void)model;
    (void)change;
    post_changed(arg);
}

ll_status edge_watches_create(struct rpc_loop *loop, struct edge_catalog *catalog, int most_watches,
                              struct edge_watches **out_watches)
{
    struct edge_watches *watches = calloc(1, sizeof(*watches));
    if (!watches) {
        return LL_E_NO_MEMORY;
    }
    watches->loop = loop;
    watches->catalog = catalog;
    /* Who watches has nothing to send, and may be silent for ever. */
    edge_places_init(&watches->places, most_watches, INT64_MAX, INT64_MAX);
    watches->changed.run = run_changed;
    watches->drain.run = run_drain;
    ll_status status = edge_catalog_observe(catalog, on_changed, watches);
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
