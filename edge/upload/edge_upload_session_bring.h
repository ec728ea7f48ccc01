/* What a session brings of its blobs: into the store, and what comes of that, for this session and
 * for all others that bring the same.
 *
 * Internal to the Upload service.
 *
 * Threads: the receiver. */
#ifndef EDGE_UPLOAD_SESSION_BRING_H
#define EDGE_UPLOAD_SESSION_BRING_H

#include "edge/upload/edge_upload_session.h"
#include "edge/upload/edge_upload_session_copy.h"

/* Writes a piece of a blob of `side`, one of the session's. Then, once the receipt is on its way,
 * edge_upload_session_brought.
 *
 * Errors: those of edge_upload_session_aim; the session is to end with them. */
LL_MUST_USE ll_status edge_upload_session_bring(struct edge_upload_session *session,
                                                struct edge_upload_side *side,
                                                const struct edge_upload_piece *piece,
                                                edge_write_outcome *out_outcome,
                                                struct ll_error *err);

/* Has the device send a layer's blob again, as if it had been rejected; may end the session. */
void edge_upload_session_send_again(struct edge_upload_session *session,
                                    struct edge_upload_side *side, int layer, const char *reason);

/* Tells everybody what has come of it; may end the session. */
void edge_upload_session_brought(struct edge_upload_session *session, struct edge_upload_side *side,
                                 int layer, edge_write_outcome outcome);

#endif
