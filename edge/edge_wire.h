/* Between protobuf-c messages and the edge's own types: what several services need.
 *
 * Threads: any. */
#ifndef EDGE_WIRE_H
#define EDGE_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "core/ll_status.h"
#include "layerlift/v1/offload.pb-c.h"
#include "net/ll_manifest.h"
#include "net/plan/ll_plan.h"
#include "rpc/rpc_stream.h"

/* Unpacks a peer's message, within wire_unpack.h's allowance. Free it with
 * protobuf_c_message_free_unpacked(message, NULL).
 *
 * Errors: LL_E_INVALID with a sentence. */
LL_MUST_USE ll_status edge_unpack(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
                                  size_t bytes, ProtobufCMessage **out_message,
                                  struct ll_error *err);

/* Queues a message. A stream that has ended swallows it; one without memory is ended. */
void edge_send(struct rpc_stream *stream, const ProtobufCMessage *message);
/* The answer of a unary call. */
void edge_reply(struct rpc_stream *stream, const ProtobufCMessage *message);

/* Checks counts, sizes and digests, and copies. Whether the blobs fit the cfg is not looked at.
 *
 * Errors: LL_E_INVALID, LL_E_EXHAUSTED above a limit, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status edge_wire_manifest(const Layerlift__V1__Manifest *message,
                                         struct ll_manifest *out_manifest, struct ll_error *err);
/* Copies the partitions; what they cover is ll_plan_check's.
 *
 * Errors: as above. */
LL_MUST_USE ll_status edge_wire_plan(size_t count, Layerlift__V1__Partition *const *partitions,
                                     struct ll_plan *out_plan, struct ll_error *err);

/* The data types that tensors of queries may have here. Returns how many. */
enum { EDGE_WIRE_DATA_TYPES = 3 };
size_t edge_wire_data_types(Layerlift__V1__DataType out_types[EDGE_WIRE_DATA_TYPES]);

/* Replaces what is not printable ASCII: a peer's bytes in a sentence must not make an answer that
 * other runtimes refuse as invalid UTF-8. */
void edge_wire_clean(char *text);

#endif
