/* A peer's messages, unpacked within an allowance: a message of empty sub-messages takes twenty
 * times its size when it is unpacked, and more time than its sender spent on it.
 *
 * Threads: pure functions. */
#ifndef WIRE_UNPACK_H
#define WIRE_UNPACK_H

#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "core/ll_status.h"

/* Memory that one message's parts may take together; and how many parts (messages, lists, texts,
 * bytes) there may be: an open of the most layers has three for each. */
enum { WIRE_UNPACKED_BYTES = 16 << 20, WIRE_UNPACKED_PARTS = 32 << 10 };

/* Free it with protobuf_c_message_free_unpacked(message, NULL).
 *
 * Errors: LL_E_INVALID with a sentence where the bytes are no such message, or one beyond the
 * allowance. */
LL_MUST_USE ll_status wire_unpack(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
                                  size_t bytes, ProtobufCMessage **out_message,
                                  struct ll_error *err);

#endif
