/* Manifests, as the device writes them and the edge reads them.
 *
 * Threads: pure functions. */
#ifndef WIRE_MANIFEST_H
#define WIRE_MANIFEST_H

#include "core/ll_status.h"
#include "layerlift/v1/offload.pb-c.h"
#include "net/ll_manifest.h"

/* Checks counts, sizes and digests, and copies. Whether the blobs fit the cfg is not looked at.
 *
 * Errors: LL_E_INVALID, LL_E_EXHAUSTED above a limit, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status wire_manifest_read(const Layerlift__V1__Manifest *message,
                                         struct ll_manifest *out_manifest, struct ll_error *err);

/* A manifest's message, with the memory that it points to. */
struct wire_manifest {
    Layerlift__V1__Manifest message;
    /* Private. */
    struct wire_blob *blobs;
};

/* The cfg is the manifest's own, which outlives the message. Errors: LL_E_NO_MEMORY; nothing to
 * finish then. */
LL_MUST_USE ll_status wire_manifest_init(struct wire_manifest *wire,
                                         const struct ll_manifest *manifest);
void wire_manifest_finish(struct wire_manifest *wire);

#endif
