#include "proto/wire/wire_head.h"

/* Protocol buffers' wire format: a field's tag is its number x 8 + its type. */
enum { WIRE_VARINT = 0, WIRE_LENGTH = 2 };

static size_t put_varint(uint8_t *out, uint64_t value)
{
    size_t used = 0;
    while (value >= 0x80) {
        out[used++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[used++] = (uint8_t)value;
    return used;
}

static size_t put_tag(uint8_t *out, uint32_t field, uint32_t type)
{
    return put_varint(out, (uint64_t)field << 3 | type);
}

/* A field of number type; left out where it is 0, as proto3 has it. */
static size_t put_number(uint8_t *out, uint32_t field, uint64_t value)
{
    if (value == 0) {
        return 0;
    }
    size_t used = put_tag(out, field, WIRE_VARINT);
    return used + put_varint(out + used, value);
}

/* The chunk is field 2 of its message; its own fields stand in `inner`, `data` is field 15. */
static size_t put_chunk(uint8_t *out, uint8_t *inner, size_t inner_bytes, size_t data_bytes)
{
    inner_bytes += put_tag(inner + inner_bytes, 15, WIRE_LENGTH);
    inner_bytes += put_varint(inner + inner_bytes, data_bytes);
    size_t used = put_tag(out, 2, WIRE_LENGTH);
    used += put_varint(out + used, inner_bytes + data_bytes);
    for (size_t i = 0; i < inner_bytes; i++) {
        out[used++] = inner[i];
    }
    return used;
}

size_t wire_head_upload_chunk(uint8_t out_head[WIRE_HEAD_BYTES],
                              const struct wire_upload_chunk *chunk, size_t data_bytes)
{
    uint8_t inner[WIRE_HEAD_BYTES];
    size_t used = put_number(inner, 1, chunk->layer);
    used += put_number(inner + used, 2, chunk->encoding);
    used += put_number(inner + used, 3, chunk->offset);
    used += put_number(inner + used, 4, chunk->frame_bytes);
    used += put_number(inner + used, 5, chunk->frame_offset);
    return put_chunk(out_head, inner, used, data_bytes);
}

size_t wire_head_tensor_chunk(uint8_t out_head[WIRE_HEAD_BYTES], uint64_t id, int32_t name,
                              uint64_t offset, size_t data_bytes)
{
    uint8_t inner[WIRE_HEAD_BYTES];
    uint32_t zigzag = name < 0 ? ~((uint32_t)name << 1) : (uint32_t)name << 1;
    size_t used = put_number(inner, 1, id);
    used += put_number(inner + used, 2, zigzag);
    used += put_number(inner + used, 3, offset);
    return put_chunk(out_head, inner, used, data_bytes);
}

size_t wire_head_receipt(uint8_t out_message[WIRE_HEAD_BYTES], uint64_t received_bytes,
                         int64_t received_at_ns)
{
    uint8_t inner[WIRE_HEAD_BYTES];
    size_t inner_bytes = put_number(inner, 1, received_bytes);
    inner_bytes += put_number(inner + inner_bytes, 2, (uint64_t)received_at_ns);
    size_t used = put_tag(out_message, 4, WIRE_LENGTH);
    used += put_varint(out_message + used, inner_bytes);
    for (size_t i = 0; i < inner_bytes; i++) {
        out_message[used++] = inner[i];
    }
    return used;
}
