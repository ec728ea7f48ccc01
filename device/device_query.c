#include "device/device_query.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/ll_clock.h"

void device_querier_init(struct device_querier *querier)
{
    device_estimate_init(&querier->estimate);
}

/* ---- Which range ---- */

/* What to ask of the edge: [first, end), nothing where they are equal. */
struct query_choice {
    int first;
    int end;
    int least_prefix;
    /* How long the query has waited for a connection: that counts against its deadline. */
    int64_t waited_ns;
};

/* Without a fixed range: from the beginning, as far as the edge is ready when the query arrives. */
static struct query_choice choose(const struct device_querier *querier,
                                  struct device_query_result *result, int64_t *out_rtt_ns)
{
    struct query_choice choice = {0};
    struct device_board_view view = {.state = DEVICE_EDGE_DOWN};
    bool is_fixed = querier->cut_end >= 0;
    if (is_fixed) {
        choice = (struct query_choice){
            .first = querier->cut_first, .end = querier->cut_end, .least_prefix = querier->cut_end};
    }
    int64_t now_ns = ll_clock_now_ns();
    if (querier->board) {
        if (is_fixed && choice.first < choice.end) {
            int64_t wait_ns = querier->deadline_ns > 0 ? querier->deadline_ns : LL_CLOCK_NEVER;
            device_board_await_decision(querier->board, ll_clock_deadline(now_ns, wait_ns));
            choice.waited_ns = ll_clock_now_ns() - now_ns;
        }
        device_board_look(querier->board, &view);
        if (is_fixed && choice.first < choice.end && view.state == DEVICE_EDGE_CONNECTING) {
            (void)ll_fail(&result->fallback, LL_E_DEADLINE, "the edge does not answer");
        }
        if (view.state == DEVICE_EDGE_DOWN && (!is_fixed || choice.first < choice.end)) {
            (void)ll_fail(&result->fallback, LL_E_UNAVAILABLE, "no edge");
        }
    }
    result->prefix = view.prefix;
    *out_rtt_ns = view.rtt_ns;
    if (view.state != DEVICE_EDGE_UP) {
        choice.end = choice.first;
    } else if (!is_fixed && view.prefix > 0) {
        choice.end = querier->model->table->layer_count;
    }
    return choice;
}

/* Legal cuts around `cut`, as text. */
static void nearby_cuts(const struct ll_table *table, int cut, char *text, size_t bytes)
{
    enum { NEARBY_BEFORE = 3, NEARBY_AFTER = 3 };
    int at = ll_table_legal_cut_at_most(table, cut < 0 ? 0 : cut);
    for (int i = 0; i < NEARBY_BEFORE && at > 0; i++) {
        at = ll_table_legal_cut_at_most(table, at - 1);
    }
    size_t used = 0;
    for (int i = 0; i <= NEARBY_BEFORE + NEARBY_AFTER && at <= table->layer_count; i++) {
        int more = snprintf(text + used, bytes - used, "%s%d", i > 0 ? ", " : "", at);
        used += more > 0 && (size_t)more < bytes - used ? (size_t)more : 0;
        do {
            at++;
        } while (at < table->layer_count && !ll_table_is_legal_cut(table, at));
    }
}

ll_status device_query_check_cut(const struct ll_table *table, int first, int end,
                                 struct ll_error *err)
{
    if (first > end) {
        return ll_fail(err, LL_E_INVALID, "--cut %d:%d: the first layer is behind the end", first,
                       end);
    }
    int cuts[] = {first, end};
    for (int i = 0; i < 2; i++) {
        if (!ll_table_is_legal_cut(table, cuts[i])) {
            char nearby[128] = "";
            nearby_cuts(table, cuts[i], nearby, sizeof(nearby));
            return ll_fail(err, LL_E_INVALID,
                           "--cut %d:%d: %d is not a legal cut of this model (%d layers); near it "
                           "are %s",
                           first, end, cuts[i], table->layer_count, nearby);
        }
    }
    return LL_OK;
}

/* ---- The remote part ---- */

static int64_t flops_of(const struct ll_table *table, int first, int end)
{
    int64_t flops = 0;
    for (int i = first; i < end; i++) {
        if (__builtin_add_overflow(flops, table->layers[i].flops, &flops)) {
            return INT64_MAX;
        }
    }
    return flops;
}

static int64_t output_bytes(const struct ll_table *table, int first, int end)
{
    struct ll_names names = {0};
    if (ll_table_outputs(table, first, end, &names) != LL_OK) {
        return 0;
    }
    int64_t bytes = ll_names_bytes(table, &names);
    ll_names_finish(&names);
    return bytes;
}

static struct device_effort effort_of(const struct ll_table *table, int first, int end)
{
    struct device_effort effort = {.flops = flops_of(table, first, end),
                                   .down_bytes = output_bytes(table, first, end)};
    struct ll_names names = {0};
    if (ll_table_inputs(table, first, end, &names) == LL_OK) {
        effort.up_bytes = ll_names_bytes(table, &names);
        ll_names_finish(&names);
    }
    return effort;
}

static void learn(struct device_querier *querier, const struct device_remote *remote)
{
    const struct device_answer *answer = &remote->answer;
    int64_t edge_ns = ll_clock_deadline(answer->queued_ns, answer->computed_ns);
    int64_t up_ns = remote->answered_ns - remote->posted_ns - edge_ns;
    int64_t queued_ns = answer->queued_ns - answer->waited_ns;
    struct device_effort effort = effort_of(querier->model->table, answer->first, answer->reached);
    struct device_spent spent = {
        .up_ns = up_ns > 0 ? up_ns : 0,
        .down_ns = remote->done_ns - remote->answered_ns,
        .queued_ns = queued_ns > 0 ? queued_ns : 0,
        .computed_ns = answer->computed_ns,
    };
    device_estimate_answered(&querier->estimate, &effort, &spent);
}

/* Asks the edge and takes what it answers into the set. Returns the layer up to which it got; on
 * any failure that is `choice->first`, and result->fallback says why. */
static int run_remote(struct device_querier *querier, const struct query_choice *choice,
                      int64_t rtt_ns, struct device_tensors *tensors,
                      struct device_query_result *result)
{
    int expected_end = choice->least_prefix > 0 ? choice->end : result->prefix;
    struct device_effort effort = effort_of(querier->model->table, choice->first, expected_end);
    int64_t allowance_ns = device_estimate_allowance_ns(&querier->estimate, &effort, rtt_ns);
    struct device_remote remote = {
        .first = choice->first,
        .end = choice->end,
        .least_prefix = choice->least_prefix,
        .tensors = tensors,
    };
    struct device_patience patience = {.deadline_ns = LL_CLOCK_NEVER, .allowance_ns = allowance_ns};
    if (querier->deadline_ns > 0) {
        patience.deadline_ns =
            ll_clock_deadline(ll_clock_now_ns(), querier->deadline_ns - choice->waited_ns);
        patience.allowance_ns = LL_CLOCK_NEVER;
        remote.deadline_ms = (uint32_t)((querier->deadline_ns - 1) / LL_NS_PER_MS + 1);
    } else if (choice->least_prefix == 0) {
        remote.deadline_ms = (uint32_t)(allowance_ns / LL_NS_PER_MS + 1);
    }
    ll_status status = device_board_post(querier->board, &remote);
    if (status != LL_OK) {
        (void)ll_fail(&result->fallback, status, "%s",
                      status == LL_E_UNAVAILABLE ? "no edge" : ll_status_text(status));
        return choice->first;
    }
    device_board_withdraw(querier->board, &remote, &patience);
    int reached = choice->first;
    if (remote.status == LL_OK) {
        device_answer_take(&remote.answer, tensors);
        reached = remote.answer.reached;
        result->prefix = remote.answer.prefix;
        result->edge_ns = ll_clock_deadline(remote.answer.queued_ns, remote.answer.computed_ns);
        learn(querier, &remote);
    } else {
        result->fallback = remote.error;
        if (remote.status == LL_E_DEADLINE) {
            device_estimate_missed(&querier->estimate);
        }
    }
    device_remote_finish(&remote);
    return reached;
}

/* ---- The whole query ---- */

static ll_status run_parts(struct device_querier *querier, struct device_tensors *tensors,
                           struct device_query_result *result, struct ll_error *err)
{
    int64_t rtt_ns = 0;
    struct query_choice choice = choose(querier, result, &rtt_ns);
    int layers = querier->model->table->layer_count;
    result->first = choice.first;
    result->end = choice.first;
    ll_status status =
        device_local_run(querier->local, 0, choice.first, tensors, &result->device_ns, err);
    if (status == LL_OK && choice.first < choice.end) {
        result->end = run_remote(querier, &choice, rtt_ns, tensors, result);
    }
    if (status == LL_OK) {
        status =
            device_local_run(querier->local, result->end, layers, tensors, &result->device_ns, err);
    }
    if (status != LL_OK) {
        return status;
    }
    result->latency_ns = ll_clock_now_ns() - result->issued_ns;
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
