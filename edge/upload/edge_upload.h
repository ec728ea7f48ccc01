/* The Upload service: sessions in which devices bring models.
 *
 * Threads: create, add, destroy on one; drain from any. Destroy after the server has stopped. */
#ifndef EDGE_UPLOAD_H
#define EDGE_UPLOAD_H

#include <stdint.h>

#include "core/ll_status.h"
#include "edge/edge_creator.h"
#include "edge/model/edge_catalog.h"
#include "rpc/rpc_server.h"

struct edge_uploads;

/* Chunks of one session that wait for the receiver. Devices send 8 KiB and more; only blobs that
 * are smaller come in smaller chunks. */
enum { EDGE_UPLOAD_QUEUED_CHUNKS = 16384 };
/* Streams for each upload: those that have not opened yet, whose model is here already, that wait
 * for a creation, or that do not read their end. */
enum { EDGE_UPLOAD_STREAMS = 8 };

struct edge_uploads_config {
    struct edge_catalog *catalog;
    struct edge_creator *creator;
    /* Uploads that have something to send; streams may be EDGE_UPLOAD_STREAMS times as many. */
    int most_sessions;
    /* How long one of them may send nothing, and after how long without it gives its place to
     * another. */
    int64_t idle_ns;
    int64_t patience_ns;
    /* How far beyond what has been written a device may send: what the edge buffers at most for one
     * session. */
    int64_t window_bytes;
    /* A second, four seconds' worth at once: how much is duplicated for one address of blobs that
     * another session brings and its own goes on with, for which it needs to send next to nothing.
     */
    int64_t copied_bytes_per_s;
    /* The same of how many models that are not whole an address opens where the store lasts: the
     * receiver, and all others with it, waits for the disk then. */
    int64_t opens_per_s;
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
