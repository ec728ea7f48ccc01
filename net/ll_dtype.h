/* Values of tensors in fewer bytes than a float has, for the wire.
 *
 *   LL_F32   the floats themselves
 *   LL_U8_CHANNEL   256 steps in each channel: of whole tensors, not of values (ll_u8_channel.h)
 *   LL_U8    value k, 0 to 255, is k / 255 in single precision: what 8-bit pictures become. Exact
 *            where every value is one of these 256.
 *   LL_F16   IEEE 754 half precision, rounded to nearest even: 11 bits, from 2^-24 to 65504.
 *            Infinities and NaN stay what they are; a finite value that would become infinite is
 *            never encoded. Results do not depend on the processor.
 *
 * All are little-endian.
 *
 * Threads: pure functions. */
#ifndef LL_DTYPE_H
#define LL_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { LL_F32, LL_U8, LL_F16, LL_U8_CHANNEL } ll_dtype;

/* Bytes of one value: 4, 1 or 2; LL_U8_CHANNEL has some more for each channel. */
int ll_dtype_bytes(ll_dtype dtype);

/* What comes back is not what was encoded. */
bool ll_dtype_is_rounding(ll_dtype dtype);

/* What follows is not for LL_U8_CHANNEL. */

/* Writes `count` values to `out_bytes` (count x ll_dtype_bytes). False where `dtype` does not hold
 * one of them: with LL_U8 unless each is exact, with LL_F16 where one is beyond 65504 and finite.
 * What was written is worth nothing then. */
bool ll_dtype_encode(ll_dtype dtype, const float *values, int64_t count, void *out_bytes);

/* Turns `count` encoded values into floats, in place: they stand at the very end of a buffer of
 * `count` floats, which is full of floats afterwards. */
void ll_dtype_expand(ll_dtype dtype, void *buffer, int64_t count);

/* Makes every value the nearest one that LL_U8 holds; NaN becomes 0. */
void ll_u8_quantise(float *values, int64_t count);

#endif
