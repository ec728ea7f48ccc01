/* The WatchModel stream of one connection: how far the model is on an edge where this device has no
 * upload.
 *
 * Threads: the loop's. */
#ifndef DEVICE_WATCH_H
#define DEVICE_WATCH_H

#include <stdint.h>

#include "core/ll_status.h"
#include "device/device_model.h"
#include "rpc/rpc_channel.h"

struct device_watch;

/* The model as the edge has it. */
struct device_watched {
    /* Layers [0, prefix) can run, a legal cut. */
    int prefix;
    /* Of the model's weights. */
    int64_t received_bytes;
};

struct device_watch_config {
    const struct device_model *model;
    struct rpc_channel *channel;
    /* The state now, and after every change; the prefix never falls. */
    void (*changed)(void *owner, const struct device_watched *watched);
    /* The stream is over, exactly once; the watch may be destroyed from the next callback on.
     * LL_E_NOT_FOUND: the edge does not have the model (any more); LL_E_INVALID with a sentence
     * where the edge broke the protocol. */
    void (*closed)(void *owner, ll_status status, const char *message);
    void *owner;
};

/* Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_watch_create(const struct device_watch_config *config,
                                          struct device_watch **out_watch);
/* After `closed`. NULL is allowed. */
void device_watch_destroy(struct device_watch *watch);

/* Ends the stream; `closed` still comes. */
void device_watch_cancel(struct device_watch *watch);

#endif
