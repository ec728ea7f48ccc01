/* What came out of a network, as numbers: its best values, those that are none, and all of them as
 * a file of raw floats.
 *
 * Threads: any. */
#ifndef VISION_OUTPUT_H
#define VISION_OUTPUT_H

#include <stdint.h>

#include "core/ll_status.h"

/* Writes `floats` little-endian f32 to `path`, as ll_output_open does ("-" is standard output).
 *
 * Errors: LL_E_IO; `err` names the file. */
LL_MUST_USE ll_status vision_output_write(const char *path, const float *data, int64_t floats,
                                          struct ll_error *err);

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
