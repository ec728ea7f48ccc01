/* BMP files, uncompressed: of 1, 4, 8 (with a palette), 16, 24 and 32 bits, with any masks, rows
 * from the bottom or from the top. Alpha is dropped; of fewer than 8 bits a colour is spread by
 * repeating them, as Darknet's own reader does.
 *
 * Threads: pure. */
#ifndef VISION_BMP_H
#define VISION_BMP_H

#include <stddef.h>
#include <stdint.h>

#include "core/ll_status.h"
#include "vision/vision_picture.h"

/* Decodes `count` bytes into a zeroed picture.
 *
 * Errors: LL_E_INVALID, LL_E_UNSUPPORTED for compressed files, LL_E_EXHAUSTED, LL_E_NO_MEMORY. On
 * failure the picture may hold pixels, which its owner frees. */
LL_MUST_USE ll_status vision_bmp_decode(const uint8_t *bytes, size_t count,
                                        struct vision_picture *picture, struct ll_error *err);

/* A picture's size from its header, and where its pixels end. Errors: as vision_bmp_decode. */
LL_MUST_USE ll_status vision_bmp_measure(const uint8_t *bytes, size_t count, int *out_w, int *out_h,
                                         size_t *out_end, struct ll_error *err);

#endif
