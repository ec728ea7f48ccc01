/* A network's input from a file: of a picture, or of raw floats.
 *
 * Threads: any. */
#ifndef VISION_INPUT_H
#define VISION_INPUT_H

#include "core/ll_status.h"
#include "net/ll_table.h"
#include "vision/vision_fit.h"
#include "vision/vision_picture.h"
#include "vision/vision_placement.h"

/* Exactly one of `image` and `input_f32` is a path, the other one NULL. */
struct vision_input_source {
    /* A picture, for vision_decode_file. */
    const char *image;
    /* Raw little-endian f32, channels x height x width. */
    const char *input_f32;
    /* For pictures. */
    vision_fit fit;
};

/* A network's input and the picture that it was made of; who does not need the latter any more
 * calls vision_picture_finish. Zeroed: none. */
struct vision_input {
    /* Channels x height x width; of a picture, from 0 to 1. Freed with free(). */
    float *data;
    /* Of a raw input, as if the input itself were the picture. */
    struct vision_placement placement;
    /* Empty for a raw input. */
    struct vision_picture picture;
};

/* Reads the input of a network with this table: table->in_floats floats.
 *
 * Errors: those of vision_decode_file and vision_fit_picture; LL_E_INVALID where a raw file has
 * another size (`err` has both); `err` names the file. */
LL_MUST_USE ll_status vision_input_load(const struct vision_input_source *source,
                                        const struct ll_table *table,
                                        struct vision_input *out_input, struct ll_error *err);
/* Takes zeroed inputs too. */
void vision_input_finish(struct vision_input *input);

#endif
