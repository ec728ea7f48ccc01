/* Two threads share a session. The loop's thread unpacks messages, checks that they are messages
 * and keep to the credit, and queues them; the receiver does the rest, one message after the other
 * for all sessions (edge_upload_session.c): files and hashes never hold up the loop, which also
 * carries queries. Work is queued in order, and the end of a stream comes behind its chunks, so
 * that a device that vanishes loses nothing of what arrived. The queue of a session is bounded by
 * its credit in bytes and by a number of chunks; sessions take turns, a message each, since few
 * bytes may be a frame of many, and nobody is to wait for all of another's.
 *
 *     loop:      on_message --item--+
 *                on_half_close -----+--> receiver: edge_upload_session_*  --events--> stream
 *                on_writable -------+
 *                on_closed ---------+    (the last one frees the session)
 *     creator:   changed -----------+                                                       */
#include "edge/upload/edge_upload.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#include "core/ll_clock.h"
#include "core/ll_container.h"
#include "core/ll_limits.h"
#include "core/ll_log.h"
#include "edge/upload/edge_upload_session.h"
#include "edge/upload/edge_upload_session_chunk.h"
#include "edge/upload/edge_upload_session_events.h"
#include "edge/upload/edge_upload_session_open.h"
#include "edge/upload/edge_upload_session_places.h"
#include "edge/upload/edge_upload_session_share.h"
#include "edge/upload/edge_worker.h"
#include "proto/wire/wire_unpack.h"

/* Of what has a rate for each address, at once. */
enum { BURST_S = 4 };

struct edge_uploads {
    struct edge_worker *receiver;
    /* The loop's. */
    unsigned last_number;
    /* The receiver's. */
    struct edge_upload_sessions sessions;
    struct edge_work drain;
    atomic_bool is_drain_posted;
    struct edge_work changed;
    atomic_bool is_changed_posted;
    struct edge_work idle;
    /* When something may be idle, and when the alarm comes; LL_CLOCK_NEVER: none is set. */
    int64_t idle_ns;
    int64_t watch_ns;
};

struct upload {
    struct edge_uploads *uploads;
    struct edge_upload_session session;
    struct edge_lane lane;
    /* The loop's: what the device has sent, and whether it may go on. */
    bool has_opened;
    bool is_refused;
    uint64_t sent_bytes;
    atomic_int queued_chunks;
    struct edge_work start;
    struct edge_work half_closed;
    struct edge_work closed;
    bool was_cut_off;
    struct edge_work writable;
    atomic_bool is_writable_posted;
};

struct item {
    struct edge_work work;
    struct upload *upload;
    Layerlift__V1__UploadRequest *request;
    int64_t arrived_ns;
};

/* ---- On the receiver ---- */

/* Comes again when there may be something idle, or it is time to look who brings what. */
static void watch(struct edge_uploads *uploads, int64_t idle_ns)
{
    int64_t share_ns = uploads->sessions.share_next_ns;
    int64_t next_ns = share_ns < idle_ns ? share_ns : idle_ns;
    uploads->idle_ns = idle_ns;
    uploads->watch_ns = next_ns;
    if (next_ns != LL_CLOCK_NEVER) {
        edge_worker_set_alarm(uploads->receiver, &uploads->idle, next_ns);
    }
}

/* Deals out anew what sessions bring together, where something has changed. */
static void share(struct edge_uploads *uploads)
{
    edge_upload_sessions_share(&uploads->sessions, ll_clock_now_ns());
    if (uploads->sessions.share_next_ns < uploads->watch_ns) {
        watch(uploads, uploads->idle_ns);
    }
}

/* A session whose chunks wait for this thread is not idle. */
static void note_queued(struct edge_uploads *uploads, int64_t now_ns)
{
    for (struct edge_upload_session *s = uploads->sessions.first; s; s = s->next) {
        if (atomic_load(&LL_CONTAINER_OF(s, struct upload, session)->queued_chunks) > 0) {
            edge_upload_session_progress(s, EDGE_PLACES_STEP_BYTES, now_ns);
        }
    }
}

/* Ends what is idle. */
static void receive_idle(struct edge_work *work)
{
    struct edge_uploads *uploads = LL_CONTAINER_OF(work, struct edge_uploads, idle);
    int64_t now_ns = ll_clock_now_ns();
    note_queued(uploads, now_ns);
    int64_t idle_ns = edge_upload_sessions_end_idle(&uploads->sessions, now_ns);
    edge_upload_sessions_share(&uploads->sessions, now_ns);
    watch(uploads, idle_ns);
}

static void receive_start(struct edge_work *work)
{
    struct upload *upload = LL_CONTAINER_OF(work, struct upload, start);
    struct edge_uploads *uploads = upload->uploads;
    upload->session.next = uploads->sessions.first;
    uploads->sessions.first = &upload->session;
    edge_upload_session_begin(&upload->session, ll_clock_now_ns());
    if (uploads->watch_ns == LL_CLOCK_NEVER) {
        receive_idle(&uploads->idle);
    }
}

static void receive_item(struct edge_work *work)
{
    struct item *item = LL_CONTAINER_OF(work, struct item, work);
    struct upload *upload = item->upload;
    const Layerlift__V1__UploadRequest *request = item->request;
    if (request->kind_case == LAYERLIFT__V1__UPLOAD_REQUEST__KIND_OPEN) {
        edge_upload_session_open(&upload->session, request->open, ll_clock_now_ns());
    } else {
        edge_upload_session_chunk(&upload->session, request->chunk, item->arrived_ns);
    }
    atomic_fetch_sub(&upload->queued_chunks, 1);
    layerlift__v1__upload_request__free_unpacked(item->request, NULL);
    free(item);
    share(upload->uploads);
}

static void receive_half_close(struct edge_work *work)
{
    struct upload *upload = LL_CONTAINER_OF(work, struct upload, half_closed);
    edge_upload_session_half_close(&upload->session);
    share(upload->uploads);
}

static void receive_writable(struct edge_work *work)
{
    struct upload *upload = LL_CONTAINER_OF(work, struct upload, writable);
    atomic_store(&upload->is_writable_posted, false);
    edge_upload_session_writable(&upload->session);
}

static void receive_close(struct edge_work *work)
{
    struct upload *upload = LL_CONTAINER_OF(work, struct upload, closed);
    struct edge_uploads *uploads = upload->uploads;
    struct edge_upload_session **link = &uploads->sessions.first;
    while (*link != &upload->session) {
        link = &(*link)->next;
    }
    *link = upload->session.next;
    struct rpc_stream *stream = upload->session.stream;
    if (upload->was_cut_off && !upload->session.is_over) {
        ll_log(LL_LOG_INFO, "upload", "session %u lost after %.1f MB; what came of %s stays",
               upload->session.number, (double)upload->session.received_bytes / 1e6,
               upload->session.exact.model ? edge_model_short_id(upload->session.exact.model)
                                           : "no model");
    }
    edge_upload_session_finish(&upload->session);
    rpc_stream_unref(stream);
    free(upload);
    share(uploads);
}

static void receive_changed(struct edge_work *work)
{
    struct edge_uploads *uploads = LL_CONTAINER_OF(work, struct edge_uploads, changed);
    atomic_store(&uploads->is_changed_posted, false);
    for (struct edge_upload_session *s = uploads->sessions.first; s; s = s->next) {
        edge_upload_session_update(s);
    }
    share(uploads);
}

static void receive_drain(struct edge_work *work)
{
    struct edge_uploads *uploads = LL_CONTAINER_OF(work, struct edge_uploads, drain);
    uploads->sessions.is_draining = true;
    for (struct edge_upload_session *s = uploads->sessions.first; s; s = s->next) {
        edge_upload_session_end(s, LL_E_UNAVAILABLE, "the server is shutting down");
    }
}

/* ---- On the loop ---- */

static void refuse(struct upload *upload, ll_status status, const struct ll_error *err)
{
    upload->is_refused = true;
    ll_log(LL_LOG_WARN, "upload", "session %u from %s refused: %s", upload->session.number,
           rpc_stream_peer(upload->session.stream), err->text);
    rpc_stream_finish_error(upload->session.stream, status, err);
}

static ll_status check_chunk(struct upload *upload, const Layerlift__V1__Chunk *chunk,
                             struct ll_error *err)
{
    if (!upload->has_opened) {
        return ll_fail(err, LL_E_INVALID, "a chunk came before open");
    }
    if (chunk->data.len < 1 || chunk->data.len > LL_LIMIT_CHUNK_BYTES) {
        return ll_fail(err, LL_E_INVALID, "a chunk of %zu bytes; 1 to %u are allowed",
                       chunk->data.len, LL_LIMIT_CHUNK_BYTES);
    }
    uint64_t granted_bytes = atomic_load(&upload->session.granted_bytes);
    if (chunk->data.len > granted_bytes - upload->sent_bytes) {
        return ll_fail(err, LL_E_INVALID,
                       "credit ignored: %" PRIu64 " bytes sent, %" PRIu64 " granted",
                       upload->sent_bytes + chunk->data.len, granted_bytes);
    }
    if (atomic_load(&upload->queued_chunks) >= EDGE_UPLOAD_QUEUED_CHUNKS) {
        return ll_fail_limit(err, "queued_chunks", EDGE_UPLOAD_QUEUED_CHUNKS, LL_RETRY_MS,
                             "too many small chunks: limit queued_chunks is %d",
                             EDGE_UPLOAD_QUEUED_CHUNKS);
    }
    upload->sent_bytes += chunk->data.len;
    return LL_OK;
}

static ll_status check_request(struct upload *upload, const Layerlift__V1__UploadRequest *request,
                               struct ll_error *err)
{
    if (request->kind_case == LAYERLIFT__V1__UPLOAD_REQUEST__KIND_CHUNK) {
        return check_chunk(upload, request->chunk, err);
    }
    if (request->kind_case != LAYERLIFT__V1__UPLOAD_REQUEST__KIND_OPEN) {
        return ll_fail(err, LL_E_INVALID, "a message that is neither open nor chunk");
    }
    if (upload->has_opened) {
        return ll_fail(err, LL_E_INVALID, "a second open");
    }
    upload->has_opened = true;
    return LL_OK;
}

static void on_message(void *owner, struct rpc_stream *stream, const uint8_t *data, size_t bytes)
{
    struct upload *upload = owner;
    struct ll_error err = {.text = ""};
    ProtobufCMessage *message = NULL;
    (void)stream;
    if (upload->is_refused) {
        return;
    }
    ll_status status =
        wire_unpack(&layerlift__v1__upload_request__descriptor, data, bytes, &message, &err);
    if (status != LL_OK) {
        refuse(upload, status, &err);
        return;
    }
    Layerlift__V1__UploadRequest *request = (Layerlift__V1__UploadRequest *)message;
    status = check_request(upload, request, &err);
    struct item *item = NULL;
    if (status == LL_OK) {
        item = malloc(sizeof(*item));
        status = item ? LL_OK : ll_fail(&err, LL_E_NO_MEMORY, "out of memory for a chunk");
    }
    if (!item) {
        layerlift__v1__upload_request__free_unpacked(request, NULL);
        refuse(upload, status, &err);
        return;
    }
    *item = (struct item){.work.run = receive_item,
                          .upload = upload,
                          .request = request,
                          .arrived_ns = ll_clock_now_ns()};
    atomic_fetch_add(&upload->queued_chunks, 1);
    edge_lane_post(&upload->lane, &item->work);
}

static void on_half_close(void *owner, struct rpc_stream *stream)
{
    struct upload *upload = owner;
    (void)stream;
    edge_lane_post(&upload->lane, &upload->half_closed);
}

static void on_writable(void *owner, struct rpc_stream *stream)
{
    struct upload *upload = owner;
    (void)stream;
    if (!atomic_exchange(&upload->is_writable_posted, true)) {
        edge_lane_post(&upload->lane, &upload->writable);
    }
}

static void on_closed(void *owner, struct rpc_stream *stream, ll_status status, const char *message)
{
    struct upload *upload = owner;
    (void)stream;
    (void)message;
    upload->was_cut_off = status != LL_OK;
    edge_lane_post(&upload->lane, &upload->closed);
}

static void open_stream(void *arg, struct rpc_stream *stream)
{
    static const struct rpc_stream_handler handler = {
        .on_message = on_message,
        .on_half_close = on_half_close,
        .on_writable = on_writable,
        .on_closed = on_closed,
    };
    struct edge_uploads *uploads = arg;
    struct upload *upload = calloc(1, sizeof(*upload));
    if (!upload) {
        rpc_stream_finish(stream, LL_E_NO_MEMORY, "out of memory for a session");
        return;
    }
    upload->uploads = uploads;
    edge_lane_init(&upload->lane, uploads->receiver);
    upload->start.run = receive_start;
    upload->half_closed.run = receive_half_close;
    upload->closed.run = receive_close;
    upload->writable.run = receive_writable;
    edge_upload_session_init(&upload->session, &uploads->sessions, rpc_stream_ref(stream),
                             ++uploads->last_number);
    rpc_server_accept(stream, &handler, upload);
    edge_lane_post(&upload->lane, &upload->start);
}

/* ---- The service ---- */

/* Observes all models, on the receiver's, the creator's or the loop's thread. */
static void on_changed(void *arg, struct edge_model *model, edge_change change)
{
    struct edge_uploads *uploads = arg;
    (void)model;
    bool concerns = change == EDGE_CHANGE_BLOB || change == EDGE_CHANGE_CREATION;
    if (concerns && !atomic_exchange(&uploads->is_changed_posted, true)) {
        edge_worker_post(uploads->receiver, &uploads->changed);
    }
}

ll_status edge_uploads_create(const struct edge_uploads_config *config,
                              struct edge_uploads **out_uploads)
{
    const int64_t open_units_per_s = EDGE_UPLOAD_OPEN_UNITS * config->opens_per_s;
    struct edge_uploads *uploads = calloc(1, sizeof(*uploads));
    if (!uploads) {
        return LL_E_NO_MEMORY;
    }
    edge_places_init(&uploads->sessions.uploads, config->most_sessions, config->idle_ns,
                     config->patience_ns);
    edge_places_init(&uploads->sessions.streams, EDGE_UPLOAD_STREAMS * config->most_sessions,
                     config->idle_ns, config->patience_ns);
    edge_rates_init(&uploads->sessions.copies, config->copied_bytes_per_s,
                    BURST_S * config->copied_bytes_per_s);
    edge_rates_init(&uploads->sessions.opens, open_units_per_s, BURST_S * open_units_per_s);
    uploads->sessions.catalog = config->catalog;
    uploads->sessions.creator = config->creator;
    uploads->sessions.window_bytes = config->window_bytes;
    uploads->sessions.share_next_ns = LL_CLOCK_NEVER;
    uploads->idle_ns = LL_CLOCK_NEVER;
    uploads->watch_ns = LL_CLOCK_NEVER;
    uploads->changed.run = receive_changed;
    uploads->idle.run = receive_idle;
    uploads->drain.run = receive_drain;
    ll_status status = edge_upload_decoder_create(&uploads->sessions.decoder);
    if (status == LL_OK) {
        status = edge_worker_create("receiver", &uploads->receiver);
    }
    if (status == LL_OK) {
        status = edge_catalog_observe(config->catalog, on_changed, uploads);
    }
    if (status != LL_OK) {
        edge_uploads_destroy(uploads);
        return status;
    }
    *out_uploads = uploads;
    return LL_OK;
}

void edge_uploads_destroy(struct edge_uploads *uploads)
{
    if (uploads) {
        edge_worker_destroy(uploads->receiver);
        edge_upload_decoder_destroy(uploads->sessions.decoder);
        free(uploads);
    }
}

ll_status edge_uploads_add(struct edge_uploads *uploads, struct rpc_server *server)
{
    return rpc_server_add(server, "/layerlift.v1.EdgeOffload/Upload", open_stream, uploads);
}

void edge_uploads_drain(struct edge_uploads *uploads)
{
    if (!atomic_exchange(&uploads->is_drain_posted, true)) {
        edge_worker_post(uploads->receiver, &uploads->drain);
    }
}
