/* One upload: the Upload stream of one connection, from `open` to `complete`.
 *
 * Sends what the edge says it lacks, in the plan's order, within its credit and the scheduler's
 * window: in frames that the encoder makes ahead, where the edge takes them, else as the blobs'
 * bytes lie there. A new connection gets a new uploader, and the edge's `accepted` tells it where
 * the last one stopped.
 *
 * Threads: the loop's. */
#ifndef DEVICE_UPLOADER_H
#define DEVICE_UPLOADER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_log.h"
#include "core/ll_status.h"
#include "device/device_model.h"
#include "device/edge_link/device_encoder.h"
#include "device/edge_link/device_send_scheduler.h"
#include "layerlift/v1/offload.pb-c.h"
#include "rpc/rpc_channel.h"
#include "rpc/rpc_loop.h"

struct device_uploader;

struct device_accepted {
    /* Layers [0, prefix) can run, `left_bytes` are still to be sent. */
    int prefix;
    int64_t left_bytes;
    /* In what the edge takes tensors; valid during the call. */
    size_t dtype_count;
    const Layerlift__V1__DataType *dtypes;
    size_t coding_count;
    const Layerlift__V1__TensorCoding *codings;
    size_t picture_count;
    const Layerlift__V1__PictureFormat *pictures;
    /* The edge takes the model's draft, and layers [0, draft_prefix) of that can run. */
    bool has_draft;
    int draft_prefix;
};

/* One creation that the edge reported. */
struct device_creation {
    int first;
    int prefix;
    int partitions;
    int64_t creation_ns;
    /* How long layers take there, as far as it tells; valid during the call. */
    size_t time_count;
    Layerlift__V1__LayerTime *const *times;
};

/* What the edge counted from `accepted` to `complete`. */
struct device_upload_done {
    int creations;
    int64_t creation_ns;
};

/* Called on the loop's thread, without locks. */
struct device_uploader_events {
    /* The edge knows the model. */
    void (*accepted)(void *owner, const struct device_accepted *accepted);
    /* The edge has `bytes` more of the model than at the last call, by what was sent or by what
     * others brought; fewer, below 0, where it rejected some. */
    void (*progress)(void *owner, int64_t bytes);
    /* A longer prefix. `creation->first` equals its prefix where nothing was created for it. */
    void (*ready)(void *owner, const struct device_creation *creation);
    /* A longer prefix of the draft. */
    void (*draft_ready)(void *owner, const struct device_creation *creation);
    /* `most_bytes` have left: nothing follows. Once. */
    void (*limited)(void *owner);
    /* The whole model is ready. The stream's end follows. */
    void (*complete)(void *owner, const struct device_upload_done *done);
    /* The stream is over, exactly once, also after `complete`; the uploader may be destroyed from
     * the next callback on. LL_E_INVALID with a sentence where the edge broke the protocol; a
     * refusal by a limit has what the edge said of it. */
    void (*closed)(void *owner, ll_status status, const struct ll_error *err);
};

struct device_uploader_config {
    const struct device_model *model;
    struct device_send_scheduler *scheduler;
    /* Whoever has it pumps the scheduler when it is ready. NULL: everything goes as it is. */
    struct device_encoder *encoder;
    struct rpc_loop *loop;
    struct rpc_channel *channel;
    /* How long nothing more of the model may come to the edge while all that is left is said to be
     * others' to bring, beside twice the time that this device would take for it; then it brings
     * everything itself. 0: 30 s. */
    int64_t elsewhere_ns;
    /* Payload that may be sent; INT64_MAX: all. */
    int64_t most_bytes;
    /* A name for the edge's log. */
    const char *device;
    const struct device_uploader_events *events;
    void *owner;
    /* NULL: the process's log. */
    const struct ll_log_sink *log;
};

/* Opens the stream and sends `open`. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_uploader_create(const struct device_uploader_config *config,
                                             struct device_uploader **out_uploader);
/* After `closed`. NULL is allowed. */
void device_uploader_destroy(struct device_uploader *uploader);

/* Ends the stream; `closed` still comes. */
void device_uploader_cancel(struct device_uploader *uploader);

/* Payload bytes sent so far; and those of them that came before the draft was there as a whole. */
int64_t device_uploader_sent_bytes(const struct device_uploader *uploader);
int64_t device_uploader_draft_bytes(const struct device_uploader *uploader);
/* What of it has arrived. */
int64_t device_uploader_received_bytes(const struct device_uploader *uploader);

#endif
