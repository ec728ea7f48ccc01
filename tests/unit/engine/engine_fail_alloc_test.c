/* Every allocation of the parser, the slicer, the loader, the search for boxes
 * and of pictures may fail: they
 * say so, give back what they have (AddressSanitizer looks), and work once there is memory. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "darknet_backend/network/dkb_model_file.h"
#include "darknet_backend/network/dkb_network.h"
#include "tests/support/ll_fail_alloc.h"
#include "tests/support/ll_test.h"
#include "vision/vision_boxes.h"
#include "vision/vision_decode.h"
#include "vision/vision_paths.h"

/* Every kind of list that a layer owns. */
static const char cfg_text[] =
    "[net]\nwidth=2\nheight=2\nchannels=14\n[conv]\nfilters=14\nflipped=1\n"
    "[yolo]\nclasses=2\nnum=3\nmask=0,1\nanchors=1,2\n[region]\nclasses=2\nnum=2\n"
    "[yolo]\nclasses=2\nnum=2\n[route]\nlayers=0,-1\n[conn]\noutput=1\n";
enum { MODEL_FLOATS = 14 + 196 + 1 + 112, MOST_ALLOCATIONS = 200 };

static ll_status parse(struct ll_network **out_network)
{
    struct ll_error err = {.text = ""};
    ll_status status = dkb_network_parse(cfg_text, sizeof(cfg_text) - 1, out_network, &err);
    CU_ASSERT_EQUAL(err.text[0] == '\0', status == LL_OK);
    return status;
}

static void test_parse_survives_lack_of_memory(void)
{
    for (int count = 0; count < MOST_ALLOCATIONS; count++) {
        struct ll_network *network = NULL;
        ll_fail_alloc_after(count);
        ll_status status = parse(&network);
        if (!ll_fail_alloc_finish()) {
            CU_ASSERT_EQUAL(status, LL_OK);
            CU_ASSERT(count > 20);
            ll_network_unref(network);
            return;
        }
        CU_ASSERT_EQUAL(status, LL_E_NO_MEMORY);
        CU_ASSERT_PTR_NULL(network);
    }
    CU_FAIL("more allocations than expected");
}

static void write_file(const char *path, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL_FATAL(fwrite(data, 1, bytes, file), bytes);
    CU_ASSERT_EQUAL_FATAL(fclose(file), 0);
}

static void test_load_survives_lack_of_memory(void)
{
    static const float weights[5 + MODEL_FLOATS];
    char cfg[4096];
    char path[4096];
    const char *folder = ll_test_folder();
    snprintf(cfg, sizeof(cfg), "%s/m.cfg", folder);
    snprintf(path, sizeof(path), "%s/m.weights", folder);
    write_file(cfg, cfg_text, sizeof(cfg_text) - 1);
    /* Version 0.0: a header of 16 bytes. */
    write_file(path, weights, sizeof(weights) - sizeof(float));
    for (int count = 0; count < MOST_ALLOCATIONS; count++) {
        struct dkb_model_file model = {0};
        struct ll_error err = {.text = ""};
        ll_fail_alloc_after(count);
        ll_status status = dkb_model_file_load(cfg, path, &model, &err);
        if (!ll_fail_alloc_finish()) {
            CU_ASSERT_EQUAL(status, LL_OK);
            CU_ASSERT(count > 30);
            dkb_model_file_finish(&model);
            return;
        }
        CU_ASSERT_EQUAL(status, LL_E_NO_MEMORY);
        CU_ASSERT_PTR_NULL(model.network);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "out of memory"));
    }
    CU_FAIL("more allocations than expected");
}

static void test_boxes_survive_lack_of_memory(void)
{
    struct ll_network *network = NULL;
    CU_ASSERT_EQUAL_FATAL(parse(&network), LL_OK);
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

const char *const ll_test_suite = "dkb_memory";
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
    write_file(path, bmp, sizeof(bmp));
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

const struct ll_test ll_tests[] = {
    LL_TEST(test_parse_survives_lack_of_memory),
    LL_TEST(test_load_survives_lack_of_memory),
    LL_TEST(test_boxes_survive_lack_of_memory),
    LL_TEST(test_pictures_survive_lack_of_memory),
    {NULL, NULL},
};
