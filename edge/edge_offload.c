/* A stream's state belongs to the loop's thread; only a query's job leaves it, to the executor, and
 * comes back as a task on the loop. So there is no lock, and a cancel, a deadline or the stream's
 * end meets a query in exactly one of these places:
 *
 *     receiving --all bytes--> submitted --task--> answering --last chunk--> gone
 *         \______________________/ cancel, deadline: answered with a status (an error's answer has
 * no chunks); a job that runs already is abandoned and freed when it comes back
 *
 * Answers are sent in turns, a chunk of each, and never more than two messages ahead of the stream:
 * a small answer waits for one chunk of a large one, not for all. */
#include "edge/edge_offload.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#include "core/ll_clock.h"
#include "core/ll_log.h"
#include "edge/edge_query.h"
#include "edge/edge_wire.h"

enum {
    ANSWER_CHUNK_BYTES = 64 << 10,
    QUEUED_MESSAGES = 2,
    /* Answered queries whose chunks may still be on their way. */
    REMEMBERED_IDS = 256,
    /* Error answers that may wait for a device that does not read, in multiples of most_queries. */
    UNREAD_FACTOR = 4,
};

struct edge_offloads {
    struct rpc_loop *loop;
    struct edge_models *models;
    struct edge_executor *executor;
    int most_queries;
    int64_t most_stream_bytes;
    int64_t most_server_bytes;
    atomic_bool is_drain_posted;
    struct rpc_task drain;
    /* The loop's. */
    bool is_draining;
    int64_t bytes;
    struct edge_offload *first;
};

struct edge_offload {
    struct edge_offloads *service;
    struct edge_offload *next;
    struct rpc_stream *stream;
    /* The stream, and every job that the executor has. */
    int refs;
    bool is_over;
    bool has_half_closed;
    int64_t bytes;
    int query_count;
    /* Those that receive or are submitted; and those that are answered, in turn. */
    struct edge_query *open;
    struct edge_query *answering;
    struct edge_query **answering_last;
    uint64_t answered[REMEMBERED_IDS];
    unsigned answered_count;
};

static void unref(struct edge_offload *offload)
{
    if (--offload->refs == 0) {
        rpc_stream_unref(offload->stream);
        free(offload);
    }
}

static void account(struct edge_offload *offload, int64_t bytes)
{
    offload->bytes += bytes;
    offload->service->bytes += bytes;
}

/* The stream knows the query no more. */
static void forget(struct edge_query *query)
{
    account(query->offload, -query->bytes);
    query->offload->query_count--;
    query->bytes = 0;
}

static void end_stream(struct edge_offload *offload, ll_status status, const char *text)
{
    if (offload->is_over) {
        return;
    }
    offload->is_over = true;
    if (status != LL_OK) {
        ll_log(LL_LOG_WARN, "offload", "stream of %s ended: %s: %s",
               rpc_stream_peer(offload->stream), ll_status_text(status), text);
    }
    rpc_stream_finish(offload->stream, status, text);
}

/* Ends a stream that has nothing more to do. */
static void end_if_done(struct edge_offload *offload)
{
    if (offload->query_count > 0) {
        return;
    }
    if (offload->has_half_closed) {
        end_stream(offload, LL_OK, NULL);
    } else if (offload->service->is_draining) {
        end_stream(offload, LL_E_UNAVAILABLE, "the server is shutting down");
    }
}

/* ---- Answers ---- */

static struct edge_query *first_answer(struct edge_offload *offload)
{
    struct edge_query *query = offload->answering;
    offload->answering = query->next;
    if (!offload->answering) {
        offload->answering_last = &offload->answering;
    }
    return query;
}

static void last_answer(struct edge_offload *offload, struct edge_query *query)
{
    query->next = NULL;
    *offload->answering_last = query;
    offload->answering_last = &query->next;
}

/* Sends what the stream takes, one message of each answer in turn. */
static void pump(struct edge_offload *offload)
{
    while (!offload->is_over && offload->answering &&
           rpc_stream_queued(offload->stream) < QUEUED_MESSAGES) {
        struct edge_query *query = first_answer(offload);
        bool is_last = false;
        ll_status status = edge_query_send(query, offload->stream, ANSWER_CHUNK_BYTES, &is_last);
        if (status == LL_OK && !is_last) {
            last_answer(offload, query);
            continue;
        }
        forget(query);
        edge_query_destroy(query);
        if (status == LL_E_NO_MEMORY) {
            end_stream(offload, status, "out of memory for an answer");
        }
    }
    end_if_done(offload);
}

static void take_out(struct edge_query *query)
{
    struct edge_query **link = &query->offload->open;
    while (*link != query) {
        link = &(*link)->next;
    }
    *link = query->next;
    query->next = NULL;
}

static void remember(struct edge_offload *offload, uint64_t id)
{
    offload->answered[offload->answered_count++ % REMEMBERED_IDS] = id;
}

/* The query's job is over, or it failed before: its answer takes its turn. */
static void answer(struct edge_query *query)
{
    struct edge_offload *offload = query->offload;
    rpc_timer_destroy(query->timer);
    query->timer = NULL;
    remember(offload, query->id);
    if (edge_query_answer(query) != LL_OK) {
        forget(query);
        edge_query_destroy(query);
        end_stream(offload, LL_E_NO_MEMORY, "out of memory for an answer");
        return;
    }
    last_answer(offload, query);
    pump(offload);
}

static void fail(struct edge_query *query, ll_status status, const char *text)
{
    edge_query_fail(query, status, text);
    answer(query);
}

/* ---- Jobs ---- */

/* A task on the loop: the executor is done with the query. */
static void job_came_back(struct rpc_task *task)
{
    struct edge_query *query =
        (struct edge_query *)(void *)((char *)task - offsetof(struct edge_query, done));
    struct edge_offload *offload = query->offload;
    if (query->is_abandoned) {
        edge_query_destroy(query);
    } else {
        take_out(query);
        answer(query);
    }
    unref(offload);
}

static void on_job_done(struct edge_job *job)
{
    struct edge_query *query = (struct edge_query *)(void *)job;
    rpc_loop_post(query->offload->service->loop, &query->done);
}

/* All tensors are here. */
static void submit(struct edge_query *query)
{
    struct edge_job *job = &query->job;
    job->prefix = edge_model_prefix(job->model);
    if (job->prefix <= job->first && job->prefix >= job->least_prefix) {
        /* Nothing to run: no reason to stand in the queue. */
        take_out(query);
        job->reached = job->first;
        answer(query);
        return;
    }
    query->state = EDGE_QUERY_SUBMITTED;
    query->job.done = on_job_done;
    query->done.run = job_came_back;
    query->offload->refs++;
    edge_executor_submit(query->offload->service->executor, &query->job);
}

/* Takes a query out of its place before its time. Returns it, or NULL if its job runs: then it goes
 * when the job comes back. */
static struct edge_query *withdraw(struct edge_query *query)
{
    struct edge_offload *offload = query->offload;
    take_out(query);
    rpc_timer_destroy(query->timer);
    query->timer = NULL;
    if (query->state != EDGE_QUERY_SUBMITTED) {
        return query;
    }
    if (edge_executor_cancel(offload->service->executor, &query->job)) {
        unref(offload);
        return query;
    }
    query->is_abandoned = true;
    return NULL;
}

/* Answers an open query with an error, whatever it is doing. */
static void give_up(struct edge_query *query, ll_status status, const char *text)
{
    struct edge_offload *offload = query->offload;
    uint64_t id = query->id;
    int prefix = query->job.model ? edge_model_prefix(query->job.model) : 0;
    struct edge_query *withdrawn = withdraw(query);
    if (!withdrawn) {
        /* The job has the query: another one carries the answer. Its memory stays accounted for
         * until then by the executor's own bound, one run a thread. */
        forget(query);
        withdrawn = edge_query_create(id);
        if (!withdrawn) {
            end_stream(offload, LL_E_NO_MEMORY, "out of memory for an answer");
            return;
        }
        withdrawn->offload = offload;
        offload->query_count++;
    }
    withdrawn->job.prefix = prefix;
    fail(withdrawn, status, text);
}

static void on_deadline(void *arg)
{
    give_up(arg, LL_E_DEADLINE, "the query's deadline has passed");
}

/* ---- Requests ---- */

static struct edge_query *find(struct edge_query *list, uint64_t id)
{
    while (list && list->id != id) {
        list = list->next;
    }
    return list;
}

static bool was_answered(const struct edge_offload *offload, uint64_t id)
{
    unsigned count =
        offload->answered_count < REMEMBERED_IDS ? offload->answered_count : REMEMBERED_IDS;
    for (unsigned i = 0; i < count; i++) {
        if (offload->answered[i] == id) {
            return true;
        }
    }
    return false;
}

static ll_status set_deadline(struct edge_query *query, uint32_t deadline_ms, int64_t now_ns)
{
    if (deadline_ms == 0) {
        return LL_OK;
    }
    ll_status status =
        rpc_timer_create(query->offload->service->loop, on_deadline, query, &query->timer);
    if (status == LL_OK) {
        rpc_timer_set(query->timer, ll_clock_deadline(now_ns, (int64_t)deadline_ms * LL_NS_PER_MS));
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
    if (offload->query_count > service->most_queries) {
        return ll_fail(err, LL_E_EXHAUSTED, "too many queries in flight: limit queries is %d",
                       service->most_queries);
    }
    int64_t stream_bytes = service->most_stream_bytes - offload->bytes;
    int64_t server_bytes = service->most_server_bytes - service->bytes;
    ll_status status =
        edge_query_open(query, head, service->models,
                        stream_bytes < server_bytes ? stream_bytes : server_bytes, err);
    if (status == LL_OK) {
        account(offload, query->bytes);
        status = set_deadline(query, head->deadline_ms, ll_clock_now_ns());
    }
    return status;
}

static void on_query(struct edge_offload *offload, const Layerlift__V1__Query *head)
{
    struct ll_error err = {""};
    if (find(offload->open, head->id) || find(offload->answering, head->id)) {
        ll_fail(&err, LL_E_INVALID, "query id %" PRIu64 " is in use", head->id);
        end_stream(offload, LL_E_INVALID, err.text);
        return;
    }
    if (offload->query_count >= UNREAD_FACTOR * offload->service->most_queries) {
        end_stream(offload, LL_E_EXHAUSTED, "queries come faster than their answers are read");
        return;
    }
    struct edge_query *query = edge_query_create(head->id);
    if (!query) {
        end_stream(offload, LL_E_NO_MEMORY, "out of memory for a query");
        return;
    }
    query->offload = offload;
    query->next = offload->open;
    offload->open = query;
    offload->query_count++;
    ll_status status = admit(query, head, &err);
    if (status != LL_OK) {
        give_up(query, status, err.text);
    } else if (query->inputs_missing == 0) {
        submit(query);
    }
}

static void on_chunk(struct edge_offload *offload, const Layerlift__V1__TensorChunk *chunk)
{
    struct ll_error err = {""};
    struct edge_query *query = find(offload->open, chunk->id);
    if (!query && (find(offload->answering, chunk->id) || was_answered(offload, chunk->id))) {
        /* It was answered early: with an error, or because the device cancelled it. */
        return;
    }
    if (!query || query->state != EDGE_QUERY_RECEIVING) {
        ll_fail(&err, LL_E_INVALID, "chunk of query %" PRIu64 ": %s", chunk->id,
                query ? "its tensors are complete" : "there is no such query");
        end_stream(offload, LL_E_INVALID, err.text);
        return;
    }
    ll_status status = edge_query_chunk(query, chunk, &err);
    if (status != LL_OK) {
        give_up(query, status, err.text);
    } else if (query->inputs_missing == 0) {
        submit(query);
    }
}

static void on_cancel(struct edge_offload *offload, const Layerlift__V1__Cancel *cancel)
{
    struct edge_query *query = find(offload->open, cancel->id);
    if (query) {
        give_up(query, LL_E_CANCELLED, "cancelled by the device");
        return;
    }
    struct edge_query **link = &offload->answering;
    while (*link && (*link)->id != cancel->id) {
        link = &(*link)->next;
    }
    if (!*link) {
        /* Answered before the cancel came. */
        return;
    }
    query = *link;
    *link = query->next;
    if (offload->answering_last == &query->next) {
        offload->answering_last = link;
    }
    forget(query);
    edge_query_destroy(query);
    end_if_done(offload);
}

static void on_message(void *owner, struct rpc_stream *stream, const uint8_t *data, size_t bytes)
{
    struct edge_offload *offload = owner;
    struct ll_error err = {""};
    ProtobufCMessage *message = NULL;
    (void)stream;
    if (offload->is_over) {
        return;
    }
    ll_status status =
        edge_unpack(&layerlift__v1__offload_request__descriptor, data, bytes, &message, &err);
    if (status != LL_OK) {
        end_stream(offload, status, err.text);
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
    default:
        end_stream(offload, LL_E_INVALID, "a message that is neither query, chunk nor cancel");
        break;
    }
    protobuf_c_message_free_unpacked(message, NULL);
}

static void on_half_close(void *owner, struct rpc_stream *stream)
{
    struct edge_offload *offload = owner;
    (void)stream;
    offload->has_half_closed = true;
    struct edge_query *query = offload->open;
    while (query) {
        if (query->state == EDGE_QUERY_RECEIVING) {
            give_up(query, LL_E_INVALID, "the stream ended before the query's tensors had come");
            query = offload->open;
        } else {
            query = query->next;
        }
    }
    end_if_done(offload);
}

static void on_writable(void *owner, struct rpc_stream *stream)
{
    (void)stream;
    pump(owner);
}

static void on_closed(void *owner, struct rpc_stream *stream, ll_status status, const char *message)
{
    struct edge_offload *offload = owner;
    (void)message;
    if (status != LL_OK && !offload->is_over) {
        ll_log(LL_LOG_INFO, "offload", "stream of %s lost, %d queries in flight",
               rpc_stream_peer(stream), offload->query_count);
    }
    offload->is_over = true;
    while (offload->open) {
        struct edge_query *query = offload->open;
        forget(query);
        edge_query_destroy(withdraw(query));
    }
    while (offload->answering) {
        struct edge_query *query = first_answer(offload);
        forget(query);
        edge_query_destroy(query);
    }
    struct edge_offload **link = &offload->service->first;
    while (*link != offload) {
        link = &(*link)->next;
    }
    *link = offload->next;
    unref(offload);
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
    struct edge_offload *offload = calloc(1, sizeof(*offload));
    if (service->is_draining || !offload) {
        rpc_stream_finish(stream, offload ? LL_E_UNAVAILABLE : LL_E_NO_MEMORY,
                          offload ? "the server is shutting down" : "out of memory");
        free(offload);
        return;
    }
    offload->service = service;
    offload->stream = rpc_stream_ref(stream);
    offload->refs = 1;
    offload->answering_last = &offload->answering;
    offload->next = service->first;
    service->first = offload;
    rpc_server_accept(stream, &handler, offload);
    ll_log(LL_LOG_DEBUG, "offload", "stream of %s opened", rpc_stream_peer(stream));
}

/* ---- The service ---- */

static void run_drain(struct rpc_task *task)
{
    struct edge_offloads *service =
        (struct edge_offloads *)(void *)((char *)task - offsetof(struct edge_offloads, drain));
    service->is_draining = true;
    for (struct edge_offload *offload = service->first; offload; offload = offload->next) {
        end_if_done(offload);
    }
}

/* Observes all models, on the creator's, the receiver's or the loop's thread. */
static void on_changed(void *arg, struct edge_model *model, edge_change change)
{
    struct edge_offloads *service = arg;
    if (change == EDGE_CHANGE_CREATION) {
        edge_executor_wake(service->executor, model);
    }
}

ll_status edge_offloads_create(const struct edge_offloads_config *config,
                               struct edge_offloads **out_offloads)
{
    struct edge_offloads *service = calloc(1, sizeof(*service));
    if (!service) {
        return LL_E_NO_MEMORY;
    }
    service->loop = config->loop;
    service->models = config->models;
    service->executor = config->executor;
    service->most_queries = config->most_queries;
    service->most_stream_bytes = config->most_stream_bytes;
    service->most_server_bytes = config->most_server_bytes;
    service->drain.run = run_drain;
    edge_models_observe(config->models, on_changed, service);
    *out_offloads = service;
    return LL_OK;
}

void edge_offloads_destroy(struct edge_offloads *offloads)
{
    free(offloads);
}

ll_status edge_offloads_add(struct edge_offloads *offloads, struct rpc_server *server)
{
    return rpc_server_add(server, "/layerlift.v1.EdgeOffload/Offload", open_stream, offloads);
}

void edge_offloads_drain(struct edge_offloads *offloads)
{
    if (!atomic_exchange(&offloads->is_drain_posted, true)) {
        rpc_loop_post(offloads->loop, &offloads->drain);
    }
}
