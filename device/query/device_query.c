/* A query asks the chooser once and tells it once how it went. In between it is three stretches of
 * layers: on the device, on the edge, on the device again; or all of them on the device while the
 * edge computes its own as well, only to be timed.
 *
 * So the device runs up to four stretches, one after the other (enum stretch); what comes from the
 * edge decides which of them have layers. */
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
    device_input_forms_init(&querier->forms, querier->model->table);
    double alone_ns = device_chooser_alone_ns(querier->chooser);
    double wait_ns = fmax(QUERY_WAIT_NS, alone_ns * QUERY_WAIT_PART);
    querier->predicted_wait_ns =
        (int64_t)fmin(fmin(wait_ns, alone_ns * QUERY_WAIT_MOST_PART), QUERY_MOST_NS);
    return LL_OK;
}

void device_querier_finish(struct device_querier *querier)
{
    device_input_forms_finish(&querier->forms);
    ll_planes_destroy(querier->planes);
    querier->planes = NULL;
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
    const struct device_query_input *input;
    /* In which the network's input may leave; `decision.offer` is one of them. */
    struct device_form_offers offers;
    /* The edge's part; `is_posted`: it is under way. */
    struct device_remote remote;
    struct device_patience patience;
    bool is_posted;
    /* Why its answer is computed here as well: its turn has come; not all of it is finite. */
    bool is_due;
    bool is_odd;
};

/* The edge is only tried: its part runs beside the device's. */
static bool is_beside(const struct query *query)
{
    return query->decision.tries == DEVICE_TRY_EDGE;
}

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

static ll_status decide(struct device_querier *querier, struct query *query)
{
    const struct device_edge_view *edge = &query->edge;
    struct device_query_result *result = &query->result;
    look(querier, query);
    device_input_forms_set(&querier->forms, query->input);
    device_input_forms_offer(&querier->forms, &querier->wish, edge, &query->offers);
    struct device_prospect prospect = {
        .is_up = edge->phase == DEVICE_EDGE_UP,
        .prefix = edge->draft_prefix > edge->prefix ? edge->draft_prefix : edge->prefix,
        .offers = query->offers.offers,
        .offer_count = query->offers.count,
        .takes_f16 = edge->takes_f16,
        .takes_u8_channel = edge->takes_u8_channel,
        .takes_planes = edge->takes_planes,
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
    result->first = result->end = is_beside(query) ? 0 : query->decision.first;
    bool codes = query->decision.codes_up || query->decision.codes_down;
    codes = codes || query->offers.forms[query->decision.offer] == DEVICE_FORM_PLANES;
    if (status == LL_OK && codes && !querier->planes) {
        status = ll_planes_create(&querier->planes);
    }
    return status;
}

/* ---- The edge's part ---- */

/* What is asked of the edge, and how long it may take, here and there. */
static void plan_remote(struct device_querier *querier, struct query *query)
{
    const struct device_decision *decision = &query->decision;
    const struct device_wish *wish = &querier->wish;
    query->remote = (struct device_remote){
        .first = decision->first,
        .end = decision->end,
        .least_prefix = decision->least_prefix,
        .tensors = &query->tensors,
        .form = {.input_dtype =
                     querier->wish.input == DEVICE_WANT_F32 ? LL_F32 : decision->cut_dtype,
                 .input_forms = &querier->forms,
                 .input_form = query->offers.forms[decision->offer],
                 .cut_dtype = decision->cut_dtype,
                 .input_planes = querier->planes,
                 .cut_planes = decision->codes_up ? querier->planes : NULL},
        .may_code_answer = decision->codes_down,
        .connection = query->edge.connection,
    };
    query->patience =
        (struct device_patience){.most_ns = LL_CLOCK_NEVER, .allowance_ns = decision->allowance_ns};
    if (is_beside(query)) {
        query->patience = (struct device_patience){.allowance_ns = LL_CLOCK_NEVER};
    } else if (wish->deadline_ns > 0) {
        query->patience = (struct device_patience){
            .most_ns = wish->deadline_ns - query->edge.waited_ns, .allowance_ns = LL_CLOCK_NEVER};
        query->remote.edge_time_ns = wish->deadline_ns;
    } else if (decision->least_prefix == 0) {
        query->remote.edge_time_ns = decision->allowance_ns;
    }
}

/* The edge makes another input of the picture's file than this device does, or does not take it:
 * where pixels may be all right. */
static bool is_file_refused(const struct query *query)
{
    const struct device_remote *remote = &query->remote;
    ll_status status = remote->status;
    bool is_for_good = status == LL_E_PRECONDITION || status == LL_E_INVALID ||
                       status == LL_E_UNSUPPORTED ||
                       (status == LL_E_EXHAUSTED && remote->error.retry_ms == 0);
    return is_for_good && remote->is_over_there && remote->inputs.input &&
           remote->inputs.input->is_picture;
}

/* The same part with pixels, in what is left of the query's time. */
static void ask_with_pixels(struct device_querier *querier, struct query *query)
{
    struct device_remote *remote = &query->remote;
    int64_t sent_bytes = remote->sent_bytes;
    int64_t spent_ns = ll_clock_now_ns() - remote->posted_ns;
    bool takes_bytes = query->edge.takes_u8 && device_input_forms_bytes(&querier->forms);
    device_remote_finish(remote);
    query->offers.forms[query->decision.offer] =
        takes_bytes ? DEVICE_FORM_BYTES : DEVICE_FORM_PLAIN;
    plan_remote(querier, query);
    if (query->patience.most_ns != LL_CLOCK_NEVER) {
        query->patience.most_ns -= spent_ns;
    }
    if (device_requests_post(querier->requests, remote) == LL_OK) {
        device_requests_withdraw(querier->requests, remote, &query->patience);
    }
    remote->sent_bytes += sent_bytes;
}

/* Takes the edge's part back. One whose file was refused is asked for once more. */
static void withdraw(struct device_querier *querier, struct query *query)
{
    device_requests_withdraw(querier->requests, &query->remote, &query->patience);
    if (!is_file_refused(query)) {
        return;
    }
    if (query->remote.status == LL_E_PRECONDITION) {
        device_input_forms_refuse(&querier->forms, query->edge.connection);
    } else {
        device_input_forms_refuse_file(&querier->forms, query->edge.connection);
    }
    if (!is_beside(query)) {
        ask_with_pixels(querier, query);
    }
}

/* How an edge computes may come to be known only while the first queries are under way. */
static void look_again(struct device_querier *querier, struct query *query)
{
    struct device_edge_view now;
    device_edge_state_look(querier->edge, 0, 0, NULL, &now);
    bool is_same_edge = now.connection == query->edge.connection;
    query->edge.is_same_engine = query->edge.is_same_engine || (is_same_edge && now.is_same_engine);
}

/* What its end teaches. */
static void note_end(struct device_querier *querier, struct query *query)
{
    const struct device_remote *remote = &query->remote;
    const struct wire_form *input = remote->inputs.input;
    const struct device_answer *answer = &remote->answer;
    struct device_outcome *outcome = &query->outcome;
    outcome->asked_until_ns = ll_clock_now_ns();
    query->result.up_bytes = remote->sent_bytes;
    query->result.input_encoding =
        input && remote->sent_bytes > 0 ? device_input_form_name(input) : NULL;
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
    bool is_input_coded =
        input &&
        (input->is_picture || input->coding != LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLAIN);
    if (input && !remote->may_code_answer) {
        device_input_forms_learn(&querier->forms, query->offers.forms[query->decision.offer],
                                 answer->coding_ns);
    }
    outcome->up_bytes = remote->sent_bytes;
    outcome->down_bytes = query->result.down_bytes = device_answer_bytes(answer);
    outcome->spent = (struct device_spent){
        .up_ns = up_ns > 0 ? up_ns : 0,
        .down_ns = remote->done_ns - remote->answered_ns,
        .queued_ns = queued_ns > 0 ? queued_ns : 0,
        .computed_ns = answer->computed_ns - answer->coding_ns,
    };
    outcome->coded_up = remote->inputs.coded;
    /* Only where it tells of one thing. */
    outcome->edge_coding_ns = is_input_coded ? 0 : answer->coding_ns;
    if (remote->may_code_answer) {
        outcome->coded_down = (struct device_coded){
            .plain_bytes = device_answer_plain_bytes(answer),
            .bytes = outcome->down_bytes,
        };
    }
}

/* Takes an answer into the set; where its bytes are not what they are said to be, the edge has
 * failed. */
static void take_answer(const struct device_querier *querier, struct query *query)
{
    struct device_query_result *result = &query->result;
    struct device_remote *remote = &query->remote;
    struct ll_error why = {.text = ""};
    int64_t began_ns = ll_clock_now_ns();
    ll_status status = device_answer_take(&remote->answer, querier->planes, &query->tensors, &why);
    if (status != LL_OK) {
        remote->status = ll_fail(&remote->error, status, "bad answer: %.200s", why.text);
        query->outcome.asked = DEVICE_FAILED;
        return;
    }
    query->outcome.coded_down.ns = ll_clock_now_ns() - began_ns;
    result->end = remote->answer.reached;
    result->prefix = remote->answer.prefix;
    result->edge_ns = ll_clock_deadline(remote->answer.queued_ns, remote->answer.computed_ns);
    result->is_rounded = remote->is_rounded;
    result->rounded_to = remote->is_rounded ? remote->form.cut_dtype : LL_F32;
    result->is_draft = remote->answer.is_draft;
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

/* The set holds what the device computed in the place of an answer that was doubted. Says in the
 * result whether the answer is wrong; returns whether its edge is to be left for that.
 * `is_ours_odd`: the device's values are not finite either; `is_odd_again`: the edge was found
 * before to give such values alone. */
static bool judge(struct query *query, bool is_ours_odd, bool is_odd_again)
{
    struct device_query_result *result = &query->result;
    double tolerance = device_trust_tolerance(query->edge.is_same_engine, result->rounded_to);
    result->is_verified = query->is_due;
    result->difference =
        query->is_due ? answer_difference(&query->remote.answer, &query->tensors) : 0;
    bool differs = query->is_due && result->difference > tolerance;
    bool is_odd_alone = query->is_odd && !is_ours_odd;
    if (is_odd_alone) {
        (void)ll_fail(&result->fallback, LL_E_INVALID, "the edge's values are not finite");
    } else if (differs) {
        (void)ll_fail(&result->fallback, LL_E_INVALID,
                      "the edge's values differ by %.2g of the largest", result->difference);
    }
    result->is_wrong = is_odd_alone || differs;
    if (result->is_wrong) {
        result->is_draft = false;
        result->end = query->decision.first;
    }
    return is_odd_alone ? is_odd_again : differs;
}

/* ---- The device's stretches ---- */

/* What the device runs, in this order. Each stretch begins where the set has got to, but for the
 * check, which begins at the cut again. */
enum stretch {
    /* Up to the cut. */
    STRETCH_BEFORE,
    /* To the end while the edge is only tried, or because there is none. */
    STRETCH_BESIDE,
    /* The edge's part once more, where its answer is in doubt. */
    STRETCH_CHECK,
    /* To the end: after an answer, or, on any failure, from the cut. */
    STRETCH_BEHIND,
    STRETCHES,
};

/* The layers of a stretch; nothing where they are equal. */
struct range {
    int first;
    int end;
};

/* Does what comes in front of a stretch, when the set has got to layer `at`: posts the edge's part,
 * takes its answer, judges it. Whatever goes wrong with it, the device computes from the tensors
 * that it holds, and result.fallback says why. */
static struct range begin_stretch(struct device_querier *querier, struct query *query,
                                  enum stretch stretch, int at)
{
    const struct device_decision *decision = &query->decision;
    struct device_remote *remote = &query->remote;
    struct device_trust *trust = &querier->trust;
    int layers = querier->model->table->layer_count;
    bool asks = decision->first < decision->end;
    switch (stretch) {
    case STRETCH_BEFORE:
        return (struct range){at, asks ? decision->first : layers};
    case STRETCH_BESIDE:
        query->is_posted = asks && device_requests_post(querier->requests, remote) == LL_OK;
        if (asks && !query->is_posted && !is_beside(query)) {
            query->result.fallback = remote->error;
        }
        return (struct range){at, query->is_posted && !is_beside(query) ? at : layers};
    case STRETCH_CHECK:
        if (!query->is_posted) {
            break;
        }
        withdraw(querier, query);
        query->is_posted = false;
        look_again(querier, query);
        note_end(querier, query);
        if (is_beside(query)) {
            break;
        }
        if (remote->status == LL_OK) {
            take_answer(querier, query);
        }
        if (remote->status != LL_OK) {
            query->result.fallback = remote->error;
            break;
        }
        /* How far a draft's values may be from the model's depends on the network: they are not
         * compared. */
        query->is_due =
            !remote->answer.is_draft && device_trust_is_due(trust, query->edge.connection);
        query->is_odd = !trust->is_odd_normal && !is_finite(&remote->answer, &query->tensors);
        at = remote->answer.reached;
        return (struct range){query->is_due || query->is_odd ? decision->first : at, at};
    case STRETCH_BEHIND:
        if (query->is_due || query->is_odd) {
            bool is_ours_odd = query->is_odd && !is_finite(&remote->answer, &query->tensors);
            bool is_again = query->is_odd && device_trust_found_odd(trust, is_ours_odd);
            if (judge(query, is_ours_odd, is_again)) {
                device_edge_state_accuse(querier->edge, query->edge.connection,
                                         query->result.fallback.text);
            }
        }
        return (struct range){at, layers};
    default:
        break;
    }
    return (struct range){at, at};
}

/* ---- The whole query ---- */

/* Where its time went. */
static void account(struct query *query)
{
    struct device_query_result *result = &query->result;
    bool is_asked = query->decision.first < query->decision.end && !is_beside(query);
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

/* All stretches. Where one fails the edge's part still is taken back, if it is under way. */
static ll_status run(struct device_querier *querier, struct query *query, struct ll_error *err)
{
    ll_status status = LL_OK;
    int at = 0;
    for (int i = 0; i < STRETCHES && (status == LL_OK || query->is_posted); i++) {
        struct range range = begin_stretch(querier, query, i, at);
        struct device_part part = {.first = range.first, .end = range.end};
        at = range.end;
        if (status != LL_OK || range.first == range.end) {
            continue;
        }
        status = device_local_run(querier->local, range.first, range.end, &query->tensors,
                                  &part.took_ns, err);
        part.at_ns = ll_clock_now_ns();
        if (status == LL_OK) {
            query->result.device_ns += part.took_ns;
            query->result.verify_ns = i == STRETCH_CHECK ? part.took_ns : query->result.verify_ns;
            query->outcome.parts[query->outcome.part_count++] = part;
        }
    }
    return status;
}

/* What the query has come to. */
static ll_status conclude(struct query *query, struct ll_error *err)
{
    struct device_query_result *result = &query->result;
    account(query);
    bool is_alone = result->first == result->end;
    bool is_rounded = result->is_rounded || result->is_draft;
    result->is_exact =
        !result->is_input_lossy && (is_alone || (!is_rounded && query->edge.is_same_engine));
    ll_status status = device_tensors_outputs(&query->tensors, &result->outputs,
                                              &result->output_floats, &result->last_floats);
    if (status != LL_OK) {
        return ll_fail(err, status, "%s",
                       status == LL_E_NO_MEMORY ? "out of memory"
                                                : "the network's outputs are not there");
    }
    /* What was only checked tells nothing of which range is faster. */
    query->outcome.latency_ns = result->latency_ns - result->verify_ns;
    return LL_OK;
}

ll_status device_query_run(struct device_querier *querier, const struct device_query_input *input,
                           struct device_query_result *out_result, struct ll_error *err)
{
    struct query query = {.input = input,
                          .result.issued_ns = ll_clock_now_ns(),
                          .result.is_input_lossy = input->is_lossy};
    ll_status status = decide(querier, &query);
    if (status == LL_OK) {
        status = device_tensors_init(&query.tensors, querier->model->table);
    }
    if (status != LL_OK) {
        return ll_fail(err, status, "out of memory");
    }
    device_tensors_put(&query.tensors, LL_TENSOR_INPUT, input->floats);
    plan_remote(querier, &query);
    status = run(querier, &query, err);
    if (status == LL_OK) {
        status = conclude(&query, err);
    }
    if (status == LL_OK) {
        device_chooser_learn(querier->chooser, &query.decision, &query.outcome);
        *out_result = query.result;
    }
    device_remote_finish(&query.remote);
    device_tensors_finish(&query.tensors);
    return status;
}

void device_query_result_finish(struct device_query_result *result)
{
    free(result->outputs);
    *result = (struct device_query_result){0};
}
