/* Network input from an image file.
 *
 * Letterboxing and stretching, and their resizing, are Darknet's own functions, so that the same
 * file gives the input that Darknet would have.
 *
 * Threads: any. */
#ifndef VISION_IMAGE_H
#define VISION_IMAGE_H

#include "core/ll_status.h"
#include "vision/vision_frame.h"
#include "vision/vision_picture.h"

/* The network's input and how a picture fits it. */
struct vision_image_target {
    int c;
    int h;
    int w;
    vision_fit fit;
};

/* A network's input and the picture that it was made of; who does not need the latter any more
 * calls vision_picture_finish. */
struct vision_image {
    /* c x h x w, 0 to 1, RGB planes (c = 3) or luminance (c = 1); freed with free(). */
    float *data;
    struct vision_frame frame;
    struct vision_picture picture;
};

/* Reads a JPEG, PNG or BMP file.
 *
 * Errors: those of vision_picture_load and vision_frame_fit, LL_E_UNSUPPORTED for other c; `err`
 * names the file. */
LL_MUST_USE ll_status vision_image_load(const char *path, const struct vision_image_target *target,
                                        struct vision_image *out_image, struct ll_error *err);
/* Takes zeroed images too. */
void vision_image_finish(struct vision_image *image);

#endif
