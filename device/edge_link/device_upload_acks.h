/* What has been sent of an upload and is not acknowledged: edges acknowledge payload as it came
 * over the wire, and people count bytes of the model.
 *
 * Threads: one at a time. */
#ifndef DEVICE_UPLOAD_ACKS_H
#define DEVICE_UPLOAD_ACKS_H

#include <stdint.h>

/* Beyond as many pieces the last ones count as one, and are told at their common end. */
enum { DEVICE_UPLOAD_ACKS_PIECES = 1024 };

struct device_upload_ack {
    /* Payload of the stream, cumulative, at the piece's end. */
    uint64_t end;
    int64_t model_bytes;
};

/* Private; zeroed at the start of a stream. */
struct device_upload_acks {
    struct device_upload_ack ring[DEVICE_UPLOAD_ACKS_PIECES];
    unsigned head, count;
};

/* A piece has left, up to `end` of the stream's payload, that brings so many bytes of the model. */
void device_upload_acks_sent(struct device_upload_acks *acks, uint64_t end, int64_t model_bytes);
/* `end` of the payload has arrived: returns how many more bytes of the model that makes. */
int64_t device_upload_acks_received(struct device_upload_acks *acks, uint64_t end);

#endif
