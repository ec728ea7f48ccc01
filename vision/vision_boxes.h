/* Boxes around what a detector saw in a picture: from the outputs of yolo, region and detection
 * layers, as Darknet's get_network_boxes (relative = 1) and do_nms_sort find them (2018-09:
 * yolo_layer.c, region_layer.c, detection_layer.c, network.c, box.c), bit for bit, where the values
 * are such that those are defined. Any other values (infinities, NaN) are harmless.
 *
 * Beside Darknet:
 * - Outputs are not changed.
 * - At most VISION_BOXES_MOST candidates, the most probable ones, come into question.
 * - Where overlapping boxes of a class are equally probable, the first in the outputs stays;
 * Darknet takes the one that its sorting by other classes left in front.
 * - Darknet's detection layers speak about a picture that was stretched to the network's size, the
 *   others about a letterboxed one; here the boxes of all come back from whatever way the picture
 *   was fitted.
 * - Boxes are cut off at the picture's borders, and those that have no area left are left out.
 *
 * Threads: one at a time. */
#ifndef VISION_BOXES_H
#define VISION_BOXES_H

#include <stdint.h>

#include "core/ll_status.h"
#include "net/ll_network.h"
#include "vision/vision_labels.h"
#include "vision/vision_placement.h"

enum { VISION_BOXES_MOST = 8192 };

/* Darknet's own. */
#define VISION_BOXES_THRESH 0.5F
#define VISION_BOXES_NMS 0.45F

struct vision_box {
    int class_index;
    /* The class's name, or its number; valid until the next search. */
    const char *label;
    /* Objectness times the class's probability: above `thresh`. */
    float p;
    /* Pixels of the picture, from 0 to its size. */
    float left, top, right, bottom;
};

struct vision_boxes_config {
    /* Less probable boxes are not told. */
    float thresh;
    /* Of two boxes of a class whose intersection is more than this part of their union, the less
     * probable one is dropped. */
    float nms;
    struct vision_placement placement;
    /* NULL: numbers. Outlives the boxes. */
    const struct vision_labels *labels;
};

struct vision_boxes;

/* How many classes the network's detectors tell apart. */
int vision_boxes_classes(const struct vision_boxes *boxes);

/* Memory for searches in the outputs of `network`, which it takes a reference to.
 *
 * Errors: LL_E_UNSUPPORTED where the network has no yolo, region or detection layer, or one from
 * which Darknet would not get boxes; LL_E_NO_MEMORY. */
LL_MUST_USE ll_status vision_boxes_create(struct ll_network *network,
                                          const struct vision_boxes_config *config,
                                          struct vision_boxes **out_boxes, struct ll_error *err);
/* NULL is allowed. */
void vision_boxes_destroy(struct vision_boxes *boxes);

/* Searches the network's outputs, one behind the other in layer order
 * (ll_table_network_outputs). Returns how many there are and where, the most probable first; valid
 * until the next search. */
int vision_boxes_find(struct vision_boxes *boxes, const float *outputs,
                      const struct vision_box **out_found);

#endif
