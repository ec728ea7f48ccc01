/* The WatchModel stream of one connection: how far the model is on an edge where this device has no
 * upload.
 *
 * Threads: the loop's. */
#ifndef DEVICE_FOLLOW_H
#define DEVICE_FOLLOW_H

#include <stdint.h>

#include "core/ll_status.h"
#include "device/device_model.h"
#include "rpc/rpc_channel.h"

struct device_follow;

/* The model as the edge has it. */
struct device_followed {
    /* Layers [0, prefix) can run, a legal cut. */
    int prefix;
    /* Of the model's weights. */
    int64_t received_bytes;
};

struct device_follow_config {
    const struct device_model *model;
    struct rpc_channel *channel;
    /* The state now, and after every change; the prefix never falls. */
    void (*changed)(void *owner, const struct device_followed *followed);
    /* The stream is over, exactly once; this may be destroyed from the next callback on.
     * LL_E_NOT_FOUND: the edge does not have the model (any more); LL_E_INVALID with a sentence
     * where the edge broke the protocol. */
    void (*closed)(void *owner, ll_status status, const char *message);
    void *owner;
};

/* Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_follow_create(const struct device_follow_config *config,
                                           struct device_follow **out_follow);
/* After `closed`. NULL is allowed. */
void device_follow_destroy(struct device_follow *follow);

/* Ends the stream; `closed` still comes. */
void device_follow_cancel(struct device_follow *follow);

#endif
