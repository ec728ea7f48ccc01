/* A session's inside, which its parts share: device_session.c has its connections' life,
 * device_session_place.c the place for the upload and the wait for one at a busy edge,
 * device_session_use.c what an edge that is there tells and is used for, device_session_loss.c the
 * end of a connection and what is told of it. Each calls those behind it alone.
 *
 * Threads: the loop's. */
#ifndef DEVICE_SESSION_STATE_H
#define DEVICE_SESSION_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/ll_sync.h"
#include "device/edge_link/device_encoder.h"
#include "device/edge_link/device_follow.h"
#include "device/edge_link/device_next_edge.h"
#include "device/edge_link/device_offload.h"
#include "device/edge_link/device_send_scheduler.h"
#include "device/edge_link/device_session.h"
#include "device/edge_link/device_silence.h"
#include "device/edge_link/device_uploader.h"
#include "rpc/rpc_channel.h"
#include "rpc/rpc_loop.h"

typedef enum {
    SESSION_TOLD_NOTHING,
    SESSION_TOLD_BUSY,
    SESSION_TOLD_USED,
} session_told;

struct device_session {
    struct device_session_config config;
    struct rpc_loop *loop;
    struct device_edge_state *edge;
    struct device_requests *requests;
    struct device_send_scheduler *scheduler;
    struct device_silence *silence;
    struct device_encoder *encoder;
    struct rpc_task start_task;
    struct rpc_task stop_task;
    struct rpc_task stopped_task;
    struct rpc_task kick_task;
    atomic_flag is_kick_posted;
    /* A frame has been encoded that the upload waits for. */
    struct rpc_task encoded_task;
    atomic_flag is_encoded_posted;

    /* The loop's thread only, down to the lock: the connection, and when the next one is due. */
    struct rpc_timer *connect_timer;
    struct device_next_edge next_edge;
    uint32_t random;
    struct rpc_channel *channel;
    int64_t opened_ns;
    struct device_uploader *uploader;
    struct device_offload *offload;
    struct device_follow *follow;
    bool is_upload_open;
    bool is_offload_open;
    bool is_follow_open;
    bool is_up;
    bool is_losing;
    bool is_stopping;

    /* Its loss, and what was told of losses. */
    bool loss_was_up;
    bool loss_is_busy;
    ll_status loss_status;
    struct ll_error loss_reason;
    bool is_distrusted;
    bool is_loss_told;
    bool is_refusal_told;

    /* The place for the upload: how long the edge may take to answer, and when to ask a busy one
     * again; what it said when it was busy last, and what of that was told. */
    struct rpc_timer *accept_timer;
    struct rpc_timer *place_timer;
    ll_status busy_status;
    struct ll_error busy_reason;
    session_told busy_told;

    /* The edge's use: layers [0, prefix) run there, and of the bytes that it lacked when it came
     * up, so many have arrived since. */
    int prefix;
    /* The edge has the draft, and layers [0, draft_prefix) run with it. */
    bool has_draft;
    int draft_prefix;
    int64_t left_bytes, acked_now;
    int64_t acked_ns;
    int creations_now;
    int64_t creation_ns_now;

    /* The upload, over all connections. */
    bool was_accepted;
    bool is_uploaded;
    bool is_limit_told;
    bool is_draftless_told;
    int64_t start_ns;
    int64_t draft_ready_ns;
    int64_t sent_before;
    int64_t draft_before;
    int creations_before;
    int64_t creation_ns_before;

    /* Guards what is below. */
    struct ll_mutex lock;
    struct ll_cond stopped;
    bool is_started LL_GUARDED_BY(lock);
    bool is_stopped LL_GUARDED_BY(lock);
};

/* ---- The end of a connection (device_session_loss.c) ---- */

/* Of the edge that it is at. */
const char *device_session_address(const struct device_session *session);
/* All that are open; their ends follow. */
void device_session_cancel_streams(struct device_session *session);
/* The edge is lost, for this reason, or because it has no room now; once for each connection. */
void device_session_lose_with(struct device_session *session, ll_status status,
                              const struct ll_error *err, bool is_busy);
void device_session_lose(struct device_session *session, ll_status status, const char *reason);
/* Goes on to the next edge, or stops, once nothing of the lost connection is open any more. */
void device_session_settle(struct device_session *session);
/* How long to leave a busy edge alone. */
int64_t device_session_wait_ns(struct device_session *session);
/* To the owner, with the edge's address. */
void device_session_tell_busy(struct device_session *session, const char *address);

/* ---- The use of an edge (device_session_use.c) ---- */

/* Queries can reach the edge from now on, if they could not before. False: the edge is lost. */
bool device_session_open_offload(struct device_session *session);
/* The edge knows the model, and lacks `left_bytes` of it. */
void device_session_begin_use(struct device_session *session, int prefix, int64_t left_bytes);
/* Queries use the edge from now on. */
void device_session_come_up(struct device_session *session);
/* The edge tells of more layers. */
void device_session_reach(struct device_session *session, int prefix);
/* To the owner. */
void device_session_tell_progress(struct device_session *session);
/* The uploader's sums go to those of the whole session. */
void device_session_drop_uploader(struct device_session *session);
/* Of struct device_uploader_events. */
void device_session_on_accepted(void *owner, const struct device_accepted *accepted);
void device_session_on_progress(void *owner, int64_t bytes);
void device_session_on_ready(void *owner, const struct device_creation *creation);
void device_session_on_draft_ready(void *owner, const struct device_creation *creation);
void device_session_on_complete(void *owner, const struct device_upload_done *done);
void device_session_on_limited(void *owner);

/* ---- The place for the upload (device_session_place.c) ---- */

/* Asks for a place. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_session_open_upload(struct device_session *session);
/* The same again, at a busy edge; `arg` is the session. */
void device_session_ask_for_place(void *arg);

#endif
