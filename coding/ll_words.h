/* Words of 1 to 32 bits that came from weights, in few bytes. A word's bits are the upper ones of
 * 32, the others 0.
 *
 *   words     mode byte, then by mode
 *   PLANES    the words' bytes from the highest to the last that has bits, each as a plane: a part
 *             of one byte a word. If not all of the last one's bits are the words', they are moved
 *             down: its byte is a number below 2^(how many there are)
 *   PALETTE   number of distinct words less one; these, ascending, in planes; the words' places
 *             among them as a part of one byte a word
 *   REPEATS   zstd of the words as little-endian 32 bits, up to the end
 *   SPARSE    the most frequent word in 4 bytes; a part of a bit a word, from a byte's lowest
 *             on, set where it is another one; these in planes
 *
 * Threads: a coder is one thread's at a time. */
#ifndef LL_WORDS_H
#define LL_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "coding/ll_palette.h"
#include "coding/ll_part.h"
#include "core/ll_status.h"

enum {
    LL_WORDS_MOST = 16 << 10,
    LL_WORDS_PLANES = 4,
    /* What words need more than their planes' bytes, at most. */
    LL_WORDS_HEAD_BYTES = 1 + LL_WORDS_PLANES * LL_PART_HEAD_BYTES,
};

typedef enum {
    LL_WORDS_MODE_PLANES = 1,
    LL_WORDS_MODE_PALETTE = 2,
    LL_WORDS_MODE_REPEATS = 3,
    LL_WORDS_MODE_SPARSE = 4,
} ll_words_mode;

/* Zeroed but for `part`, which is initialised. */
struct ll_words_coder {
    struct ll_part_coder part;
    uint8_t planes[LL_WORDS_PLANES][LL_WORDS_MOST];
    /* A plane that words do not have. */
    uint8_t zeros[LL_WORDS_MOST];
    /* Of words that are few, or that few are left of. */
    struct ll_palette palette;
    uint32_t others[LL_WORDS_MOST];
    uint8_t bitmap[LL_WORDS_MOST / 8];
    /* What is tried beside the planes: as many bytes and a bitmap. */
    uint8_t tried[LL_WORDS_MOST * 4 + LL_WORDS_MOST / 8 + 2 * LL_WORDS_HEAD_BYTES];
};

/* Writes `count` words of `bits` bits each 1 to LL_WORDS_MOST: at most
 * LL_WORDS_HEAD_BYTES more than their planes have. Returns how many bytes. */
size_t ll_words_write(struct ll_words_coder *coder, const uint32_t *words, size_t count, int bits,
                      uint8_t *out);

/* Reads them; all of the reader's bytes are theirs. Errors: LL_E_INVALID. */
LL_MUST_USE ll_status ll_words_read(struct ll_words_coder *coder, struct ll_part_reader *reader,
                                    int bits, size_t count, uint32_t *words, struct ll_error *err);

#endif
