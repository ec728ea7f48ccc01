/* The uploader's inside, which its parts share: device_uploader.c has the stream and what is sent,
 * device_uploader_events.c what the edge tells, and device_uploader_accepted.c the first of that.
 * Each calls those behind it alone.
 *
 * Threads: the loop's. */
#ifndef DEVICE_UPLOADER_STATE_H
#define DEVICE_UPLOADER_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "device/edge_link/device_upload_acks.h"
#include "device/edge_link/device_upload_queue.h"
#include "device/edge_link/device_uploader.h"

struct device_uploader {
    struct device_uploader_config config;
    struct rpc_stream *stream;
    struct device_upload_queue queue;
    struct device_upload_acks acks;
    bool is_accepted;
    bool is_complete;
    bool is_limit_told;
    /* The stream takes nothing more. */
    bool is_ending;
    uint64_t credit_bytes;
    uint64_t sent_bytes;
    uint64_t received_bytes;
    /* Of those sent, what the draft takes. */
    uint64_t draft_bytes;
    /* Runs where others bring something, and what was left of the model when it was set. */
    struct rpc_timer *elsewhere_timer;
    bool awaits_others;
    int64_t elsewhere_left_bytes;
    /* The edge's lists of what others bring are not believed any more. */
    bool brings_all;
    int rejections;
    int rejected_beginnings;
    /* By layer. */
    bool *was_rejected;
    int prefix;
    /* The edge takes the draft, and has so much of it. */
    bool has_draft;
    int draft_prefix;
    /* What the edge did wrong; empty while nothing. */
    struct ll_error fault;
    bool has_fault;
};

/* The edge broke the protocol, or there is no memory: the stream ends, and `closed` has the
 * sentence. */
static inline void device_uploader_fault(struct device_uploader *uploader, const char *sentence)
{
    if (!uploader->has_fault) {
        uploader->has_fault = true;
        (void)ll_fail(&uploader->fault, LL_E_INVALID, "%s", sentence);
    }
    rpc_stream_cancel(uploader->stream);
}

/* The edge knows the model. Once. */
void device_uploader_take_accepted(struct device_uploader *uploader,
                                   const Layerlift__V1__UploadAccepted *accepted);
/* What others should bring may have failed to come; `arg` is the uploader. */
void device_uploader_look_elsewhere(void *arg);
/* Anything that the edge tells. */
void device_uploader_take_event(struct device_uploader *uploader,
                                const Layerlift__V1__UploadEvent *event);

#endif
