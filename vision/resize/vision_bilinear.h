/* Resizes a picture as Darknet's resize_image does (2018-09, image.c), bit for bit: between the two
 * nearest source pixels on each axis, corners on corners, rows first, then columns, in floats from
 * 0 to 1. A picture that shrinks loses the pixels in between; networks that Darknet trained have
 * seen them so.
 *
 * Threads: pure. */
#ifndef VISION_BILINEAR_H
#define VISION_BILINEAR_H

#include <stddef.h>

#include "core/ll_status.h"
#include "vision/resize/vision_pixels.h"

/* Where the result goes: `channels` planes of `height` rows of `width` floats. Rows begin
 * `row_step`, planes `plane_step` floats one behind the other, so that it may be a part of larger
 * planes. */
struct vision_planes {
    float *data;
    int width;
    int height;
    ptrdiff_t row_step;
    ptrdiff_t plane_step;
};

/* Fills as many planes as `from` has channels, and nothing between their rows.
 *
 * Errors: LL_E_INVALID for an empty picture or result, and for a result of one row, for which
 *         Darknet's formula has no value; LL_E_EXHAUSTED for sides above LL_LIMIT_DIM;
 *         LL_E_NO_MEMORY. */
LL_MUST_USE ll_status vision_bilinear(const struct vision_pixels *from,
                                      const struct vision_planes *to);

#endif
