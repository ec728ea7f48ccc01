#include "proto/wire/wire_manifest.h"

#include <stdlib.h>

#include "core/ll_limits.h"

/* ---- Reading ---- */

static ll_status read_blob(const Layerlift__V1__Blob *message, size_t layer,
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

ll_status wire_manifest_read(const Layerlift__V1__Manifest *message,
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
        status = read_blob(message->blobs[i], i, &manifest.blobs[i], err);
    }
    if (status != LL_OK) {
        ll_manifest_finish(&manifest);
        return status;
    }
    *out_manifest = manifest;
    return LL_OK;
}

/* ---- Writing ---- */

struct wire_blob {
    Layerlift__V1__Blob message;
    char digest[LL_DIGEST_TEXT_BYTES];
};

ll_status wire_manifest_init(struct wire_manifest *wire, const struct ll_manifest *manifest)
{
    size_t count = (size_t)manifest->blob_count;
    wire->blobs = calloc(count + 1, sizeof(*wire->blobs));
    layerlift__v1__manifest__init(&wire->message);
    wire->message.blobs = calloc(count + 1, sizeof(Layerlift__V1__Blob *));
    if (!wire->blobs || !wire->message.blobs) {
        wire_manifest_finish(wire);
        return LL_E_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        struct wire_blob *blob = &wire->blobs[i];
        layerlift__v1__blob__init(&blob->message);
        ll_digest_format(&manifest->blobs[i].digest, blob->digest);
        blob->message.size = (uint64_t)manifest->blobs[i].bytes;
        blob->message.digest = blob->digest;
        wire->message.blobs[i] = &blob->message;
    }
    wire->message.n_blobs = count;
    wire->message.cfg.data = (uint8_t *)manifest->cfg;
    wire->message.cfg.len = manifest->cfg_bytes;
    return LL_OK;
}

void wire_manifest_finish(struct wire_manifest *wire)
{
    free(wire->message.blobs);
    free(wire->blobs);
    wire->message.blobs = NULL;
    wire->message.n_blobs = 0;
    wire->blobs = NULL;
}
