/* The agent program's inputs: pictures in turn or one raw input, and with each what boxes in its
 * outputs mean.
 *
 * Threads: one at a time. */
#ifndef DEVICE_INPUT_MAIN_H
#define DEVICE_INPUT_MAIN_H

#include <stdint.h>

#include "cli/cli_boxes.h"
#include "core/ll_buf.h"
#include "core/ll_status.h"
#include "device/device_options.h"
#include "device/query/device_query_input.h"
#include "engine/ll_engine.h"
#include "vision/vision_paths.h"

struct device_input_item {
    /* Its floats are NULL: not loaded. */
    struct device_query_input query;
    struct cli_boxes detect;
};

/* Zeroed: none. */
struct device_input {
    const struct device_options *options;
    struct ll_network *network;
    const struct vision_labels *labels;
    /* Empty for a raw input. */
    struct vision_paths pictures;
    int count;
    /* By picture: what can be read only once, or is the only one. */
    struct device_input_item *kept;
    /* Another picture, the last one that was picked. */
    struct device_input_item loaded;
    struct device_input_item *current;
};

/* Lists what the options name; nothing is read but folders. What is given outlives it.
 *
 * Errors: those of vision_paths_add; LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_input_init(struct device_input *input,
                                        const struct device_options *options,
                                        struct ll_network *network,
                                        const struct vision_labels *labels, struct ll_error *err);
/* Takes zeroed ones too. */
void device_input_finish(struct device_input *input);

/* Loads the input of the query `id`, from 1: the pictures in turn. It, and `input->current`, stay
 * until the next call. The name is NULL for a raw input.
 *
 * Errors: those of vision_input_load and cli_boxes_init, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_input_pick(struct device_input *input, int64_t id,
                                        struct device_query_input *out_query, const char **out_name,
                                        struct ll_error *err);

#endif
