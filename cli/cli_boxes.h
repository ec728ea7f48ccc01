/* What a program does with the boxes that its network finds, as its options say: searches outputs
 * (--thresh, --nms, --names) and draws on the picture (--draw).
 *
 * Threads: one at a time. */
#ifndef CLI_BOXES_H
#define CLI_BOXES_H

#include <stdbool.h>

#include "cli/cli_model_options.h"
#include "core/ll_status.h"
#include "net/ll_network.h"
#include "vision/vision_boxes.h"
#include "vision/vision_input.h"
#include "vision/vision_labels.h"

struct cli_boxes {
    /* NULL: the network finds no boxes. Without them there is nothing to draw. */
    struct vision_boxes *boxes;
    /* Where to draw, or NULL, and the picture to draw on. */
    const char *path;
    struct vision_picture picture;
};

/* Takes `input`'s picture where there is something to draw. `options` and `labels` outlive it.
 *
 * Errors: LL_E_UNSUPPORTED where boxes are to be drawn and the network finds none, `err` says why;
 * LL_E_NO_MEMORY. */
LL_MUST_USE ll_status cli_boxes_init(struct cli_boxes *detect,
                                     const struct cli_model_options *options,
                                     struct ll_network *network, struct vision_input *input,
                                     const struct vision_labels *labels, struct ll_error *err);
/* Takes zeroed ones too. */
void cli_boxes_finish(struct cli_boxes *detect);

/* Warns (ll_log) where there are fewer names than classes of the network, or values of a network
 * that finds no boxes: numbers stand for all of them then. `name` is the list's. */
void cli_boxes_check_names(const struct cli_boxes *detect, const struct ll_table *table,
                           const struct vision_labels *labels, const char *name);

/* Draws the boxes in these outputs and writes the picture; nothing where that is not wanted. Once.
 *
 * Errors: LL_E_NO_MEMORY, LL_E_IO; `err` names the file. */
LL_MUST_USE ll_status cli_boxes_draw(struct cli_boxes *detect, const float *outputs,
                                     struct ll_error *err);

#endif
