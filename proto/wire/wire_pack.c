#include "proto/wire/wire_pack.h"

#include <stdlib.h>

ll_status wire_pack(const ProtobufCMessage *message, uint8_t **out_data, size_t *out_bytes)
{
    size_t bytes = protobuf_c_message_get_packed_size(message);
    uint8_t *data = malloc(bytes > 0 ? bytes : 1);
    if (!data) {
        return LL_E_NO_MEMORY;
    }
    *out_bytes = protobuf_c_message_pack(message, data);
    *out_data = data;
    return LL_OK;
}
