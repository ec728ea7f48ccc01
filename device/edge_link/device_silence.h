/* Watches over one connection at a time for a silent edge (device_watch.h). It is asked what it is
 * (GetServerInfo) at the beginning, and where it owes something and says nothing.
 *
 * Threads: the loop's; create and destroy on any while nothing runs. */
#ifndef DEVICE_SILENCE_H
#define DEVICE_SILENCE_H

#include <stdbool.h>

#include "core/ll_status.h"
#include "device/edge_link/device_edge_state.h"
#include "device/edge_link/device_requests.h"
#include "device/edge_link/device_send_scheduler.h"
#include "layerlift/v1/offload.pb-c.h"
#include "rpc/rpc_channel.h"
#include "rpc/rpc_loop.h"

struct device_silence;

struct device_silence_config {
    struct rpc_loop *loop;
    /* They know what was sent and heard. */
    struct device_edge_state *edge;
    struct device_requests *requests;
    struct device_send_scheduler *scheduler;
    /* What it says of itself. */
    void (*informed)(void *owner, const Layerlift__V1__ServerInfo *info);
    /* The edge is silent, after device_silence_begin. */
    void (*silent)(void *owner);
    /* The question's stream has ended: device_silence_is_open is false. */
    void (*closed)(void *owner);
    void *owner;
};

/* Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_silence_create(const struct device_silence_config *config,
                                            struct device_silence **out_silence);
/* Nothing is open. NULL is allowed. */
void device_silence_destroy(struct device_silence *silence);

/* The edge behind `channel` is up. Until device_silence_end, which ends a question as well. */
void device_silence_begin(struct device_silence *silence, struct rpc_channel *channel);
void device_silence_end(struct device_silence *silence);
/* A question's stream is open: the channel is still needed. */
bool device_silence_is_open(const struct device_silence *silence);

/* While the upload goes on, the edge owes its progress. */
void device_silence_set_uploading(struct device_silence *silence, bool is_uploading);
/* There may be a new query. */
void device_silence_kick(struct device_silence *silence);

#endif
