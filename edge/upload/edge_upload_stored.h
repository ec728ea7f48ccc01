/* Of what a session has received, what would survive the end of this process.
 *
 * Counts payload. What was dropped, and what brought nothing new, counts as stored: nobody has to
 * send it again. Where blobs have come to no border since, at most a frame of each counts too late.
 *
 * Internal to the Upload service.
 *
 * Threads: the receiver. */
#ifndef EDGE_UPLOAD_STORED_H
#define EDGE_UPLOAD_STORED_H

#include <stdbool.h>
#include <stdint.h>

struct edge_upload_session;
struct edge_upload_session_layer;

/* Of one layer: payload that has come and does not count yet. */
struct edge_upload_unstored {
    /* `marked_bytes` count once the blob's bytes [0, mark) are stored. */
    int64_t mark;
    uint64_t marked_bytes;
    /* What came after that, up to `end` in the blob. */
    int64_t end;
    uint64_t bytes;
    /* In the session's list. */
    bool is_listed;
    struct edge_upload_session_layer *next;
};

/* `bytes` of payload have come; the layer's blob goes up to `end` with them. */
void edge_upload_stored_await(struct edge_upload_session *session,
                              struct edge_upload_session_layer *layer, int64_t end, uint64_t bytes);
/* What has come of the layer is forgotten, or nobody's business any more: it counts. */
void edge_upload_stored_forget(struct edge_upload_session *session,
                               struct edge_upload_session_layer *layer);
/* What is stored now, cumulative. Never falls. */
uint64_t edge_upload_stored_bytes(struct edge_upload_session *session);

#endif
