/* One lock, one condition variable (everything that a query thread waits for is broadcast on it).
 *
 * Remote parts stand in a list in order of posting; the loop sends the first one's bytes before the
 * next one's. A query that is withdrawn before its answer is complete leaves a cancel behind for
 * the loop to send, unless nothing of it was sent. */
#include "device/edge_link/device_board.h"

#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_sync.h"
#include "device/query/device_encode.h"
#include "proto/wire/wire_head.h"
#include "rpc/rpc_details.h"

enum { BOARD_CANCELS = 64 };

struct device_board {
    const struct device_model *model;
    void (*kick)(void *owner);
    void *owner;
    /* Guards everything below. */
    struct ll_mutex lock;
    struct ll_cond changed;
    device_edge_state state LL_GUARDED_BY(lock);
    int prefix LL_GUARDED_BY(lock);
    int64_t rtt_ns LL_GUARDED_BY(lock);
    double bytes_per_s LL_GUARDED_BY(lock);
    bool takes_u8 LL_GUARDED_BY(lock);
    bool takes_f16 LL_GUARDED_BY(lock);
    bool is_same_engine LL_GUARDED_BY(lock);
    bool is_accused LL_GUARDED_BY(lock);
    struct ll_error accusation LL_GUARDED_BY(lock);
    uint64_t connection LL_GUARDED_BY(lock);
    /* By layer; 0: not told. */
    int64_t *times_ns LL_GUARDED_BY(lock);
    uint64_t times_version LL_GUARDED_BY(lock);
    bool is_stopped LL_GUARDED_BY(lock);
    struct device_remote *remotes LL_GUARDED_BY(lock);
    uint64_t last_id LL_GUARDED_BY(lock);
    /* Queries to cancel on the edge. Should they ever be more than fit, the edge's own deadlines
     * and the end of the stream take care of the rest. */
    uint64_t cancels[BOARD_CANCELS] LL_GUARDED_BY(lock);
    int cancel_count LL_GUARDED_BY(lock);
    int64_t heard_ns LL_GUARDED_BY(lock);
    int64_t sent_bytes LL_GUARDED_BY(lock);
};

LL_NO_ANALYSIS ll_status device_board_create(const struct device_model *model,
                                             void (*kick)(void *owner), void *owner,
                                             struct device_board **out_board)
{
    struct device_board *board = calloc(1, sizeof(*board));
    int64_t *times_ns = calloc((size_t)model->table->layer_count, sizeof(*times_ns));
    if (!board || !times_ns) {
        free(board);
        free(times_ns);
        return LL_E_NO_MEMORY;
    }
    board->times_ns = times_ns;
    board->model = model;
    board->kick = kick;
    board->owner = owner;
    ll_mutex_init(&board->lock);
    ll_cond_init(&board->changed);
    *out_board = board;
    return LL_OK;
}

LL_NO_ANALYSIS void device_board_destroy(struct device_board *board)
{
    if (board) {
        ll_cond_finish(&board->changed);
        ll_mutex_finish(&board->lock);
        free(board->times_ns);
        free(board);
    }
}

/* ---- The query's side ---- */

void device_board_look(struct device_board *board, uint64_t times_version, int64_t *out_times_ns,
                       struct device_board_view *out_view)
{
    ll_mutex_lock(&board->lock);
    *out_view = (struct device_board_view){
        .state = board->state,
        .prefix = board->prefix,
        .rtt_ns = board->rtt_ns,
        .bytes_per_s = board->bytes_per_s,
        .takes_u8 = board->takes_u8,
        .takes_f16 = board->takes_f16,
        .is_same_engine = board->is_same_engine,
        .connection = board->connection,
        .times_version = board->times_version,
    };
    if (out_times_ns && times_version != board->times_version) {
        memcpy(out_times_ns, board->times_ns,
               (size_t)board->model->table->layer_count * sizeof(*out_times_ns));
    }
    ll_mutex_unlock(&board->lock);
}

void device_board_await_decision(struct device_board *board, int64_t deadline_ns)
{
    ll_mutex_lock(&board->lock);
    bool has_time = true;
    while (board->state == DEVICE_EDGE_CONNECTING && !board->is_stopped && has_time) {
        has_time = ll_cond_wait(&board->changed, &board->lock, deadline_ns);
    }
    ll_mutex_unlock(&board->lock);
}

static void drop_inputs(struct device_remote *remote)
{
    for (int i = 0; remote->bufs && i < remote->inputs.count; i++) {
        ll_buf_unref(remote->bufs[i]);
    }
    free(remote->bufs);
    free(remote->dtypes);
    remote->bufs = NULL;
    remote->dtypes = NULL;
    ll_names_finish(&remote->inputs);
}

/* Puts inputs(first, end) into the form in which they are sent. */
static ll_status take_inputs(const struct ll_table *table, struct device_remote *remote)
{
    remote->bufs = NULL;
    remote->dtypes = NULL;
    remote->inputs = (struct ll_names){0};
    ll_status status = ll_table_inputs(table, remote->first, remote->end, &remote->inputs);
    if (status != LL_OK) {
        return status;
    }
    remote->bufs = calloc((size_t)remote->inputs.count + 1, sizeof(struct ll_buf *));
    remote->dtypes = calloc((size_t)remote->inputs.count + 1, sizeof(*remote->dtypes));
    if (!remote->bufs || !remote->dtypes) {
        return LL_E_NO_MEMORY;
    }
    for (int i = 0; status == LL_OK && i < remote->inputs.count; i++) {
        int name = remote->inputs.names[i];
        bool is_input = name == LL_TENSOR_INPUT;
        if (is_input && remote->input_dtype == LL_U8) {
            remote->bufs[i] = ll_buf_ref(remote->input_bytes);
            remote->dtypes[i] = LL_U8;
            continue;
        }
        status = device_encode(device_tensors_get(remote->tensors, name),
                               is_input ? remote->input_dtype : remote->cut_dtype, &remote->bufs[i],
                               &remote->dtypes[i]);
        remote->is_rounded = remote->is_rounded || remote->dtypes[i] == LL_F16;
    }
    return status;
}

ll_status device_board_post(struct device_board *board, struct device_remote *remote)
{
    remote->is_rounded = false;
    ll_status status = take_inputs(board->model->table, remote);
    if (status != LL_OK) {
        drop_inputs(remote);
        return status;
    }
    device_answer_init(&remote->answer, board->model->table, remote->first, remote->end,
                       remote->least_prefix, remote->cut_dtype);
    remote->status = LL_OK;
    remote->is_done = false;
    remote->is_head_sent = false;
    remote->is_over_there = false;
    remote->tensor = 0;
    remote->offset = 0;
    remote->mark = 0;
    remote->sent_ns = remote->answered_ns = remote->done_ns = remote->sent_bytes = 0;
    remote->next = NULL;
    remote->posted_ns = ll_clock_now_ns();

    ll_mutex_lock(&board->lock);
    if (board->is_stopped || board->state != DEVICE_EDGE_UP) {
        status = board->is_stopped ? LL_E_STOPPED : LL_E_UNAVAILABLE;
    } else {
        remote->id = ++board->last_id;
        struct device_remote **at = &board->remotes;
        while (*at) {
            at = &(*at)->next;
        }
        *at = remote;
    }
    ll_mutex_unlock(&board->lock);
    if (status != LL_OK) {
        drop_inputs(remote);
        return status;
    }
    board->kick(board->owner);
    return LL_OK;
}

static void unlink_locked(struct device_board *board, struct device_remote *remote)
    LL_REQUIRES(board->lock)
{
    for (struct device_remote **at = &board->remotes; *at; at = &(*at)->next) {
        if (*at == remote) {
            *at = remote->next;
            return;
        }
    }
}

/* Waits until the query is done, time is up, or the board stopped. */
static void wait_locked(struct device_board *board, struct device_remote *remote,
                        const struct device_patience *patience) LL_REQUIRES(board->lock)
{
    int64_t allowed_until_ns = LL_CLOCK_NEVER;
    while (!remote->is_done && !board->is_stopped) {
        int64_t now_ns = ll_clock_now_ns();
        if (allowed_until_ns == LL_CLOCK_NEVER && board->prefix >= remote->least_prefix &&
            patience->allowance_ns != LL_CLOCK_NEVER) {
            allowed_until_ns = ll_clock_deadline(now_ns, patience->allowance_ns);
        }
        int64_t until_ns =
            allowed_until_ns < patience->deadline_ns ? allowed_until_ns : patience->deadline_ns;
        if (now_ns >= until_ns) {
            remote->status = ll_fail(&remote->error, LL_E_DEADLINE, "deadline");
            return;
        }
        ll_cond_wait(&board->changed, &board->lock, until_ns);
    }
    if (!remote->is_done) {
        remote->status = ll_fail(&remote->error, LL_E_STOPPED, "stopped");
    }
}

void device_board_withdraw(struct device_board *board, struct device_remote *remote,
                           const struct device_patience *patience)
{
    ll_mutex_lock(&board->lock);
    wait_locked(board, remote, patience);
    unlink_locked(board, remote);
    remote->is_rounded = remote->is_rounded || device_answer_is_encoded(&remote->answer);
    bool is_cancelled = remote->status != LL_OK && remote->is_head_sent && !remote->is_over_there &&
                        board->cancel_count < BOARD_CANCELS && board->state == DEVICE_EDGE_UP;
    if (is_cancelled) {
        board->cancels[board->cancel_count++] = remote->id;
    }
    ll_mutex_unlock(&board->lock);
    if (is_cancelled) {
        board->kick(board->owner);
    }
}

void device_remote_finish(struct device_remote *remote)
{
    device_answer_finish(&remote->answer);
    drop_inputs(remote);
}

void device_board_stop(struct device_board *board)
{
    ll_mutex_lock(&board->lock);
    board->is_stopped = true;
    ll_cond_broadcast(&board->changed);
    ll_mutex_unlock(&board->lock);
}

/* ---- What is known of the edge ---- */

static void forget_times_locked(struct device_board *board) LL_REQUIRES(board->lock)
{
    memset(board->times_ns, 0, (size_t)board->model->table->layer_count * sizeof(*board->times_ns));
    board->times_version++;
}

void device_board_set_state(struct device_board *board, device_edge_state state, int prefix)
{
    ll_mutex_lock(&board->lock);
    board->state = state;
    board->prefix = prefix;
    board->is_same_engine = false;
    board->is_accused = false;
    if (state != DEVICE_EDGE_UP) {
        board->cancel_count = 0;
        board->takes_u8 = board->takes_f16 = false;
        forget_times_locked(board);
    } else {
        board->connection++;
    }
    board->heard_ns = ll_clock_now_ns();
    ll_cond_broadcast(&board->changed);
    ll_mutex_unlock(&board->lock);
}

void device_board_set_prefix(struct device_board *board, int prefix)
{
    ll_mutex_lock(&board->lock);
    if (board->state == DEVICE_EDGE_UP && prefix > board->prefix) {
        board->prefix = prefix;
        ll_cond_broadcast(&board->changed);
    }
    ll_mutex_unlock(&board->lock);
}

void device_board_set_dtypes(struct device_board *board, size_t count,
                             const Layerlift__V1__DataType *dtypes)
{
    ll_mutex_lock(&board->lock);
    board->takes_u8 = board->takes_f16 = false;
    for (size_t i = 0; i < count; i++) {
        board->takes_u8 = board->takes_u8 || dtypes[i] == LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_U8;
        board->takes_f16 = board->takes_f16 || dtypes[i] == LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F16;
    }
    ll_mutex_unlock(&board->lock);
}

void device_board_set_same_engine(struct device_board *board, bool is_same)
{
    ll_mutex_lock(&board->lock);
    board->is_same_engine = is_same;
    ll_mutex_unlock(&board->lock);
}

void device_board_accuse(struct device_board *board, uint64_t connection, const char *reason)
{
    ll_mutex_lock(&board->lock);
    bool is_this = board->state == DEVICE_EDGE_UP && board->connection == connection;
    if (is_this) {
        board->is_accused = true;
        (void)ll_fail(&board->accusation, LL_E_INTERNAL, "%s", reason);
    }
    ll_mutex_unlock(&board->lock);
    if (is_this) {
        board->kick(board->owner);
    }
}

bool device_board_is_accused(struct device_board *board, struct ll_error *out_reason)
{
    ll_mutex_lock(&board->lock);
    bool is_accused = board->is_accused;
    *out_reason = board->accusation;
    ll_mutex_unlock(&board->lock);
    return is_accused;
}

void device_board_set_link(struct device_board *board, int64_t rtt_ns, double bytes_per_s)
{
    ll_mutex_lock(&board->lock);
    board->rtt_ns = rtt_ns;
    board->bytes_per_s = bytes_per_s;
    ll_mutex_unlock(&board->lock);
}

void device_board_set_times(struct device_board *board, size_t count,
                            Layerlift__V1__LayerTime *const *times)
{
    uint32_t layers = (uint32_t)board->model->table->layer_count;
    ll_mutex_lock(&board->lock);
    for (size_t i = 0; i < count; i++) {
        if (times[i]->layer < layers) {
            uint64_t ns = times[i]->ns;
            board->times_ns[times[i]->layer] = ns > (uint64_t)INT64_MAX ? INT64_MAX : (int64_t)ns;
        }
    }
    board->times_version++;
    ll_mutex_unlock(&board->lock);
}

void device_board_heard(struct device_board *board)
{
    ll_mutex_lock(&board->lock);
    board->heard_ns = ll_clock_now_ns();
    ll_mutex_unlock(&board->lock);
}

void device_board_debt(struct device_board *board, struct device_board_debt *out_debt)
{
    ll_mutex_lock(&board->lock);
    struct device_board_debt debt = {.heard_ns = board->heard_ns};
    for (const struct device_remote *remote = board->remotes; remote; remote = remote->next) {
        debt.queries += remote->is_done ? 0 : 1;
        debt.sent_bytes += remote->is_done || remote->answered_ns > 0 ? 0 : remote->sent_bytes;
    }
    ll_mutex_unlock(&board->lock);
    *out_debt = debt;
}

static void end_locked(struct device_board *board, struct device_remote *remote, ll_status status)
    LL_REQUIRES(board->lock)
{
    remote->status = status;
    remote->is_done = true;
    remote->done_ns = ll_clock_now_ns();
    ll_cond_broadcast(&board->changed);
}

void device_board_fail_all(struct device_board *board, ll_status status, const char *reason)
{
    ll_mutex_lock(&board->lock);
    for (struct device_remote *remote = board->remotes; remote; remote = remote->next) {
        if (!remote->is_done) {
            ll_status failed = ll_fail(&remote->error, status, "%s", reason);
            end_locked(board, remote, failed);
        }
    }
    ll_mutex_unlock(&board->lock);
}

/* ---- Sending ---- */

static bool has_bytes_left(const struct device_remote *remote)
{
    return !remote->is_done && (!remote->is_head_sent || remote->tensor < remote->inputs.count);
}

static struct device_remote *next_remote_locked(struct device_board *board) LL_REQUIRES(board->lock)
{
    struct device_remote *remote = board->remotes;
    while (remote && !has_bytes_left(remote)) {
        remote = remote->next;
    }
    return remote;
}

static struct ll_buf *current_tensor(const struct device_remote *remote)
{
    return remote->bufs[remote->tensor];
}

static int64_t chunk_of(const struct device_remote *remote, int64_t chunk_bytes)
{
    int64_t left = (int64_t)(ll_buf_bytes(current_tensor(remote)) - remote->offset);
    return left < chunk_bytes ? left : chunk_bytes;
}

int64_t device_board_next_bytes(struct device_board *board, int64_t chunk_bytes)
{
    int64_t bytes = 0;
    ll_mutex_lock(&board->lock);
    struct device_remote *remote = next_remote_locked(board);
    if (board->cancel_count > 0) {
        bytes = WIRE_HEAD_BYTES / 2;
    } else if (remote && !remote->is_head_sent) {
        /* The model's id and the tensors' heads. */
        bytes = (int64_t)2 * WIRE_HEAD_BYTES + (int64_t)remote->inputs.count * 16;
    } else if (remote) {
        bytes = chunk_of(remote, chunk_bytes) + WIRE_HEAD_BYTES / 2;
    }
    ll_mutex_unlock(&board->lock);
    return bytes > 0 ? bytes + DEVICE_WIRE_FRAME_BYTES : 0;
}

static ll_status next_head_locked(struct device_board *board, struct device_remote *remote,
                                  struct device_outgoing *message) LL_REQUIRES(board->lock)
{
    struct device_wire_query query = {
        .id = remote->id,
        .first = remote->first,
        .end = remote->end,
        .least_prefix = remote->least_prefix,
        .deadline_ms = remote->deadline_ms,
        .answer_dtype = remote->cut_dtype,
        .inputs = &remote->inputs,
        .dtypes = remote->dtypes,
    };
    ll_status status =
        device_wire_query(board->model, &query, &message->head, &message->head_bytes);
    if (status == LL_OK) {
        remote->is_head_sent = true;
    }
    return status;
}

static ll_status next_chunk_locked(struct device_board *board, struct device_remote *remote,
                                   int64_t chunk_bytes, struct device_outgoing *message)
    LL_REQUIRES(board->lock)
{
    struct ll_buf *tensor = current_tensor(remote);
    size_t bytes = (size_t)chunk_of(remote, chunk_bytes);
    message->head = malloc(WIRE_HEAD_BYTES);
    if (!message->head || ll_buf_slice(tensor, remote->offset, bytes, &message->payload) != LL_OK) {
        return LL_E_NO_MEMORY;
    }
    message->head_bytes = wire_head_tensor_chunk(
        message->head, remote->id, remote->inputs.names[remote->tensor], remote->offset, bytes);
    remote->offset += bytes;
    remote->sent_bytes += (int64_t)bytes;
    board->sent_bytes += (int64_t)bytes;
    if (remote->offset == ll_buf_bytes(tensor)) {
        remote->offset = 0;
        remote->tensor++;
    }
    message->id = remote->id;
    if (remote->tensor == remote->inputs.count) {
        message->is_last = true;
        remote->sent_ns = ll_clock_now_ns();
    }
    return LL_OK;
}

ll_status device_board_next(struct device_board *board, int64_t chunk_bytes,
                            struct device_outgoing *out_message)
{
    struct device_outgoing message = {0};
    ll_mutex_lock(&board->lock);
    struct device_remote *remote = next_remote_locked(board);
    ll_status status = LL_E_NOT_FOUND;
    if (board->cancel_count > 0) {
        uint64_t id = board->cancels[--board->cancel_count];
        status = device_wire_cancel(id, &message.head, &message.head_bytes);
    } else if (remote) {
        status = remote->is_head_sent ? next_chunk_locked(board, remote, chunk_bytes, &message)
                                      : next_head_locked(board, remote, &message);
        if (status != LL_OK) {
            status = ll_fail(&remote->error, status, "out of memory");
            end_locked(board, remote, status);
        }
    }
    ll_mutex_unlock(&board->lock);
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

static struct device_remote *find_locked(struct device_board *board, uint64_t id)
    LL_REQUIRES(board->lock)
{
    for (struct device_remote *remote = board->remotes; remote; remote = remote->next) {
        if (remote->id == id) {
            return remote->is_done ? NULL : remote;
        }
    }
    return NULL;
}

void device_board_set_mark(struct device_board *board, uint64_t id, uint64_t mark)
{
    ll_mutex_lock(&board->lock);
    struct device_remote *remote = find_locked(board, id);
    if (remote) {
        remote->mark = mark;
    }
    ll_mutex_unlock(&board->lock);
}

int64_t device_board_sent_bytes(struct device_board *board)
{
    ll_mutex_lock(&board->lock);
    int64_t bytes = board->sent_bytes;
    ll_mutex_unlock(&board->lock);
    return bytes;
}

/* ---- Receiving ---- */

static ll_status take_answer_locked(struct device_board *board, const Layerlift__V1__Answer *answer,
                                    uint64_t *out_mark) LL_REQUIRES(board->lock)
{
    struct device_remote *remote = find_locked(board, answer->id);
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
        end_locked(board, remote, status);
        return status == LL_E_NOT_FOUND ? status : LL_OK;
    }
    struct ll_error why = {.text = ""};
    /* An edge that runs nothing may say so at once. */
    if (has_bytes_left(remote) && answer->reached != (uint32_t)remote->first) {
        ll_status status =
            ll_fail(&remote->error, LL_E_INVALID, "bad answer: it comes before its inputs");
        end_locked(board, remote, status);
        return LL_OK;
    }
    ll_status status = device_answer_head(&remote->answer, answer, &why);
    if (status != LL_OK) {
        status = ll_fail(&remote->error, status, "bad answer: %.200s", why.text);
        end_locked(board, remote, status);
        return LL_OK;
    }
    remote->answered_ns = ll_clock_now_ns();
    *out_mark = remote->mark;
    if (device_answer_is_complete(&remote->answer)) {
        end_locked(board, remote, LL_OK);
    }
    return LL_OK;
}

static void take_chunk_locked(struct device_board *board, const Layerlift__V1__TensorChunk *chunk)
    LL_REQUIRES(board->lock)
{
    struct device_remote *remote = find_locked(board, chunk->id);
    if (!remote) {
        return;
    }
    struct ll_error why = {.text = ""};
    ll_status status = device_answer_chunk(&remote->answer, chunk, &why);
    if (status != LL_OK) {
        status = ll_fail(&remote->error, status, "bad answer: %.200s", why.text);
        end_locked(board, remote, status);
    } else if (device_answer_is_complete(&remote->answer)) {
        end_locked(board, remote, LL_OK);
    }
}

ll_status device_board_take(struct device_board *board,
                            const Layerlift__V1__OffloadResponse *response, uint64_t *out_mark)
{
    ll_status status = LL_OK;
    *out_mark = 0;
    ll_mutex_lock(&board->lock);
    if (response->kind_case == LAYERLIFT__V1__OFFLOAD_RESPONSE__KIND_ANSWER) {
        status = take_answer_locked(board, response->answer, out_mark);
    } else if (response->kind_case == LAYERLIFT__V1__OFFLOAD_RESPONSE__KIND_CHUNK) {
        take_chunk_locked(board, response->chunk);
    }
    ll_mutex_unlock(&board->lock);
    return status;
}
