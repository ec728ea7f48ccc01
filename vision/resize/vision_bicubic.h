/* Resizes a picture as classifiers' training pipelines do: bicubic, widened when it shrinks, so
 * that every source pixel counts (Darknet's own resize looks at four source pixels only, and a
 * network trained on smooth pictures answers differently).
 *
 * The kernel is Keys' with a = -1/2 ("Cubic convolution interpolation for digital image
 * processing", 1981), stretched by the factor of reduction, as Pillow's BICUBIC; rows first, then
 * columns, and 8 bits in between as there.
 *
 * Threads: pure. */
#ifndef VISION_BICUBIC_H
#define VISION_BICUBIC_H

#include <stdint.h>

#include "core/ll_status.h"
#include "vision/resize/vision_pixels.h"

/* The picture at another size, laid out the same way. The caller frees `*out_data` with free().
 *
 * Errors: LL_E_INVALID for a size below 1 or other channels, LL_E_EXHAUSTED above
 *         LL_LIMIT_IMAGE_PIXELS, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status vision_bicubic(const struct vision_pixels *from, int out_width,
                                     int out_height, uint8_t **out_data);

#endif
