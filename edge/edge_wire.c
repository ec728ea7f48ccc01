#include "edge/edge_wire.h"

#include <stdlib.h>

#include "core/ll_limits.h"
#include "proto/wire/wire_unpack.h"

/* ---- Messages ---- */

ll_status edge_unpack(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
                      size_t bytes, ProtobufCMessage **out_message, struct ll_error *err)
{
    return wire_unpack(descriptor, data, bytes, out_message, err);
}

void edge_send(struct rpc_stream *stream, const ProtobufCMessage *message)
{
    size_t bytes = protobuf_c_message_get_packed_size(message);
    uint8_t *packed = malloc(bytes > 0 ? bytes : 1);
    ll_status status = LL_E_NO_MEMORY;
    if (packed) {
        protobuf_c_message_pack(message, packed);
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

void edge_wire_clean(char *text)
{
    for (char *at = text; *at; at++) {
        if (*at < ' ' || *at > '~') {
            *at = '?';
        }
    }
}

/* ---- Manifest and plan ---- */

static ll_status copy_blob(const Layerlift__V1__Blob *message, size_t layer,
                           struct ll_blob_name *out_name, struct ll_error *err)
{
    if (message->size > (uint64_t)LL_LIMIT_BLOB_BYTES) {
        return ll_fail_limit(
            err, "blob_bytes", LL_LIMIT_BLOB_BYTES, 0,
            "manifest: the blob of layer %zu has %llu bytes, the limit blob_bytes is %lld", layer,
            (unsigned long long)message->size, (long long)LL_LIMIT_BLOB_BYTES);
    }
    struct ll_digest nothing;
    if (ll_digest_of("", 0, &nothing) != LL_OK) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    out_name->bytes = (int64_t)message->size;
    out_name->digest = nothing;
    if (message->size == 0 && message->digest[0] == '\0') {
        return LL_OK;
    }
    if (ll_digest_parse(message->digest, &out_name->digest) != LL_OK) {
        return ll_fail(err, LL_E_INVALID,
                       "manifest: the digest of layer %zu is not \"sha256:\" and 64 hex digits",
                       layer);
    }
    if (message->size == 0 && !ll_digest_equal(&out_name->digest, &nothing)) {
        return ll_fail(err, LL_E_INVALID,
                       "manifest: layer %zu has no bytes but a digest that is not that of nothing",
                       layer);
    }
    return LL_OK;
}

ll_status edge_wire_manifest(const Layerlift__V1__Manifest *message,
                             struct ll_manifest *out_manifest, struct ll_error *err)
{
    if (message->n_blobs < 1 || message->cfg.len < 1) {
        return ll_fail(err, LL_E_INVALID, "manifest: no %s",
                       message->cfg.len < 1 ? "cfg" : "blobs");
    }
    if (message->n_blobs > LL_LIMIT_LAYERS) {
        return ll_fail_limit(err, "layers", LL_LIMIT_LAYERS, 0,
                             "manifest: %zu blobs, the limit layers is %d", message->n_blobs,
                             LL_LIMIT_LAYERS);
    }
    if (message->cfg.len > LL_LIMIT_CFG_BYTES) {
        return ll_fail_limit(err, "cfg_bytes", LL_LIMIT_CFG_BYTES, 0,
                             "manifest: a cfg of %zu bytes, the limit cfg_bytes is %u",
                             message->cfg.len, LL_LIMIT_CFG_BYTES);
    }
    struct ll_manifest manifest;
    ll_status status = ll_manifest_init(&manifest, (const char *)message->cfg.data,
                                        message->cfg.len, (int)message->n_blobs);
    if (status != LL_OK) {
        return ll_fail(err, status, "out of memory for a manifest");
    }
    for (size_t i = 0; status == LL_OK && i < message->n_blobs; i++) {
        status = copy_blob(message->blobs[i], i, &manifest.blobs[i], err);
    }
    if (status != LL_OK) {
        ll_manifest_finish(&manifest);
        return status;
    }
    *out_manifest = manifest;
    return LL_OK;
}

ll_status edge_wire_plan(size_t count, Layerlift__V1__Partition *const *partitions,
                         struct ll_plan *out_plan, struct ll_error *err)
{
    if (count < 1 || count > LL_LIMIT_LAYERS) {
        return ll_fail(err, LL_E_INVALID, "plan: %zu partitions; 1 to %d are allowed", count,
                       LL_LIMIT_LAYERS);
    }
    struct ll_plan plan = {.partitions = calloc(count, sizeof(struct ll_partition))};
    if (!plan.partitions) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory for a plan");
    }
    for (size_t i = 0; i < count; i++) {
        if (partitions[i]->first > LL_LIMIT_LAYERS || partitions[i]->end > LL_LIMIT_LAYERS) {
            ll_plan_finish(&plan);
            return ll_fail(err, LL_E_INVALID, "plan: partition %zu is [%u, %u)", i,
                           partitions[i]->first, partitions[i]->end);
        }
        plan.partitions[plan.count++] =
            (struct ll_partition){(int)partitions[i]->first, (int)partitions[i]->end};
    }
    *out_plan = plan;
    return LL_OK;
}

/* ---- Tensors ---- */

size_t edge_wire_data_types(Layerlift__V1__DataType out_types[EDGE_WIRE_DATA_TYPES])
{
    out_types[0] = LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F32;
    out_types[1] = LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_U8;
    out_types[2] = LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F16;
    return EDGE_WIRE_DATA_TYPES;
}
