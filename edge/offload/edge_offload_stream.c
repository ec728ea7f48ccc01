/* A cancel, a deadline or the stream's end meets a query in exactly one of these places:
 *
 *     receiving --all bytes--> submitted --task--> answering --last chunk--> gone
 *         \______________________/ cancel, deadline: answered with a status (an error's answer has
 * no chunks); a job that runs already is abandoned and freed when it comes back
 *
 * Answers are sent in turns, a chunk of each, and never more than two messages ahead of the stream:
 * a small answer waits for one chunk of a large one, not for all. What the stream has taken may
 * still lie in the kernel and the network for long, and the device's upload waits for receipts that
 * lie behind it; so a device that sends receipts of answers gets no more than a window's worth
 * ahead of them (ll_window.h). */
#include "edge/offload/edge_offload_stream.h"

#include <stdlib.h>

#include "core/ll_clock.h"
#include "core/ll_container.h"
#include "core/ll_log.h"
#include "edge/offload/edge_share.h"

enum {
    /* Where the link is not measured. */
    ANSWER_CHUNK_BYTES = 64 << 10,
    QUEUED_MESSAGES = 2,
};

/* The window may admit more although no receipt came. */
static void on_wake(void *arg)
{
    struct edge_offload *offload = arg;
    ll_window_wake(&offload->window, ll_clock_now_ns());
    edge_offload_pump(offload);
}

/* ---- Streams ---- */

static void free_offload(struct edge_offload *offload)
{
    edge_share_leave(offload->service, offload->peer);
    rpc_timer_destroy(offload->timer);
    rpc_timer_destroy(offload->idle_timer);
    free(offload->answered);
    free(offload);
}

struct edge_offload *edge_offload_create(struct edge_offloads *service, struct rpc_stream *stream,
                                         void (*on_idle)(void *offload))
{
    struct edge_offload *offload = calloc(1, sizeof(*offload));
    if (!offload) {
        return NULL;
    }
    size_t room = (size_t)service->config.most_queries * EDGE_OFFLOAD_UNREAD_FACTOR;
    offload->answered = calloc(room, sizeof(*offload->answered));
    offload->answered_room = (unsigned)room;
    offload->service = service;
    offload->watched_ns = LL_CLOCK_NEVER;
    offload->peer = edge_share_join(service, rpc_stream_peer(stream));
    if (!offload->answered || !offload->peer ||
        rpc_timer_create(service->config.loop, on_wake, offload, &offload->timer) != LL_OK ||
        rpc_timer_create(service->config.loop, on_idle, offload, &offload->idle_timer) != LL_OK) {
        free_offload(offload);
        return NULL;
    }
    offload->stream = rpc_stream_ref(stream);
    offload->refs = 1;
    offload->answering_last = &offload->answering;
    ll_window_init(&offload->window, 0);
    return offload;
}

void edge_offload_unref(struct edge_offload *offload)
{
    if (--offload->refs == 0) {
        rpc_stream_unref(offload->stream);
        free_offload(offload);
    }
}

void edge_offload_account(struct edge_offload *offload, int64_t bytes)
{
    offload->bytes += bytes;
}

/* The stream knows the query no more. */
static void forget(struct edge_query *query)
{
    edge_offload_account(query->offload, -query->bytes);
    edge_share_set_held(query, 0);
    query->offload->query_count--;
    query->bytes = 0;
}

void edge_offload_fail(struct edge_offload *offload, ll_status status, const struct ll_error *err)
{
    if (offload->is_over) {
        return;
    }
    offload->is_over = true;
    if (status != LL_OK) {
        ll_log(LL_LOG_WARN, "offload", "stream of %s ended: %s: %s",
               rpc_stream_peer(offload->stream), ll_status_text(status), err->text);
    }
    rpc_stream_finish_error(offload->stream, status, err);
    offload->answer_progress_ns = ll_clock_now_ns();
    edge_share_watch(offload);
}

void edge_offload_end(struct edge_offload *offload, ll_status status, const char *text)
{
    struct ll_error err;
    (void)ll_fail(&err, status, "%s", text ? text : "");
    edge_offload_fail(offload, status, &err);
}

void edge_offload_end_if_done(struct edge_offload *offload)
{
    if (offload->query_count > 0) {
        return;
    }
    if (offload->has_half_closed) {
        edge_offload_end(offload, LL_OK, NULL);
    } else if (offload->service->is_draining) {
        edge_offload_end(offload, LL_E_UNAVAILABLE, "the server is shutting down");
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

static int64_t chunk_bytes(const struct edge_offload *offload)
{
    return offload->has_receipts ? ll_window_chunk(&offload->window) : ANSWER_CHUNK_BYTES;
}

/* Whether the next message of the answer whose turn it is may leave now. */
static bool may_send(struct edge_offload *offload)
{
    if (offload->is_over || !offload->answering ||
        rpc_stream_queued(offload->stream) >= QUEUED_MESSAGES) {
        return false;
    }
    int64_t bytes = edge_query_next_bytes(offload->answering, chunk_bytes(offload));
    return !offload->has_receipts || bytes == 0 ||
           ll_window_admits(&offload->window, bytes, ll_clock_now_ns());
}

static void count_sent(struct edge_offload *offload, int64_t bytes, int64_t now_ns)
{
    offload->sent_bytes += (uint64_t)bytes;
    if (bytes > 0 && offload->has_receipts) {
        ll_window_send(&offload->window, bytes, now_ns);
    }
}

/* There is nothing to send, or a time to ask the window again. */
static void watch_window(struct edge_offload *offload)
{
    if (!offload->answering) {
        ll_window_starve(&offload->window);
    }
    int64_t wake_ns = ll_window_wake_ns(&offload->window);
    /* With messages queued it is the stream that tells when to go on. */
    bool waits_for_window = offload->has_receipts && !offload->is_over &&
                            rpc_stream_queued(offload->stream) < QUEUED_MESSAGES;
    if (waits_for_window && wake_ns != LL_CLOCK_NEVER) {
        rpc_timer_set(offload->timer, wake_ns);
    } else {
        rpc_timer_cancel(offload->timer);
    }
}

void edge_offload_pump(struct edge_offload *offload)
{
    while (may_send(offload)) {
        struct edge_query *query = first_answer(offload);
        bool is_last = false;
        int64_t bytes = edge_query_next_bytes(query, chunk_bytes(offload));
        int64_t now_ns = ll_clock_now_ns();
        ll_status status = edge_query_send(query, offload->stream, bytes, &is_last);
        offload->answer_progress_ns = now_ns;
        if (status == LL_OK) {
            count_sent(offload, bytes, now_ns);
        }
        if (status == LL_OK && !is_last) {
            last_answer(offload, query);
            continue;
        }
        forget(query);
        edge_query_destroy(query);
        if (status == LL_E_NO_MEMORY) {
            edge_offload_end(offload, status, "out of memory for an answer");
        }
    }
    watch_window(offload);
    edge_offload_end_if_done(offload);
}

void edge_offload_receipt(struct edge_offload *offload, const Layerlift__V1__Receipt *receipt)
{
    if (receipt->received_bytes > offload->sent_bytes) {
        edge_offload_end(offload, LL_E_INVALID, "a receipt for more than was sent");
        return;
    }
    if (offload->has_receipts && receipt->received_bytes > offload->unwatched_bytes) {
        ll_window_ack(&offload->window, receipt->received_bytes - offload->unwatched_bytes,
                      receipt->received_at_ns, ll_clock_now_ns());
    }
    edge_offload_pump(offload);
}

void edge_offload_expect_receipts(struct edge_offload *offload)
{
    if (!offload->has_receipts && !offload->has_half_closed) {
        offload->has_receipts = true;
        offload->unwatched_bytes = offload->sent_bytes;
    }
}

static void take_out(struct edge_query *query)
{
    edge_places_leave(&query->offload->service->receiving, &query->place);
    struct edge_query **link = &query->offload->open;
    while (*link != query) {
        link = &(*link)->next;
    }
    *link = query->next;
    query->next = NULL;
}

static void remember(struct edge_offload *offload, uint64_t id)
{
    offload->answered[offload->answered_count++ % offload->answered_room] = id;
}

/* From now on the query takes what came out of it, be it more or less than was expected of it. */
static void account_outputs(struct edge_query *query)
{
    const struct edge_job *job = &query->job;
    int64_t bytes = 0;
    for (int i = 0; job->status == LL_OK && i < job->names.count; i++) {
        bytes += (int64_t)ll_buf_bytes(job->outputs[i]);
    }
    edge_offload_account(query->offload, bytes - query->bytes);
    query->bytes = bytes;
    edge_share_set_held(query, bytes);
}

/* The query's job is over, or it failed before: its answer takes its turn. */
static void answer(struct edge_query *query)
{
    struct edge_offload *offload = query->offload;
    rpc_timer_destroy(query->timer);
    query->timer = NULL;
    account_outputs(query);
    if (edge_query_answer(query) != LL_OK) {
        forget(query);
        edge_query_destroy(query);
        edge_offload_end(offload, LL_E_NO_MEMORY, "out of memory for an answer");
        return;
    }
    if (!offload->answering) {
        offload->answer_progress_ns = ll_clock_now_ns();
    }
    last_answer(offload, query);
    edge_offload_pump(offload);
    edge_share_watch(offload);
}

static void fail(struct edge_query *query, ll_status status, const struct ll_error *err)
{
    edge_query_fail(query, status, err);
    answer(query);
}

/* ---- Jobs ---- */

/* A task on the loop: the executor is done with the query. */
static void job_came_back(struct rpc_task *task)
{
    struct edge_query *query = LL_CONTAINER_OF(task, struct edge_query, done);
    struct edge_offload *offload = query->offload;
    if (query->is_abandoned) {
        edge_query_destroy(query);
    } else {
        take_out(query);
        answer(query);
    }
    edge_offload_unref(offload);
}

static void on_job_done(struct edge_job *job)
{
    struct edge_query *query = LL_CONTAINER_OF(job, struct edge_query, job);
    rpc_loop_post(query->offload->service->config.loop, &query->done);
}

void edge_offload_submit(struct edge_query *query)
{
    struct edge_job *job = &query->job;
    int prefix = edge_job_prefix(job);
    job->prefix = edge_model_prefix(job->model);
    if (prefix <= job->first && prefix >= job->least_prefix) {
        /* Nothing to run: no reason to stand in the queue. */
        take_out(query);
        job->reached = job->first;
        job->exact_reached = job->first;
        answer(query);
        return;
    }
    struct ll_error err = {.text = ""};
    edge_places_leave(&query->offload->service->receiving, &query->place);
    ll_status status = edge_share_hold(query, query->bytes, &err);
    if (status != LL_OK) {
        edge_offload_refuse(query, status, &err);
        return;
    }
    query->state = EDGE_QUERY_SUBMITTED;
    query->job.done = on_job_done;
    query->job.flow = &query->offload->flow;
    query->submitted_bytes = query->bytes;
    query->done.run = job_came_back;
    query->offload->refs++;
    edge_executor_submit(query->offload->service->config.executor, &query->job);
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
    if (edge_executor_cancel(offload->service->config.executor, &query->job)) {
        edge_offload_unref(offload);
        return query;
    }
    query->is_abandoned = true;
    return NULL;
}

void edge_offload_refuse(struct edge_query *query, ll_status status, const struct ll_error *err)
{
    struct edge_offload *offload = query->offload;
    uint64_t id = query->id;
    if (query->state == EDGE_QUERY_RECEIVING) {
        remember(offload, id);
    }
    int prefix = query->job.model ? edge_model_prefix(query->job.model) : 0;
    struct edge_query *withdrawn = withdraw(query);
    if (!withdrawn) {
        /* The job has the query: another one carries the answer. Its memory stays accounted for
         * until then by the executor's own bound, one run a thread. */
        forget(query);
        withdrawn = edge_query_create(id);
        if (!withdrawn) {
            edge_offload_end(offload, LL_E_NO_MEMORY, "out of memory for an answer");
            return;
        }
        withdrawn->offload = offload;
        offload->query_count++;
    }
    withdrawn->job.prefix = prefix;
    fail(withdrawn, status, err);
}

void edge_offload_give_up(struct edge_query *query, ll_status status, const char *text)
{
    struct ll_error err;
    (void)ll_fail(&err, status, "%s", text);
    edge_offload_refuse(query, status, &err);
}

/* The answer waits for its turn, and is CANCELLED when that comes. */
static void cancel_answer(struct edge_query *query)
{
    struct edge_offload *offload = query->offload;
    struct ll_error err;
    edge_query_fail(query, ll_fail(&err, LL_E_CANCELLED, "cancelled by the device"), &err);
    account_outputs(query);
    if (edge_query_answer(query) != LL_OK) {
        edge_offload_end(offload, LL_E_NO_MEMORY, "out of memory for an answer");
    }
}

void edge_offload_stop_answer(struct edge_query *query)
{
    struct edge_offload *offload = query->offload;
    if (!query->has_sent_head) {
        if (query->job.status == LL_OK) {
            cancel_answer(query);
        }
        return;
    }
    struct edge_query **link = &offload->answering;
    while (*link != query) {
        link = &(*link)->next;
    }
    *link = query->next;
    if (offload->answering_last == &query->next) {
        offload->answering_last = link;
    }
    forget(query);
    edge_query_destroy(query);
    /* Those behind it may go. */
    edge_offload_pump(offload);
}

void edge_offload_drop_all(struct edge_offload *offload)
{
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
}
