/* Network input from an image file.
 *
 * Decoding is libjpeg-turbo's and libpng's; letterboxing and resizing are Darknet's own functions,
 * so that the same file gives the input that Darknet would have.
 *
 * Threads: any. */
#ifndef DKB_IMAGE_H
#define DKB_IMAGE_H

#include <stdint.h>

#include "core/ll_status.h"

typedef enum {
    /* The whole picture, scaled to fit, grey bars (0.5) around it: what Darknet's detectors do. */
    DKB_FIT_LETTERBOX,
    /* Shorter side scaled to size / 0.875, then the middle: what ImageNet classifiers expect. */
    DKB_FIT_CROP,
} dkb_fit;

/* "letterbox" or "crop". Errors: LL_E_INVALID. */
LL_MUST_USE ll_status dkb_fit_parse(const char *name, dkb_fit *out_fit, struct ll_error *err);

/* The network's input and how a picture fits it. */
struct dkb_image_target {
    int c;
    int h;
    int w;
    dkb_fit fit;
};

/* Reads a JPEG, PNG or BMP file into c x h x w floats, 0 to 1, RGB planes (c = 3) or luminance (c =
 * 1). The caller frees `*out_data` with free().
 *
 * Errors: LL_E_NOT_FOUND, LL_E_IO, LL_E_INVALID for what cannot be decoded, LL_E_EXHAUSTED above
 * the limits on file size and pixels, LL_E_UNSUPPORTED for other c; `err` names the file. */
LL_MUST_USE ll_status dkb_image_load(const char *path, const struct dkb_image_target *target,
                                     float **out_data, struct ll_error *err);

#endif
