/* The edge's part of a query. */
#include "core/ll_clock.h"
#include "device/query/device_query_state.h"

void device_query_plan(struct device_querier *querier, struct device_query *query)
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
    if (device_query_is_beside(query)) {
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
static bool is_file_refused(const struct device_query *query)
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
static void ask_with_pixels(struct device_querier *querier, struct device_query *query)
{
    struct device_remote *remote = &query->remote;
    int64_t sent_bytes = remote->sent_bytes;
    int64_t spent_ns = ll_clock_now_ns() - remote->posted_ns;
    bool takes_bytes = query->edge.takes_u8 && device_input_forms_bytes(&querier->forms);
    device_remote_finish(remote);
    query->offers.forms[query->decision.offer] =
        takes_bytes ? DEVICE_FORM_BYTES : DEVICE_FORM_PLAIN;
    device_query_plan(querier, query);
    if (query->patience.most_ns != LL_CLOCK_NEVER) {
        query->patience.most_ns -= spent_ns;
    }
    if (device_requests_post(querier->requests, remote) == LL_OK) {
        device_requests_withdraw(querier->requests, remote, &query->patience);
    }
    remote->sent_bytes += sent_bytes;
}

/* Takes the edge's part back. One whose file was refused is asked for once more. */
static void withdraw(struct device_querier *querier, struct device_query *query)
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
    if (!device_query_is_beside(query)) {
        ask_with_pixels(querier, query);
    }
}

/* How an edge computes may come to be known only while the first queries are under way. */
static void look_again(struct device_querier *querier, struct device_query *query)
{
    struct device_edge_view now;
    device_edge_state_look(querier->edge, 0, 0, NULL, &now);
    bool is_same_edge = now.connection == query->edge.connection;
    query->edge.is_same_engine = query->edge.is_same_engine || (is_same_edge && now.is_same_engine);
}

/* What its end teaches. */
static void note_end(struct device_querier *querier, struct device_query *query)
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
static void take_answer(const struct device_querier *querier, struct device_query *query)
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

void device_query_collect(struct device_querier *querier, struct device_query *query)
{
    withdraw(querier, query);
    query->is_posted = false;
    look_again(querier, query);
    note_end(querier, query);
    if (!device_query_is_beside(query) && query->remote.status == LL_OK) {
        take_answer(querier, query);
    }
}
