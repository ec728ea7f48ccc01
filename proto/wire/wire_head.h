/* Messages as bytes without protobuf-c: the heads of chunks, whose payload follows from where it
 * lies, without a copy (`data` has the highest field number).
 *
 * Threads: pure functions. */
#ifndef WIRE_HEAD_H
#define WIRE_HEAD_H

#include <stddef.h>
#include <stdint.h>

/* No head is longer. */
enum { WIRE_HEAD_BYTES = 64 };

/* A chunk's own fields (offload.proto, Chunk). */
struct wire_upload_chunk {
    uint32_t layer;
    /* Of enum Layerlift__V1__Encoding. */
    uint32_t encoding;
    uint64_t offset;
    /* Of an encoded frame, else 0. */
    uint32_t frame_bytes;
    uint32_t frame_offset;
};

/* Each writes the head of a request or response whose chunk has `data_bytes` of payload, and
 * returns its length. A TensorChunk's request and response are written alike. */
size_t wire_head_upload_chunk(uint8_t out_head[WIRE_HEAD_BYTES],
                              const struct wire_upload_chunk *chunk, size_t data_bytes);
size_t wire_head_tensor_chunk(uint8_t out_head[WIRE_HEAD_BYTES], uint64_t id, int32_t name,
                              uint64_t offset, size_t data_bytes);

/* The whole request that acknowledges `received_bytes` of answers, the last of them at
 * `received_at_ns`. Returns its length. */
size_t wire_head_receipt(uint8_t out_message[WIRE_HEAD_BYTES], uint64_t received_bytes,
                         int64_t received_at_ns);

#endif
