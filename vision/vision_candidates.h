/* Candidates for boxes: the most probable ones of however many there are, and which of them remain
 * when those that say the same are dropped. Internal to vision_boxes.c.
 *
 * Threads: one at a time. */
#ifndef VISION_CANDIDATES_H
#define VISION_CANDIDATES_H

#include <stdint.h>

#include "core/ll_status.h"
#include "vision/vision_rectangle.h"

struct vision_candidate {
    /* Middle and size in parts of the picture. */
    struct vision_rectangle where;
    /* Not NaN; 0: dropped. */
    float p;
    int class_index;
    /* Where in the outputs it came from: the order of those that are equally probable. */
    int64_t place;
};

struct vision_candidates {
    struct vision_candidate *list;
    int count;
    /* Private: room for `room`, of which `most` remain when it is full; what is not above `floor`
     * cannot come into question any more. */
    int most;
    int room;
    float floor;
};

/* At most `most` candidates of `possible` ones are kept. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status vision_candidates_init(struct vision_candidates *candidates, int most,
                                             int64_t possible);
void vision_candidates_finish(struct vision_candidates *candidates);

/* Forgets all; from now on only those above `thresh` (at least 0) are taken. */
void vision_candidates_clear(struct vision_candidates *candidates, float thresh);

/* Takes the candidate, unless it is not above the threshold (NaN never is). */
void vision_candidates_add(struct vision_candidates *candidates,
                           const struct vision_candidate *candidate);

/* Non-maximum suppression: of two candidates of a class that overlap by more than `nms`
 * (vision_rectangle_iou), the less probable one is dropped. What remains is
 * sorted, the most probable first. */
void vision_candidates_suppress(struct vision_candidates *candidates, float nms);

#endif
