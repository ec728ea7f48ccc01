/* What an edge tells of an upload, one event at a time: credit, prefixes, and what is not to be
 * sent, or again. */
#include <string.h>

#include "core/ll_clock.h"
#include "device/edge_link/device_uploader_state.h"

enum {
    /* An edge that rejects more blobs than this on one stream is left. A layer's first rejection
     * does not count: somebody else may have sent the wrong beginning of it. */
    UPLOAD_REJECTIONS = 8,
    /* Nor is one believed that rejects more beginnings which others are said to have brought. */
    UPLOAD_BEGINNINGS = 64,
};

/* For what others should bring (device_uploader.h); where no rate is known, and at most. */
#define UPLOAD_ELSEWHERE_NS (30 * LL_NS_PER_S)
#define UPLOAD_ELSEWHERE_TIMES 2.0
#define UPLOAD_ELSEWHERE_MOST_NS (600 * LL_NS_PER_S)
#define UPLOAD_ASSUMED_BYTES_PER_S 125e3

static void take_credit(struct device_uploader *uploader, const Layerlift__V1__Credit *credit)
{
    if (credit->received_bytes > uploader->sent_bytes) {
        device_uploader_fault(uploader, "the edge received more than was sent");
        return;
    }
    if (credit->credit_bytes > uploader->credit_bytes) {
        uploader->credit_bytes = credit->credit_bytes;
    }
    if (credit->received_bytes > uploader->received_bytes) {
        uploader->received_bytes = credit->received_bytes;
        ll_window_ack(device_send_scheduler_window(uploader->config.scheduler),
                      credit->received_bytes, credit->received_at_ns, ll_clock_now_ns());
        uploader->config.events->progress(
            uploader->config.owner,
            device_upload_acks_received(&uploader->acks, credit->received_bytes));
    }
}

static struct device_creation creation_of(const Layerlift__V1__PrefixReady *ready)
{
    return (struct device_creation){
        .first = (int)ready->first,
        .prefix = (int)ready->prefix,
        .partitions = (int)ready->partitions,
        .creation_ns = ready->creation_ns > INT64_MAX ? INT64_MAX : (int64_t)ready->creation_ns,
        .time_count = ready->n_layer_times,
        .times = ready->layer_times,
    };
}

static void take_ready(struct device_uploader *uploader, const Layerlift__V1__PrefixReady *ready)
{
    const struct ll_table *table = uploader->config.model->table;
    if (ready->prefix > (uint32_t)table->layer_count || ready->first > ready->prefix ||
        !ll_table_is_legal_cut(table, (int)ready->prefix) ||
        ready->partitions > (uint32_t)uploader->config.model->plan->count) {
        device_uploader_fault(uploader, "the edge reported a prefix that is not a legal cut");
        return;
    }
    if ((int)ready->prefix < uploader->prefix) {
        device_uploader_fault(uploader, "the edge reported a shorter prefix");
        return;
    }
    uploader->prefix = (int)ready->prefix;
    struct device_creation creation = creation_of(ready);
    uploader->config.events->ready(uploader->config.owner, &creation);
}

static void take_draft_ready(struct device_uploader *uploader,
                             const Layerlift__V1__PrefixReady *ready)
{
    const struct ll_table *table = uploader->config.model->table;
    if (!uploader->has_draft || ready->prefix > (uint32_t)table->layer_count ||
        ready->first > ready->prefix || !ll_table_is_legal_cut(table, (int)ready->prefix)) {
        device_uploader_fault(uploader,
                              uploader->has_draft
                                  ? "the edge reported a draft's prefix that is not a legal cut"
                                  : "the edge reported a draft that it does not have");
        return;
    }
    if ((int)ready->prefix > uploader->draft_prefix) {
        uploader->draft_prefix = (int)ready->prefix;
        struct device_creation creation = creation_of(ready);
        uploader->config.events->draft_ready(uploader->config.owner, &creation);
    }
}

/* What the edge has of the model has changed, and not by what was sent. */
static void tell_change(struct device_uploader *uploader, int64_t left_before)
{
    int64_t more = left_before - device_upload_queue_left(&uploader->queue);
    if (more != 0) {
        uploader->config.events->progress(uploader->config.owner, more);
    }
}

static void take_rejected(struct device_uploader *uploader,
                          const Layerlift__V1__BlobRejected *rejected)
{
    bool is_beginning = rejected->end > 0 && !rejected->is_draft;
    ll_log_to(uploader->config.log, LL_LOG_WARN, "device",
              "the edge rejects layer %u's weights%s (%.200s): they go again", rejected->layer,
              is_beginning ? ", their beginning" : "", rejected->reason);
    int64_t left_before = device_upload_queue_left(&uploader->queue);
    struct device_upload_rest *rest =
        device_upload_queue_change(&uploader->queue, rejected->layer, rejected->is_draft);
    ll_status status = LL_OK;
    if (rejected->is_draft) {
        status = device_upload_rest_draft_again(rest, rejected->layer);
    } else if (is_beginning) {
        status = device_upload_rest_fill(rest, rejected->layer, rejected->end);
    } else {
        status = device_upload_rest_again(rest, rejected->layer, 0);
    }
    if (status != LL_OK) {
        device_uploader_fault(uploader, "the edge rejected a layer that the model has not");
        return;
    }
    tell_change(uploader, left_before);
    /* Others brought a beginning that is wrong. */
    uploader->rejections += uploader->was_rejected[rejected->layer] && !is_beginning ? 1 : 0;
    uploader->was_rejected[rejected->layer] = true;
    uploader->rejected_beginnings += is_beginning ? 1 : 0;
    if (uploader->rejections > UPLOAD_REJECTIONS ||
        uploader->rejected_beginnings > UPLOAD_BEGINNINGS) {
        device_uploader_fault(uploader, "the edge keeps rejecting the model's weights");
    }
}

static void take_available(struct device_uploader *uploader,
                           const Layerlift__V1__BlobAvailable *available)
{
    int64_t left_before = device_upload_queue_left(&uploader->queue);
    struct device_upload_rest *rest =
        device_upload_queue_change(&uploader->queue, available->layer, available->is_draft);
    ll_status status = available->is_draft ? device_upload_rest_skip_draft(rest, available->layer)
                                           : device_upload_rest_skip(rest, available->layer);
    if (status != LL_OK) {
        device_uploader_fault(uploader, "the edge has a layer that the model has not");
        return;
    }
    tell_change(uploader, left_before);
}

/* ---- What others bring ---- */

static void await_others(struct device_uploader *uploader)
{
    double rate = ll_window_bytes_per_s(device_send_scheduler_window(uploader->config.scheduler));
    int64_t least_ns =
        uploader->config.elsewhere_ns > 0 ? uploader->config.elsewhere_ns : UPLOAD_ELSEWHERE_NS;
    int64_t left = device_upload_queue_left(&uploader->queue);
    double needed_ns = (double)left / (rate > 0 ? rate : UPLOAD_ASSUMED_BYTES_PER_S) *
                       UPLOAD_ELSEWHERE_TIMES * (double)LL_NS_PER_S;
    int64_t more_ns = needed_ns < (double)UPLOAD_ELSEWHERE_MOST_NS ? (int64_t)needed_ns
                                                                   : UPLOAD_ELSEWHERE_MOST_NS;
    uploader->awaits_others = true;
    uploader->elsewhere_left_bytes = left;
    rpc_timer_set(uploader->elsewhere_timer,
                  ll_clock_deadline(ll_clock_now_ns(), ll_clock_deadline(least_ns, more_ns)));
}

/* Whoever brings what is left is faster than twice this device's time, or the edge would have dealt
 * it out anew. */
void device_uploader_look_elsewhere(void *arg)
{
    struct device_uploader *uploader = arg;
    int64_t left = device_upload_queue_left(&uploader->queue);
    uploader->awaits_others = false;
    if (uploader->is_ending || uploader->has_fault || uploader->is_complete || left == 0) {
        return;
    }
    if (left < uploader->elsewhere_left_bytes || !device_upload_queue_is_idle(&uploader->queue)) {
        await_others(uploader);
        return;
    }
    ll_log_to(uploader->config.log, LL_LOG_WARN, "device",
              "nobody brings the %.1f MB of weights that the edge expects of others: they go from "
              "here",
              (double)left * 1e-6);
    uploader->brings_all = true;
    (void)!device_upload_rest_leave_out(device_upload_queue_change(&uploader->queue, -1, false),
                                        NULL, 0);
    device_send_scheduler_pump(uploader->config.scheduler);
}

static void take_elsewhere(struct device_uploader *uploader,
                           const Layerlift__V1__BlobsElsewhere *elsewhere)
{
    if (uploader->brings_all) {
        return;
    }
    int64_t left_before = device_upload_queue_left(&uploader->queue);
    struct device_upload_rest *rest = device_upload_queue_change(&uploader->queue, -1, false);
    ll_status status = device_upload_rest_leave_out(rest, elsewhere->layers, elsewhere->n_layers);
    for (size_t i = 0; i < elsewhere->n_partial && status == LL_OK; i++) {
        status = device_upload_rest_go_on(rest, elsewhere->partial[i]->layer,
                                          elsewhere->partial[i]->offset);
    }
    if (status != LL_OK) {
        device_uploader_fault(uploader, "others bring a layer that the model has not");
        return;
    }
    tell_change(uploader, left_before);
    if (!uploader->awaits_others) {
        await_others(uploader);
    }
}

/* ---- The whole model ---- */

static void take_complete(struct device_uploader *uploader,
                          const Layerlift__V1__UploadComplete *complete)
{
    if (uploader->is_complete || strcmp(complete->model_id, uploader->config.model->id) != 0) {
        device_uploader_fault(uploader, "the edge completed another model");
        return;
    }
    uploader->is_complete = true;
    uploader->prefix = uploader->config.model->table->layer_count;
    struct device_upload_done done = {
        .creations = complete->creations > INT32_MAX ? INT32_MAX : (int)complete->creations,
        .creation_ns =
            complete->creation_ns > INT64_MAX ? INT64_MAX : (int64_t)complete->creation_ns,
    };
    uploader->config.events->complete(uploader->config.owner, &done);
}

void device_uploader_take_event(struct device_uploader *uploader,
                                const Layerlift__V1__UploadEvent *event)
{
    if (event->kind_case != LAYERLIFT__V1__UPLOAD_EVENT__KIND_ACCEPTED && !uploader->is_accepted) {
        device_uploader_fault(uploader, "the edge sent an event before it accepted");
        return;
    }
    switch (event->kind_case) {
    case LAYERLIFT__V1__UPLOAD_EVENT__KIND_ACCEPTED:
        device_uploader_take_accepted(uploader, event->accepted);
        break;
    case LAYERLIFT__V1__UPLOAD_EVENT__KIND_CREDIT:
        take_credit(uploader, event->credit);
        break;
    case LAYERLIFT__V1__UPLOAD_EVENT__KIND_PREFIX_READY:
        take_ready(uploader, event->prefix_ready);
        break;
    case LAYERLIFT__V1__UPLOAD_EVENT__KIND_DRAFT_READY:
        take_draft_ready(uploader, event->draft_ready);
        break;
    case LAYERLIFT__V1__UPLOAD_EVENT__KIND_BLOB_REJECTED:
        take_rejected(uploader, event->blob_rejected);
        break;
    case LAYERLIFT__V1__UPLOAD_EVENT__KIND_BLOB_AVAILABLE:
        take_available(uploader, event->blob_available);
        break;
    case LAYERLIFT__V1__UPLOAD_EVENT__KIND_ELSEWHERE:
        take_elsewhere(uploader, event->elsewhere);
        break;
    case LAYERLIFT__V1__UPLOAD_EVENT__KIND_COMPLETE:
        take_complete(uploader, event->complete);
        break;
    default:
        /* A partition's receipt, or an event of a later version: nothing to do. */
        break;
    }
}
