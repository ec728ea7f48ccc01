/* Pixels as lossless WebP: a network's input of three planes of bytes (red, green, blue; any three)
 * at a third to a half of its size, every byte as it was.
 *
 * Threads: pure. */
#ifndef VISION_WEBP_H
#define VISION_WEBP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/ll_buf.h"
#include "core/ll_status.h"

/* Of a side, in pixels. */
enum { VISION_WEBP_SIDE_MOST = 16383 };

/* Whether an input of `c` planes of `h` rows of `w` bytes can be written so. */
bool vision_webp_fits(int c, int h, int w);

/* The most memory that decoding one takes, beside the planes. */
int64_t vision_webp_decode_bytes(int h, int w);

/* Writes three planes of h x w bytes, by the fastest of the encoder's methods.
 *
 * Errors: LL_E_NO_MEMORY, LL_E_INTERNAL where the encoder fails. */
LL_MUST_USE ll_status vision_webp_encode(const uint8_t *planes, int h, int w,
                                         struct ll_buf **out_file, struct ll_error *err);

/* Reads `count` bytes that must be such a file: lossless, without alpha and animation, of exactly
 * this size, which is looked at before anything is allocated. Fills three planes of h x w bytes;
 * on failure they hold anything.
 *
 * Errors: LL_E_INVALID, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status vision_webp_decode(const uint8_t *bytes, size_t count, int h, int w,
                                         uint8_t *out_planes, struct ll_error *err);

#endif
