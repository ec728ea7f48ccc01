/* A query asks the chooser once and tells it once how it went. In between it is three stretches of
 * layers: on the device, on the edge, on the device again; or all of them on the device while the
 * edge computes its own as well, only to be timed. */
#include "device/query/device_query.h"

#include <math.h>
#include <stdlib.h>

#include "core/ll_clock.h"

/* See DEVICE_WAIT_PREDICTED. */
#define QUERY_WAIT_NS (200.0 * LL_NS_PER_MS)
#define QUERY_WAIT_PART 0.1
#define QUERY_WAIT_MOST_PART 0.5
/* As an int64_t has it. */
#define QUERY_MOST_NS 9e18

ll_status device_querier_init(struct device_querier *querier)
{
    struct device_chooser_config config = {
        .times = querier->times,
        .slowdown = querier->slowdown,
        .limit_bytes_per_s = querier->limit_bytes_per_s,
    };
    size_t layers = (size_t)querier->model->table->layer_count;
    querier->edge_times_ns = calloc(layers, sizeof(*querier->edge_times_ns));
    ll_status status =
        querier->edge_times_ns ? device_chooser_create(&config, &querier->chooser) : LL_E_NO_MEMORY;
    if (status != LL_OK) {
        device_querier_finish(querier);
        return status;
    }
    double alone_ns = device_chooser_alone_ns(querier->chooser);
    double wait_ns = fmax(QUERY_WAIT_NS, alone_ns * QUERY_WAIT_PART);
    querier->predicted_wait_ns =
        (int64_t)fmin(fmin(wait_ns, alone_ns * QUERY_WAIT_MOST_PART), QUERY_MOST_NS);
    return LL_OK;
}

void device_querier_finish(struct device_querier *querier)
{
    device_input_bytes_finish(&querier->input_bytes);
    device_chooser_destroy(querier->chooser);
    free(querier->edge_times_ns);
    querier->chooser = NULL;
    querier->edge_times_ns = NULL;
}

/* One query under way. */
struct query {
    struct device_tensors tensors;
    /* The edge as it was found. */
    struct device_edge_view edge;
    struct device_decision decision;
    struct device_outcome outcome;
    struct device_query_result result;
};

/* ---- Which way ---- */

/* Until when the query waits for the first attempt to reach an edge to be decided: with a fixed
 * range without end, up to its deadline. */
static int64_t wait_until_ns(struct device_querier *querier, int64_t now_ns)
{
    const struct device_wish *wish = &querier->wish;
    if (wish->cut_end >= 0) {
        int64_t wait_ns = wish->deadline_ns > 0 ? wish->deadline_ns : LL_CLOCK_NEVER;
        return ll_clock_deadline(now_ns, wait_ns);
    }
    if (querier->wait_until_ns == 0) {
        bool is_predicted = querier->wait_edge_ns == DEVICE_WAIT_PREDICTED;
        querier->wait_until_ns = ll_clock_deadline(now_ns, is_predicted ? querier->predicted_wait_ns
                                                                        : querier->wait_edge_ns);
    }
    return querier->wait_until_ns;
}

/* The edge as it is now. Says in the result's fallback where there is none that should be. */
static void look(struct device_querier *querier, struct query *query)
{
    const struct device_wish *wish = &querier->wish;
    struct device_edge_view *edge = &query->edge;
    bool is_fixed = wish->cut_end >= 0;
    bool wants_edge = querier->edge && (!is_fixed || wish->cut_first < wish->cut_end);
    *edge = (struct device_edge_view){.phase = DEVICE_EDGE_DOWN};
    if (querier->edge) {
        int64_t until_ns = wants_edge ? wait_until_ns(querier, query->result.issued_ns) : 0;
        device_edge_state_look(querier->edge, until_ns, querier->edge_times_version,
                               querier->edge_times_ns, edge);
        querier->edge_times_version = edge->times_version;
    }
    if (wants_edge && is_fixed && edge->phase == DEVICE_EDGE_CONNECTING) {
        (void)ll_fail(&query->result.fallback, LL_E_DEADLINE, "the edge does not answer");
    }
    if (wants_edge && edge->phase == DEVICE_EDGE_DOWN) {
        (void)ll_fail(&query->result.fallback, LL_E_UNAVAILABLE, "no edge");
    }
    query->result.prefix = edge->prefix;
}

static ll_status decide(struct device_querier *querier, struct query *query, struct ll_buf *input,
                        struct ll_buf **out_bytes)
{
    const struct device_edge_view *edge = &query->edge;
    struct device_query_result *result = &query->result;
    look(querier, query);
    *out_bytes = edge->takes_u8 && !querier->wish.is_input_f32
                     ? device_input_bytes(&querier->input_bytes, input)
                     : NULL;
    struct device_prospect prospect = {
        .is_up = edge->phase == DEVICE_EDGE_UP,
        .prefix = edge->prefix,
        .takes_u8 = *out_bytes != NULL,
        .takes_f16 = edge->takes_f16,
        .link = {.rtt_ns = edge->rtt_ns, .bytes_per_s = edge->bytes_per_s},
        .connection = edge->connection,
        .times_ns = querier->edge_times_ns,
        .times_version = edge->times_version,
    };
    ll_status status = device_chooser_choose(querier->chooser, &querier->wish, &prospect,
                                             result->issued_ns, &query->decision);
    result->predicted_ns = (int64_t)fmin(query->decision.predicted_ns, QUERY_MOST_NS);
    result->tries = query->decision.tries;
    result->stays = query->decision.there_ns > 0;
    result->there_ns = (int64_t)fmin(query->decision.there_ns, QUERY_MOST_NS);
    return status;
}

/* ---- The device's parts ---- */

static ll_status run_here(struct device_querier *querier, struct query *query, int first, int end,
                          struct ll_error *err)
{
    struct device_part part = {.first = first, .end = end};
    ll_status status =
        device_local_run(querier->local, first, end, &query->tensors, &part.took_ns, err);
    part.at_ns = ll_clock_now_ns();
    if (status == LL_OK) {
        query->result.device_ns += part.took_ns;
        query->outcome.parts[query->outcome.part_count++] = part;
    }
    return status;
}

/* ---- The edge's part ---- */

/* How long it may take, here and on the edge. */
static struct device_patience patience_of(const struct device_wish *wish, const struct query *query,
                                          int64_t *out_edge_time_ns)
{
    const struct device_decision *decision = &query->decision;
    struct device_patience patience = {.most_ns = LL_CLOCK_NEVER,
                                       .allowance_ns = decision->allowance_ns};
    *out_edge_time_ns = 0;
    if (decision->tries == DEVICE_TRY_EDGE) {
        return (struct device_patience){.allowance_ns = LL_CLOCK_NEVER};
    }
    if (wish->deadline_ns > 0) {
        patience.most_ns = wish->deadline_ns - query->edge.waited_ns;
        patience.allowance_ns = LL_CLOCK_NEVER;
        *out_edge_time_ns = wish->deadline_ns;
    } else if (decision->least_prefix == 0) {
        *out_edge_time_ns = decision->allowance_ns;
    }
    return patience;
}

/* What its end teaches. */
static void note_end(struct query *query, const struct device_remote *remote)
{
    const struct device_answer *answer = &remote->answer;
    struct device_outcome *outcome = &query->outcome;
    outcome->asked_until_ns = ll_clock_now_ns();
    if (remote->status == LL_E_DEADLINE) {
        outcome->asked = DEVICE_MISSED;
        outcome->miss = (struct device_miss){
            .waited_ns = outcome->asked_until_ns - remote->posted_ns,
            .sent_bytes = remote->sent_bytes,
            .is_sent = remote->sent_ns > 0,
        };
        return;
    }
    if (remote->status != LL_OK) {
        outcome->asked = DEVICE_FAILED;
        return;
    }
    int64_t edge_ns = ll_clock_deadline(answer->queued_ns, answer->computed_ns);
    int64_t up_ns = remote->answered_ns - remote->posted_ns - edge_ns;
    int64_t queued_ns = answer->queued_ns - answer->waited_ns;
    outcome->asked = DEVICE_ANSWERED;
    outcome->asked_until_ns = remote->done_ns;
    outcome->reached = answer->reached;
    outcome->up_bytes = remote->sent_bytes;
    outcome->down_bytes = device_answer_bytes(answer);
    outcome->spent = (struct device_spent){
        .up_ns = up_ns > 0 ? up_ns : 0,
        .down_ns = remote->done_ns - remote->answered_ns,
        .queued_ns = queued_ns > 0 ? queued_ns : 0,
        .computed_ns = answer->computed_ns,
    };
}

/* Takes an answer into the set. */
static void take_answer(struct query *query, struct device_remote *remote)
{
    struct device_query_result *result = &query->result;
    device_answer_take(&remote->answer, &query->tensors);
    result->end = remote->answer.reached;
    result->prefix = remote->answer.prefix;
    result->edge_ns = ll_clock_deadline(remote->answer.queued_ns, remote->answer.computed_ns);
    result->is_rounded = remote->is_rounded;
}

/* ---- Trust ---- */

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

/* The set holds the edge's answer: where there is doubt, or it is its turn, the same is computed
 * here, and the set holds that. */
static ll_status verify(struct device_querier *querier, struct query *query,
                        const struct device_answer *answer, struct ll_error *err)
{
    struct device_query_result *result = &query->result;
    struct device_trust *trust = &querier->trust;
    bool is_due = device_trust_is_due(trust, query->edge.connection);
    bool is_odd = !trust->is_odd_normal && !is_finite(answer, &query->tensors);
    if (!is_due && !is_odd) {
        return LL_OK;
    }
    int64_t before_ns = result->device_ns;
    ll_status status = run_here(querier, query, answer->first, answer->reached, err);
    if (status != LL_OK) {
        return status;
    }
    result->verify_ns = result->device_ns - before_ns;
    bool is_ours_odd = is_odd && !is_finite(answer, &query->tensors);
    bool is_left = is_odd && device_trust_found_odd(trust, is_ours_odd);
    result->is_verified = is_due;
    result->difference = is_due ? answer_difference(answer, &query->tensors) : 0;
    bool differs = is_due && result->difference > device_trust_tolerance(query->edge.is_same_engine,
                                                                         result->is_rounded);
    if (is_odd && !is_ours_odd) {
        (void)ll_fail(&result->fallback, LL_E_INVALID, "the edge's values are not finite");
    } else if (differs) {
        (void)ll_fail(&result->fallback, LL_E_INVALID,
                      "the edge's values differ by %.2g of the largest", result->difference);
        is_left = true;
    } else {
        return LL_OK;
    }
    result->is_wrong = true;
    result->end = query->decision.first;
    if (is_left) {
        device_edge_state_accuse(querier->edge, query->edge.connection, result->fallback.text);
    }
    return LL_OK;
}

/* ---- The stretch behind the cut ---- */

/* The edge's part is over. `*out_from` is the layer up to which the set has got then: on any
 * failure still the cut, and result.fallback says why. */
static ll_status end_remote(struct device_querier *querier, struct query *query,
                            struct device_remote *remote, int *out_from, struct ll_error *err)
{
    ll_status status = LL_OK;
    bool is_beside = query->decision.tries == DEVICE_TRY_EDGE;
    note_end(query, remote);
    query->result.up_bytes = remote->sent_bytes;
    query->result.down_bytes = query->outcome.down_bytes;
    if (!is_beside && remote->status == LL_OK) {
        take_answer(query, remote);
        *out_from = remote->answer.reached;
        status = verify(querier, query, &remote->answer, err);
    } else if (!is_beside) {
        query->result.fallback = remote->error;
    }
    device_remote_finish(remote);
    return status;
}

/* Asks the edge for its range and runs the layers from there on here: after the answer, or, where
 * the edge is only tried, meanwhile. Whatever goes wrong with the edge's part, the device computes
 * from the tensors that it holds, and result.fallback says why. */
static ll_status run_from_cut(struct device_querier *querier, struct query *query,
                              struct ll_buf *input_bytes, struct ll_error *err)
{
    const struct device_decision *decision = &query->decision;
    int layers = querier->model->table->layer_count;
    bool is_beside = decision->tries == DEVICE_TRY_EDGE;
    struct device_remote remote = {
        .first = decision->first,
        .end = decision->end,
        .least_prefix = decision->least_prefix,
        .tensors = &query->tensors,
        .form = {.input_dtype = decision->input_dtype,
                 .input_bytes = input_bytes,
                 .cut_dtype = decision->cut_dtype},
    };
    struct device_patience patience = patience_of(&querier->wish, query, &remote.edge_time_ns);
    ll_status posted = device_requests_post(querier->requests, &remote);
    if (posted != LL_OK && !is_beside) {
        query->result.fallback = remote.error;
    }
    ll_status status = LL_OK;
    int from = decision->first;
    if (posted != LL_OK || is_beside) {
        status = run_here(querier, query, from, layers, err);
        from = layers;
    }
    if (posted == LL_OK) {
        device_requests_withdraw(querier->requests, &remote, &patience);
        ll_status ended = end_remote(querier, query, &remote, &from, err);
        status = status == LL_OK ? ended : status;
    }
    return status == LL_OK && from < layers ? run_here(querier, query, from, layers, err) : status;
}

/* ---- The whole query ---- */

/* Where its time went. */
static void account(struct query *query, bool is_asked)
{
    struct device_query_result *result = &query->result;
    result->latency_ns = ll_clock_now_ns() - result->issued_ns;
    if (!is_asked) {
        /* Nobody else had a part in it. */
        result->device_ns = result->latency_ns - query->edge.waited_ns;
    }
    int64_t remote_ns = result->latency_ns - result->device_ns;
    if (result->edge_ns > remote_ns) {
        result->edge_ns = remote_ns;
    }
    result->network_ns = remote_ns - result->edge_ns;
}

/* The stretches of layers, one after the other. */
static ll_status run(struct device_querier *querier, struct query *query,
                     struct ll_buf *input_bytes, struct ll_error *err)
{
    struct device_query_result *result = &query->result;
    const struct device_decision *decision = &query->decision;
    bool is_beside = decision->tries == DEVICE_TRY_EDGE;
    bool asks = decision->first < decision->end;
    int cut = asks ? decision->first : querier->model->table->layer_count;
    result->first = result->end = is_beside ? 0 : decision->first;
    ll_status status = run_here(querier, query, 0, cut, err);
    if (status == LL_OK && asks) {
        status = run_from_cut(querier, query, input_bytes, err);
    }
    if (status != LL_OK) {
        return status;
    }
    account(query, asks && !is_beside);
    status = device_tensors_outputs(&query->tensors, &result->outputs, &result->output_floats,
                                    &result->last_floats);
    if (status != LL_OK) {
        return ll_fail(err, status, "%s",
                       status == LL_E_NO_MEMORY ? "out of memory"
                                                : "the network's outputs are not there");
    }
    /* What was only checked tells nothing of which range is faster. */
    query->outcome.latency_ns = result->latency_ns - result->verify_ns;
    device_chooser_learn(querier->chooser, decision, &query->outcome);
    return LL_OK;
}

ll_status device_query_run(struct device_querier *querier, struct ll_buf *input,
                           struct device_query_result *out_result, struct ll_error *err)
{
    struct query query = {.result.issued_ns = ll_clock_now_ns()};
    struct ll_buf *input_bytes = NULL;
    ll_status status = decide(querier, &query, input, &input_bytes);
    if (status == LL_OK) {
        status = device_tensors_init(&query.tensors, querier->model->table);
    }
    if (status != LL_OK) {
        return ll_fail(err, status, "out of memory");
    }
    device_tensors_put(&query.tensors, LL_TENSOR_INPUT, input);
    status = run(querier, &query, input_bytes, err);
    device_tensors_finish(&query.tensors);
    if (status == LL_OK) {
        *out_result = query.result;
    }
    return status;
}

void device_query_result_finish(struct device_query_result *result)
{
    free(result->outputs);
    *result = (struct device_query_result){0};
}
