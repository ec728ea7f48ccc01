/* Every allocation of the lists of pictures, their decoding, their way into a network's input and
 * the search for boxes may fail: they say so, give back what they have (AddressSanitizer looks),
 * and work once there is memory. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "darknet_backend/network/dkb_network.h"
#include "tests/support/ll_fail_alloc.h"
#include "tests/support/ll_test.h"
#include "vision/vision_boxes.h"
#include "vision/vision_decode.h"
#include "vision/vision_fit.h"
#include "vision/vision_paths.h"

const char *const ll_test_suite = "vision_fail_alloc";

enum { MOST_ALLOCATIONS = 200 };

/* Detectors with every kind of list. */
static const char cfg[] = "[net]\nwidth=2\nheight=2\nchannels=14\n"
                          "[yolo]\nclasses=2\nnum=3\nmask=0,1\nanchors=1,2\n"
                          "[region]\nclasses=2\nnum=2\n[yolo]\nclasses=2\nnum=2\n";

static void test_boxes_survive_lack_of_memory(void)
{
    struct ll_network *network = NULL;
    CU_ASSERT_EQUAL_FATAL(dkb_network_parse(cfg, sizeof(cfg) - 1, &network, NULL), LL_OK);
    const struct vision_boxes_config config = {.placement = vision_placement_whole(2, 2)};
    for (int count = 0; count < MOST_ALLOCATIONS; count++) {
        struct vision_boxes *boxes = NULL;
        struct ll_error err = {.text = ""};
        ll_fail_alloc_after(count);
        ll_status status = vision_boxes_create(network, &config, &boxes, &err);
        if (!ll_fail_alloc_finish()) {
            CU_ASSERT_EQUAL(status, LL_OK);
            CU_ASSERT(count > 4);
            vision_boxes_destroy(boxes);
            ll_network_unref(network);
            return;
        }
        CU_ASSERT_EQUAL(status, LL_E_NO_MEMORY);
        CU_ASSERT_PTR_NULL(boxes);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "out of memory"));
    }
    CU_FAIL("more allocations than expected");
}

/* 2 x 1 pixels, lying: a BMP file. */
static const unsigned char bmp[] = {'B', 'M', 62, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0,  0, 40, 0,
                                    0,   0,   2,  0, 0, 0, 1, 0, 0, 0, 1,  0, 24, 0, 0,  0,
                                    0,   0,   8,  0, 0, 0, 0, 0, 0, 0, 0,  0, 0,  0, 0,  0,
                                    0,   0,   0,  0, 0, 0, 1, 2, 3, 4, 5,  6, 0,  0};

static void test_pictures_survive_lack_of_memory(void)
{
    char path[4096];
    const char *folder = ll_test_folder();
    snprintf(path, sizeof(path), "%s/p.bmp", folder);
    ll_test_write_file(path, bmp, sizeof(bmp));
    for (int count = 0; count < MOST_ALLOCATIONS; count++) {
        struct vision_paths pictures = {0};
        struct vision_picture picture = {0};
        ll_fail_alloc_after(count);
        ll_status status = vision_paths_add(&pictures, path, NULL);
        if (status == LL_OK) {
            status = vision_paths_add(&pictures, folder, NULL);
        }
        if (status == LL_OK) {
            status = vision_decode_file(pictures.list[1].path, &picture, NULL);
        }
        bool has_failed = ll_fail_alloc_finish();
        vision_paths_finish(&pictures);
        if (!has_failed) {
            CU_ASSERT_EQUAL(status, LL_OK);
            CU_ASSERT(count >= 3 && picture.w == 2 && picture.pixels[0] == 3);
            vision_picture_finish(&picture);
            return;
        }
        CU_ASSERT_EQUAL(status, LL_E_NO_MEMORY);
        CU_ASSERT_PTR_NULL(picture.pixels);
    }
    CU_FAIL("more allocations than expected");
}

/* Fits a picture until there is memory enough; returns how many allocations that takes. */
static int fit_until_it_works(const struct vision_picture *picture,
                              const struct vision_fit_target *target)
{
    for (int count = 0; count < MOST_ALLOCATIONS; count++) {
        struct vision_placement placement = {0};
        struct ll_error err = {.text = ""};
        float *data = NULL;
        ll_fail_alloc_after(count);
        ll_status status = vision_fit_picture(picture, target, &data, &placement, &err);
        if (!ll_fail_alloc_finish()) {
            CU_ASSERT_EQUAL(status, LL_OK);
            CU_ASSERT(data && placement.net_w == target->w);
            free(data);
            return count;
        }
        CU_ASSERT_EQUAL(status, LL_E_NO_MEMORY);
        CU_ASSERT(!data && placement.net_w == 0);
        CU_ASSERT_NOT_EQUAL(err.text[0], '\0');
    }
    return MOST_ALLOCATIONS;
}

static void test_fit_survives_lack_of_memory(void)
{
    static uint8_t pixels[3 * 6 * 4];
    static const struct vision_picture picture = {.w = 6, .h = 4, .channels = 3, .pixels = pixels};
    static const struct {
        struct vision_fit_target target;
        int allocations;
    } cases[] = {
        {{3, 8, 8, VISION_FIT_LETTERBOX}, 2},
        {{1, 8, 8, VISION_FIT_LETTERBOX}, 3},
        {{3, 8, 8, VISION_FIT_STRETCH}, 2},
        {{3, 8, 8, VISION_FIT_CROP}, 9},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CU_ASSERT_EQUAL(fit_until_it_works(&picture, &cases[i].target), cases[i].allocations);
    }
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_boxes_survive_lack_of_memory),
    LL_TEST(test_pictures_survive_lack_of_memory),
    LL_TEST(test_fit_survives_lack_of_memory),
    {NULL, NULL},
};
