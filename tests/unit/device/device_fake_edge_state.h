/* Internal to device_fake_edge*.c.
 *
 * Threads: the server loop's, but for what the lock guards. */
#ifndef DEVICE_FAKE_EDGE_STATE_H
#define DEVICE_FAKE_EDGE_STATE_H

#include "coding/ll_frame.h"
#include "core/ll_sync.h"
#include "device/query/device_local.h"
#include "layerlift/v1/offload.pb-c.h"
#include "net/ll_dtype.h"
#include "rpc/rpc_server.h"
#include "tests/unit/device/device_fake_edge.h"

enum { EDGE_TENSORS = 16, EDGE_PARTS = 100000 };

struct fake_query {
    struct fake_query *next;
    struct rpc_stream *stream;
    Layerlift__V1__OffloadRequest *request;
    struct device_tensors tensors;
    /* By tensor of the request: what of it has come, how it is written, and all of that. */
    size_t received[EDGE_TENSORS];
    ll_dtype dtypes[EDGE_TENSORS];
    size_t whole[EDGE_TENSORS];
    bool has_picture;
};

struct fake_edge {
    const struct fake_model *model;
    struct rpc_loop *loop;
    struct rpc_server *server;
    struct device_local *local;
    char address[64];
    /* The loop's. */
    struct rpc_stream *upload;
    uint64_t stream_bytes;
    uint64_t credit;
    int told_prefix;
    int told_draft;
    /* The stream was broken: what still comes of it is lost. */
    bool is_dropping;
    struct fake_query *queries;
    /* The frame that is under way: the chunk that began it, and what has come of it. */
    struct ll_frame_coder *coder;
    uint32_t frame_layer;
    uint64_t frame_offset;
    size_t frame_used;
    uint8_t frame[LL_FRAME_ENCODED_BYTES];
    uint8_t decoded[LL_FRAME_BYTES];
    /* Guards everything below. */
    struct ll_mutex lock;
    struct ll_cond changed;
    struct fake_edge_script script;
    struct fake_edge_counts counts;
    /* Bytes of each layer that are here. */
    int64_t *here;
    int rejected;
    /* The same of the draft's blobs, and their bytes. */
    int64_t *drafted;
    uint8_t **rounded;
    int drafts_rejected;
    bool is_broken;
};

const struct ll_table *fake_edge_table(const struct fake_edge *edge);
struct fake_edge_script fake_edge_script(struct fake_edge *edge);
/* How far the blobs that are here reach, within the script's bound. */
int fake_edge_prefix(struct fake_edge *edge);
/* The same with the draft's weights where the model's are not there; 0 without a draft. */
int fake_edge_draft_prefix(struct fake_edge *edge);
/* How far a query can run. */
int fake_edge_reach(struct fake_edge *edge, const Layerlift__V1__Query *query);
void fake_edge_send(struct rpc_stream *stream, const ProtobufCMessage *message);
/* A message whose field 1 has 100,000 empty parts in its field `field`. */
void fake_edge_send_parts(struct rpc_stream *stream, int field);
/* What must be so, seen from the loop's thread, where CUnit's assertions cannot be used: counts a
 * fault where it is not. Returns `is_so`. */
bool fake_edge_must(struct fake_edge *edge, bool is_so);

/* The services. */
void fake_edge_upload_message(void *owner, struct rpc_stream *stream, const uint8_t *data,
                              size_t bytes);
void fake_edge_watch_message(void *owner, struct rpc_stream *stream, const uint8_t *data,
                             size_t bytes);
void fake_edge_offload_message(void *owner, struct rpc_stream *stream, const uint8_t *data,
                               size_t bytes);
/* Answers the queries that can be answered now. */
void fake_edge_serve(struct fake_edge *edge);
void fake_edge_drop_queries(struct fake_edge *edge);

#endif
