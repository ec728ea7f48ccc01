/* Any values as the outputs of a detector. The input: a byte each for the network, the fit,
 * --thresh and --nms, then floats; what is missing is 0. The oracle: the outputs are as they were,
 * boxes have an area within the picture and are above the threshold, the most probable first; each
 * class's do not overlap by more than they may, but for those that were cut off at the borders or
 * are too thin to compute with. */
#include "vision/vision_boxes.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "darknet_backend/network/dkb_network.h"
#include "tests/fuzz/ll_fuzz.h"

#define DETECTION                                                                                  \
    "[net]\nwidth=12\nheight=1\nchannels=4\n[detection]\nside=2\nnum=2\ncoords=4\nclasses=2\n"
static const char yolo[] = "[net]\nwidth=4\nheight=2\nchannels=14\n"
                           "[yolo]\nnum=3\nmask=2,0\nclasses=2\nanchors=1,1,2,2,4,1\n"
                           "[conv]\nfilters=7\nsize=2\nstride=2\n[yolo]\nclasses=2\n";
static const char region[] = "[net]\nwidth=3\nheight=3\nchannels=16\n"
                             "[region]\nnum=2\nclasses=3\nsoftmax=1\n";
static const char background[] = "[net]\nwidth=2\nheight=2\nchannels=8\n"
                                 "[region]\nclasses=2\ncoords=5\nbackground=1\n";
static const char plain[] = DETECTION;
static const char square_roots[] = DETECTION "sqrt=1\n";
static const char *const cfgs[] = {yolo, region, background, plain, square_roots};
enum { CFGS = sizeof(cfgs) / sizeof(cfgs[0]), HEAD = 4, PICTURE_W = 64, PICTURE_H = 48 };

static bool is_inside(const struct vision_box *a)
{
    return a->left > 0 && a->top > 0 && a->right < PICTURE_W && a->bottom < PICTURE_H &&
           a->right - a->left > 1 && a->bottom - a->top > 1;
}

static float iou(const struct vision_box *a, const struct vision_box *b)
{
    float w = (a->right < b->right ? a->right : b->right) - (a->left > b->left ? a->left : b->left);
    float h = (a->bottom < b->bottom ? a->bottom : b->bottom) - (a->top > b->top ? a->top : b->top);
    float both = w > 0 && h > 0 ? w * h : 0;
    return both / ((a->right - a->left) * (a->bottom - a->top) +
                   (b->right - b->left) * (b->bottom - b->top) - both);
}

static void check_one(const struct vision_box *a, const struct vision_boxes_config *config)
{
    REQUIRE(a->p > config->thresh);
    REQUIRE(a->class_index >= 0 && a->class_index < 3 && strlen(a->label) == 1);
    REQUIRE(a->left >= 0 && a->left < a->right && a->right <= PICTURE_W);
    REQUIRE(a->top >= 0 && a->top < a->bottom && a->bottom <= PICTURE_H);
}

/* `a` stands before `b`. */
static void check_two(const struct vision_box *a, const struct vision_box *b,
                      const struct vision_boxes_config *config)
{
    REQUIRE(a->p >= b->p);
    bool is_comparable = a->class_index == b->class_index && is_inside(a) && is_inside(b);
    REQUIRE(!is_comparable || iou(a, b) <= config->nms + .01F);
}

static void search(struct ll_network *network, const struct vision_boxes_config *config,
                   const uint8_t *data, size_t size)
{
    struct ll_names names = {0};
    struct vision_boxes *boxes = NULL;
    REQUIRE(ll_table_network_outputs(&network->table, &names) == LL_OK);
    size_t bytes = (size_t)ll_names_bytes(&network->table, &names);
    float *outputs = calloc(1, bytes);
    float *before = calloc(1, bytes);
    REQUIRE(outputs && before);
    memcpy(outputs, data, size < bytes ? size : bytes);
    memcpy(before, outputs, bytes);
    REQUIRE(vision_boxes_create(network, config, &boxes, NULL) == LL_OK);
    const struct vision_box *found = NULL;
    int count = vision_boxes_find(boxes, outputs, &found);
    REQUIRE(memcmp(outputs, before, bytes) == 0);
    for (int i = 0; i < count; i++) {
        check_one(&found[i], config);
        for (int j = 0; j < i; j++) {
            check_two(&found[j], &found[i], config);
        }
    }
    vision_boxes_destroy(boxes);
    ll_names_finish(&names);
    free(before);
    free(outputs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD) {
        return 0;
    }
    const char *cfg = cfgs[data[0] % CFGS];
    struct ll_network *network = NULL;
    struct ll_error err = {.text = ""};
    REQUIRE(dkb_network_parse(cfg, strlen(cfg), &network, &err) == LL_OK);
    struct vision_boxes_config config = {
        .thresh = (float)data[2] / 255,
        .nms = (float)data[3] / 255,
        .placement = {.picture_w = PICTURE_W,
                      .picture_h = PICTURE_H,
                      .net_w = network->table.in_w,
                      .net_h = network->table.in_h},
    };
    vision_fit fit = data[1] & 1 ? VISION_FIT_CROP : VISION_FIT_LETTERBOX;
    /* Nothing is left of the picture in an input of one row. */
    if (vision_placement_fit(&config.placement, fit, NULL) != LL_OK) {
        config.placement.scaled_w = config.placement.net_w;
        config.placement.scaled_h = config.placement.net_h;
    }
    search(network, &config, data + HEAD, size - HEAD);
    ll_network_unref(network);
    return 0;
}
