#include "proto/wire/wire_unpack.h"

#include <stdlib.h>

/* What is left for one message. */
struct allowance {
    size_t bytes;
    int parts;
};

static void *allot(void *arg, size_t bytes)
{
    struct allowance *allowance = arg;
    if (bytes > allowance->bytes || allowance->parts == 0) {
        return NULL;
    }
    allowance->bytes -= bytes;
    allowance->parts--;
    return malloc(bytes);
}

static void give_back(void *arg, void *part)
{
    (void)arg;
    free(part);
}

ll_status wire_unpack(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
                      size_t bytes, ProtobufCMessage **out_message, struct ll_error *err)
{
    struct allowance allowance = {.bytes = WIRE_UNPACKED_BYTES, .parts = WIRE_UNPACKED_PARTS};
    ProtobufCAllocator allocator = {
        .alloc = allot, .free = give_back, .allocator_data = &allowance};
    ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, &allocator, bytes, data);
    if (!message) {
        return ll_fail(err, LL_E_INVALID, "%zu bytes that are no %s of usual size", bytes,
                       descriptor->name);
    }
    *out_message = message;
    return LL_OK;
}
