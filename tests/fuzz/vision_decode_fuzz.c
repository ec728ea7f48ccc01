/* Any bytes as a picture's file. The oracle: a refusal has a sentence and leaves nothing behind, a
 * picture has its pixels and a size within the limits, twice the same; it fits a network's input by
 * values from 0 to 1, or is refused by a sentence. Its header tells its size, and its file is, as
 * far as it can be stripped, the same picture stripped, in no more bytes. */
#include "vision/vision_decode.h"

#include <stdlib.h>
#include <string.h>

#include "core/ll_limits.h"
#include "tests/fuzz/ll_fuzz.h"
#include "vision/vision_exif.h"
#include "vision/vision_fit.h"
#include "vision/vision_strip.h"

static void check_exif(const uint8_t *data, size_t size)
{
    int orientation = vision_exif_orientation(data, size);
    REQUIRE(orientation >= 1 && orientation <= 8);
    orientation = vision_exif_of_jpeg(data, size);
    REQUIRE(orientation >= 1 && orientation <= 8);
}

/* Inputs of sizes that the file's length chooses. */
static void check_fit(const struct vision_picture *picture, size_t size)
{
    const struct vision_fit_target target = {
        .c = size % 2 == 0 ? 1 : 3,
        .h = 1 + (int)(size / 3 % 37),
        .w = 1 + (int)(size / 5 % 41),
        .fit = (vision_fit)(size % 3),
    };
    struct vision_placement placement = {0};
    struct ll_error err = {.text = ""};
    float *data = NULL;
    ll_status status = vision_fit_picture(picture, &target, &data, &placement, &err);
    if (status != LL_OK) {
        REQUIRE(status == LL_E_INVALID || status == LL_E_EXHAUSTED || status == LL_E_NO_MEMORY);
        REQUIRE(err.text[0] != '\0' && !data);
        return;
    }
    for (int i = 0; i < target.c * target.h * target.w; i++) {
        REQUIRE(data[i] >= 0 && data[i] <= 1.00001F);
    }
    REQUIRE(placement.scaled_w >= 1 && placement.scaled_h >= 1);
    free(data);
}

/* Of bytes that are `picture`, lying; NULL: that are none. */
static void check_strip(const uint8_t *data, size_t size, const struct vision_picture *picture)
{
    struct ll_buf *file = NULL;
    struct ll_error err = {.text = ""};
    if (vision_strip(data, size, &file, &err) != LL_OK) {
        REQUIRE(err.text[0] != '\0' && !file);
        return;
    }
    REQUIRE(ll_buf_bytes(file) <= size);
    if (picture) {
        struct vision_picture stripped = {0};
        int held = 1;
        REQUIRE(vision_decode_held(ll_buf_data(file), ll_buf_bytes(file), &held, &stripped, &err) ==
                LL_OK);
        REQUIRE(stripped.w == picture->w && stripped.h == picture->h);
        REQUIRE(memcmp(stripped.pixels, picture->pixels,
                       (size_t)picture->w * (size_t)picture->h * 3) == 0);
        vision_picture_finish(&stripped);
    }
    ll_buf_unref(file);
}

static void check_measure(const uint8_t *data, size_t size, const struct vision_picture *picture)
{
    struct vision_measure measure = {0};
    struct ll_error err = {.text = ""};
    ll_status status = vision_measure(data, size, &measure, &err);
    REQUIRE(status == LL_OK || (err.text[0] != '\0' && !picture));
    if (picture) {
        REQUIRE(measure.w == picture->w && measure.h == picture->h);
        REQUIRE(measure.bytes >= (int64_t)3 * picture->w * picture->h);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vision_picture lying = {0};
    struct vision_picture first = {0};
    struct vision_picture second = {0};
    struct ll_error err = {.text = ""};
    check_exif(data, size);
    ll_status status = vision_decode(data, size, &first, &err);
    if (status != LL_OK) {
        REQUIRE(status == LL_E_INVALID || status == LL_E_UNSUPPORTED || status == LL_E_EXHAUSTED ||
                status == LL_E_NO_MEMORY);
        REQUIRE(err.text[0] != '\0' && !first.pixels);
        check_strip(data, size, NULL);
        check_measure(data, size, NULL);
        return 0;
    }
    int held = 1;
    REQUIRE(vision_decode_held(data, size, &held, &lying, &err) == LL_OK && held == 1);
    check_strip(data, size, &lying);
    check_measure(data, size, &lying);
    vision_picture_finish(&lying);
    REQUIRE(first.w >= 1 && first.w <= LL_LIMIT_DIM && first.h >= 1 && first.h <= LL_LIMIT_DIM);
    REQUIRE(first.channels == 3 && (int64_t)first.w * first.h <= LL_LIMIT_IMAGE_PIXELS);
    REQUIRE(vision_decode(data, size, &second, &err) == LL_OK);
    size_t bytes = (size_t)first.w * (size_t)first.h * 3;
    REQUIRE(first.w == second.w && first.h == second.h);
    REQUIRE(memcmp(first.pixels, second.pixels, bytes) == 0);
    check_fit(&first, size);
    vision_picture_finish(&first);
    vision_picture_finish(&second);
    return 0;
}
