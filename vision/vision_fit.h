/* Fits a picture into a network's input: scales it, puts it where its placement says, and makes
 * floats of it. Letterboxing and stretching give what Darknet's letterbox_image and resize_image
 * give, bit for bit; cropping scales as classifiers' training pipelines do.
 *
 * Threads: pure. */
#ifndef VISION_FIT_H
#define VISION_FIT_H

#include <stdint.h>

#include "core/ll_status.h"
#include "vision/vision_picture.h"
#include "vision/vision_placement.h"

/* A network's input, and how a picture fits it. */
struct vision_fit_target {
    /* 3: RGB planes; 1: luminance. */
    int c;
    int h;
    int w;
    vision_fit fit;
};

/* Whether a picture can become such an input, without having one. Errors: LL_E_UNSUPPORTED for
 * other channels and for an input without width and height. */
LL_MUST_USE ll_status vision_fit_check(const struct vision_fit_target *target,
                                       struct ll_error *err);

/* Makes c x h x w floats from 0 to 1 of a picture of 3 channels. The caller frees `*out_data` with
 * free().
 *
 * Errors: those of vision_fit_check, those of vision_placement_fit, LL_E_EXHAUSTED
 * where the scaled picture would be too large, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status vision_fit_picture(const struct vision_picture *picture,
                                         const struct vision_fit_target *target, float **out_data,
                                         struct vision_placement *out_placement,
                                         struct ll_error *err);

/* The most memory that fitting a picture of w x h pixels takes, beside picture and input.
 *
 * Errors: those of vision_placement_fit. */
LL_MUST_USE ll_status vision_fit_measure(int w, int h, const struct vision_fit_target *target,
                                         int64_t *out_bytes, struct ll_error *err);

#endif
