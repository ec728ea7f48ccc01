/* Boxes and their labels drawn on a picture.
 *
 * Threads: any, one at a time per picture. */
#ifndef DKB_DRAW_H
#define DKB_DRAW_H

#include "core/ll_status.h"
#include "darknet_backend/dkb_boxes.h"
#include "darknet_backend/dkb_picture.h"

/* Draws the boxes, the first on top, with a label of the class's name and its probability; one that
 * several classes share gets the names of all. Each class has a colour of its own, and lines are as
 * thick and text as high as the picture's size wants. `picture` has 3 channels.
 *
 * Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status dkb_draw_boxes(struct dkb_picture *picture, const struct dkb_box *boxes,
                                     int count);

#endif
