/* Messages as bytes.
 *
 * Threads: pure functions. */
#ifndef WIRE_PACK_H
#define WIRE_PACK_H

#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "core/ll_status.h"

/* The caller frees `*out_data`, which is there even for a message of no bytes, with free().
 *
 * Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status wire_pack(const ProtobufCMessage *message, uint8_t **out_data,
                                size_t *out_bytes);

#endif
