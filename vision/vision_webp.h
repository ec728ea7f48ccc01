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

/* `*out_bytes`: the most memory that decoding the file, of h x w pixels, takes beside the planes.
 *
 * Errors: LL_E_INVALID where the file is none that vision_webp_encode might have written. */
LL_MUST_USE ll_status vision_webp_measure(const uint8_t *bytes, size_t count, int h, int w,
                                          int64_t *out_bytes, struct ll_error *err);

/* Writes three planes of h x w bytes, by the fastest of the encoder's methods.
 *
 * Errors: LL_E_NO_MEMORY, LL_E_INTERNAL where the encoder fails. */
LL_MUST_USE ll_status vision_webp_encode(const uint8_t *planes, int h, int w,
                                         struct ll_buf **out_file, struct ll_error *err);

/* Reads `count` bytes that must be such a file: lossless, without alpha and animation, of exactly
 * this size, which is looked at before anything is allocated. What others have made is measured
 * first: its decoder's tables may be larger than all of its pixels. Fills three planes of h x w
 * bytes; on failure they hold anything.
 *
 * Errors: LL_E_INVALID, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status vision_webp_decode(const uint8_t *bytes, size_t count, int h, int w,
                                         uint8_t *out_planes, struct ll_error *err);

#endif
