/* What a program does with the boxes that its network finds, as its options say: searches outputs
 * (--thresh, --nms, --names) and draws on the picture (--draw).
 *
 * Threads: one at a time. */
#ifndef DKB_DETECT_H
#define DKB_DETECT_H

#include <stdbool.h>

#include "core/ll_engine.h"
#include "core/ll_status.h"
#include "darknet_backend/dkb_boxes.h"
#include "darknet_backend/dkb_image.h"
#include "darknet_backend/dkb_options.h"

struct dkb_detect {
    /* NULL: the network finds no boxes. */
    struct dkb_boxes *boxes;
    /* Where to draw, or NULL, and the picture to draw on. */
    const char *path;
    struct dkb_picture picture;
};

/* Takes `image`'s picture where there is something to draw. `options` and `labels` outlive it.
 *
 * Errors: LL_E_UNSUPPORTED where boxes are to be drawn and the network finds none, `err` says why;
 * LL_E_NO_MEMORY. */
LL_MUST_USE ll_status dkb_detect_init(struct dkb_detect *detect, const struct dkb_options *options,
                                      struct ll_network *network, struct dkb_image *image,
                                      const struct dkb_labels *labels, struct ll_error *err);
/* Takes zeroed ones too. */
void dkb_detect_finish(struct dkb_detect *detect);

/* Warns (ll_log) where there are fewer names than classes of the network, or values of a network
 * that finds no boxes: numbers stand for all of them then. `name` is the list's. */
void dkb_detect_check_names(const struct dkb_detect *detect, const struct ll_table *table,
                            const struct dkb_labels *labels, const char *name);

/* As dkb_boxes_find; none where the network finds no boxes. */
int dkb_detect_find(struct dkb_detect *detect, const float *outputs,
                    const struct dkb_box **out_found);

/* Draws the boxes in these outputs and writes the picture; nothing where that is not wanted. Once.
 *
 * Errors: LL_E_NO_MEMORY, LL_E_IO; `err` names the file. */
LL_MUST_USE ll_status dkb_detect_draw(struct dkb_detect *detect, const float *outputs,
                                      struct ll_error *err);

#endif
