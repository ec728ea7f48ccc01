#include "device/device_decision.h"

#include <math.h>

#include "core/ll_clock.h"

/* See DEVICE_WAIT_PREDICTED. */
#define DECISION_WAIT_NS (200.0 * LL_NS_PER_MS)
#define DECISION_WAIT_PART 0.1
#define DECISION_WAIT_MOST_PART 0.5
/* As an int64_t has it. */
#define DECISION_MOST_NS 9e18

static bool is_fixed(const struct device_querier *querier)
{
    return querier->cut_end >= 0;
}

/* How long queries without a fixed range wait for the first connection. */
static int64_t wait_edge_ns(const struct device_querier *querier)
{
    if (querier->wait_edge_ns != DEVICE_WAIT_PREDICTED) {
        return querier->wait_edge_ns;
    }
    double alone_ns = device_advisor_alone_ns(querier->advisor);
    double wait_ns = fmax(DECISION_WAIT_NS, alone_ns * DECISION_WAIT_PART);
    return (int64_t)fmin(fmin(wait_ns, alone_ns * DECISION_WAIT_MOST_PART), DECISION_MOST_NS);
}

/* Until when the query waits for the first attempt to reach an edge to be decided: with a fixed
 * range without end, up to its deadline. */
static int64_t wait_until_ns(struct device_querier *querier, int64_t now_ns)
{
    if (is_fixed(querier)) {
        int64_t wait_ns = querier->deadline_ns > 0 ? querier->deadline_ns : LL_CLOCK_NEVER;
        return ll_clock_deadline(now_ns, wait_ns);
    }
    if (querier->wait_until_ns == 0) {
        querier->wait_until_ns = ll_clock_deadline(now_ns, wait_edge_ns(querier));
    }
    return querier->wait_until_ns;
}

static void look(struct device_querier *querier, struct device_decision *decision,
                 struct device_board_view *out_view, struct device_query_result *result)
{
    bool wants_edge = !is_fixed(querier) || querier->cut_first < querier->cut_end;
    struct device_board_view view = {.state = DEVICE_EDGE_DOWN};
    if (querier->board && wants_edge) {
        int64_t now_ns = ll_clock_now_ns();
        device_board_await_decision(querier->board, wait_until_ns(querier, now_ns));
        decision->waited_ns = ll_clock_now_ns() - now_ns;
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
    decision->is_same_engine = view.is_same_engine;
    decision->link =
        (struct device_link_state){.rtt_ns = view.rtt_ns, .bytes_per_s = view.bytes_per_s};
    *out_view = view;
}

/* What the board knows of the edge and the advisor does not. */
static void tell_advisor(struct device_querier *querier, const struct device_board_view *view)
{
    if (view->connection != querier->connection) {
        querier->connection = view->connection;
        device_advisor_connected(querier->advisor);
        device_trust_connect(&querier->trust);
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
                          struct ll_buf *input, struct device_decision *decision)
{
    decision->cut_dtype = view->takes_f16 ? querier->cut_dtype : LL_F32;
    if (querier->is_input_f32) {
        return;
    }
    decision->input_dtype = decision->cut_dtype;
    if (view->takes_u8) {
        decision->input_bytes = device_input_bytes(&querier->input_bytes, input);
        decision->input_dtype = decision->input_bytes ? LL_U8 : decision->input_dtype;
    }
}

/* The device alone is predicted to be faster than an edge that could run everything. */
static ll_status note_stay(struct device_querier *querier, const struct device_outlook *outlook,
                           const struct device_decision *decision,
                           struct device_query_result *result)
{
    int layers = querier->model->table->layer_count;
    struct device_advice there;
    if (decision->first < decision->end || outlook->prefix < layers ||
        decision->advice.tries == DEVICE_TRY_DEVICE) {
        return LL_OK;
    }
    ll_status status = device_advisor_predict(querier->advisor, outlook, 0, layers, &there);
    if (status == LL_OK) {
        result->stays = true;
        result->there_ns = (int64_t)fmin(there.range.latency_ns, DECISION_MOST_NS);
    }
    return status;
}

ll_status device_decide(struct device_querier *querier, struct ll_buf *input,
                        struct device_decision *out_decision, struct device_query_result *result)
{
    struct device_decision decision = {.input_dtype = LL_F32, .cut_dtype = LL_F32};
    struct device_board_view view;
    ll_status status = LL_OK;
    look(querier, &decision, &view, result);
    tell_advisor(querier, &view);
    choose_dtypes(querier, &view, input, &decision);
    bool is_up = view.state == DEVICE_EDGE_UP;
    int layers = querier->model->table->layer_count;
    struct device_outlook outlook = {
        .link = decision.link,
        .prefix = is_up ? view.prefix : 0,
        .input_width = ll_dtype_bytes(decision.input_dtype),
        .up_width = ll_dtype_bytes(decision.cut_dtype),
        .down_width = ll_dtype_bytes(decision.cut_dtype),
    };
    if (is_fixed(querier)) {
        decision.first = querier->cut_first;
        decision.end = is_up ? querier->cut_end : decision.first;
        decision.least_prefix = decision.end > decision.first ? decision.end : 0;
        status = device_advisor_predict(querier->advisor, &outlook, decision.first, decision.end,
                                        &decision.advice);
    } else if (querier->choose == DEVICE_CHOOSE_FURTHEST) {
        /* As far as the edge is ready when the query arrives there. */
        decision.end = outlook.prefix > 0 ? layers : 0;
        status =
            device_advisor_predict(querier->advisor, &outlook, 0, outlook.prefix, &decision.advice);
    } else {
        device_advisor_choose(querier->advisor, &outlook, result->issued_ns, &decision.advice);
        decision.first = decision.advice.range.first;
        decision.end = decision.advice.range.end;
        status = note_stay(querier, &outlook, &decision, result);
    }
    *out_decision = decision;
    return status;
}
