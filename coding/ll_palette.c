#include "coding/ll_palette.h"

#include <stdlib.h>
#include <string.h>

enum { SLOT_SHIFT = 22 };

_Static_assert(LL_PALETTE_SLOTS == 1 << (32 - SLOT_SHIFT), "the hash has as many values");

/* The slot that has the word, or the empty one that is for it. */
static int find_slot(const struct ll_palette *palette, uint32_t word)
{
    uint32_t slot = word * 0x9e3779b1U >> SLOT_SHIFT;
    while (palette->slot_places[slot] >= 0 && palette->slot_words[slot] != word) {
        slot = (slot + 1) % LL_PALETTE_SLOTS;
    }
    return (int)slot;
}

static int compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

bool ll_palette_make(struct ll_palette *palette, const uint32_t *words, size_t count)
{
    palette->count = 0;
    memset(palette->slot_places, -1, sizeof(palette->slot_places));
    for (size_t i = 0; i < count; i++) {
        int slot = find_slot(palette, words[i]);
        if (palette->slot_places[slot] >= 0) {
            continue;
        }
        if (palette->count == LL_PALETTE_WORDS) {
            return false;
        }
        palette->words[palette->count++] = words[i];
        palette->slot_words[slot] = words[i];
        palette->slot_places[slot] = 0;
    }
    qsort(palette->words, (size_t)palette->count, sizeof(palette->words[0]), compare);
    for (int i = 0; i < palette->count; i++) {
        palette->slot_places[find_slot(palette, palette->words[i])] = (int16_t)i;
    }
    return true;
}

void ll_palette_places(const struct ll_palette *palette, const uint32_t *words, size_t count,
                       uint8_t *out_places)
{
    for (size_t i = 0; i < count; i++) {
        out_places[i] = (uint8_t)palette->slot_places[find_slot(palette, words[i])];
    }
}
