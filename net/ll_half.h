/* IEEE 754 half precision in plain C: conversions as processors do them (rounding to nearest even,
 * a NaN becomes a quiet one and keeps the upper bits of its payload), whatever the rounding of
 * denormals is set to.
 *
 * Threads: pure functions. */
#ifndef LL_HALF_H
#define LL_HALF_H

#include <stdint.h>
#include <string.h>

static inline uint16_t ll_half_from_float(float value)
{
    uint32_t bits = 0;
    memcpy(&bits, &value, sizeof(bits));
    uint32_t sign = bits >> 16 & 0x8000U;
    uint32_t magnitude = bits & 0x7fffffffU;
    if (magnitude >= 0x7f800000U) {
        uint32_t payload = magnitude > 0x7f800000U ? 0x200U | (magnitude >> 13 & 0x3ffU) : 0;
        return (uint16_t)(sign | 0x7c00U | payload);
    }
    if (magnitude >= 0x477ff000U) {
        return (uint16_t)(sign | 0x7c00U);
    }
    if (magnitude < 0x38800000U) {
        /* Below 2^-14 halves are multiples of 2^-24, as are floats from 0.5 to 1: adding 0.5 rounds
         * to them. */
        float shifted = 0;
        memcpy(&shifted, &magnitude, sizeof(shifted));
        shifted += 0.5F;
        memcpy(&magnitude, &shifted, sizeof(magnitude));
        return (uint16_t)(sign | (magnitude - 0x3f000000U));
    }
    magnitude += 0xfffU + (magnitude >> 13 & 1U);
    return (uint16_t)(sign | (magnitude - 0x38000000U) >> 13);
}

static inline float ll_half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000U) << 16;
    uint32_t exponent = half >> 10 & 0x1fU;
    uint32_t fraction = half & 0x3ffU;
    uint32_t bits = sign | (exponent + 112) << 23 | fraction << 13;
    if (exponent == 0x1f) {
        bits = sign | 0x7f800000U | fraction << 13 | (fraction > 0 ? 0x400000U : 0);
    } else if (exponent == 0) {
        /* 2^-24 and its multiples are floats like any other. */
        float value = (float)fraction * 0x1p-24F;
        memcpy(&bits, &value, sizeof(bits));
        bits |= sign;
    }
    float value = 0;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

#endif
