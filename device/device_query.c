#include "device/device_query.h"

#include <math.h>
#include <stdlib.h>

#include "core/ll_clock.h"
#include "device/device_decision.h"

/* As an int64_t has it. */
#define QUERY_MOST_NS 9e18

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

/* ---- The remote part ---- */

static void learn(struct device_querier *querier, const struct device_decision *decision,
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
    device_advisor_answered(querier->advisor, &exchange, &spent, &decision->link, remote->done_ns);
}

/* For the wire, which has 32 bits for it: rounded up, and the most that there is for more. */
static uint32_t wire_ms(int64_t ns)
{
    int64_t ms = (ns - 1) / LL_NS_PER_MS + 1;
    return ms > (int64_t)UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

/* How long the remote part may take, here and on the edge. */
static void set_deadlines(const struct device_querier *querier,
                          const struct device_decision *decision, struct device_remote *remote,
                          struct device_patience *out_patience)
{
    int64_t allowance_ns = device_advisor_allowance_ns(querier->advisor, &decision->advice);
    *out_patience =
        (struct device_patience){.deadline_ns = LL_CLOCK_NEVER, .allowance_ns = allowance_ns};
    if (querier->deadline_ns > 0) {
        out_patience->deadline_ns =
            ll_clock_deadline(ll_clock_now_ns(), querier->deadline_ns - decision->waited_ns);
        out_patience->allowance_ns = LL_CLOCK_NEVER;
        remote->deadline_ms = wire_ms(querier->deadline_ns);
    } else if (decision->least_prefix == 0) {
        remote->deadline_ms = wire_ms(allowance_ns);
    }
}

/* The remote part is over, one way or the other: what that teaches. */
static void learn_outcome(struct device_querier *querier, const struct device_decision *decision,
                          const struct device_remote *remote)
{
    int64_t now_ns = ll_clock_now_ns();
    struct device_miss miss = {
        .waited_ns = now_ns - remote->posted_ns,
        .sent_bytes = remote->sent_bytes,
        .is_sent = remote->sent_ns > 0,
    };
    if (remote->status == LL_OK) {
        learn(querier, decision, remote);
    } else if (remote->status == LL_E_DEADLINE) {
        device_advisor_missed(querier->advisor, &decision->advice, &miss, now_ns);
    } else {
        device_advisor_failed(querier->advisor, &decision->advice);
    }
}

static struct device_remote remote_of(const struct device_decision *decision,
                                      const struct device_tensors *tensors)
{
    return (struct device_remote){
        .first = decision->first,
        .end = decision->end,
        .least_prefix = decision->least_prefix,
        .tensors = tensors,
        .input_dtype = decision->input_dtype,
        .input_bytes = decision->input_bytes,
        .cut_dtype = decision->cut_dtype,
    };
}

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

/* The largest difference between the edge's tensors of an answer and those that the set holds. */
static double answer_difference(const struct device_answer *answer,
                                const struct device_tensors *tensors)
{
    double largest = 0;
    for (int i = 0; i < answer->names.count; i++) {
        const struct ll_buf *ours = device_tensors_get(tensors, answer->names.names[i]);
        largest = fmax(largest, device_trust_difference(answer->bufs[i], ours));
    }
    return largest;
}

static bool is_finite(const struct device_answer *answer, const struct device_tensors *tensors)
{
    bool is_so = true;
    for (int i = 0; i < answer->names.count; i++) {
        is_so =
            is_so && device_trust_is_finite(device_tensors_get(tensors, answer->names.names[i]));
    }
    return is_so;
}

/* What the edge answered is not what the device has found instead. */
static void reject(struct device_querier *querier, const struct device_decision *decision,
                   bool is_left, struct device_query_result *result)
{
    result->is_wrong = true;
    result->end = decision->first;
    if (is_left) {
        device_board_accuse(querier->board, querier->connection, result->fallback.text);
    }
}

/* The set holds the edge's answer: where there is doubt, or it is its turn, the same is computed
 * here, and the set holds that. */
static ll_status verify(struct device_querier *querier, const struct device_decision *decision,
                        const struct device_answer *answer, struct device_tensors *tensors,
                        struct device_query_result *result, struct ll_error *err)
{
    struct device_trust *trust = &querier->trust;
    bool is_due = device_trust_is_due(trust);
    bool is_odd = !trust->is_odd_normal && !is_finite(answer, tensors);
    if (!is_due && !is_odd) {
        return LL_OK;
    }
    int64_t before_ns = result->device_ns;
    ll_status status = run_local(querier, answer->first, answer->reached, tensors, result, err);
    if (status != LL_OK) {
        return status;
    }
    result->verify_ns = result->device_ns - before_ns;
    bool is_ours_odd = is_odd && !is_finite(answer, tensors);
    bool is_left = is_odd && device_trust_found_odd(trust, is_ours_odd);
    result->is_verified = is_due;
    result->difference = is_due ? answer_difference(answer, tensors) : 0;
    if (is_odd && !is_ours_odd) {
        (void)ll_fail(&result->fallback, LL_E_INVALID, "the edge's values are not finite");
        reject(querier, decision, is_left, result);
    } else if (is_due && result->difference >
                             device_trust_tolerance(decision->is_same_engine, result->is_rounded)) {
        (void)ll_fail(&result->fallback, LL_E_INVALID,
                      "the edge's values differ by %.2g of the largest", result->difference);
        reject(querier, decision, true, result);
    }
    return LL_OK;
}

/* Asks the edge and takes what it answers into the set. `*out_reached` is the layer up to which
 * the set has got then: on any failure `decision->first`, and result->fallback says why. */
static ll_status run_remote(struct device_querier *querier, const struct device_decision *decision,
                            struct device_tensors *tensors, int *out_reached,
                            struct device_query_result *result, struct ll_error *err)
{
    struct device_remote remote = remote_of(decision, tensors);
    struct device_patience patience;
    set_deadlines(querier, decision, &remote, &patience);
    ll_status status = device_board_post(querier->board, &remote);
    if (status != LL_OK) {
        (void)ll_fail(&result->fallback, status, "%s",
                      status == LL_E_UNAVAILABLE ? "no edge" : ll_status_text(status));
        return LL_OK;
    }
    status = LL_OK;
    device_board_withdraw(querier->board, &remote, &patience);
    learn_outcome(querier, decision, &remote);
    result->up_bytes = remote.sent_bytes;
    if (remote.status == LL_OK) {
        device_answer_take(&remote.answer, tensors);
        *out_reached = remote.answer.reached;
        result->end = remote.answer.reached;
        result->prefix = remote.answer.prefix;
        result->edge_ns = ll_clock_deadline(remote.answer.queued_ns, remote.answer.computed_ns);
        result->down_bytes = device_answer_bytes(&remote.answer);
        result->is_rounded = remote.is_rounded;
        status = verify(querier, decision, &remote.answer, tensors, result, err);
    } else {
        result->fallback = remote.error;
    }
    device_remote_finish(&remote);
    return status;
}

/* ---- The whole query ---- */

/* A part on the device, one on the edge, the rest on the device. */
static ll_status run_divided(struct device_querier *querier, const struct device_decision *decision,
                             struct device_tensors *tensors, struct device_query_result *result,
                             struct ll_error *err)
{
    int layers = querier->model->table->layer_count;
    result->first = decision->first;
    result->end = decision->first;
    ll_status status = run_local(querier, 0, decision->first, tensors, result, err);
    int reached = decision->first;
    if (status == LL_OK && decision->first < decision->end) {
        status = run_remote(querier, decision, tensors, &reached, result, err);
    }
    if (status == LL_OK) {
        status = run_local(querier, reached, layers, tensors, result, err);
    }
    return status;
}

/* Everything on the device, and a part on the edge at the same time, which is only timed: nobody
 * waits for it. */
static ll_status run_beside(struct device_querier *querier, struct device_decision *decision,
                            struct device_tensors *tensors, struct device_query_result *result,
                            struct ll_error *err)
{
    int layers = querier->model->table->layer_count;
    decision->first = decision->advice.asked.first;
    decision->end = decision->advice.asked.end;
    ll_status status = run_local(querier, 0, decision->first, tensors, result, err);
    if (status != LL_OK) {
        return status;
    }
    struct device_remote remote = remote_of(decision, tensors);
    bool is_posted = device_board_post(querier->board, &remote) == LL_OK;
    status = run_local(querier, decision->first, layers, tensors, result, err);
    if (is_posted) {
        struct device_patience none = {.deadline_ns = 0, .allowance_ns = LL_CLOCK_NEVER};
        device_board_withdraw(querier->board, &remote, &none);
        learn_outcome(querier, decision, &remote);
        result->up_bytes = remote.sent_bytes;
        result->down_bytes = remote.status == LL_OK ? device_answer_bytes(&remote.answer) : 0;
        device_remote_finish(&remote);
    }
    decision->end = decision->first;
    return status;
}

static ll_status run_parts(struct device_querier *querier, struct device_tensors *tensors,
                           struct device_query_result *result, struct ll_error *err)
{
    struct device_decision decision;
    struct ll_buf *input = device_tensors_get(tensors, LL_TENSOR_INPUT);
    ll_status status = device_decide(querier, input, &decision, result);
    if (status != LL_OK) {
        return ll_fail(err, status, "out of memory");
    }
    result->predicted_ns = (int64_t)fmin(decision.advice.range.latency_ns, QUERY_MOST_NS);
    result->tries = decision.advice.tries;
    status = decision.advice.tries == DEVICE_TRY_EDGE
                 ? run_beside(querier, &decision, tensors, result, err)
                 : run_divided(querier, &decision, tensors, result, err);
    if (status != LL_OK) {
        return status;
    }
    result->latency_ns = ll_clock_now_ns() - result->issued_ns;
    /* What was only checked tells nothing of which range is faster. */
    device_advisor_ended(querier->advisor, &decision.advice,
                         result->latency_ns - result->verify_ns);
    if (decision.first == decision.end) {
        /* Nobody else had a part in it. */
        result->device_ns = result->latency_ns - decision.waited_ns;
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
