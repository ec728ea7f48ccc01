#include "vision/vision_rectangle.h"

/* How far two stretches, by their middles and lengths, lie on each other; negative: apart. */
static float overlap(float middle_a, float length_a, float middle_b, float length_b)
{
    float from_a = middle_a - length_a / 2;
    float from_b = middle_b - length_b / 2;
    float from = from_a > from_b ? from_a : from_b;
    float to_a = middle_a + length_a / 2;
    float to_b = middle_b + length_b / 2;
    float to = to_a < to_b ? to_a : to_b;
    return to - from;
}

static float intersection(const struct vision_rectangle *a, const struct vision_rectangle *b)
{
    float w = overlap(a->x, a->w, b->x, b->w);
    float h = overlap(a->y, a->h, b->y, b->h);
    return w < 0 || h < 0 ? 0 : w * h;
}

float vision_rectangle_iou(const struct vision_rectangle *a, const struct vision_rectangle *b)
{
    float both = intersection(a, b);
    return both / (a->w * a->h + b->w * b->h - both);
}
