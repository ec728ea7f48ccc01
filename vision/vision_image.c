#include "vision/vision_image.h"

#include <darknet.h>
#include <stdlib.h>

#include "core/ll_limits.h"
#include "vision/resize/vision_resize.h"

/* The w x h pixels from (left, top) as planes of floats from 0 to 1. */
static void to_planes(const struct vision_picture *picture, int left, int top, image planes)
{
    float *out = planes.data;
    for (int c = 0; c < planes.c; c++) {
        for (int y = 0; y < planes.h; y++) {
            const uint8_t *row =
                picture->pixels + ((int64_t)(y + top) * picture->w + left) * picture->channels;
            for (int x = 0; x < planes.w; x++) {
                *out++ = (float)row[(int64_t)x * picture->channels + c] / 255.0F;
            }
        }
    }
}

/* Darknet's functions do not check their allocations. */
static ll_status check_scaling(const struct vision_picture *picture,
                               const struct vision_frame *frame, struct ll_error *err)
{
    const int64_t most = 3 * LL_LIMIT_IMAGE_PIXELS;
    int64_t source = (int64_t)picture->w * picture->h * picture->channels;
    int64_t narrowed = (int64_t)frame->scaled_w * picture->h * picture->channels;
    int64_t result = (int64_t)2 * frame->net_w * frame->net_h * picture->channels;
    if (narrowed > most || result > most) {
        return ll_fail(err, LL_E_EXHAUSTED,
                       "scaling %d x %d pixels to fit %d x %d needs more than %lld floats",
                       picture->w, picture->h, frame->net_w, frame->net_h, (long long)most);
    }
    void *trial = malloc((size_t)(source + narrowed + result) * sizeof(float));
    free(trial);
    return trial ? LL_OK : ll_fail(err, LL_E_NO_MEMORY, "no memory to scale the picture");
}

/* By Darknet's own functions, so that its bits come out. */
static ll_status fit_whole(const struct vision_picture *picture, const struct vision_frame *frame,
                           vision_fit fit, float **out_data, struct ll_error *err)
{
    ll_status status = check_scaling(picture, frame, err);
    if (status != LL_OK) {
        return status;
    }
    image whole = {.w = picture->w, .h = picture->h, .c = picture->channels};
    whole.data = malloc((size_t)whole.w * (size_t)whole.h * (size_t)whole.c * sizeof(float));
    if (!whole.data) {
        return ll_fail(err, LL_E_NO_MEMORY, "no memory to scale the picture");
    }
    to_planes(picture, 0, 0, whole);
    image fitted = fit == VISION_FIT_STRETCH ? resize_image(whole, frame->net_w, frame->net_h)
                                             : letterbox_image(whole, frame->net_w, frame->net_h);
    *out_data = fitted.data;
    free(whole.data);
    return LL_OK;
}

static ll_status fit_crop(const struct vision_picture *picture, const struct vision_frame *frame,
                          float **out_data, struct ll_error *err)
{
    struct vision_picture scaled = {
        .w = frame->scaled_w,
        .h = frame->scaled_h,
        .channels = picture->channels,
    };
    const struct vision_pixels from = {picture->pixels, picture->w, picture->h, picture->channels};
    ll_status status = vision_resize_bicubic(&from, scaled.w, scaled.h, &scaled.pixels);
    if (status != LL_OK) {
        return ll_fail(err, status, "scaling the picture to %d x %d: %s", scaled.w, scaled.h,
                       ll_status_text(status));
    }
    image middle = {.w = frame->net_w, .h = frame->net_h, .c = picture->channels};
    middle.data = malloc((size_t)middle.w * (size_t)middle.h * (size_t)middle.c * sizeof(float));
    if (middle.data) {
        to_planes(&scaled, -(int)frame->left, -(int)frame->top, middle);
        *out_data = middle.data;
    } else {
        status = ll_fail(err, LL_E_NO_MEMORY, "no memory for the network's input");
    }
    vision_picture_finish(&scaled);
    return status;
}

/* Fills in `image` but for its picture, which has as many channels as the network. */
static ll_status fit_channels(const struct vision_picture *picture,
                              const struct vision_image_target *target, struct vision_image *image,
                              struct ll_error *err)
{
    image->frame = (struct vision_frame){
        .picture_w = picture->w,
        .picture_h = picture->h,
        .net_w = target->w,
        .net_h = target->h,
    };
    ll_status status = vision_frame_fit(&image->frame, target->fit, err);
    if (status != LL_OK) {
        return status;
    }
    return target->fit == VISION_FIT_CROP
               ? fit_crop(picture, &image->frame, &image->data, err)
               : fit_whole(picture, &image->frame, target->fit, &image->data, err);
}

static ll_status fit(const struct vision_image_target *target, struct vision_image *image,
                     struct ll_error *err)
{
    if (target->c != 1) {
        return fit_channels(&image->picture, target, image, err);
    }
    struct vision_picture grey = {0};
    ll_status status = vision_picture_luminance(&image->picture, &grey);
    if (status != LL_OK) {
        return ll_fail(err, status, "no memory for the picture");
    }
    status = fit_channels(&grey, target, image, err);
    vision_picture_finish(&grey);
    return status;
}

ll_status vision_image_load(const char *path, const struct vision_image_target *target,
                            struct vision_image *out_image, struct ll_error *err)
{
    if ((target->c != 1 && target->c != 3) || target->h < 1 || target->w < 1) {
        return ll_fail(err, LL_E_UNSUPPORTED,
                       "%s: the network's input has %d channels of %d x %d; a picture has 1 or 3",
                       path, target->c, target->w, target->h);
    }
    struct vision_image loaded = {0};
    ll_status status = vision_picture_load(path, &loaded.picture, err);
    if (status != LL_OK) {
        return status;
    }
    status = fit(target, &loaded, err);
    if (status != LL_OK) {
        ll_error_prefix(err, "%s", path);
        vision_image_finish(&loaded);
        return status;
    }
    *out_image = loaded;
    return LL_OK;
}

void vision_image_finish(struct vision_image *image)
{
    vision_picture_finish(&image->picture);
    free(image->data);
    *image = (struct vision_image){0};
}
