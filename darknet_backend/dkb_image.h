/* Network input from an image file.
 *
 * Letterboxing and stretching, and their resizing, are Darknet's own functions, so that the same
 * file gives the input that Darknet would have.
 *
 * Threads: any. */
#ifndef DKB_IMAGE_H
#define DKB_IMAGE_H

#include "core/ll_status.h"
#include "darknet_backend/dkb_frame.h"
#include "darknet_backend/dkb_picture.h"

/* The network's input and how a picture fits it. */
struct dkb_image_target {
    int c;
    int h;
    int w;
    dkb_fit fit;
};

/* A network's input and the picture that it was made of; who does not need the latter any more
 * calls dkb_picture_finish. */
struct dkb_image {
    /* c x h x w, 0 to 1, RGB planes (c = 3) or luminance (c = 1); freed with free(). */
    float *data;
    struct dkb_frame frame;
    struct dkb_picture picture;
};

/* Reads a JPEG, PNG or BMP file.
 *
 * Errors: those of dkb_picture_load and dkb_frame_fit, LL_E_UNSUPPORTED for other c; `err` names
 * the file. */
LL_MUST_USE ll_status dkb_image_load(const char *path, const struct dkb_image_target *target,
                                     struct dkb_image *out_image, struct ll_error *err);
/* Takes zeroed images too. */
void dkb_image_finish(struct dkb_image *image);

#endif
