/* What goes into a network and what comes out of it, as files: images or raw floats, label lists,
 * the best k values.
 *
 * Threads: any. */
#ifndef VISION_INPUT_H
#define VISION_INPUT_H

#include <stdint.h>

#include "core/ll_status.h"
#include "net/ll_table.h"
#include "vision/vision_image.h"

/* Exactly one of `image` and `input_f32` is a path, the other one NULL. */
struct vision_input_source {
    const char *image;
    /* Raw little-endian f32, channels x height x width. */
    const char *input_f32;
    /* For images. */
    vision_fit fit;
};

/* Reads the input of a network with this table: table->in_floats floats. A raw one has no picture,
 * and the network's input stands for it in the frame. The caller calls vision_image_finish.
 *
 * Errors: those of vision_image_load; LL_E_INVALID where a raw file has another size (`err` has
 * both); `err` names the file. */
LL_MUST_USE ll_status vision_input_load(const struct vision_input_source *source,
                                        const struct ll_table *table,
                                        struct vision_image *out_image, struct ll_error *err);

/* Writes `floats` little-endian f32 to `path`, as ll_output_open does ("-" is standard output).
 *
 * Errors: LL_E_IO; `err` names the file. */
LL_MUST_USE ll_status vision_output_write(const char *path, const float *data, int64_t floats,
                                          struct ll_error *err);

/* Names of classes, one a line of a file; line ends (LF, CR LF, CR) are not part of them, nor is a
 * byte order mark. Valid UTF-8: what the file has of other bytes is U+FFFD here. Control characters
 * stay, so that what shows names tames them (ll_text.h). */
struct vision_labels {
    int64_t count;
    const char **names;
    /* What the names point into. */
    char *text;
};

/* Errors: LL_E_NOT_FOUND, LL_E_IO, LL_E_EXHAUSTED, LL_E_NO_MEMORY, LL_E_INVALID for NUL bytes,
 * UTF-16 and a file without a name; `err` names the file. */
LL_MUST_USE ll_status vision_labels_load(const char *path, struct vision_labels *out_labels,
                                         struct ll_error *err);
/* Takes zeroed labels too. */
void vision_labels_finish(struct vision_labels *labels);

enum { VISION_LABEL_SCRATCH_BYTES = 24 };

/* What to call value `index` of an output of `floats` values: its name where the list covers the
 * whole output, otherwise (a shorter list, as a detector's is; no list, NULL too) the number
 * itself, written to `scratch`. */
const char *vision_label(const struct vision_labels *labels, int64_t floats, int64_t index,
                         char scratch[static VISION_LABEL_SCRATCH_BYTES]);

struct vision_top {
    int64_t index;
    float value;
};

/* The `k` largest of `floats` values, the largest first, the lower index first where they are
 * equal, NaN behind everything. `out_top` has room for k; returns min(k, floats). */
int vision_top_k(const float *values, int64_t floats, int k, struct vision_top *out_top);

/* How many of them are NaN or infinite: more than none, and the network has not answered. */
int64_t vision_count_not_finite(const float *values, int64_t floats);

#endif
