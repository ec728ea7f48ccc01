/* Rectangles by their middle and size, as detectors tell them.
 *
 * Threads: pure. */
#ifndef VISION_RECTANGLE_H
#define VISION_RECTANGLE_H

/* In whatever unit; sizes may be anything that a network says, also negative or NaN. */
struct vision_rectangle {
    float x, y;
    float w, h;
};

/* Intersection over union, from 0 to 1 where both have an area; as Darknet's box_iou computes it
 * (2018-09, box.c), bit for bit. */
float vision_rectangle_iou(const struct vision_rectangle *a, const struct vision_rectangle *b);

#endif
