/* The edge's messages on their way out: what all services need.
 *
 * Threads: any. */
#ifndef EDGE_SEND_H
#define EDGE_SEND_H

#include <protobuf-c/protobuf-c.h>

#include "rpc/rpc_stream.h"

/* Queues a message. A stream that has ended swallows it; one without memory is ended. */
void edge_send(struct rpc_stream *stream, const ProtobufCMessage *message);
/* The answer of a unary call. */
void edge_reply(struct rpc_stream *stream, const ProtobufCMessage *message);

#endif
