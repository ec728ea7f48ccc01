/* The draft that a device brings before its model: a model of its own beside that
 * (edge_catalog.h), whose blobs are the rounded ones.
 *
 * Its digests are the device's word. The edge knows better once it has a layer's blob of both: what
 * is not the rounded model is forgotten, and every session that named it ends.
 *
 * Internal to the Upload service.
 *
 * Threads: the receiver. */
#ifndef EDGE_UPLOAD_DRAFTS_H
#define EDGE_UPLOAD_DRAFTS_H

#include <stdbool.h>

#include "coding/ll_draft.h"
#include "core/ll_status.h"
#include "edge/upload/edge_upload_session.h"

/* Opens the draft that `open` names, beside the session's model, if both have the encodings of
 * drafts. Where the edge has no room for it, or no use, the session has none: the model comes
 * alone.
 *
 * Errors: LL_E_INVALID naming what is wrong with the draft, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status edge_upload_draft_open(struct edge_upload_session *session,
                                             const Layerlift__V1__UploadOpen *open,
                                             struct ll_error *err);
/* Whether the session's draft has a blob of its own for the layer. */
bool edge_upload_draft_rounds(const struct edge_upload_session *session, int layer);

/* A blob has become available: drafts of which it says that they are not what they should be are
 * retired, and the sessions that named them end. */
void edge_upload_drafts_check(struct edge_upload_sessions *sessions, const struct edge_blob *blob);

#endif
