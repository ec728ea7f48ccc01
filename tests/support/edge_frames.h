/* What a device that encodes its weights sends: frames of a model's blobs.
 *
 * Threads: the test's. */
#ifndef EDGE_FRAMES_H
#define EDGE_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#include "coding/ll_draft.h"
#include "tests/support/edge_client.h"

/* Frames of one layer's blob in one encoding. */
struct edge_frames {
    const struct fake_model *model;
    int layer;
    Layerlift__V1__Encoding encoding;
    /* DELTA_FRAME: has the base, as the layer with the same index. */
    const struct fake_model *base;
    /* DRAFT_FRAME, REST_FRAME. */
    int mantissa_bits;
};

/* The draft of a model: its blobs rounded, where drafts have blobs of their own. */
void edge_frames_init_draft(struct fake_model *draft, const struct fake_model *model,
                            int mantissa_bits);

/* A frame in LL_FRAME_ENCODED_BYTES at `out`, and the chunk that has all of it (that of its own
 * bytes, RAW, where it does not shrink). */
void edge_frames_encode(const struct edge_frames *frames, int64_t offset, uint8_t *out,
                        Layerlift__V1__Chunk *out_chunk);
/* Sends a frame in chunks of at most `chunk_bytes`; returns its payload's bytes. */
size_t edge_frames_send(struct edge_call *upload, const struct edge_frames *frames, int64_t offset,
                        size_t chunk_bytes);
/* Sends all frames from `offset` on. */
size_t edge_frames_send_from(struct edge_call *upload, const struct edge_frames *frames,
                             int64_t offset, size_t chunk_bytes);
/* All of a layer: what the draft has of it, or what is left; nothing where the draft does not round
 * it (`is_rest`), or all of it raw. */
size_t edge_frames_send_draft_layer(struct edge_call *upload, const struct fake_model *model,
                                    int layer, int mantissa_bits, bool is_rest);
/* The blobs of layers [first, end) in FRAMEs. */
size_t edge_frames_send_layers(struct edge_call *upload, const struct fake_model *model, int first,
                               int end);

#endif
