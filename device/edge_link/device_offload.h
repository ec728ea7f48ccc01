/* The Offload stream of one connection: carries the requests under way to the edge and the
 * answers back.
 *
 * Threads: the loop's. */
#ifndef DEVICE_OFFLOAD_H
#define DEVICE_OFFLOAD_H

#include "core/ll_status.h"
#include "device/edge_link/device_edge_state.h"
#include "device/edge_link/device_requests.h"
#include "device/edge_link/device_send_scheduler.h"
#include "rpc/rpc_channel.h"

struct device_offload;

struct device_offload_config {
    struct rpc_channel *channel;
    struct device_edge_state *edge;
    struct device_requests *requests;
    struct device_send_scheduler *scheduler;
    /* The stream is over, exactly once; the offload may be destroyed from the next callback on.
     * LL_E_NOT_FOUND: the edge does not have the model any more; LL_E_INVALID: the edge broke the
     * protocol. */
    void (*closed)(void *owner, ll_status status, const char *message);
    void *owner;
};

/* Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_offload_create(const struct device_offload_config *config,
                                            struct device_offload **out_offload);
/* After `closed`. NULL is allowed. */
void device_offload_destroy(struct device_offload *offload);

/* Ends the stream; `closed` still comes. */
void device_offload_cancel(struct device_offload *offload);

#endif
