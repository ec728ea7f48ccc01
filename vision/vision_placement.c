#include "vision/vision_placement.h"

#include <stdint.h>
#include <string.h>

#include "core/ll_limits.h"

ll_status vision_fit_parse(const char *name, vision_fit *out_fit, struct ll_error *err)
{
    if (strcmp(name, "letterbox") == 0) {
        *out_fit = VISION_FIT_LETTERBOX;
    } else if (strcmp(name, "crop") == 0) {
        *out_fit = VISION_FIT_CROP;
    } else if (strcmp(name, "stretch") == 0) {
        *out_fit = VISION_FIT_STRETCH;
    } else {
        return ll_fail(err, LL_E_INVALID, "'%.100s' is not one of letterbox, crop, stretch", name);
    }
    return LL_OK;
}

/* Darknet computes these sizes as int, and its resizing reads wild where a height of 1 remains. */
static ll_status letterbox(struct vision_placement *placement, struct ll_error *err)
{
    int64_t w = placement->picture_w;
    int64_t h = placement->picture_h;
    int64_t net_w = placement->net_w;
    int64_t net_h = placement->net_h;
    int64_t scaled_w = net_w;
    int64_t scaled_h = h * net_w / w;
    if ((float)net_w / (float)w >= (float)net_h / (float)h) {
        scaled_w = w * net_h / h;
        scaled_h = net_h;
    }
    if (scaled_w < 1 || scaled_h < 2) {
        return ll_fail(err, LL_E_INVALID,
                       "a picture of %lld x %lld pixels vanishes when scaled to fit %lld x %lld",
                       (long long)w, (long long)h, (long long)net_w, (long long)net_h);
    }
    if (h * net_w > INT32_MAX || w * net_h > INT32_MAX) {
        return ll_fail(err, LL_E_EXHAUSTED,
                       "scaling %lld x %lld pixels to fit %lld x %lld needs larger numbers than "
                       "Darknet computes with",
                       (long long)w, (long long)h, (long long)net_w, (long long)net_h);
    }
    placement->scaled_w = (int)scaled_w;
    placement->scaled_h = (int)scaled_h;
    placement->left = (double)(net_w - scaled_w) / 2;
    placement->top = (double)(net_h - scaled_h) / 2;
    return LL_OK;
}

/* The side that is shorter, relative to the network's, becomes size / 0.875, rounded. */
static ll_status crop(struct vision_placement *placement, struct ll_error *err)
{
    int64_t w = placement->picture_w;
    int64_t h = placement->picture_h;
    int64_t scaled_w = ((int64_t)placement->net_w * 8 + 3) / 7;
    int64_t scaled_h = ((int64_t)placement->net_h * 8 + 3) / 7;
    if (w * scaled_h <= h * scaled_w) {
        scaled_h = h * scaled_w / w;
    } else {
        scaled_w = w * scaled_h / h;
    }
    if (scaled_w * scaled_h > LL_LIMIT_IMAGE_PIXELS) {
        return ll_fail(err, LL_E_EXHAUSTED,
                       "scaling %lld x %lld pixels to cover %d x %d needs more than %lld pixels",
                       (long long)w, (long long)h, placement->net_w, placement->net_h,
                       (long long)LL_LIMIT_IMAGE_PIXELS);
    }
    placement->scaled_w = (int)scaled_w;
    placement->scaled_h = (int)scaled_h;
    int left = (placement->scaled_w - placement->net_w) / 2;
    int top = (placement->scaled_h - placement->net_h) / 2;
    placement->left = -left;
    placement->top = -top;
    return LL_OK;
}

static ll_status stretch(struct vision_placement *placement, struct ll_error *err)
{
    if (placement->net_h < 2) {
        return ll_fail(
            err, LL_E_INVALID, "a picture of %d x %d pixels vanishes when stretched to %d x %d",
            placement->picture_w, placement->picture_h, placement->net_w, placement->net_h);
    }
    placement->scaled_w = placement->net_w;
    placement->scaled_h = placement->net_h;
    placement->left = 0;
    placement->top = 0;
    return LL_OK;
}

ll_status vision_placement_fit(struct vision_placement *placement, vision_fit fit,
                               struct ll_error *err)
{
    switch (fit) {
    case VISION_FIT_CROP:
        return crop(placement, err);
    case VISION_FIT_STRETCH:
        return stretch(placement, err);
    default:
        return letterbox(placement, err);
    }
}

struct vision_placement vision_placement_whole(int net_w, int net_h)
{
    return (struct vision_placement){
        .picture_w = net_w,
        .picture_h = net_h,
        .net_w = net_w,
        .net_h = net_h,
        .scaled_w = net_w,
        .scaled_h = net_h,
    };
}
