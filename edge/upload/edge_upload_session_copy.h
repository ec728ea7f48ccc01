/* Into what a session's bytes of a blob go: into the blob itself, which one session at a time owns,
 * or into a copy of the session's own. Then nobody's wrong bytes are among another's.
 *
 * Internal to the Upload service.
 *
 * Threads: the receiver. */
#ifndef EDGE_UPLOAD_SESSION_COPY_H
#define EDGE_UPLOAD_SESSION_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edge/upload/edge_upload_session_state.h"

/* Bytes [offset, offset + bytes) of a layer's blob, in the order of offsets. */
struct edge_upload_piece {
    int layer;
    int64_t offset;
    const void *data;
    size_t bytes;
    /* When they came. */
    int64_t arrived_ns;
};

typedef enum {
    /* Into the target. */
    EDGE_UPLOAD_AIM_IS_SET,
    /* Nowhere: the bytes before it are lost. */
    EDGE_UPLOAD_AIM_IS_LOST,
    /* Into a copy of the session's own, which it has not begun. */
    EDGE_UPLOAD_AIM_NEEDS_COPY,
} edge_upload_aim;

/* Into what the piece goes; the session may own the blob from now on. */
LL_MUST_USE edge_upload_aim edge_upload_session_aim(struct edge_upload_session *session,
                                                    struct edge_upload_side *side,
                                                    const struct edge_upload_piece *piece,
                                                    struct edge_blob **out_target);
/* Whether the session's address may have the blob duplicated now up to the piece; it counts then.
 * Errors: LL_E_EXHAUSTED above limit peer_copied_bytes. */
LL_MUST_USE ll_status edge_upload_session_may_copy(struct edge_upload_session *session,
                                                   const struct edge_upload_piece *piece,
                                                   struct ll_error *err);
/* Begins a copy as the blob does, up to the piece. Errors: those of edge_blob_write, LL_E_IO. */
LL_MUST_USE ll_status edge_upload_session_begin_copy(struct edge_upload_session *session,
                                                     struct edge_upload_side *side,
                                                     const struct edge_upload_piece *piece,
                                                     struct edge_blob **out_target,
                                                     struct ll_error *err);

/* Where nobody owns the blob any more, and the session's copy has all that is there of it, and the
 * same: the copy is not needed, and the session owns the blob. */
void edge_upload_session_rejoin(struct edge_upload_session *session, struct edge_upload_side *side,
                                int layer);

/* The session whose bytes go into the blob, or NULL; `out_layer` may be NULL. */
struct edge_upload_session *edge_upload_session_owner(struct edge_upload_sessions *sessions,
                                                      const struct edge_blob *blob,
                                                      struct edge_upload_session_layer **out_layer);

/* The blob, or the copy that becomes it, has the right bytes: marks the sessions as wrong whose own
 * bytes of it, in the blob or in copies, are others; nobody needs a copy any more. */
void edge_upload_sessions_settle(struct edge_upload_sessions *sessions,
                                 const struct edge_blob *blob, const struct edge_blob *right);

/* The device goes on where it was told that others are (`told_offset`), and not where it was. */
void edge_upload_session_go_on(struct edge_upload_session *session, struct edge_upload_side *side,
                               int layer);

/* What the session owns is for others to go on with, and its copies are forgotten. */
void edge_upload_session_leave_blobs(struct edge_upload_session *session);

#endif
