/* Who may hold an upload's place, and a stream's.
 *
 * Internal to the Upload service.
 *
 * Threads: the receiver. */
#ifndef EDGE_UPLOAD_SESSION_PLACES_H
#define EDGE_UPLOAD_SESSION_PLACES_H

#include "edge/upload/edge_upload_session.h"

/* Ends sessions that hold places for nothing. Returns when to come again, or LL_CLOCK_NEVER. */
int64_t edge_upload_sessions_end_idle(struct edge_upload_sessions *sessions, int64_t now_ns);

/* The stream is here: takes a stream's place, or ends it. */
void edge_upload_session_begin(struct edge_upload_session *session, int64_t now_ns);

/* Takes an upload's place for a session that opens `manifest`, if there is something to send, and
 * has room made for its model. Idle sessions may end for that.
 *
 * Errors: LL_E_EXHAUSTED where nobody gives way. */
LL_MUST_USE ll_status edge_upload_session_take_place(struct edge_upload_session *session,
                                                     const struct ll_manifest *manifest,
                                                     int64_t now_ns, struct ll_error *err);
/* Payload came. */
void edge_upload_session_progress(struct edge_upload_session *session, int64_t bytes,
                                  int64_t now_ns);
/* Ends the upload that was idle for longest, as for a newcomer; false where nobody gives way. */
bool edge_upload_session_make_way(struct edge_upload_session *session, int64_t now_ns);

#endif
