#include "vision/vision_picture.h"

#include <stdlib.h>

#include "core/ll_limits.h"

ll_status vision_picture_check_size(int64_t w, int64_t h, struct ll_error *err)
{
    if (w < 1 || h < 1) {
        return ll_fail(err, LL_E_INVALID, "a picture of %lld x %lld pixels", (long long)w,
                       (long long)h);
    }
    if (w > LL_LIMIT_DIM || h > LL_LIMIT_DIM || w * h > LL_LIMIT_IMAGE_PIXELS) {
        return ll_fail(err, LL_E_EXHAUSTED,
                       "a picture of %lld x %lld pixels; the limits are %d a side and %lld in all",
                       (long long)w, (long long)h, LL_LIMIT_DIM, (long long)LL_LIMIT_IMAGE_PIXELS);
    }
    return LL_OK;
}

/* Memory for pixels of the picture's size. */
static ll_status allocate(struct vision_picture *picture, struct ll_error *err)
{
    int64_t bytes = (int64_t)picture->w * picture->h * picture->channels;
    picture->pixels = malloc(bytes > 0 ? (size_t)bytes : 1);
    return picture->pixels ? LL_OK : ll_fail(err, LL_E_NO_MEMORY, "no memory for the picture");
}

ll_status vision_picture_allocate(struct vision_picture *picture, int64_t w, int64_t h,
                                  struct ll_error *err)
{
    ll_status status = vision_picture_check_size(w, h, err);
    if (status != LL_OK) {
        return status;
    }
    *picture = (struct vision_picture){.w = (int)w, .h = (int)h, .channels = 3};
    return allocate(picture, err);
}

void vision_picture_finish(struct vision_picture *picture)
{
    free(picture->pixels);
    *picture = (struct vision_picture){0};
}

ll_status vision_picture_luminance(const struct vision_picture *picture,
                                   struct vision_picture *out_luminance)
{
    struct vision_picture grey = {.w = picture->w, .h = picture->h, .channels = 1};
    ll_status status = allocate(&grey, NULL);
    if (status != LL_OK) {
        return status;
    }
    int64_t count = (int64_t)picture->w * picture->h;
    for (int64_t i = 0; i < count; i++) {
        const uint8_t *rgb = picture->pixels + 3 * i;
        grey.pixels[i] = (uint8_t)((77 * rgb[0] + 150 * rgb[1] + 29 * rgb[2]) >> 8);
    }
    *out_luminance = grey;
    return LL_OK;
}
