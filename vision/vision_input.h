/* A network's input from a file: of a picture, or of raw floats.
 *
 * Threads: any. */
#ifndef VISION_INPUT_H
#define VISION_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/ll_buf.h"
#include "core/ll_status.h"
#include "net/ll_table.h"
#include "vision/vision_decode.h"
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
    /* The picture's file is wanted, too. */
    bool keeps_file;
};

/* A picture's file, as whoever has it makes an input of it. */
struct vision_file {
    /* Stripped (vision_strip.h); NULL: none. */
    struct ll_buf *bytes;
    vision_format format;
    /* EXIF's, from 1 to 8, whatever the bytes say of it. */
    int orientation;
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
    /* Where the source asks for it, of a picture whose file can be stripped; its bytes are the
     * input's, who wants to keep them takes a reference. */
    struct vision_file file;
    /* The thread's processor time that it took to make `data` of the file's bytes; 0 for a raw
     * input.
     */
    int64_t made_ns;
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

/* Puts a JPEG of the input itself in its place, of libjpeg's `quality` (1 to 100): `data` becomes
 * what vision_input_of_file makes of `file`, rounded and with what the JPEG loses. The table is the
 * one that the input was loaded for.
 *
 * Errors: LL_E_UNSUPPORTED where the network's input is no picture, those of vision_jpeg_write. */
LL_MUST_USE ll_status vision_input_squeeze(struct vision_input *input, const struct ll_table *table,
                                           int quality, struct ll_error *err);

/* What vision_input_of_file will take at most, beside the file and the input: from the header.
 *
 * Errors: as it, for what the header shows; LL_E_UNSUPPORTED for an input that no picture fits. */
LL_MUST_USE ll_status vision_input_measure(const struct vision_file *file,
                                           const struct ll_table *table, int64_t *out_bytes,
                                           struct ll_error *err);

/* Makes a network's input of a file that somebody else sent: the same bits as theirs.
 *
 * `out_data` is freed with free(). Errors: those of vision_decode and vision_fit_picture;
 * LL_E_INVALID where the bytes are of another format. */
LL_MUST_USE ll_status vision_input_of_file(const struct vision_file *file,
                                           const struct ll_table *table, float **out_data,
                                           struct ll_error *err);

#endif
