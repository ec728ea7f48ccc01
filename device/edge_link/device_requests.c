/* One condition variable: everything that a query's thread waits for is broadcast on it.
 *
 * Remote parts stand in a list in order of posting; the loop sends the first one's bytes before the
 * next one's. A query that is withdrawn before its answer is complete leaves a cancel behind for
 * the loop to send, unless nothing of it was sent. */
#include "device/edge_link/device_requests.h"

#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_sync.h"
#include "proto/wire/wire_head.h"
#include "rpc/rpc_details.h"

enum { REQUESTS_CANCELS = 64 };

struct device_requests {
    const struct device_model *model;
    void (*kick)(void *owner);
    void *owner;
    /* Guards everything below. */
    struct ll_mutex lock;
    struct ll_cond changed;
    /* An edge takes queries, and runs layers [0, prefix). */
    bool is_open LL_GUARDED_BY(lock);
    uint64_t connection LL_GUARDED_BY(lock);
    int prefix LL_GUARDED_BY(lock);
    bool has_draft LL_GUARDED_BY(lock);
    bool is_stopped LL_GUARDED_BY(lock);
    struct device_remote *remotes LL_GUARDED_BY(lock);
    uint64_t last_id LL_GUARDED_BY(lock);
    /* Queries to cancel on the edge. Should they ever be more than fit, the edge's own deadlines
     * and the end of the stream take care of the rest. */
    uint64_t cancels[REQUESTS_CANCELS] LL_GUARDED_BY(lock);
    int cancel_count LL_GUARDED_BY(lock);
    int64_t sent_bytes LL_GUARDED_BY(lock);
};

LL_NO_ANALYSIS ll_status device_requests_create(const struct device_model *model,
                                                void (*kick)(void *owner), void *owner,
                                                struct device_requests **out_requests)
{
    struct device_requests *requests = calloc(1, sizeof(*requests));
    if (!requests) {
        return LL_E_NO_MEMORY;
    }
    requests->model = model;
    requests->kick = kick;
    requests->owner = owner;
    ll_mutex_init(&requests->lock);
    ll_cond_init(&requests->changed);
    *out_requests = requests;
    return LL_OK;
}

LL_NO_ANALYSIS void device_requests_destroy(struct device_requests *requests)
{
    if (requests) {
        ll_cond_finish(&requests->changed);
        ll_mutex_finish(&requests->lock);
        free(requests);
    }
}

/* ---- The query's side ---- */

ll_status device_requests_post(struct device_requests *requests, struct device_remote *remote)
{
    ll_status status =
        device_remote_inputs_init(&remote->inputs, requests->model->table, remote->first,
                                  remote->end, remote->tensors, &remote->form);
    if (status != LL_OK) {
        remote->status = ll_fail(&remote->error, status, "out of memory");
        return remote->status;
    }
    device_answer_init(&remote->answer, requests->model->table, remote->first, remote->end,
                       remote->least_prefix, remote->form.cut_dtype);
    remote->answer.may_be_coded = remote->may_code_answer;
    remote->status = LL_OK;
    remote->is_rounded = remote->inputs.is_rounded;
    remote->is_done = false;
    remote->is_head_sent = false;
    remote->is_over_there = false;
    remote->tensor = 0;
    remote->offset = 0;
    remote->mark = 0;
    remote->sent_ns = remote->answered_ns = remote->done_ns = remote->sent_bytes = 0;
    remote->next = NULL;
    remote->posted_ns = ll_clock_now_ns();

    ll_mutex_lock(&requests->lock);
    if (requests->is_stopped) {
        status = ll_fail(&remote->error, LL_E_STOPPED, "stopped");
    } else if (!requests->is_open) {
        status = ll_fail(&remote->error, LL_E_UNAVAILABLE, "no edge");
    } else if (remote->connection > 0 && remote->connection != requests->connection) {
        /* It may take other forms, and compute in another way. */
        status = ll_fail(&remote->error, LL_E_UNAVAILABLE,
                         "edge lost: the query was for another connection");
    } else {
        remote->id = ++requests->last_id;
        struct device_remote **at = &requests->remotes;
        while (*at) {
            at = &(*at)->next;
        }
        *at = remote;
    }
    ll_mutex_unlock(&requests->lock);
    if (status != LL_OK) {
        remote->status = status;
        device_remote_inputs_finish(&remote->inputs);
        return status;
    }
    requests->kick(requests->owner);
    return LL_OK;
}

void device_requests_withdraw(struct device_requests *requests, struct device_remote *remote,
                              const struct device_patience *patience)
{
    bool is_allowed = patience->allowance_ns == LL_CLOCK_NEVER;
    bool has_time = true;
    ll_mutex_lock(&requests->lock);
    int64_t deadline_ns = ll_clock_deadline(remote->posted_ns, patience->most_ns);
    while (!remote->is_done && !requests->is_stopped && has_time) {
        if (!is_allowed && requests->prefix >= remote->least_prefix) {
            int64_t allowed_ns = ll_clock_deadline(ll_clock_now_ns(), patience->allowance_ns);
            deadline_ns = allowed_ns < deadline_ns ? allowed_ns : deadline_ns;
            is_allowed = true;
        }
        has_time = ll_cond_wait(&requests->changed, &requests->lock, deadline_ns);
    }
    if (!remote->is_done) {
        remote->status = requests->is_stopped ? ll_fail(&remote->error, LL_E_STOPPED, "stopped")
                                              : ll_fail(&remote->error, LL_E_DEADLINE, "deadline");
    }
    struct device_remote **at = &requests->remotes;
    while (*at != remote) {
        at = &(*at)->next;
    }
    *at = remote->next;
    remote->is_rounded = remote->is_rounded || device_answer_is_rounded(&remote->answer);
    bool is_cancelled = remote->status != LL_OK && remote->is_head_sent && !remote->is_over_there &&
                        requests->cancel_count < REQUESTS_CANCELS && requests->is_open;
    if (is_cancelled) {
        requests->cancels[requests->cancel_count++] = remote->id;
    }
    ll_mutex_unlock(&requests->lock);
    if (is_cancelled) {
        requests->kick(requests->owner);
    }
}

void device_remote_finish(struct device_remote *remote)
{
    device_answer_finish(&remote->answer);
    device_remote_inputs_finish(&remote->inputs);
}

void device_requests_stop(struct device_requests *requests)
{
    ll_mutex_lock(&requests->lock);
    requests->is_stopped = true;
    ll_cond_broadcast(&requests->changed);
    ll_mutex_unlock(&requests->lock);
}

/* ---- The edge comes and goes ---- */

void device_requests_open(struct device_requests *requests, int prefix)
{
    ll_mutex_lock(&requests->lock);
    requests->connection += requests->is_open ? 0 : 1;
    requests->is_open = true;
    requests->prefix = prefix;
    ll_cond_broadcast(&requests->changed);
    ll_mutex_unlock(&requests->lock);
}

void device_requests_set_prefix(struct device_requests *requests, int prefix)
{
    ll_mutex_lock(&requests->lock);
    if (requests->is_open && prefix > requests->prefix) {
        requests->prefix = prefix;
        ll_cond_broadcast(&requests->changed);
    }
    ll_mutex_unlock(&requests->lock);
}

void device_requests_set_draft(struct device_requests *requests, bool has_draft)
{
    ll_mutex_lock(&requests->lock);
    requests->has_draft = requests->is_open && has_draft;
    ll_mutex_unlock(&requests->lock);
}

static void end_locked(struct device_requests *requests, struct device_remote *remote,
                       ll_status status) LL_REQUIRES(requests->lock)
{
    remote->status = status;
    remote->is_done = true;
    remote->done_ns = ll_clock_now_ns();
    ll_cond_broadcast(&requests->changed);
}

void device_requests_close(struct device_requests *requests, ll_status status, const char *reason)
{
    ll_mutex_lock(&requests->lock);
    requests->is_open = false;
    requests->prefix = 0;
    requests->has_draft = false;
    requests->cancel_count = 0;
    for (struct device_remote *remote = requests->remotes; remote; remote = remote->next) {
        if (!remote->is_done) {
            ll_status failed = ll_fail(&remote->error, status, "%s", reason);
            end_locked(requests, remote, failed);
        }
    }
    ll_mutex_unlock(&requests->lock);
}

void device_requests_debt(struct device_requests *requests, struct device_requests_debt *out_debt)
{
    ll_mutex_lock(&requests->lock);
    struct device_requests_debt debt = {0};
    for (const struct device_remote *remote = requests->remotes; remote; remote = remote->next) {
        debt.queries += remote->is_done ? 0 : 1;
        debt.sent_bytes += remote->is_done || remote->answered_ns > 0 ? 0 : remote->sent_bytes;
    }
    ll_mutex_unlock(&requests->lock);
    *out_debt = debt;
}

/* ---- Sending ---- */

static bool has_bytes_left(const struct device_remote *remote)
{
    return !remote->is_done &&
           (!remote->is_head_sent || remote->tensor < remote->inputs.names.count);
}

static struct device_remote *next_remote_locked(struct device_requests *requests)
    LL_REQUIRES(requests->lock)
{
    struct device_remote *remote = requests->remotes;
    while (remote && !has_bytes_left(remote)) {
        remote = remote->next;
    }
    return remote;
}

static struct ll_buf *current_tensor(const struct device_remote *remote)
{
    return remote->inputs.bufs[remote->tensor];
}

static int64_t chunk_of(const struct device_remote *remote, int64_t chunk_bytes)
{
    int64_t left = (int64_t)(ll_buf_bytes(current_tensor(remote)) - remote->offset);
    return left < chunk_bytes ? left : chunk_bytes;
}

int64_t device_requests_next_bytes(struct device_requests *requests, int64_t chunk_bytes)
{
    int64_t bytes = 0;
    ll_mutex_lock(&requests->lock);
    struct device_remote *remote = next_remote_locked(requests);
    if (requests->cancel_count > 0) {
        bytes = WIRE_HEAD_BYTES / 2;
    } else if (remote && !remote->is_head_sent) {
        /* The model's id and the tensors' heads. */
        bytes = (int64_t)2 * WIRE_HEAD_BYTES + (int64_t)remote->inputs.names.count * 16;
    } else if (remote) {
        bytes = chunk_of(remote, chunk_bytes) + WIRE_HEAD_BYTES / 2;
    }
    ll_mutex_unlock(&requests->lock);
    return bytes > 0 ? bytes + DEVICE_WIRE_FRAME_BYTES : 0;
}

/* For the wire, which has 32 bits for it: rounded up, and the most that there is for more. */
static uint32_t wire_ms(int64_t ns)
{
    int64_t ms = ns > 0 ? (ns - 1) / LL_NS_PER_MS + 1 : 0;
    return ms > (int64_t)UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

static ll_status next_head_locked(struct device_requests *requests, struct device_remote *remote,
                                  struct device_outgoing *message) LL_REQUIRES(requests->lock)
{
    struct device_wire_query query = {
        .id = remote->id,
        .first = remote->first,
        .end = remote->end,
        .least_prefix = remote->least_prefix,
        .deadline_ms = wire_ms(remote->edge_time_ns),
        .answer_dtype = remote->form.cut_dtype,
        .may_code_answer = remote->may_code_answer,
        .takes_draft = requests->has_draft,
        .inputs = &remote->inputs.names,
        .forms = remote->inputs.forms,
    };
    ll_status status =
        device_wire_query(requests->model, &query, &message->head, &message->head_bytes);
    if (status == LL_OK) {
        remote->answer.takes_draft = query.takes_draft;
        remote->is_head_sent = true;
    }
    return status;
}

static ll_status next_chunk_locked(struct device_requests *requests, struct device_remote *remote,
                                   int64_t chunk_bytes, struct device_outgoing *message)
    LL_REQUIRES(requests->lock)
{
    struct ll_buf *tensor = current_tensor(remote);
    size_t bytes = (size_t)chunk_of(remote, chunk_bytes);
    message->head = malloc(WIRE_HEAD_BYTES);
    if (!message->head || ll_buf_slice(tensor, remote->offset, bytes, &message->payload) != LL_OK) {
        return LL_E_NO_MEMORY;
    }
    message->head_bytes =
        wire_head_tensor_chunk(message->head, remote->id,
                               remote->inputs.names.names[remote->tensor], remote->offset, bytes);
    remote->offset += bytes;
    remote->sent_bytes += (int64_t)bytes;
    requests->sent_bytes += (int64_t)bytes;
    if (remote->offset == ll_buf_bytes(tensor)) {
        remote->offset = 0;
        remote->tensor++;
    }
    message->id = remote->id;
    if (remote->tensor == remote->inputs.names.count) {
        message->is_last = true;
        remote->sent_ns = ll_clock_now_ns();
    }
    return LL_OK;
}

ll_status device_requests_next(struct device_requests *requests, int64_t chunk_bytes,
                               struct device_outgoing *out_message)
{
    struct device_outgoing message = {0};
    ll_mutex_lock(&requests->lock);
    struct device_remote *remote = next_remote_locked(requests);
    ll_status status = LL_E_NOT_FOUND;
    if (requests->cancel_count > 0) {
        uint64_t id = requests->cancels[--requests->cancel_count];
        status = device_wire_cancel(id, &message.head, &message.head_bytes);
    } else if (remote) {
        status = remote->is_head_sent ? next_chunk_locked(requests, remote, chunk_bytes, &message)
                                      : next_head_locked(requests, remote, &message);
        if (status != LL_OK) {
            status = ll_fail(&remote->error, status, "out of memory");
            end_locked(requests, remote, status);
        }
    }
    ll_mutex_unlock(&requests->lock);
    if (status != LL_OK) {
        device_outgoing_finish(&message);
        return status;
    }
    *out_message = message;
    return LL_OK;
}

void device_outgoing_finish(struct device_outgoing *message)
{
    free(message->head);
    ll_buf_unref(message->payload);
    *message = (struct device_outgoing){0};
}

static struct device_remote *find_locked(struct device_requests *requests, uint64_t id)
    LL_REQUIRES(requests->lock)
{
    for (struct device_remote *remote = requests->remotes; remote; remote = remote->next) {
        if (remote->id == id) {
            return remote->is_done ? NULL : remote;
        }
    }
    return NULL;
}

void device_requests_set_mark(struct device_requests *requests, uint64_t id, uint64_t mark)
{
    ll_mutex_lock(&requests->lock);
    struct device_remote *remote = find_locked(requests, id);
    if (remote) {
        remote->mark = mark;
    }
    ll_mutex_unlock(&requests->lock);
}

int64_t device_requests_sent_bytes(struct device_requests *requests)
{
    ll_mutex_lock(&requests->lock);
    int64_t bytes = requests->sent_bytes;
    ll_mutex_unlock(&requests->lock);
    return bytes;
}

/* ---- Receiving ---- */

static ll_status take_answer_locked(struct device_requests *requests,
                                    const Layerlift__V1__Answer *answer, uint64_t *out_mark)
    LL_REQUIRES(requests->lock)
{
    struct device_remote *remote = find_locked(requests, answer->id);
    if (!remote) {
        return LL_OK;
    }
    if (answer->status != 0) {
        ll_status status =
            ll_status_from_grpc(answer->status > INT32_MAX ? INT32_MAX : (int)answer->status);
        status = ll_fail(&remote->error, status, "edge: %s%s%.200s", ll_status_text(status),
                         answer->message[0] ? ": " : "", answer->message);
        /* Details that are wrong leave the status alone. */
        (void)!rpc_details_take(answer->error_info, answer->retry_info, &remote->error);
        remote->is_over_there = true;
        end_locked(requests, remote, status);
        return status == LL_E_NOT_FOUND ? status : LL_OK;
    }
    struct ll_error why = {.text = ""};
    /* An edge that runs nothing may say so at once. */
    if (has_bytes_left(remote) && answer->reached != (uint32_t)remote->first) {
        ll_status status =
            ll_fail(&remote->error, LL_E_INVALID, "bad answer: it comes before its inputs");
        end_locked(requests, remote, status);
        return LL_OK;
    }
    ll_status status = device_answer_head(&remote->answer, answer, &why);
    if (status != LL_OK) {
        status = ll_fail(&remote->error, status, "bad answer: %.200s", why.text);
        end_locked(requests, remote, status);
        return LL_OK;
    }
    remote->answered_ns = ll_clock_now_ns();
    *out_mark = remote->mark;
    if (device_answer_is_complete(&remote->answer)) {
        end_locked(requests, remote, LL_OK);
    }
    return LL_OK;
}

static void take_chunk_locked(struct device_requests *requests,
                              const Layerlift__V1__TensorChunk *chunk) LL_REQUIRES(requests->lock)
{
    struct device_remote *remote = find_locked(requests, chunk->id);
    if (!remote) {
        return;
    }
    struct ll_error why = {.text = ""};
    ll_status status = device_answer_chunk(&remote->answer, chunk, &why);
    if (status != LL_OK) {
        status = ll_fail(&remote->error, status, "bad answer: %.200s", why.text);
        end_locked(requests, remote, status);
    } else if (device_answer_is_complete(&remote->answer)) {
        end_locked(requests, remote, LL_OK);
    }
}

ll_status device_requests_take(struct device_requests *requests,
                               const Layerlift__V1__OffloadResponse *response, uint64_t *out_mark)
{
    ll_status status = LL_OK;
    *out_mark = 0;
    ll_mutex_lock(&requests->lock);
    if (response->kind_case == LAYERLIFT__V1__OFFLOAD_RESPONSE__KIND_ANSWER) {
        status = take_answer_locked(requests, response->answer, out_mark);
    } else if (response->kind_case == LAYERLIFT__V1__OFFLOAD_RESPONSE__KIND_CHUNK) {
        take_chunk_locked(requests, response->chunk);
    }
    ll_mutex_unlock(&requests->lock);
    return status;
}
