/* One upload session, as the receiver thread sees it: its credit and its end.
 *
 * Internal to the Upload service. On top of this stand, from below: whose places sessions take
 * (edge_upload_session_places.h) and what devices are told (..._events.h); the messages that come
 * (..._open.h, ..._chunk.h); the stream that brings them (edge_upload.c).
 *
 * Threads: the receiver, except `granted_bytes`. */
#ifndef EDGE_UPLOAD_SESSION_H
#define EDGE_UPLOAD_SESSION_H

#include <stdint.h>

#include "core/ll_status.h"
#include "edge/upload/edge_upload_session_state.h"

void edge_upload_session_init(struct edge_upload_session *session,
                              struct edge_upload_sessions *sessions, struct rpc_stream *stream,
                              unsigned number);
/* Leaves the model and frees everything; the stream is not touched. */
void edge_upload_session_finish(struct edge_upload_session *session);

/* Gives the model back. Creations may go on without this session's borders. Harmless without one.
 */
void edge_upload_session_leave_model(struct edge_upload_session *session);
/* Leaves the model and ends the call. Harmless when it has ended. */
void edge_upload_session_end(struct edge_upload_session *session, ll_status status,
                             const char *format, ...) LL_PRINTF(3, 4);
/* The same with the sentence, the limit and the time of `err`. */
void edge_upload_session_fail(struct edge_upload_session *session, ll_status status,
                              const struct ll_error *err);

/* How many bytes the device has still to send for layers before `end`. */
int64_t edge_upload_session_missing_bytes(const struct edge_upload_session *session, int end);

/* Sends an event. */
void edge_upload_session_send(struct edge_upload_session *session,
                              const Layerlift__V1__UploadEvent *event);
/* Grants as much credit as the device may have now; returns how much it has. */
uint64_t edge_upload_session_grant(struct edge_upload_session *session);
/* Tells credit and receipts, unless events wait already: then the latest go when those have gone.
 */
void edge_upload_session_send_credit(struct edge_upload_session *session);
/* The same however many events wait: what this thread creates next would hold it up. The session
 * has a model. */
void edge_upload_session_send_credit_now(struct edge_upload_session *session);

#endif
