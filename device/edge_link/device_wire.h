/* The messages that the device sends, as bytes; heads of chunks are wire_head.h's,
 * what the edge does alike is proto/wire's.
 *
 * Threads: pure functions. */
#ifndef DEVICE_WIRE_H
#define DEVICE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/ll_buf.h"
#include "core/ll_status.h"
#include "device/device_model.h"
#include "layerlift/v1/offload.pb-c.h"
#include "net/ll_dtype.h"
#include "proto/wire/wire_form.h"

/* What a message takes on the connection besides its bytes: gRPC's and HTTP/2's frame heads. */
enum { DEVICE_WIRE_FRAME_BYTES = 14 };

/* Packed messages; the caller frees `*out_data` with free(). Errors: LL_E_NO_MEMORY. */
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
    /* The answer's tensors may come coded (wire_codings). */
    bool may_code_answer;
    /* An answer of the model's draft will do. */
    bool takes_draft;
    /* inputs(first, end), and how each of them is written. */
    const struct ll_names *inputs;
    const struct wire_form *forms;
};

/* The query with the heads of its tensors. */
LL_MUST_USE ll_status device_wire_query(const struct device_model *model,
                                        const struct device_wire_query *query, uint8_t **out_data,
                                        size_t *out_bytes);
LL_MUST_USE ll_status device_wire_cancel(uint64_t id, uint8_t **out_data, size_t *out_bytes);

#endif
