/* Encoded frames of blobs (coding/ll_frame.h): the encodings that the edge takes, a frame's chunks
 * put together, and what is in them.
 *
 * A frame that comes in one chunk is decoded where it is. Of others the edge keeps what has come:
 * at most EDGE_UPLOAD_FRAMES frames of LL_FRAME_ENCODED_BYTES for one session.
 *
 * Internal to the Upload service, but for edge_upload_encodings.
 *
 * Threads: the receiver. */
#ifndef EDGE_UPLOAD_FRAMES_H
#define EDGE_UPLOAD_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/ll_frame.h"
#include "core/ll_status.h"
#include "layerlift/v1/offload.pb-c.h"

struct edge_upload_session;
struct edge_upload_session_layer;

/* Frames of one session that have begun and are not whole. A device needs one, and another one
 * where it sends draft and model in turns. */
enum { EDGE_UPLOAD_FRAMES = 8 };

/* What the edge takes, RAW first. Threads: any. */
enum { EDGE_UPLOAD_ENCODINGS = 5 };
extern const Layerlift__V1__Encoding edge_upload_encodings[EDGE_UPLOAD_ENCODINGS];

/* Notes what device and edge both have. What the edge does not know is not used. */
void edge_upload_frames_agree(struct edge_upload_session *session, size_t count,
                              const Layerlift__V1__Encoding *encodings);
/* Whether chunks of the session may be in this encoding. */
bool edge_upload_frames_agreed(const struct edge_upload_session *session,
                               Layerlift__V1__Encoding encoding);
/* Whether it is one of frames. */
bool edge_upload_frames_has(Layerlift__V1__Encoding encoding);

/* The decoder that all sessions share. */
struct edge_upload_decoder;
/* Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status edge_upload_decoder_create(struct edge_upload_decoder **out_decoder);
/* NULL is allowed. */
void edge_upload_decoder_destroy(struct edge_upload_decoder *decoder);

/* Takes the next chunk of the frame that begins at the layer's next offset. `out_frame`: the
 * encoded bytes once it is whole, NULL before; they live until edge_upload_frames_drop, or the
 * chunk's end.
 *
 * Errors: LL_E_INVALID naming layer and offset where it is not the next one, LL_E_EXHAUSTED above
 *         EDGE_UPLOAD_FRAMES, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status edge_upload_frames_take(struct edge_upload_session *session,
                                              struct edge_upload_session_layer *layer,
                                              const Layerlift__V1__Chunk *chunk,
                                              struct ll_frame *out_frame, struct ll_error *err);
/* Whether the layer has a frame that is not whole. */
bool edge_upload_frames_is_open(const struct edge_upload_session_layer *layer);
/* Forgets it, if there is one; returns how many of its bytes had come. */
uint64_t edge_upload_frames_drop(struct edge_upload_session *session,
                                 struct edge_upload_session_layer *layer);

/* Decodes the whole frame that `chunk` ended into `out_raw`, the decoder's until its next call;
 * without data where the blob is available and nobody wants them.
 *
 * Errors: LL_E_INVALID naming layer and offset. */
LL_MUST_USE ll_status edge_upload_frames_decode(struct edge_upload_session *session,
                                                const struct edge_upload_session_layer *layer,
                                                const Layerlift__V1__Chunk *chunk,
                                                const struct ll_frame *frame,
                                                struct ll_frame *out_raw, struct ll_error *err);

#endif
