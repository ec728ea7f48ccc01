/* The first message of an upload session: manifest and plan, and what the edge has of them.
 *
 * Internal to the Upload service.
 *
 * Threads: the receiver. */
#ifndef EDGE_UPLOAD_SESSION_OPEN_H
#define EDGE_UPLOAD_SESSION_OPEN_H

#include "edge/upload/edge_upload_session.h"

/* A device with weights to send takes an upload's place, or is refused. */
void edge_upload_session_open(struct edge_upload_session *session,
                              const Layerlift__V1__UploadOpen *open, int64_t now_ns);

#endif
