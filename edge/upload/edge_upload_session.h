/* One upload session, as the receiver thread sees it: the device's messages in order, checked
 * against model and plan, and the events that it gets.
 *
 * Internal to the Upload service (edge_upload.c).
 *
 * Threads: the receiver, except `granted_bytes`. */
#ifndef EDGE_UPLOAD_SESSION_H
#define EDGE_UPLOAD_SESSION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/ll_status.h"
#include "edge/edge_creator.h"
#include "edge/fair/edge_peer.h"
#include "edge/fair/edge_places.h"
#include "edge/model/edge_catalog.h"
#include "layerlift/v1/offload.pb-c.h"
#include "net/plan/ll_plan.h"
#include "rpc/rpc_stream.h"

/* What all sessions of a server share. */
struct edge_sessions {
    struct edge_catalog *models;
    struct edge_creator *creator;
    int64_t window_bytes;
    bool is_draining;
    /* What devices that have weights to send hold; and what every stream holds, those that have not
     * opened, that wait for a creation and that do not read their end included. */
    struct edge_places uploads;
    struct edge_places streams;
    struct edge_upload_session *first;
};

/* What a session knows of one layer. */
struct edge_upload_session_layer {
    /* Where the device's next chunk begins. */
    int64_t next_offset;
    /* The blob was here when the session opened: the device has nothing to send. */
    bool was_here;
    /* The device knows that the blob is available. */
    bool is_known;
    /* How many of the blob's bytes this device brought; all of them: if they are wrong, it is this
     * device that is. */
    int64_t brought_bytes;
    /* The device's own copy where the blob is contested (edge_upload_session_chunk.c), else NULL.
     */
    struct edge_blob *copy;
    /* How often its bytes, and nobody else's, were wrong. */
    int faults;
    /* The device was told to begin again: a chunk at 0 does, and others that were on their way are
     * dropped. */
    bool was_rejected;
};

struct edge_upload_session {
    struct edge_sessions *sessions;
    struct edge_upload_session *next;
    struct rpc_stream *stream;
    /* For logs. */
    unsigned number;
    struct edge_peer peer;
    struct edge_place upload_place;
    struct edge_place stream_place;
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
    struct edge_upload_session_layer *layers;
    /* Which partitions were reported as received. */
    bool *reported;
    /* Creations of the model before this session, and those it was told about. */
    int creations_before;
    int creations_told;
    int rejections;
};

/* Ends sessions that hold places for nothing. Returns when to come again, or LL_CLOCK_NEVER. */
int64_t edge_sessions_end_idle(struct edge_sessions *sessions, int64_t now_ns);

void edge_upload_session_init(struct edge_upload_session *session, struct edge_sessions *sessions,
                              struct rpc_stream *stream, unsigned number);
/* Leaves the model and frees everything; the stream is not touched. */
void edge_upload_session_finish(struct edge_upload_session *session);

/* The stream is here: takes a stream's place, or ends it. */
void edge_upload_session_begin(struct edge_upload_session *session, int64_t now_ns);
/* The first message. A device with weights to send takes an upload's place, or is refused. */
void edge_upload_session_open(struct edge_upload_session *session,
                              const Layerlift__V1__UploadOpen *open, int64_t now_ns);
/* `arrived_ns`: when the loop got it. */
void edge_upload_session_chunk(struct edge_upload_session *session,
                               const Layerlift__V1__Chunk *chunk, int64_t arrived_ns);
void edge_upload_session_half_close(struct edge_upload_session *session);
/* Tells the device what has changed: blobs, partitions, creations, the end. */
void edge_upload_session_update(struct edge_upload_session *session);
/* The stream takes messages again: sends what is due. */
void edge_upload_session_writable(struct edge_upload_session *session);
/* Leaves the model and ends the call. Harmless when it has ended. */
void edge_upload_session_end(struct edge_upload_session *session, ll_status status,
                             const char *format, ...) LL_PRINTF(3, 4);

/* The same with the sentence, the limit and the time of `err`. */
void edge_upload_session_fail(struct edge_upload_session *session, ll_status status,
                              const struct ll_error *err);
/* Whether nothing of the model's weights is missing. */
bool edge_upload_session_is_all_here(const struct edge_model *model);
/* For edge_upload_session.c: takes an upload's place for a session that opens `manifest`, if there
 * is something to send, and has room made for its model. Idle sessions may end for that.
 *
 * Errors: LL_E_EXHAUSTED where nobody gives way. */
LL_MUST_USE ll_status edge_upload_session_take_place(struct edge_upload_session *session,
                                                     const struct ll_manifest *manifest,
                                                     int64_t now_ns, struct ll_error *err);
/* Payload came. */
void edge_upload_session_progress(struct edge_upload_session *session, int64_t bytes,
                                  int64_t now_ns);
/* The session has ended: it holds no upload's place, and its stream's place for a short while. */
void edge_upload_session_leave_places(struct edge_upload_session *session);
/* Ends the upload that was idle for longest, as for a newcomer; false where nobody gives way. */
bool edge_upload_session_make_way(struct edge_upload_session *session, int64_t now_ns);

/* Forgets the session's own copies. */
void edge_upload_session_drop_copies(struct edge_upload_session *session);

/* For edge_upload_session_chunk.c: sends an event; tells credit and receipts, unless events wait
 * already: then the latest go when those have gone. */
void edge_upload_session_send(struct edge_upload_session *session,
                              const Layerlift__V1__UploadEvent *event);
void edge_upload_session_send_credit(struct edge_upload_session *session);

#endif
