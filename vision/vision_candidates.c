#include "vision/vision_candidates.h"

#include <stdlib.h>

ll_status vision_candidates_init(struct vision_candidates *candidates, int most, int64_t possible)
{
    int64_t room = possible < 2 * (int64_t)most ? possible : 2 * (int64_t)most;
    *candidates = (struct vision_candidates){.most = most, .room = (int)room};
    candidates->list = calloc((size_t)room + 1, sizeof(*candidates->list));
    return candidates->list ? LL_OK : LL_E_NO_MEMORY;
}

void vision_candidates_finish(struct vision_candidates *candidates)
{
    free(candidates->list);
    *candidates = (struct vision_candidates){0};
}

void vision_candidates_clear(struct vision_candidates *candidates, float thresh)
{
    candidates->count = 0;
    candidates->floor = thresh;
}

/* Total orders: p is never NaN, and no class has two candidates from one place. */

static int by_p(const void *left, const void *right)
{
    const struct vision_candidate *a = left;
    const struct vision_candidate *b = right;
    if (a->p != b->p) {
        return a->p > b->p ? -1 : 1;
    }
    if (a->place != b->place) {
        return a->place < b->place ? -1 : 1;
    }
    return a->class_index - b->class_index;
}

static int by_class(const void *left, const void *right)
{
    const struct vision_candidate *a = left;
    const struct vision_candidate *b = right;
    return a->class_index != b->class_index ? a->class_index - b->class_index : by_p(left, right);
}

static void sort(struct vision_candidates *candidates,
                 int (*order)(const void *left, const void *right))
{
    qsort(candidates->list, (size_t)candidates->count, sizeof(*candidates->list), order);
}

/* Keeps the most probable ones. Whatever comes later is behind them where it is equal. */
static void cut(struct vision_candidates *candidates)
{
    sort(candidates, by_p);
    if (candidates->count > candidates->most) {
        candidates->count = candidates->most;
        candidates->floor = candidates->list[candidates->most - 1].p;
    }
}

void vision_candidates_add(struct vision_candidates *candidates,
                           const struct vision_candidate *candidate)
{
    if (!(candidate->p > candidates->floor)) {
        return;
    }
    if (candidates->count == candidates->room) {
        cut(candidates);
    }
    candidates->list[candidates->count++] = *candidate;
}

/* The candidates of one class, the most probable first. */
static void suppress_class(struct vision_candidate *list, int count, float nms)
{
    for (int i = 0; i < count; i++) {
        for (int j = i + 1; list[i].p != 0 && j < count; j++) {
            if (list[j].p != 0 && vision_rectangle_iou(&list[i].where, &list[j].where) > nms) {
                list[j].p = 0;
            }
        }
    }
}

void vision_candidates_suppress(struct vision_candidates *candidates, float nms)
{
    cut(candidates);
    sort(candidates, by_class);
    struct vision_candidate *list = candidates->list;
    int first = 0;
    for (int i = 1; i <= candidates->count; i++) {
        if (i == candidates->count || list[i].class_index != list[first].class_index) {
            suppress_class(list + first, i - first, nms);
            first = i;
        }
    }
    int left = 0;
    for (int i = 0; i < candidates->count; i++) {
        if (list[i].p != 0) {
            list[left++] = list[i];
        }
    }
    candidates->count = left;
    sort(candidates, by_p);
}
