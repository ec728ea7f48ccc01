#include "coding/ll_words.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are little-endian on the wire");

enum { BYTE_BITS = 8 };

/* ---- Planes ---- */

/* Which bits of a word a plane has: `width` of them from `shift` on. */
struct plane {
    int shift;
    int width;
};

static int plane_count(int bits)
{
    return (bits + BYTE_BITS - 1) / BYTE_BITS;
}

static struct plane plane_at(int bits, int index)
{
    int below = bits - BYTE_BITS * (index + 1);
    return (struct plane){
        .shift = below > 0 ? below : 0,
        .width = below > 0 ? BYTE_BITS : BYTE_BITS + below,
    };
}

static size_t write_planes(struct ll_words_coder *coder, const uint32_t *words, size_t count,
                           int bits, uint8_t *out)
{
    size_t used = 0;
    for (int i = 0; i < plane_count(bits); i++) {
        const struct plane plane = plane_at(bits, i);
        const uint8_t mask = (uint8_t)((1U << plane.width) - 1);
        uint8_t *bytes = coder->planes[i];
        for (size_t at = 0; at < count; at++) {
            bytes[at] = (uint8_t)(words[at] >> plane.shift) & mask;
        }
        used += ll_part_write(&coder->part, LL_PART_LITERALS, bytes, count, out + used);
    }
    return used;
}

/* The bits that some byte has. */
static uint8_t bits_used(const uint8_t *bytes, size_t count)
{
    uint8_t used = 0;
    for (size_t i = 0; i < count; i++) {
        used |= bytes[i];
    }
    return used;
}

static ll_status read_planes(struct ll_words_coder *coder, struct ll_part_reader *reader, int bits,
                             size_t count, uint32_t *words, struct ll_error *err)
{
    memset(words, 0, count * sizeof(*words));
    for (int i = 0; i < plane_count(bits); i++) {
        const struct plane plane = plane_at(bits, i);
        const uint8_t *bytes = NULL;
        ll_status status = ll_part_read(&coder->part, reader, count, coder->planes[i], &bytes, err);
        if (status != LL_OK) {
            return status;
        }
        if (plane.width < BYTE_BITS && bits_used(bytes, count) >> plane.width) {
            return ll_fail(err, LL_E_INVALID, "a plane of %d bits has bytes with more",
                           plane.width);
        }
        for (size_t at = 0; at < count; at++) {
            words[at] |= (uint32_t)bytes[at] << plane.shift;
        }
    }
    return LL_OK;
}

/* ---- Words ---- */

size_t ll_words_write(struct ll_words_coder *coder, const uint32_t *words, size_t count, int bits,
                      uint8_t *out)
{
    out[0] = LL_WORDS_MODE_PLANES;
    return 1 + write_planes(coder, words, count, bits, out + 1);
}

ll_status ll_words_read(struct ll_words_coder *coder, struct ll_part_reader *reader, int bits,
                        size_t count, uint32_t *words, struct ll_error *err)
{
    ll_status status = LL_OK;
    if (reader->at == reader->end) {
        return ll_fail(err, LL_E_INVALID, "the frame ends before its mode");
    }
    uint8_t mode = *reader->at++;
    switch (mode) {
    case LL_WORDS_MODE_PLANES:
        status = read_planes(coder, reader, bits, count, words, err);
        break;
    default:
        return ll_fail(err, LL_E_INVALID, "the frame's mode is %u, which is none", mode);
    }
    if (status == LL_OK && reader->at != reader->end) {
        return ll_fail(err, LL_E_INVALID, "%zu bytes too many at the frame's end",
                       (size_t)(reader->end - reader->at));
    }
    return status;
}
