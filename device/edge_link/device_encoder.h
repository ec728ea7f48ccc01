/* Frames of weights, encoded ahead of the upload on a thread of their own: the loop never encodes.
 *
 * The upload says which frames it sends next, in its order, and again whenever that changes; what
 * is encoded already and still wanted stays. At most DEVICE_ENCODER_FRAMES are encoded ahead, so
 * that memory is bounded whatever the link does. It lives as long as the session: a new connection
 * goes on with what the last one has left.
 *
 * Threads: want and take one at a time (the loop's); the others as they say. */
#ifndef DEVICE_ENCODER_H
#define DEVICE_ENCODER_H

#include <stddef.h>
#include <stdint.h>

#include "core/ll_buf.h"
#include "core/ll_status.h"
#include "device/device_model.h"
#include "layerlift/v1/offload.pb-c.h"

struct device_encoder;

enum { DEVICE_ENCODER_FRAMES = 16 };

/* A frame of a layer's blob, and how it is to be written: FRAME; DELTA_FRAME where the model has
 * the layer's base; DRAFT_FRAME or REST_FRAME where its draft rounds the layer's blob. `offset` is
 * a multiple of LL_FRAME_BYTES, `bytes` one of 4. */
struct device_frame {
    int layer;
    Layerlift__V1__Encoding encoding;
    int64_t offset;
    int64_t bytes;
};

struct device_encoded {
    /* RAW, without data, where the frame does not shrink. Where another encoding is shorter than
     * the one that was asked for, it is that. */
    Layerlift__V1__Encoding encoding;
    /* The first `bytes` of it; the caller's reference. */
    struct ll_buf *data;
    size_t bytes;
};

typedef enum {
    DEVICE_ENCODER_NOT_YET,
    DEVICE_ENCODER_DONE,
    DEVICE_ENCODER_NO_MEMORY,
} device_encoder_outcome;

struct device_encoder_config {
    const struct device_model *model;
    /* The frame that is wanted first has become ready (or there was no memory for it). Called on
     * the encoder's thread, without locks. */
    void (*ready)(void *owner);
    void *owner;
};

/* Starts the thread, which waits. The model outlives the encoder. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_encoder_create(const struct device_encoder_config *config,
                                            struct device_encoder **out_encoder);
/* Ends the thread, within a frame's time: `ready` is not called any more after it returns, and what
 * is wanted from then on never comes. Any thread but the encoder's; twice is harmless. */
void device_encoder_stop(struct device_encoder *encoder);
/* Stops if need be. NULL is allowed. */
void device_encoder_destroy(struct device_encoder *encoder);

/* The `count` frames that are sent next, in this order; none twice, at most DEVICE_ENCODER_FRAMES.
 * All others are forgotten. */
void device_encoder_want(struct device_encoder *encoder, const struct device_frame *frames,
                         int count);

/* Takes the frame if it is ready: NOT_YET also for one that is not wanted. */
LL_MUST_USE device_encoder_outcome device_encoder_take(struct device_encoder *encoder,
                                                       const struct device_frame *frame,
                                                       struct device_encoded *out_encoded);

/* Processor time that encoding has taken so far. Any thread. */
int64_t device_encoder_cpu_ns(struct device_encoder *encoder);

#endif
