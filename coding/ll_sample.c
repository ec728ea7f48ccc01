#include "coding/ll_sample.h"

#include <string.h>

enum {
    BYTE_VALUES = 256,
    /* An odd step, which is in no rhythm with rows of weights. */
    BYTE_STEP = 7,
    BYTES_LEAST = 2048,
    /* How much more often than in noise two bytes must be equal, in percent: four times what chance
     * alone makes of BYTES_LEAST bytes. The upper mantissa of trained weights has 2. */
    EQUAL_PERCENT = 6,
    WORDS_SEEN = 256,
    SLOTS = 1024,
    SLOT_SHIFT = 22,
};

bool ll_sample_has_frequent_bytes(const uint8_t *bytes, size_t count)
{
    uint32_t seen[BYTE_VALUES] = {0};
    size_t step = count >= (size_t)BYTE_STEP * BYTES_LEAST ? BYTE_STEP : 1;
    uint64_t total = 0;
    uint64_t pairs = 0;
    for (size_t i = 0; i < count; i += step) {
        seen[bytes[i]]++;
    }
    for (int i = 0; i < BYTE_VALUES; i++) {
        total += seen[i];
        pairs += (uint64_t)seen[i] * (seen[i] - (seen[i] > 0));
    }
    if (total < BYTES_LEAST) {
        /* Too few to tell. */
        return true;
    }
    return pairs * BYTE_VALUES * 100 > total * (total - 1) * (100 + EQUAL_PERCENT);
}

struct ll_sample_words ll_sample_words(const uint32_t *words, size_t count)
{
    uint32_t keys[SLOTS];
    uint16_t times[SLOTS];
    struct ll_sample_words sample = {.seen = 0};
    const size_t step = count / WORDS_SEEN | 1;
    memset(times, 0, sizeof(times));
    for (size_t i = 0; i < count && sample.seen < WORDS_SEEN; i += step) {
        uint32_t slot = words[i] * 0x9e3779b1U >> SLOT_SHIFT;
        while (times[slot] > 0 && keys[slot] != words[i]) {
            slot = (slot + 1) % SLOTS;
        }
        sample.seen++;
        sample.distinct += times[slot] == 0;
        keys[slot] = words[i];
        times[slot]++;
        if (times[slot] > sample.frequent_seen) {
            sample.frequent = words[i];
            sample.frequent_seen = times[slot];
        }
    }
    return sample;
}
