/* One upload session, as the receiver thread sees it: the device's messages in order, checked
 * against model and plan, and the events that it gets.
 *
 * Internal to the Upload service (edge_upload.c).
 *
 * Threads: the receiver, except `granted_bytes`. */
#ifndef EDGE_SESSION_H
#define EDGE_SESSION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/ll_plan.h"
#include "core/ll_status.h"
#include "edge/edge_creator.h"
#include "edge/edge_models.h"
#include "layerlift/v1/offload.pb-c.h"
#include "rpc/rpc_stream.h"

/* What all sessions of a server share. */
struct edge_sessions {
    struct edge_models *models;
    struct edge_creator *creator;
    int64_t window_bytes;
    bool is_draining;
    struct edge_session *first;
};

/* What a session knows of one layer. */
struct edge_session_layer {
    /* Where the device's next chunk begins. */
    int64_t next_offset;
    /* The blob was here when the session opened: the device has nothing to send. */
    bool was_here;
    /* The device knows that the blob is available. */
    bool is_known;
    /* Somebody else brought the blob's beginning: if it is rejected, that is not this device's
     * fault. */
    bool was_begun;
    /* The device was told to begin again: a chunk at 0 does, and others that were on their way are
     * dropped. */
    bool was_rejected;
};

struct edge_session {
    struct edge_sessions *sessions;
    struct edge_session *next;
    struct rpc_stream *stream;
    /* For logs. */
    unsigned number;
    /* Credit that the device has; the loop's thread checks it. */
    atomic_uint_least64_t granted_bytes;

    /* Payload that was dealt with. */
    uint64_t received_bytes;
    /* When the last of it arrived. */
    int64_t received_at_ns;
    bool is_over;
    bool has_half_closed;
    /* A Credit event, or others, wait until the stream takes them. */
    bool owes_credit;
    bool owes_events;
    /* NULL before `open` and after the end. */
    struct edge_model *model;
    struct ll_plan plan;
    struct edge_session_layer *layers;
    /* Which partitions were reported as received. */
    bool *reported;
    /* Creations of the model before this session, and those it was told about. */
    int creations_before;
    int creations_told;
    int rejections;
};

void edge_session_init(struct edge_session *session, struct edge_sessions *sessions,
                       struct rpc_stream *stream, unsigned number);
/* Leaves the model and frees everything; the stream is not touched. */
void edge_session_finish(struct edge_session *session);

void edge_session_open(struct edge_session *session, const Layerlift__V1__UploadOpen *open);
/* `arrived_ns`: when the loop got it. */
void edge_session_chunk(struct edge_session *session, const Layerlift__V1__Chunk *chunk,
                        int64_t arrived_ns);
void edge_session_half_close(struct edge_session *session);
/* Tells the device what has changed: blobs, partitions, creations, the end. */
void edge_session_update(struct edge_session *session);
/* The stream takes messages again: sends what is due. */
void edge_session_writable(struct edge_session *session);
/* Leaves the model and ends the call. Harmless when it has ended. */
void edge_session_end(struct edge_session *session, ll_status status, const char *format, ...)
    LL_PRINTF(3, 4);

/* The same with the sentence, the limit and the time of `err`. */
void edge_session_fail(struct edge_session *session, ll_status status, const struct ll_error *err);

/* For edge_session_chunk.c: sends an event; tells credit and receipts, unless events wait already:
 * then the latest go when those have gone. */
void edge_session_send(struct edge_session *session, const Layerlift__V1__UploadEvent *event);
void edge_session_send_credit(struct edge_session *session);

#endif
