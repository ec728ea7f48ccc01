/* The Upload service: sessions in which devices bring models.
 *
 * Threads: create, add, destroy on one; drain from any. Destroy after the server has stopped. */
#ifndef EDGE_UPLOAD_H
#define EDGE_UPLOAD_H

#include <stdint.h>

#include "core/ll_status.h"
#include "edge/edge_creator.h"
#include "edge/edge_models.h"
#include "rpc/rpc_server.h"

struct edge_uploads;

/* Chunks of one session that wait for the receiver. Devices send 8 KiB and more; only blobs that
 * are smaller come in smaller chunks. */
enum { EDGE_UPLOAD_QUEUED_CHUNKS = 16384 };

struct edge_uploads_config {
    struct edge_models *models;
    struct edge_creator *creator;
    int most_sessions;
    /* How far beyond what has been written a device may send: what the edge buffers at most for one
     * session. */
    int64_t window_bytes;
};

LL_MUST_USE ll_status edge_uploads_create(const struct edge_uploads_config *config,
                                          struct edge_uploads **out_uploads);
/* NULL is allowed. */
void edge_uploads_destroy(struct edge_uploads *uploads);

/* Adds the method to a server, before its start. */
LL_MUST_USE ll_status edge_uploads_add(struct edge_uploads *uploads, struct rpc_server *server);

/* Ends all sessions with UNAVAILABLE, and every new one. */
void edge_uploads_drain(struct edge_uploads *uploads);

#endif
