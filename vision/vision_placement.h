/* A picture's placement: where it lies in a network's input. What fitting it needs to know, and
 * what the way back from the network's boxes to the picture needs to know.
 *
 * Threads: pure. */
#ifndef VISION_PLACEMENT_H
#define VISION_PLACEMENT_H

#include "core/ll_status.h"

typedef enum {
    /* The whole picture, scaled to fit, grey bars (0.5) around it: what Darknet's detectors do. */
    VISION_FIT_LETTERBOX,
    /* Shorter side scaled to size / 0.875, then the middle: what ImageNet classifiers expect. */
    VISION_FIT_CROP,
    /* Each side scaled to the network's, whatever that does to the picture's shape: what Darknet's
     * yolo command (YOLO v1) and its popular forks' detectors do. */
    VISION_FIT_STRETCH,
} vision_fit;

/* "letterbox", "crop" or "stretch". Errors: LL_E_INVALID. */
LL_MUST_USE ll_status vision_fit_parse(const char *name, vision_fit *out_fit, struct ll_error *err);

/* All in pixels. The picture is scaled to scaled_w x scaled_h; (left, top) of the network's input
 * is its corner, which is outside (negative) where a part of the picture is cut off. */
struct vision_placement {
    int picture_w, picture_h;
    int net_w, net_h;
    int scaled_w, scaled_h;
    double left, top;
};

/* Fills in how a picture of at most LL_LIMIT_IMAGE_PIXELS fits; picture_* and net_* are set
 * already.
 *
 * Letterbox: as Darknet's letterbox_image scales it, and (left, top) as its correct_yolo_boxes
 * computes it, which may lie half a pixel beside where letterbox_image puts it.
 *
 * Errors: LL_E_INVALID where nothing of the picture would be left, LL_E_EXHAUSTED where the scaled
 * one would be too large; `err` has the sizes. */
LL_MUST_USE ll_status vision_placement_fit(struct vision_placement *placement, vision_fit fit,
                                           struct ll_error *err);

/* The placement of a picture that is the network's input itself. */
struct vision_placement vision_placement_whole(int net_w, int net_h);

#endif
