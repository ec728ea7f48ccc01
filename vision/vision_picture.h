/* A picture as pixels.
 *
 * Threads: pure. */
#ifndef VISION_PICTURE_H
#define VISION_PICTURE_H

#include <stdint.h>

#include "core/ll_status.h"

/* 8-bit pixels, rows from the top, `channels` values a pixel: red, green, blue, or luminance. */
struct vision_picture {
    int w;
    int h;
    int channels;
    uint8_t *pixels;
};

/* For decoders: whether a picture may have that size. Errors: LL_E_INVALID for an empty one,
 * LL_E_EXHAUSTED above the limits; `err` has the size. */
LL_MUST_USE ll_status vision_picture_check_size(int64_t w, int64_t h, struct ll_error *err);
/* For decoders: a new picture of that size with 3 channels, whose pixels are not set.
 *
 * Errors: those of vision_picture_check_size, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status vision_picture_allocate(struct vision_picture *picture, int64_t w, int64_t h,
                                              struct ll_error *err);
/* Takes zeroed pictures too. */
void vision_picture_finish(struct vision_picture *picture);

/* Another picture of the same size: its luminance, ITU-R BT.601 in 256ths, as Darknet's image
 * reader computes it. `picture` has 3 channels. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status vision_picture_luminance(const struct vision_picture *picture,
                                               struct vision_picture *out_luminance);

#endif
