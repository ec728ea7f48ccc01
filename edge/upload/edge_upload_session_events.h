/* What an upload session tells its device: what has become available, received, created.
 *
 * Internal to the Upload service.
 *
 * Threads: the receiver. */
#ifndef EDGE_UPLOAD_SESSION_EVENTS_H
#define EDGE_UPLOAD_SESSION_EVENTS_H

#include "edge/upload/edge_upload_session.h"

/* Tells the device what has changed: blobs, partitions, creations, the end. */
void edge_upload_session_update(struct edge_upload_session *session);
/* The stream takes messages again: sends what is due. */
void edge_upload_session_writable(struct edge_upload_session *session);
/* The device sends nothing more: the session ends when nothing more comes of it. */
void edge_upload_session_half_close(struct edge_upload_session *session);

/* Tells a new session which layers can run already, of the model and of its draft. */
void edge_upload_session_tell_present(struct edge_upload_session *session);

#endif
