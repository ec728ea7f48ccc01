/* bfloat16: the upper half of an f32. Rounding is to the nearest, ties to even, as processors do
 * it; a NaN stays one.
 *
 * Threads: pure. */
#ifndef ONEDNN_BF16_H
#define ONEDNN_BF16_H

#include <stdint.h>
#include <string.h>

static inline float onednn_bf16_widen(uint16_t value)
{
    uint32_t bits = (uint32_t)value << 16;
    float wide = 0;
    memcpy(&wide, &bits, sizeof(wide));
    return wide;
}

static inline uint16_t onednn_bf16_round(float value)
{
    const uint32_t infinity = 0x7f800000;
    const uint32_t quiet = 0x00400000;
    uint32_t bits = 0;
    memcpy(&bits, &value, sizeof(bits));
    uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);
    uint32_t kept = (bits & 0x7fffffff) > infinity ? bits | quiet : rounded;
    return (uint16_t)(kept >> 16);
}

#endif
