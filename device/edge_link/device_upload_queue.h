/* The next chunks of an upload: what is left of the model in its order, frame by frame, encoded
 * where the edge takes that.
 *
 * A few frames are taken out of the rest ahead, for the encoder. Whoever changes the rest says so
 * first (device_upload_queue_change), and they go back.
 *
 * Threads: one at a time (the loop's). */
#ifndef DEVICE_UPLOAD_QUEUE_H
#define DEVICE_UPLOAD_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_buf.h"
#include "core/ll_status.h"
#include "device/device_model.h"
#include "device/edge_link/device_encoder.h"
#include "device/edge_link/device_upload_rest.h"
#include "proto/wire/wire_head.h"

/* A frame, or what is to be sent of one, and in which encoding. */
struct device_upload_frame {
    struct device_piece piece;
    Layerlift__V1__Encoding encoding;
};

/* Private; here so that it can be embedded. */
struct device_upload_queue {
    const struct device_model *model;
    struct device_encoder *encoder;
    struct device_upload_rest rest;
    /* What the edge takes: frames; by layer, differences from its base (NULL: nowhere). */
    bool is_encoding;
    bool *has_base;
    /* In the order in which they are sent. */
    struct device_upload_frame frames[DEVICE_ENCODER_FRAMES];
    int count;
    /* The first of them: whether it is ready, as what, and how much of that is sent. */
    bool is_begun;
    struct device_encoded first;
    int64_t sent;
};

struct device_chunk {
    struct wire_upload_chunk head;
    /* [from, from + bytes) of it is the chunk's data; the queue's reference. */
    struct ll_buf *whole;
    int64_t from;
    int64_t bytes;
    /* How many bytes of the model it is worth. */
    int64_t model_bytes;
    bool is_first_pass;
};

typedef enum {
    DEVICE_UPLOAD_CHUNK,
    /* Nothing is left. */
    DEVICE_UPLOAD_NOTHING,
    /* The next frame is not encoded yet: the encoder tells. */
    DEVICE_UPLOAD_LATER,
    DEVICE_UPLOAD_NO_MEMORY,
} device_upload_next;

/* All of the model is to be sent, as it is. Model and encoder outlive the queue; without an encoder
 * (NULL) nothing is ever encoded. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_upload_queue_init(struct device_upload_queue *queue,
                                               const struct device_model *model,
                                               struct device_encoder *encoder);
/* A zeroed queue is allowed. */
void device_upload_queue_finish(struct device_upload_queue *queue);

/* The edge takes frames. Before anything is asked for. */
void device_upload_queue_encode(struct device_upload_queue *queue);
/* The edge has the layer's base.
 * Errors: LL_E_INVALID for a layer that has none here, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_upload_queue_use_base(struct device_upload_queue *queue,
                                                   uint64_t layer);

/* The edge takes the model's draft, and frames: that goes first. Before anything else. Errors:
 * LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_upload_queue_use_draft(struct device_upload_queue *queue);

/* The next chunk, of at most `limit_bytes` (more than 0). It stays the next one until
 * device_upload_queue_advance. */
LL_MUST_USE device_upload_next device_upload_queue_next(struct device_upload_queue *queue,
                                                        int64_t limit_bytes,
                                                        struct device_chunk *out_chunk);
/* The chunk has left. */
void device_upload_queue_advance(struct device_upload_queue *queue,
                                 const struct device_chunk *chunk);

/* The rest, to be changed: what is not sent is in it. A frame of which a part has left goes on,
 * unless it is of this layer's blob (-1: of none), or of its draft's. */
struct device_upload_rest *device_upload_queue_change(struct device_upload_queue *queue,
                                                      int64_t layer, bool is_draft);

/* Nothing is to be sent now: what is left is others' to bring, if anything is. */
bool device_upload_queue_is_idle(struct device_upload_queue *queue);
/* Bytes of the model that are left. */
int64_t device_upload_queue_left(const struct device_upload_queue *queue);

#endif
