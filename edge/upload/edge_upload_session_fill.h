/* Frames that a draft has wholly: nothing is left of them to be sent, and the model's blob takes
 * them from the draft's.
 *
 * Internal to the Upload service.
 *
 * Threads: the receiver. */
#ifndef EDGE_UPLOAD_SESSION_FILL_H
#define EDGE_UPLOAD_SESSION_FILL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_status.h"
#include "edge/upload/edge_upload_session.h"

/* Takes such frames of a layer from its next offset on, up to `until`; may end the session.
 * Errors: those of edge_upload_session_bring; the session is to end with them. */
LL_MUST_USE ll_status edge_upload_session_fill(struct edge_upload_session *session, int layer,
                                               int64_t until, int64_t now_ns, struct ll_error *err);
/* The same of all layers that an earlier session has begun: where it stopped nothing may be left to
 * be sent. */
LL_MUST_USE ll_status edge_upload_session_fill_all(struct edge_upload_session *session,
                                                   int64_t now_ns, struct ll_error *err);
/* Whether a chunk has bytes of the model that were taken so already: it is to be dropped. */
bool edge_upload_session_was_filled(const struct edge_upload_session *session,
                                    const Layerlift__V1__Chunk *chunk);

#endif
