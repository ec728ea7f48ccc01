#include "coding/ll_entropy.h"

#include <stdlib.h>

/* For ZSTD_c_literalCompressionMode. */
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

struct ll_entropy {
    ZSTD_CCtx *encoders[LL_ENTROPY_METHODS];
    ZSTD_DCtx *decoder;
};

/* Whether the encoder has taken it. */
static bool set(ZSTD_CCtx *encoder, ZSTD_cParameter parameter, int value)
{
    return !ZSTD_isError(ZSTD_CCtx_setParameter(encoder, parameter, value));
}

ll_status ll_entropy_create(struct ll_entropy **out_entropy)
{
    struct ll_entropy *entropy = calloc(1, sizeof(*entropy));
    if (!entropy) {
        return LL_E_NO_MEMORY;
    }
    ZSTD_CCtx *huffman = entropy->encoders[LL_ENTROPY_HUFFMAN] = ZSTD_createCCtx();
    ZSTD_CCtx *matches = entropy->encoders[LL_ENTROPY_MATCHES] = ZSTD_createCCtx();
    entropy->decoder = ZSTD_createDCtx();
    if (!huffman || !matches || !entropy->decoder ||
        !set(huffman, ZSTD_c_compressionLevel, ZSTD_minCLevel()) ||
        !set(huffman, ZSTD_c_literalCompressionMode, ZSTD_ps_enable) ||
        !set(matches, ZSTD_c_compressionLevel, 1)) {
        ll_entropy_destroy(entropy);
        return LL_E_NO_MEMORY;
    }
    *out_entropy = entropy;
    return LL_OK;
}

void ll_entropy_destroy(struct ll_entropy *entropy)
{
    if (entropy) {
        ZSTD_freeCCtx(entropy->encoders[LL_ENTROPY_HUFFMAN]);
        ZSTD_freeCCtx(entropy->encoders[LL_ENTROPY_MATCHES]);
        ZSTD_freeDCtx(entropy->decoder);
        free(entropy);
    }
}

size_t ll_entropy_encode(struct ll_entropy *entropy, ll_entropy_method method, const void *data,
                         size_t bytes, void *out, size_t room)
{
    size_t used = ZSTD_compress2(entropy->encoders[method], out, room, data, bytes);
    return ZSTD_isError(used) ? 0 : used;
}

bool ll_entropy_decode(struct ll_entropy *entropy, const void *encoded, size_t encoded_bytes,
                       void *out, size_t bytes)
{
    /* One frame and nothing behind it: zstd itself would read several, and skip others. */
    return bytes > 0 && ZSTD_getFrameContentSize(encoded, encoded_bytes) == bytes &&
           ZSTD_findFrameCompressedSize(encoded, encoded_bytes) == encoded_bytes &&
           ZSTD_decompressDCtx(entropy->decoder, out, bytes, encoded, encoded_bytes) == bytes;
}
