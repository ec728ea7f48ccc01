#include "edge/edge_send.h"

#include <stdlib.h>

#include "proto/wire/wire_pack.h"

void edge_send(struct rpc_stream *stream, const ProtobufCMessage *message)
{
    uint8_t *packed = NULL;
    size_t bytes = 0;
    ll_status status = wire_pack(message, &packed, &bytes);
    if (status == LL_OK) {
        status = rpc_stream_send(stream, packed, bytes, NULL);
    }
    free(packed);
    if (status != LL_OK && status != LL_E_STOPPED) {
        rpc_stream_finish(stream, status, "the edge cannot send its answer");
    }
}

void edge_reply(struct rpc_stream *stream, const ProtobufCMessage *message)
{
    edge_send(stream, message);
    rpc_stream_finish(stream, LL_OK, NULL);
}
