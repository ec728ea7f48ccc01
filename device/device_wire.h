/* The messages that the device sends, as bytes.
 *
 * A chunk's head ends right before the payload's bytes (`data` has the highest field number), so
 * that the payload follows from where it lies, without a copy.
 *
 * Threads: pure functions. */
#ifndef DEVICE_WIRE_H
#define DEVICE_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "core/ll_buf.h"
#include "core/ll_dtype.h"
#include "core/ll_status.h"
#include "device/device_model.h"
#include "layerlift/v1/offload.pb-c.h"

enum {
    /* No head is longer. */
    DEVICE_WIRE_HEAD_BYTES = 64,
    /* What a message takes on the connection besides its bytes: gRPC's and HTTP/2's frame heads. */
    DEVICE_WIRE_FRAME_BYTES = 14,
};

/* Both write the head of a message with `data_bytes` of payload and return its length. */
size_t device_wire_upload_chunk(uint8_t out_head[DEVICE_WIRE_HEAD_BYTES], uint32_t layer,
                                uint64_t offset, size_t data_bytes);
size_t device_wire_tensor_chunk(uint8_t out_head[DEVICE_WIRE_HEAD_BYTES], uint64_t id, int32_t name,
                                uint64_t offset, size_t data_bytes);

/* The whole message that acknowledges `received_bytes` of answers, the last of them at
 * `received_at_ns`. Returns its length. */
size_t device_wire_receipt(uint8_t out_message[DEVICE_WIRE_HEAD_BYTES], uint64_t received_bytes,
                           int64_t received_at_ns);

/* Packed messages; the caller frees `*out_data` with free(). Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_wire_pack(const ProtobufCMessage *message, uint8_t **out_data,
                                       size_t *out_bytes);
LL_MUST_USE ll_status device_wire_open(const struct device_model *model, const char *device,
                                       uint8_t **out_data, size_t *out_bytes);

/* What a query asks for. */
struct device_wire_query {
    uint64_t id;
    int first;
    int end;
    int least_prefix;
    uint32_t deadline_ms;
    ll_dtype answer_dtype;
    /* inputs(first, end), and how each of them is written. */
    const struct ll_names *inputs;
    const ll_dtype *dtypes;
};

/* The query with the heads of its tensors. */
LL_MUST_USE ll_status device_wire_query(const struct device_model *model,
                                        const struct device_wire_query *query, uint8_t **out_data,
                                        size_t *out_bytes);
LL_MUST_USE ll_status device_wire_cancel(uint64_t id, uint8_t **out_data, size_t *out_bytes);

#endif
