/* A stream's state belongs to the loop's thread; only a query's job leaves it, to the executor, and
 * comes back as a task on the loop. So there is no lock. */
#include "edge/offload/edge_offload.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/ll_clock.h"
#include "core/ll_container.h"
#include "core/ll_log.h"
#include "edge/offload/edge_offload_stream.h"
#include "edge/offload/edge_share.h"
#include "proto/wire/wire_unpack.h"

/* ---- Requests ---- */

static void on_deadline(void *arg)
{
    edge_offload_give_up(arg, LL_E_DEADLINE, "the query's deadline has passed");
}

static struct edge_query *find(struct edge_query *list, uint64_t id)
{
    while (list && list->id != id) {
        list = list->next;
    }
    return list;
}

static bool was_answered(const struct edge_offload *offload, uint64_t id)
{
    unsigned count = offload->answered_count < offload->answered_room ? offload->answered_count
                                                                      : offload->answered_room;
    for (unsigned i = 0; i < count; i++) {
        if (offload->answered[i] == id) {
            return true;
        }
    }
    return false;
}

static void on_wait(void *arg)
{
    struct edge_query *query = arg;
    struct ll_error err = {.text = ""};
    ll_fail(&err, LL_E_DEADLINE,
            "the prefix that the query waits for did not come: limit query_wait_ms is %lld",
            (long long)(query->offload->service->config.wait_ns / LL_NS_PER_MS));
    edge_offload_refuse(query, LL_E_DEADLINE, &err);
}

/* The device's deadline, or ours for one that waits for layers that are not here: it keeps its
 * model from being evicted. */
static ll_status set_deadline(struct edge_query *query, uint32_t deadline_ms, int64_t now_ns)
{
    struct edge_offloads *service = query->offload->service;
    bool waits = query->job.least_prefix > edge_job_prefix(&query->job);
    int64_t deadline_ns = (int64_t)deadline_ms * LL_NS_PER_MS;
    bool is_ours = waits && (deadline_ms == 0 || deadline_ns > service->config.wait_ns);
    if (deadline_ms == 0 && !waits) {
        return LL_OK;
    }
    ll_status status = rpc_timer_create(service->config.loop, is_ours ? on_wait : on_deadline,
                                        query, &query->timer);
    if (status == LL_OK) {
        rpc_timer_set(query->timer,
                      ll_clock_deadline(now_ns, is_ours ? service->config.wait_ns : deadline_ns));
    }
    return status;
}

static ll_status admit(struct edge_query *query, const Layerlift__V1__Query *head,
                       struct ll_error *err)
{
    struct edge_offload *offload = query->offload;
    struct edge_offloads *service = offload->service;
    if (service->is_draining) {
        return ll_fail(err, LL_E_UNAVAILABLE, "the server is shutting down");
    }
    if (offload->query_count > service->config.most_queries) {
        return ll_fail_limit(err, "queries", service->config.most_queries, LL_RETRY_MS,
                             "too many queries in flight: limit queries is %d",
                             service->config.most_queries);
    }
    const struct edge_query_room room = {
        .most_bytes = service->config.most_stream_bytes,
        .used_bytes = offload->bytes,
    };
    ll_status status = edge_query_open(query, head, service->config.catalog, &room, err);
    if (status == LL_OK) {
        edge_offload_account(offload, query->bytes);
        status = set_deadline(query, head->deadline_ms, ll_clock_now_ns());
    }
    if (status == LL_OK && query->inputs_missing > 0) {
        status = edge_share_receive(query, err);
    }
    return status;
}

static void on_query(struct edge_offload *offload, const Layerlift__V1__Query *head)
{
    struct ll_error err = {.text = ""};
    if (find(offload->open, head->id) || find(offload->answering, head->id)) {
        ll_fail(&err, LL_E_INVALID, "query id %" PRIu64 " is in use", head->id);
        edge_offload_end(offload, LL_E_INVALID, err.text);
        return;
    }
    if (offload->query_count >=
        EDGE_OFFLOAD_UNREAD_FACTOR * offload->service->config.most_queries) {
        int most = offload->service->config.most_queries;
        ll_status status = ll_fail_limit(
            &err, "queries", most, LL_RETRY_MS,
            "queries come faster than their answers are read: limit queries is %d", most);
        edge_offload_fail(offload, status, &err);
        return;
    }
    struct edge_query *query = edge_query_create(head->id);
    if (!query) {
        edge_offload_end(offload, LL_E_NO_MEMORY, "out of memory for a query");
        return;
    }
    query->offload = offload;
    query->coders = &offload->service->coders;
    query->pictures = &offload->service->pictures;
    query->next = offload->open;
    offload->open = query;
    offload->query_count++;
    query->takes_receipts = head->sends_receipts;
    if (head->sends_receipts) {
        edge_offload_expect_receipts(offload);
    }
    ll_status status = admit(query, head, &err);
    if (status != LL_OK) {
        edge_offload_refuse(query, status, &err);
    } else if (query->inputs_missing == 0) {
        edge_offload_submit(query);
    }
}

static void on_chunk(struct edge_offload *offload, const Layerlift__V1__TensorChunk *chunk)
{
    struct ll_error err = {.text = ""};
    struct edge_query *query = find(offload->open, chunk->id);
    if (!query && (find(offload->answering, chunk->id) || was_answered(offload, chunk->id))) {
        /* It was answered early: with an error, or because the device cancelled it. */
        return;
    }
    if (!query || query->state != EDGE_QUERY_RECEIVING) {
        ll_fail(&err, LL_E_INVALID, "chunk of query %" PRIu64 ": %s", chunk->id,
                query ? "its tensors are complete" : "there is no such query");
        edge_offload_end(offload, LL_E_INVALID, err.text);
        return;
    }
    int64_t bytes = (int64_t)chunk->data.len;
    edge_places_progress(&offload->service->receiving, &query->place, bytes, ll_clock_now_ns());
    ll_status status = edge_share_hold(query, query->held_bytes + bytes, &err);
    if (status == LL_OK) {
        status = edge_query_chunk(query, chunk, &err);
    }
    if (status != LL_OK) {
        edge_offload_refuse(query, status, &err);
    } else if (query->inputs_missing == 0) {
        edge_offload_submit(query);
    }
}

static void on_cancel(struct edge_offload *offload, const Layerlift__V1__Cancel *cancel)
{
    struct edge_query *query = find(offload->open, cancel->id);
    if (query) {
        edge_offload_give_up(query, LL_E_CANCELLED, "cancelled by the device");
        return;
    }
    query = find(offload->answering, cancel->id);
    if (query) {
        edge_offload_stop_answer(query);
    }
}

static void on_message(void *owner, struct rpc_stream *stream, const uint8_t *data, size_t bytes)
{
    struct edge_offload *offload = owner;
    struct ll_error err = {.text = ""};
    ProtobufCMessage *message = NULL;
    (void)stream;
    if (offload->is_over) {
        return;
    }
    ll_status status =
        wire_unpack(&layerlift__v1__offload_request__descriptor, data, bytes, &message, &err);
    if (status != LL_OK) {
        edge_offload_end(offload, status, err.text);
        return;
    }
    const Layerlift__V1__OffloadRequest *request = (Layerlift__V1__OffloadRequest *)message;
    switch (request->kind_case) {
    case LAYERLIFT__V1__OFFLOAD_REQUEST__KIND_QUERY:
        on_query(offload, request->query);
        break;
    case LAYERLIFT__V1__OFFLOAD_REQUEST__KIND_CHUNK:
        on_chunk(offload, request->chunk);
        break;
    case LAYERLIFT__V1__OFFLOAD_REQUEST__KIND_CANCEL:
        on_cancel(offload, request->cancel);
        break;
    case LAYERLIFT__V1__OFFLOAD_REQUEST__KIND_RECEIPT:
        edge_offload_receipt(offload, request->receipt);
        break;
    default:
        edge_offload_end(offload, LL_E_INVALID,
                         "a message that is neither query, chunk, cancel nor receipt");
        break;
    }
    protobuf_c_message_free_unpacked(message, NULL);
}

static void on_half_close(void *owner, struct rpc_stream *stream)
{
    struct edge_offload *offload = owner;
    (void)stream;
    offload->has_half_closed = true;
    /* No more of them can come. */
    offload->has_receipts = false;
    struct edge_query *query = offload->open;
    while (query) {
        if (query->state == EDGE_QUERY_RECEIVING) {
            edge_offload_give_up(query, LL_E_INVALID,
                                 "the stream ended before the query's tensors had come");
            query = offload->open;
        } else {
            query = query->next;
        }
    }
    edge_offload_pump(offload);
}

static void on_writable(void *owner, struct rpc_stream *stream)
{
    (void)stream;
    edge_offload_pump(owner);
}

static void on_closed(void *owner, struct rpc_stream *stream, ll_status status, const char *message)
{
    struct edge_offload *offload = owner;
    (void)message;
    if (status != LL_OK && !offload->is_over && offload->query_count > 0) {
        ll_log(LL_LOG_INFO, "offload", "stream of %s lost, %d queries in flight",
               rpc_stream_peer(stream), offload->query_count);
    }
    offload->is_over = true;
    rpc_timer_cancel(offload->timer);
    rpc_timer_cancel(offload->idle_timer);
    edge_offload_drop_all(offload);
    struct edge_offload **link = &offload->service->first;
    while (*link != offload) {
        link = &(*link)->next;
    }
    *link = offload->next;
    edge_offload_unref(offload);
}

/* ---- Streams ---- */

/* The device does not read: its queries go now. The call may stay until its connection is found to
 * be dead, since what gRPC has taken of it is under way. */
static void cut_off(struct edge_offload *offload)
{
    ll_log(LL_LOG_WARN, "offload",
           "stream of %s cut off: its answers are not read: limit answer_idle_ms is %lld",
           rpc_stream_peer(offload->stream),
           (long long)(offload->service->config.answer_idle_ns / LL_NS_PER_MS));
    offload->is_over = true;
    offload->is_cut_off = true;
    edge_offload_drop_all(offload);
    rpc_stream_cancel(offload->stream);
}

/* Ends what has been idle for too long. */
static void on_idle(void *arg)
{
    struct edge_offload *offload = arg;
    struct edge_offloads *service = offload->service;
    struct ll_error err = {.text = ""};
    struct edge_place *place = NULL;
    int64_t now_ns = ll_clock_now_ns();
    /* Giving a query up may end the stream. */
    offload->refs++;
    while ((place = edge_places_expired(&service->receiving, now_ns)) != NULL) {
        ll_fail(&err, LL_E_DEADLINE,
                "no bytes of the query's tensors came for some time: limit query_idle_ms is %lld",
                (long long)(service->receiving.idle_ns / LL_NS_PER_MS));
        edge_offload_refuse(LL_CONTAINER_OF(place, struct edge_query, place), LL_E_DEADLINE, &err);
    }
    if (!offload->is_cut_off && now_ns >= edge_share_read_by_ns(offload)) {
        cut_off(offload);
    }
    offload->watched_ns = LL_CLOCK_NEVER;
    edge_share_watch(offload);
    edge_offload_unref(offload);
}

static void open_stream(void *arg, struct rpc_stream *stream)
{
    static const struct rpc_stream_handler handler = {
        .on_message = on_message,
        .on_half_close = on_half_close,
        .on_writable = on_writable,
        .on_closed = on_closed,
    };
    struct edge_offloads *service = arg;
    if (service->is_draining) {
        rpc_stream_finish(stream, LL_E_UNAVAILABLE, "the server is shutting down");
        return;
    }
    struct edge_offload *offload = edge_offload_create(service, stream, on_idle);
    if (!offload) {
        rpc_stream_finish(stream, LL_E_NO_MEMORY, "out of memory");
        return;
    }
    offload->next = service->first;
    service->first = offload;
    rpc_server_accept(stream, &handler, offload);
    ll_log(LL_LOG_DEBUG, "offload", "stream of %s opened", rpc_stream_peer(stream));
}

/* ---- The service ---- */

/* Whether a query cannot run any more once uploads have ended: its tensors are not here, or the
 * prefix that it waits for is not coming. */
static bool is_hopeless(const struct edge_query *query)
{
    const struct edge_job *job = &query->job;
    return query->state == EDGE_QUERY_RECEIVING ||
           (edge_job_prefix(job) < job->least_prefix && !edge_model_is_busy(job->model) &&
            !(job->draft && edge_model_is_busy(job->draft)));
}

static void drain_stream(struct edge_offload *offload)
{
    struct edge_query *query = offload->open;
    while (query) {
        struct edge_query *next = query->next;
        if (is_hopeless(query)) {
            edge_offload_give_up(query, LL_E_UNAVAILABLE, "the server is shutting down");
        }
        query = next;
    }
    edge_offload_end_if_done(offload);
}

static void run_drain(struct rpc_task *task)
{
    struct edge_offloads *service = LL_CONTAINER_OF(task, struct edge_offloads, drain);
    service->is_draining = true;
    for (struct edge_offload *offload = service->first; offload; offload = offload->next) {
        drain_stream(offload);
    }
}

/* Observes all models, on the creator's, the receiver's or the loop's thread. */
static void on_changed(void *arg, struct edge_model *model, edge_change change)
{
    struct edge_offloads *service = arg;
    if (change == EDGE_CHANGE_CREATION) {
        edge_executor_wake(service->config.executor, model);
    }
}

ll_status edge_offloads_create(const struct edge_offloads_config *config,
                               struct edge_offloads **out_offloads)
{
    struct edge_offloads *service = calloc(1, sizeof(*service));
    if (!service) {
        return LL_E_NO_MEMORY;
    }
    service->config = *config;
    edge_coders_init(&service->coders);
    edge_pictures_init(&service->pictures, config->most_stream_bytes, config->most_server_bytes);
    edge_places_init(&service->receiving, config->most_receiving, config->idle_ns,
                     config->patience_ns);
    service->give_way = edge_offload_refuse;
    service->drain.run = run_drain;
    ll_status status = edge_catalog_observe(config->catalog, on_changed, service);
    if (status != LL_OK) {
        edge_offloads_destroy(service);
        return status;
    }
    *out_offloads = service;
    return LL_OK;
}

void edge_offloads_destroy(struct edge_offloads *offloads)
{
    if (offloads) {
        edge_coders_finish(&offloads->coders);
        free(offloads);
    }
}

ll_status edge_offloads_add(struct edge_offloads *offloads, struct rpc_server *server)
{
    return rpc_server_add(server, "/layerlift.v1.EdgeOffload/Offload", open_stream, offloads);
}

void edge_offloads_drain(struct edge_offloads *offloads)
{
    if (!atomic_exchange(&offloads->is_drain_posted, true)) {
        rpc_loop_post(offloads->config.loop, &offloads->drain);
    }
}
