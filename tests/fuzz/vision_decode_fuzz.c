/* Any bytes as a picture's file. The oracle: a refusal has a sentence and leaves nothing behind, a
 * picture has its pixels and a size within the limits, twice the same; it fits a network's input by
 * values from 0 to 1, or is refused by a sentence. */
#include "vision/vision_decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_limits.h"
#include "vision/vision_exif.h"
#include "vision/vision_fit.h"

/* libFuzzer's name. NOLINTNEXTLINE(readability-identifier-naming) */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Also where NDEBUG is set. */
#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            __builtin_trap();                                                                      \
        }                                                                                          \
    } while (0)

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vision_picture first = {0};
    struct vision_picture second = {0};
    struct ll_error err = {.text = ""};
    check_exif(data, size);
    ll_status status = vision_decode(data, size, &first, &err);
    if (status != LL_OK) {
        REQUIRE(status == LL_E_INVALID || status == LL_E_UNSUPPORTED || status == LL_E_EXHAUSTED ||
                status == LL_E_NO_MEMORY);
        REQUIRE(err.text[0] != '\0' && !first.pixels);
        return 0;
    }
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
