/* The chunks of an upload session: into the store, and what comes of that.
 *
 * Internal to the Upload service.
 *
 * Threads: the receiver. */
#ifndef EDGE_UPLOAD_SESSION_CHUNK_H
#define EDGE_UPLOAD_SESSION_CHUNK_H

#include "edge/upload/edge_upload_session.h"

/* `arrived_ns`: when the loop got it. */
void edge_upload_session_chunk(struct edge_upload_session *session,
                               const Layerlift__V1__Chunk *chunk, int64_t arrived_ns);

#endif
