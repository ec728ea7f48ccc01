#include "vision/vision_fit.h"

#include <stddef.h>
#include <stdlib.h>

#include "vision/resize/vision_bicubic.h"
#include "vision/resize/vision_bilinear.h"

/* What Darknet fills a letterbox's bars with. */
static const float grey = 0.5F;

/* Memory for the network's input. */
static float *new_planes(const struct vision_fit_target *target, struct ll_error *err)
{
    size_t floats = (size_t)target->c * (size_t)target->h * (size_t)target->w;
    float *data = reallocarray(NULL, floats, sizeof(*data));
    if (!data) {
        (void)ll_fail(err, LL_E_NO_MEMORY, "no memory for the network's input");
    }
    return data;
}

static ll_status fail_scaling(ll_status status, const struct vision_placement *placement,
                              struct ll_error *err)
{
    return ll_fail(err, status, "scaling the picture to %d x %d: %s", placement->scaled_w,
                   placement->scaled_h, ll_status_text(status));
}

/* The whole picture, with grey around it where it does not fill the input. */
static ll_status fit_whole(const struct vision_pixels *from, const struct vision_fit_target *target,
                           const struct vision_placement *placement, float **out_data,
                           struct ll_error *err)
{
    float *data = new_planes(target, err);
    if (!data) {
        return LL_E_NO_MEMORY;
    }
    ptrdiff_t plane = (ptrdiff_t)target->h * target->w;
    if (placement->scaled_w < target->w || placement->scaled_h < target->h) {
        for (ptrdiff_t i = 0; i < target->c * plane; i++) {
            data[i] = grey;
        }
    }
    const struct vision_planes inside = {
        .data = data + (ptrdiff_t)(int)placement->top * target->w + (int)placement->left,
        .width = placement->scaled_w,
        .height = placement->scaled_h,
        .row_step = target->w,
        .plane_step = plane,
    };
    ll_status status = vision_bilinear(from, &inside);
    if (status != LL_OK) {
        free(data);
        return fail_scaling(status, placement, err);
    }
    *out_data = data;
    return LL_OK;
}

/* The part of a scaled picture that the network's input shows, as planes of floats from 0 to 1. */
static void cut_out(const struct vision_pixels *scaled, const struct vision_placement *placement,
                    const struct vision_fit_target *target, float *out)
{
    ptrdiff_t left = -(int)placement->left;
    ptrdiff_t top = -(int)placement->top;
    for (int c = 0; c < target->c; c++) {
        for (int y = 0; y < target->h; y++) {
            const uint8_t *pixel =
                scaled->data + ((y + top) * scaled->width + left) * scaled->channels + c;
            for (int x = 0; x < target->w; x++, pixel += scaled->channels) {
                *out++ = (float)*pixel / 255.0F;
            }
        }
    }
}

static ll_status fit_middle(const struct vision_pixels *from,
                            const struct vision_fit_target *target,
                            const struct vision_placement *placement, float **out_data,
                            struct ll_error *err)
{
    uint8_t *bytes = NULL;
    ll_status status = vision_bicubic(from, placement->scaled_w, placement->scaled_h, &bytes);
    if (status != LL_OK) {
        return fail_scaling(status, placement, err);
    }
    float *data = new_planes(target, err);
    if (data) {
        const struct vision_pixels scaled = {bytes, placement->scaled_w, placement->scaled_h,
                                             from->channels};
        cut_out(&scaled, placement, target, data);
        *out_data = data;
    }
    free(bytes);
    return data ? LL_OK : LL_E_NO_MEMORY;
}

/* `picture` has as many channels as the network. */
static ll_status fit_channels(const struct vision_picture *picture,
                              const struct vision_fit_target *target,
                              const struct vision_placement *placement, float **out_data,
                              struct ll_error *err)
{
    const struct vision_pixels from = {picture->pixels, picture->w, picture->h, picture->channels};
    return target->fit == VISION_FIT_CROP ? fit_middle(&from, target, placement, out_data, err)
                                          : fit_whole(&from, target, placement, out_data, err);
}

ll_status vision_fit_check(const struct vision_fit_target *target, struct ll_error *err)
{
    if ((target->c != 1 && target->c != 3) || target->h < 1 || target->w < 1) {
        return ll_fail(err, LL_E_UNSUPPORTED,
                       "the network's input has %d channels of %d x %d; a picture has 1 or 3",
                       target->c, target->w, target->h);
    }
    return LL_OK;
}

ll_status vision_fit_picture(const struct vision_picture *picture,
                             const struct vision_fit_target *target, float **out_data,
                             struct vision_placement *out_placement, struct ll_error *err)
{
    ll_status status = vision_fit_check(target, err);
    if (status != LL_OK) {
        return status;
    }
    struct vision_placement placement = {
        .picture_w = picture->w,
        .picture_h = picture->h,
        .net_w = target->w,
        .net_h = target->h,
    };
    status = vision_placement_fit(&placement, target->fit, err);
    if (status != LL_OK) {
        return status;
    }
    struct vision_picture luminance = {0};
    if (target->c == 1) {
        status = vision_picture_luminance(picture, &luminance);
        if (status != LL_OK) {
            return ll_fail(err, status, "no memory for the picture");
        }
        picture = &luminance;
    }
    status = fit_channels(picture, target, &placement, out_data, err);
    vision_picture_finish(&luminance);
    if (status == LL_OK) {
        *out_placement = placement;
    }
    return status;
}

ll_status vision_fit_measure(int w, int h, const struct vision_fit_target *target,
                             int64_t *out_bytes, struct ll_error *err)
{
    struct vision_placement placement = {
        .picture_w = w,
        .picture_h = h,
        .net_w = target->w,
        .net_h = target->h,
    };
    ll_status status = vision_placement_fit(&placement, target->fit, err);
    if (status != LL_OK) {
        return status;
    }
    int64_t bytes = target->c == 1 ? (int64_t)w * h : 0;
    if (target->fit == VISION_FIT_CROP) {
        /* Narrowed, then scaled. */
        bytes += (int64_t)target->c * placement.scaled_w * ((int64_t)h + placement.scaled_h);
    }
    *out_bytes = bytes;
    return LL_OK;
}
