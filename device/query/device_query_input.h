/* What a query is about.
 *
 * Threads: a plain struct. */
#ifndef DEVICE_QUERY_INPUT_H
#define DEVICE_QUERY_INPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_buf.h"
#include "vision/vision_input.h"

struct device_query_input {
    /* The network's input as floats. */
    struct ll_buf *floats;
    /* The picture's file that makes these floats (vision_input_of_file), and the processor time
     * that this took here; its bytes are NULL where there is none. */
    struct vision_file file;
    int64_t made_ns;
    /* The floats are not what the picture had, but what rounding or a JPEG left of it. */
    bool is_lossy;
};

#endif
