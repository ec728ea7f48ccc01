/* What a device may send differences from: blobs of earlier models that the edge has.
 *
 * A base counts where a model here has it whose owner is the device's address: nobody learns what
 * others brought, not even that it is here.
 *
 * Internal to the Upload service.
 *
 * Threads: the receiver. */
#ifndef EDGE_UPLOAD_BASES_H
#define EDGE_UPLOAD_BASES_H

#include "core/ll_status.h"
#include "edge/upload/edge_upload_session_state.h"

/* Notes the bases that are here of those that `open` names, where DELTA_FRAME is agreed upon. The
 * session has its model and its layers.
 *
 * Errors: LL_E_INVALID naming the base, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status edge_upload_bases_find(struct edge_upload_session *session,
                                             const Layerlift__V1__UploadOpen *open,
                                             struct ll_error *err);

#endif
