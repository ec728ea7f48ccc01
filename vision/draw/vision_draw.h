/* Boxes and their labels drawn on a picture.
 *
 * Threads: any, one at a time per picture. */
#ifndef VISION_DRAW_H
#define VISION_DRAW_H

#include "core/ll_status.h"
#include "vision/vision_boxes.h"
#include "vision/vision_picture.h"

/* Draws the boxes, the first on top, with a label of the class's name and its probability; one that
 * several classes share gets the names of all. Each class has a colour of its own, and lines are as
 * thick and text as high as the picture's size wants. `picture` has 3 channels.
 *
 * Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status vision_draw_boxes(struct vision_picture *picture,
                                        const struct vision_box *boxes, int count);

#endif
