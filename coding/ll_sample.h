/* What a look at some of a frame says about all of it, so that only what may pay is tried.
 *
 * Threads: pure. */
#ifndef LL_SAMPLE_H
#define LL_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether Huffman's codes may make bytes shorter by the percent or two that zstd insists on: false
 * where they look like noise. */
bool ll_sample_has_frequent_bytes(const uint8_t *bytes, size_t count);

/* Of some of the words, evenly spread. */
struct ll_sample_words {
    int seen;
    int distinct;
    /* The most frequent one, and how often it was seen. */
    uint32_t frequent;
    int frequent_seen;
};

struct ll_sample_words ll_sample_words(const uint32_t *words, size_t count);

#endif
