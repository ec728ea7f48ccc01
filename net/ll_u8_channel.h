/* Tensors rounded to 256 steps in each channel (DATA_TYPE_U8_CHANNEL): first the least value and
 * the step of every channel, little-endian f32 both, then a byte a value: k stands for least +
 * k x step.
 *
 * What is expanded does not depend on the processor: product and sum are operations of IEEE 754
 * single precision, each rounded to nearest even, and subnormal numbers (least, step, value) are 0.
 * A value differs from what it becomes by half a step, and by what these roundings add.
 *
 * Threads: pure functions. */
#ifndef LL_U8_CHANNEL_H
#define LL_U8_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_status.h"

/* Bytes of a tensor of `channels` channels of `size` values each. */
int64_t ll_u8_channel_bytes(int64_t channels, int64_t size);

/* Writes a tensor to `out_bytes` (ll_u8_channel_bytes). False where a value is not finite, or the
 * values of a channel are so far apart that their difference is not; what was written is worth
 * nothing then. */
bool ll_u8_channel_encode(const float *values, int64_t channels, int64_t size, void *out_bytes);

/* Turns an encoded tensor into floats, in place: it stands at the very end of a buffer of
 * channels x size floats, which is full of floats afterwards. It must be no longer than the buffer.
 * Any bytes are a tensor, perhaps of values that are not finite.
 *
 * Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status ll_u8_channel_expand(void *buffer, int64_t channels, int64_t size);

#endif
