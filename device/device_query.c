#include "device/device_query.h"

#include <stdlib.h>

#include "core/ll_clock.h"

ll_status device_querier_init(struct device_querier *querier)
{
    struct device_advisor_config config = {
        .profile = querier->profile,
        .slowdown = querier->slowdown,
        .limit_bytes_per_s = querier->limit_bytes_per_s,
    };
    return device_advisor_create(&config, &querier->advisor);
}

void device_querier_finish(struct device_querier *querier)
{
    device_input_bytes_finish(&querier->input_bytes);
    device_advisor_destroy(querier->advisor);
    querier->advisor = NULL;
}

/* ---- Which range ---- */

/* What to ask of the edge, and how the edge looked when that was decided. */
struct query_choice {
    struct device_advice advice;
    struct device_link_state link;
    /* [first, end), nothing where they are equal. */
    int first;
    int end;
    int least_prefix;
    /* How tensors are written; `input_bytes` are the querier's. */
    ll_dtype input_dtype;
    struct ll_buf *input_bytes;
    ll_dtype cut_dtype;
    /* How long the query has waited for a connection: that counts against its deadline. */
    int64_t waited_ns;
};

static bool is_fixed(const struct device_querier *querier)
{
    return querier->cut_end >= 0;
}

/* A query with a fixed range waits until the first attempt to reach an edge is decided. */
static void look(struct device_querier *querier, struct query_choice *choice,
                 struct device_board_view *out_view, struct device_query_result *result)
{
    bool wants_edge = !is_fixed(querier) || querier->cut_first < querier->cut_end;
    struct device_board_view view = {.state = DEVICE_EDGE_DOWN};
    if (querier->board && wants_edge && is_fixed(querier)) {
        int64_t now_ns = ll_clock_now_ns();
        int64_t wait_ns = querier->deadline_ns > 0 ? querier->deadline_ns : LL_CLOCK_NEVER;
        device_board_await_decision(querier->board, ll_clock_deadline(now_ns, wait_ns));
        choice->waited_ns = ll_clock_now_ns() - now_ns;
    }
    if (querier->board) {
        device_board_look(querier->board, &view);
        if (wants_edge && is_fixed(querier) && view.state == DEVICE_EDGE_CONNECTING) {
            (void)ll_fail(&result->fallback, LL_E_DEADLINE, "the edge does not answer");
        }
        if (wants_edge && view.state == DEVICE_EDGE_DOWN) {
            (void)ll_fail(&result->fallback, LL_E_UNAVAILABLE, "no edge");
        }
    }
    result->prefix = view.prefix;
    choice->link =
        (struct device_link_state){.rtt_ns = view.rtt_ns, .bytes_per_s = view.bytes_per_s};
    *out_view = view;
}

/* What the board knows of the edge and the advisor does not. */
static void tell_advisor(struct device_querier *querier, const struct device_board_view *view)
{
    if (view->connection != querier->connection) {
        querier->connection = view->connection;
        device_advisor_connected(querier->advisor);
    }
    if (view->times_version != querier->times_version) {
        querier->times_version = view->times_version;
        device_board_edge_times(querier->board, device_advisor_edge_times(querier->advisor));
        device_advisor_told(querier->advisor);
    }
}

/* Bytes where they are exact, else what cut tensors are, unless the input is to stay as it is; and
 * nothing that the edge does not take. */
static void choose_dtypes(struct device_querier *querier, const struct device_board_view *view,
                          struct ll_buf *input, struct query_choice *choice)
{
    choice->cut_dtype = view->takes_f16 ? querier->cut_dtype : LL_F32;
    if (querier->is_input_f32) {
        return;
    }
    choice->input_dtype = choice->cut_dtype;
    if (view->takes_u8) {
        choice->input_bytes = device_input_bytes(&querier->input_bytes, input);
        choice->input_dtype = choice->input_bytes ? LL_U8 : choice->input_dtype;
    }
}

static ll_status choose(struct device_querier *querier, struct ll_buf *input,
                        struct query_choice *out_choice, struct device_query_result *result)
{
    struct query_choice choice = {.input_dtype = LL_F32, .cut_dtype = LL_F32};
    struct device_board_view view;
    ll_status status = LL_OK;
    look(querier, &choice, &view, result);
    tell_advisor(querier, &view);
    choose_dtypes(querier, &view, input, &choice);
    bool is_up = view.state == DEVICE_EDGE_UP;
    int layers = querier->model->table->layer_count;
    struct device_outlook outlook = {
        .link = choice.link,
        .prefix = is_up ? view.prefix : 0,
        .input_width = ll_dtype_bytes(choice.input_dtype),
        .up_width = ll_dtype_bytes(choice.cut_dtype),
        .down_width = ll_dtype_bytes(choice.cut_dtype),
    };
    if (is_fixed(querier)) {
        choice.first = querier->cut_first;
        choice.end = is_up ? querier->cut_end : choice.first;
        choice.least_prefix = choice.end > choice.first ? choice.end : 0;
        status = device_advisor_predict(querier->advisor, &outlook, choice.first, choice.end,
                                        &choice.advice);
    } else if (querier->choose == DEVICE_CHOOSE_FURTHEST) {
        /* As far as the edge is ready when the query arrives there. */
        choice.end = outlook.prefix > 0 ? layers : 0;
        status =
            device_advisor_predict(querier->advisor, &outlook, 0, outlook.prefix, &choice.advice);
    } else {
        device_advisor_choose(querier->advisor, &outlook, &choice.advice);
        choice.first = choice.advice.range.first;
        choice.end = choice.advice.range.end;
    }
    *out_choice = choice;
    return status;
}

/* ---- The remote part ---- */

static void learn(struct device_querier *querier, const struct query_choice *choice,
                  const struct device_remote *remote)
{
    const struct device_answer *answer = &remote->answer;
    int64_t edge_ns = ll_clock_deadline(answer->queued_ns, answer->computed_ns);
    int64_t up_ns = remote->answered_ns - remote->posted_ns - edge_ns;
    int64_t queued_ns = answer->queued_ns - answer->waited_ns;
    struct device_exchange exchange = {
        .first = answer->first,
        .end = answer->reached,
        .up_bytes = remote->sent_bytes,
        .down_bytes = device_answer_bytes(answer),
    };
    struct device_spent spent = {
        .up_ns = up_ns > 0 ? up_ns : 0,
        .down_ns = remote->done_ns - remote->answered_ns,
        .queued_ns = queued_ns > 0 ? queued_ns : 0,
        .computed_ns = answer->computed_ns,
    };
    device_advisor_answered(querier->advisor, &exchange, &spent, &choice->link, remote->done_ns);
}

/* How long the remote part may take, here and on the edge. */
static void set_deadlines(const struct device_querier *querier, const struct query_choice *choice,
                          struct device_remote *remote, struct device_patience *out_patience)
{
    int64_t allowance_ns = device_advisor_allowance_ns(querier->advisor, &choice->advice);
    *out_patience =
        (struct device_patience){.deadline_ns = LL_CLOCK_NEVER, .allowance_ns = allowance_ns};
    if (querier->deadline_ns > 0) {
        out_patience->deadline_ns =
            ll_clock_deadline(ll_clock_now_ns(), querier->deadline_ns - choice->waited_ns);
        out_patience->allowance_ns = LL_CLOCK_NEVER;
        remote->deadline_ms = (uint32_t)((querier->deadline_ns - 1) / LL_NS_PER_MS + 1);
    } else if (choice->least_prefix == 0) {
        remote->deadline_ms = (uint32_t)(allowance_ns / LL_NS_PER_MS + 1);
    }
}

/* The remote part is over, one way or the other. Returns the layer up to which it got. */
static int take_remote(struct device_querier *querier, const struct query_choice *choice,
                       struct device_remote *remote, struct device_tensors *tensors,
                       struct device_query_result *result)
{
    result->up_bytes = remote->sent_bytes;
    result->is_rounded = remote->status == LL_OK && remote->is_rounded;
    if (remote->status == LL_OK) {
        device_answer_take(&remote->answer, tensors);
        result->prefix = remote->answer.prefix;
        result->edge_ns = ll_clock_deadline(remote->answer.queued_ns, remote->answer.computed_ns);
        result->down_bytes = device_answer_bytes(&remote->answer);
        learn(querier, choice, remote);
        return remote->answer.reached;
    }
    result->fallback = remote->error;
    if (remote->status == LL_E_DEADLINE) {
        int64_t now_ns = ll_clock_now_ns();
        struct device_miss miss = {
            .waited_ns = now_ns - remote->posted_ns,
            .sent_bytes = remote->sent_bytes,
            .is_sent = remote->sent_ns > 0,
        };
        device_advisor_missed(querier->advisor, &choice->advice, &miss, now_ns);
    } else {
        device_advisor_failed(querier->advisor, &choice->advice);
    }
    return choice->first;
}

/* Asks the edge and takes what it answers into the set. Returns the layer up to which it got; on
 * any failure that is `choice->first`, and result->fallback says why. */
static int run_remote(struct device_querier *querier, const struct query_choice *choice,
                      struct device_tensors *tensors, struct device_query_result *result)
{
    struct device_remote remote = {
        .first = choice->first,
        .end = choice->end,
        .least_prefix = choice->least_prefix,
        .tensors = tensors,
        .input_dtype = choice->input_dtype,
        .input_bytes = choice->input_bytes,
        .cut_dtype = choice->cut_dtype,
    };
    struct device_patience patience;
    set_deadlines(querier, choice, &remote, &patience);
    ll_status status = device_board_post(querier->board, &remote);
    if (status != LL_OK) {
        (void)ll_fail(&result->fallback, status, "%s",
                      status == LL_E_UNAVAILABLE ? "no edge" : ll_status_text(status));
        return choice->first;
    }
    device_board_withdraw(querier->board, &remote, &patience);
    int reached = take_remote(querier, choice, &remote, tensors, result);
    device_remote_finish(&remote);
    return reached;
}

/* ---- The whole query ---- */

static ll_status run_local(struct device_querier *querier, int first, int end,
                           struct device_tensors *tensors, struct device_query_result *result,
                           struct ll_error *err)
{
    int64_t took_ns = 0;
    ll_status status = device_local_run(querier->local, first, end, tensors, &took_ns, err);
    if (status == LL_OK) {
        result->device_ns += took_ns;
        device_advisor_computed(querier->advisor, first, end, took_ns, ll_clock_now_ns());
    }
    return status;
}

static ll_status run_parts(struct device_querier *querier, struct device_tensors *tensors,
                           struct device_query_result *result, struct ll_error *err)
{
    struct query_choice choice;
    struct ll_buf *input = device_tensors_get(tensors, LL_TENSOR_INPUT);
    ll_status status = choose(querier, input, &choice, result);
    if (status != LL_OK) {
        return ll_fail(err, status, "out of memory");
    }
    int layers = querier->model->table->layer_count;
    result->first = choice.first;
    result->end = choice.first;
    result->predicted_ns = (int64_t)choice.advice.range.latency_ns;
    result->is_try = choice.advice.is_try;
    status = run_local(querier, 0, choice.first, tensors, result, err);
    if (status == LL_OK && choice.first < choice.end) {
        result->end = run_remote(querier, &choice, tensors, result);
    }
    if (status == LL_OK) {
        status = run_local(querier, result->end, layers, tensors, result, err);
    }
    if (status != LL_OK) {
        return status;
    }
    result->latency_ns = ll_clock_now_ns() - result->issued_ns;
    device_advisor_ended(querier->advisor, &choice.advice, result->latency_ns);
    if (choice.first == choice.end) {
        /* Nobody else had a part in it. */
        result->device_ns = result->latency_ns - choice.waited_ns;
    }
    int64_t remote_ns = result->latency_ns - result->device_ns;
    if (result->edge_ns > remote_ns) {
        result->edge_ns = remote_ns;
    }
    result->network_ns = remote_ns - result->edge_ns;
    return LL_OK;
}

ll_status device_query_run(struct device_querier *querier, struct ll_buf *input,
                           struct device_query_result *out_result, struct ll_error *err)
{
    struct device_query_result result = {.issued_ns = ll_clock_now_ns()};
    struct device_tensors tensors = {0};
    ll_status status = device_tensors_init(&tensors, querier->model->table);
    if (status != LL_OK) {
        return ll_fail(err, status, "out of memory");
    }
    device_tensors_put(&tensors, LL_TENSOR_INPUT, input);
    status = run_parts(querier, &tensors, &result, err);
    if (status == LL_OK) {
        status = device_tensors_outputs(&tensors, &result.outputs, &result.output_floats,
                                        &result.last_floats);
        if (status != LL_OK) {
            status = ll_fail(err, status, "the network's outputs: %s", ll_status_text(status));
        }
    }
    device_tensors_finish(&tensors);
    if (status == LL_OK) {
        *out_result = result;
    }
    return status;
}

void device_query_result_finish(struct device_query_result *result)
{
    free(result->outputs);
    *result = (struct device_query_result){0};
}
