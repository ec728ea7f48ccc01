/* Frames of every sort that a coder meets, made from a seed. */
#ifndef CODING_FIXTURE_H
#define CODING_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
    /* Exponents that halve in number as they fall, noise in sign and mantissa. */
    CODING_WEIGHTS,
    CODING_NOISE,
    CODING_ZEROS,
    /* All the same NaN. */
    CODING_ONE_VALUE,
    /* Infinities, NaNs with payloads, denormals, both zeros, the largest, ties of rounding. */
    CODING_ODD,
    /* 200 different weights. */
    CODING_FEW_VALUES,
    /* One in ten is not 0. */
    CODING_PRUNED,
    /* The same 64 weights again and again. */
    CODING_REPEATED,
    CODING_SORTS,
} coding_sort;

/* The next number of a fixed sequence (xorshift). `*state` must not be 0. */
uint32_t coding_random(uint64_t *state);

/* `count` f32 of that sort, as bits. */
void coding_fill(coding_sort sort, uint64_t seed, size_t count, uint32_t *out);

#endif
