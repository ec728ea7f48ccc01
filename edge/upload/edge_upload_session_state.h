/* An upload session's state: what its parts share, from what becomes of its bytes
 * (edge_upload_session_copy.h) to its end (edge_upload_session.h).
 *
 * Internal to the Upload service.
 *
 * Threads: the receiver, except `granted_bytes`. */
#ifndef EDGE_UPLOAD_SESSION_STATE_H
#define EDGE_UPLOAD_SESSION_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/ll_status.h"
#include "edge/edge_creator.h"
#include "edge/fair/edge_peer.h"
#include "edge/fair/edge_places.h"
#include "edge/fair/edge_rates.h"
#include "edge/model/edge_catalog.h"
#include "edge/upload/edge_upload_frames.h"
#include "edge/upload/edge_upload_stored.h"
#include "layerlift/v1/offload.pb-c.h"
#include "net/plan/ll_plan.h"
#include "rpc/rpc_stream.h"

/* What one open takes of `opens` below. */
enum { EDGE_UPLOAD_OPEN_UNITS = 1000 };

/* What all sessions of a server share. */
struct edge_upload_sessions {
    struct edge_catalog *catalog;
    struct edge_creator *creator;
    struct edge_upload_decoder *decoder;
    int64_t window_bytes;
    bool is_draining;
    /* What devices that have weights to send hold; and what every stream holds, those that have not
     * opened, that wait for a creation and that do not read their end included. */
    struct edge_places uploads;
    struct edge_places streams;
    /* How much of blobs that others bring is duplicated for an address. */
    struct edge_rates copies;
    /* How often an address opens models that are not whole, in thousandths, where the store lasts.
     */
    struct edge_rates opens;
    struct edge_upload_session *first;
    /* What is dealt out (edge_upload_session_share.h): something has changed; when to look again.
     */
    bool is_share_due;
    int64_t share_next_ns;
};

/* What a session knows of one layer. */
struct edge_upload_session_layer {
    /* The model's; NULL without weights. */
    struct edge_blob *blob;
    /* Where the device's next chunk begins. */
    int64_t next_offset;
    /* The blob was here when the session opened: the device has nothing to send. */
    bool was_here;
    /* The device knows that the blob is available. */
    bool is_known;
    /* Where its bytes go (edge_upload_session_copy.c): into the blob, as nobody else's do; or into
     * a copy of the device's own; neither before the first. */
    bool is_owner;
    struct edge_blob *copy;
    /* Where its own bytes begin there; others brought those before. */
    int64_t own_first;
    /* The copy is not what there is of the blob, and stays apart. */
    bool is_apart;
    /* It is dealt to this session; or the device was told that others bring it. */
    bool is_dealt;
    bool is_elsewhere;
    /* A beginning that others brought, which the device was told of after `open`: it may go on from
     * there. 0: none. */
    int64_t told_offset;
    /* What the device may send differences from (edge_upload_bases.h), else NULL. */
    struct edge_blob *base;
    /* Of an encoded frame, what has come (edge_upload_frames.h), else NULL. */
    struct edge_upload_frame *frame;
    struct edge_upload_unstored unstored;
    /* How often its bytes, and nobody else's, were wrong. */
    int faults;
    /* The device was told to begin again: a chunk at 0 does, and others that were on their way are
     * dropped. */
    bool was_rejected;
};

/* A model whose blobs a session brings, and what the session knows of each of its layers. */
struct edge_upload_side {
    /* NULL before `open` and after the end. */
    struct edge_model *model;
    struct edge_upload_session_layer *layers;
    /* The layer of which bytes came last. */
    int latest;
};

/* How a session fares among those that bring the same model. */
struct edge_upload_session_share {
    /* Its number among them. */
    int index;
    /* There are others, or were; something is dealt to it. */
    bool is_shared;
    bool is_owing;
    /* Bytes since the last look, or the beginning, as blobs have them, and when that was. */
    int64_t bytes;
    int64_t looked_ns;
    /* Of those, what was dealt to it; and whether that was nothing of what came at the last look.
     */
    int64_t dealt_bytes;
    bool is_elsewhere;
    /* 0: not known yet. */
    double bytes_per_s;
    /* Looks in a row at which next to nothing had come although something was owed. */
    int slow_looks;
};

struct edge_upload_session {
    struct edge_upload_sessions *sessions;
    struct edge_upload_session *next;
    struct rpc_stream *stream;
    /* For logs. */
    unsigned number;
    struct edge_peer peer;
    struct edge_place upload_place;
    struct edge_place stream_place;
    /* Credit that the device has; the loop's thread checks it. */
    atomic_uint_least64_t granted_bytes;

    /* Payload that was dealt with. */
    uint64_t received_bytes;
    /* When the last of it arrived. */
    int64_t received_at_ns;
    /* Of it, what is stored (edge_upload_stored.h), and the layers of which something is not. */
    uint64_t stored_bytes;
    struct edge_upload_session_layer *unstored;
    /* What chunks may be in besides RAW: bit n for Encoding n. And the layers whose frame is not
     * whole. */
    uint32_t encodings;
    int frames;
    bool is_over;
    bool has_half_closed;
    /* A Credit event, or others, wait until the stream takes them. */
    bool owes_credit;
    bool owes_events;
    /* The model that the device names, and its draft (edge_upload_drafts.h), if there is one. */
    struct edge_upload_side exact;
    struct edge_upload_side draft;
    struct ll_plan plan;
    /* Which partitions were reported as received. */
    bool *reported;
    /* Creations of the model before this session, and those it was told about. */
    int creations_before;
    int creations_told;
    /* Of the draft. */
    int draft_creations_told;
    int rejections;
    /* Bytes that it brought of this layer were not those of its digest: it is to end. */
    bool is_wrong;
    int wrong_layer;
    struct edge_upload_session_share share;
};

/* The side `index`, below EDGE_UPLOAD_SIDES: the model, then the draft. */
enum { EDGE_UPLOAD_SIDES = 2 };
static inline struct edge_upload_side *edge_upload_session_side(struct edge_upload_session *session,
                                                                int index)
{
    return index == 0 ? &session->exact : &session->draft;
}
/* How many layers it has; 0 where there is none. */
static inline int edge_upload_side_layers(const struct edge_upload_side *side)
{
    return side->model ? edge_model_table(side->model)->layer_count : 0;
}

#endif
