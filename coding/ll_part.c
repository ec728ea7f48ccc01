#include "coding/ll_part.h"

#include <stdbool.h>
#include <string.h>

/* ZSTD_c_literalCompressionMode and frames without magic numbers are "experimental" in zstd.h;
 * Debian's shared library has both. */
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

enum {
    MATCHES_LEVEL = 3,
    HURRIED_MATCHES_LEVEL = 1,
    VARINT_BITS = 7,
    VARINT_MORE = 0x80,
    /* Below this zstd's own heads eat what Huffman saves. */
    LEAST_CODED_BYTES = 32,
};

/* ---- States ---- */

/* No magic number, no sizes and no checksum: the blob's digest checks it all. */
static bool set_format(ZSTD_CCtx *context, int level)
{
    return !ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_format, ZSTD_f_zstd1_magicless)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 0));
}

ll_status ll_part_coder_init(struct ll_part_coder *coder)
{
    coder->literals = ZSTD_createCCtx();
    coder->matches = ZSTD_createCCtx();
    coder->decoder = ZSTD_createDCtx();
    if (!coder->literals || !coder->matches || !coder->decoder) {
        return LL_E_NO_MEMORY;
    }
    /* By default negative levels do not even try Huffman's codes. */
    bool set = set_format(coder->literals, ZSTD_minCLevel()) &&
               set_format(coder->matches, MATCHES_LEVEL) &&
               !ZSTD_isError(ZSTD_CCtx_setParameter(coder->literals, ZSTD_c_literalCompressionMode,
                                                    ZSTD_ps_enable)) &&
               !ZSTD_isError(
                   ZSTD_DCtx_setParameter(coder->decoder, ZSTD_d_format, ZSTD_f_zstd1_magicless));
    return set ? LL_OK : LL_E_UNSUPPORTED;
}

void ll_part_coder_finish(struct ll_part_coder *coder)
{
    ZSTD_freeCCtx(coder->literals);
    ZSTD_freeCCtx(coder->matches);
    ZSTD_freeDCtx(coder->decoder);
    *coder = (struct ll_part_coder){0};
}

void ll_part_coder_hurry(struct ll_part_coder *coder)
{
    /* Level 1 exists: there is nothing to fail. */
    (void)ZSTD_CCtx_setParameter(coder->matches, ZSTD_c_compressionLevel, HURRIED_MATCHES_LEVEL);
}

/* ---- Writing ---- */

size_t ll_part_write_varint(size_t value, uint8_t *out)
{
    size_t used = 0;
    for (; value >= VARINT_MORE; value >>= VARINT_BITS) {
        out[used++] = (uint8_t)(value | VARINT_MORE);
    }
    out[used++] = (uint8_t)value;
    return used;
}

static bool is_constant(const uint8_t *data, size_t bytes)
{
    return bytes > 1 && memcmp(data, data + 1, bytes - 1) == 0;
}

size_t ll_part_write_matches(struct ll_part_coder *coder, const void *data, size_t bytes,
                             uint8_t *out, size_t most)
{
    size_t used = ZSTD_compress2(coder->matches, out, most, data, bytes);
    return ZSTD_isError(used) || used >= most ? 0 : used;
}

/* Behind room for its length; 0: not shorter. */
static size_t write_coded(ZSTD_CCtx *context, const uint8_t *data, size_t bytes, uint8_t *out)
{
    uint8_t length[LL_PART_HEAD_BYTES + 1];
    size_t room = bytes - 1;
    size_t used = ZSTD_compress2(context, out + 2, room, data, bytes);
    if (ZSTD_isError(used) || used < 2) {
        return 0;
    }
    size_t head = ll_part_write_varint(used, length);
    if (head + used >= bytes + head) {
        return 0;
    }
    if (head != 2) {
        memmove(out + head, out + 2, used);
    }
    memcpy(out, length, head);
    return head + used;
}

size_t ll_part_write(struct ll_part_coder *coder, ll_part_form form, const uint8_t *data,
                     size_t bytes, uint8_t *out)
{
    if (is_constant(data, bytes)) {
        out[0] = 1;
        out[1] = data[0];
        return 2;
    }
    if (form != LL_PART_PLAIN && bytes >= LEAST_CODED_BYTES) {
        size_t used = write_coded(form == LL_PART_LITERALS ? coder->literals : coder->matches, data,
                                  bytes, out);
        if (used > 0) {
            return used;
        }
    }
    size_t head = ll_part_write_varint(bytes, out);
    memcpy(out + head, data, bytes);
    return head + bytes;
}

/* ---- Reading ---- */

ll_status ll_part_read_varint(struct ll_part_reader *reader, const char *what, size_t most,
                              size_t *out_value, struct ll_error *err)
{
    size_t value = 0;
    for (int shift = 0; shift <= 2 * VARINT_BITS; shift += VARINT_BITS) {
        if (reader->at == reader->end) {
            return ll_fail(err, LL_E_INVALID, "the frame ends within %s", what);
        }
        uint8_t byte = *reader->at++;
        value |= (size_t)(byte & (VARINT_MORE - 1)) << shift;
        if (byte & VARINT_MORE) {
            continue;
        }
        if (byte == 0 && shift > 0) {
            return ll_fail(err, LL_E_INVALID, "%s has more bytes than it needs", what);
        }
        if (value > most) {
            return ll_fail(err, LL_E_INVALID, "%s is %zu, and must be at most %zu", what, value,
                           most);
        }
        *out_value = value;
        return LL_OK;
    }
    return ll_fail(err, LL_E_INVALID, "%s has more than three bytes", what);
}

static ll_status decompress(struct ll_part_coder *coder, const uint8_t *data, size_t length,
                            void *out, size_t bytes, struct ll_error *err)
{
    size_t got = ZSTD_decompressDCtx(coder->decoder, out, bytes, data, length);
    if (ZSTD_isError(got)) {
        return ll_fail(err, LL_E_INVALID, "%zu bytes do not decode to %zu: %s", length, bytes,
                       ZSTD_getErrorName(got));
    }
    if (got != bytes) {
        return ll_fail(err, LL_E_INVALID, "%zu bytes decode to %zu instead of %zu", length, got,
                       bytes);
    }
    return LL_OK;
}

ll_status ll_part_read(struct ll_part_coder *coder, struct ll_part_reader *reader, size_t bytes,
                       uint8_t *scratch, const uint8_t **out_data, struct ll_error *err)
{
    size_t length = 0;
    ll_status status = ll_part_read_varint(reader, "a part's length", bytes, &length, err);
    if (status != LL_OK) {
        return status;
    }
    if (length > (size_t)(reader->end - reader->at)) {
        return ll_fail(err, LL_E_INVALID, "a part of %zu bytes, of which %zu are there", length,
                       (size_t)(reader->end - reader->at));
    }
    const uint8_t *data = reader->at;
    reader->at += length;
    *out_data = scratch;
    if (length == bytes) {
        *out_data = data;
        return LL_OK;
    }
    if (length == 0) {
        return ll_fail(err, LL_E_INVALID, "an empty part instead of %zu bytes", bytes);
    }
    if (length == 1) {
        memset(scratch, data[0], bytes);
        return LL_OK;
    }
    return decompress(coder, data, length, scratch, bytes, err);
}

ll_status ll_part_read_matches(struct ll_part_coder *coder, struct ll_part_reader *reader,
                               void *out, size_t bytes, struct ll_error *err)
{
    const uint8_t *data = reader->at;
    size_t length = (size_t)(reader->end - data);
    reader->at = reader->end;
    return decompress(coder, data, length, out, bytes, err);
}
