/* The distinct words of a frame, where they are few.
 *
 * Threads: a palette is one thread's at a time. */
#ifndef LL_PALETTE_H
#define LL_PALETTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LL_PALETTE_WORDS = 256, LL_PALETTE_SLOTS = 1024 };

struct ll_palette {
    int count;
    /* Ascending. */
    uint32_t words[LL_PALETTE_WORDS];
    /* A hash table of `words`; a slot without a word has place -1. */
    uint32_t slot_words[LL_PALETTE_SLOTS];
    int16_t slot_places[LL_PALETTE_SLOTS];
};

/* False: there are more than LL_PALETTE_WORDS, which shows early. */
bool ll_palette_make(struct ll_palette *palette, const uint32_t *words, size_t count);

/* Each word's place in the palette that was made of them. */
void ll_palette_places(const struct ll_palette *palette, const uint32_t *words, size_t count,
                       uint8_t *out_places);

#endif
