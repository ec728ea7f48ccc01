/* Boxes against those that Darknet's get_network_boxes and do_nms_sort find in the same outputs,
 * bit for bit; where they lie in the picture; values that no network should give. */
#include "vision/vision_boxes.h"

#include <darknet.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "darknet_backend/network/dkb_network.h"
#include "tests/support/ll_test.h"

/* Darknet's, in no header. */
void correct_yolo_boxes(detection *dets, int n, int w, int h, int netw, int neth, int relative);

/* LeakSanitizer asks this: Darknet's parser keeps some of its memory. */
/* NOLINTNEXTLINE(readability-identifier-naming) */
const char *__lsan_default_suppressions(void);
/* NOLINTNEXTLINE(readability-identifier-naming) */
const char *__lsan_default_suppressions(void)
{
    return "leak:parse_network_cfg";
}

/* ---- Networks ---- */

/* As yolov3-tiny: two maps of different sizes, masks of six anchors. */
static const char yolov3_cfg[] =
    "[net]\nwidth=128\nheight=96\nchannels=3\n"
    "[conv]\nfilters=8\nsize=3\nstride=16\npad=1\n"
    "[conv]\nfilters=24\nstride=1\nactivation=linear\n[maxpool]\nsize=2\nstride=2\n"
    "[yolo]\nmask=3,4,5\nanchors=10,14, 23,27, 37,58, 81,82, 135,169, 344,319\nclasses=3\nnum=6\n"
    "[route]\nlayers=1\n[conv]\nfilters=24\nactivation=linear\n"
    "[yolo]\nmask=0,1,2\nanchors=10,14, 23,27, 37,58, 81,82, 135,169, 344,319\nclasses=3\nnum=6\n";

/* As yolov2-tiny-voc, and what its kind of layer has beside. */
#define REGION_CFG(filters, more)                                                                  \
    "[net]\nwidth=160\nheight=160\nchannels=3\n[conv]\nfilters=" filters                           \
    "\nstride=32\nactivation=linear\n[region]\nanchors=1.08,1.19, 3.42,4.41, 6.63,11.38, "         \
    "9.42,5.11, 16.62,10.52\nclasses=4\nnum=5\n" more
static const char region_cfg[] = REGION_CFG("45", "coords=4\nbias_match=1\nsoftmax=1\n");
static const char region_logistic_cfg[] = REGION_CFG("45", "");
static const char region_background_cfg[] = REGION_CFG("45", "background=1\nsoftmax=1\n");
static const char region_coords_cfg[] = REGION_CFG("55", "coords=6\nsoftmax=1\n");

/* As yolov1-tiny. */
#define DETECTION_CFG(more)                                                                        \
    "[net]\nwidth=56\nheight=56\nchannels=3\n[conv]\nfilters=2\nstride=8\n"                        \
    "[connected]\noutput=637\nactivation=linear\n"                                                 \
    "[detection]\nclasses=3\ncoords=4\nrescore=1\nside=7\nnum=2\n" more
static const char detection_cfg[] = DETECTION_CFG("softmax=0\nsqrt=1\n");
static const char detection_plain_cfg[] = DETECTION_CFG("softmax=1\n");

static struct ll_network *parse(const char *text)
{
    struct ll_network *network = NULL;
    struct ll_error err = {.text = ""};
    if (dkb_network_parse(text, strlen(text), &network, &err) != LL_OK) {
        fprintf(stderr, "%s\n-> %s\n", text, err.text);
        CU_FAIL_FATAL("the test's cfg was refused");
    }
    return network;
}

static struct vision_boxes *new_boxes(struct ll_network *network,
                                      const struct vision_placement *placement, float thresh,
                                      float nms)
{
    const struct vision_boxes_config config = {
        .thresh = thresh, .nms = nms, .placement = *placement};
    struct vision_boxes *boxes = NULL;
    struct ll_error err = {.text = ""};
    if (vision_boxes_create(network, &config, &boxes, &err) != LL_OK) {
        CU_FAIL_FATAL("no boxes");
    }
    return boxes;
}

static struct vision_placement new_frame(const struct ll_network *network, int w, int h,
                                         vision_fit fit)
{
    struct vision_placement placement = {
        .picture_w = w,
        .picture_h = h,
        .net_w = network->table.in_w,
        .net_h = network->table.in_h,
    };
    CU_ASSERT_EQUAL_FATAL(vision_placement_fit(&placement, fit, NULL), LL_OK);
    return placement;
}

static float next_random(uint32_t *state, float most)
{
    *state = *state * 1664525U + 1013904223U;
    return most * ((float)(*state >> 8) / 8388608.0F - 1);
}

/* ---- Against Darknet ---- */

static network *parse_stock(const char *text)
{
    static char path[4096];
    snprintf(path, sizeof(path), "%s/net.cfg", ll_test_folder());
    FILE *file = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_FATAL(fputs(text, file) >= 0);
    CU_ASSERT_EQUAL_FATAL(fclose(file), 0);
    return parse_network_cfg(path);
}

static bool is_detector(const layer *l)
{
    return l->type == YOLO || l->type == REGION || l->type == DETECTION;
}

static float *allocate(size_t floats)
{
    float *values = calloc(floats + 1, sizeof(*values));
    CU_ASSERT_PTR_NOT_NULL_FATAL(values);
    return values;
}

/* Lets every detector layer of stock see random values. The caller frees the outputs, one behind
 * the other. */
static float *forward_stock(network *stock, uint32_t seed)
{
    size_t floats = 0;
    for (int i = 0; i < stock->n; i++) {
        floats += is_detector(&stock->layers[i]) ? (size_t)stock->layers[i].outputs : 0;
    }
    float *outputs = allocate(floats);
    float *input = allocate(floats);
    float *at = outputs;
    for (int i = 0; i < stock->n; i++) {
        layer l = stock->layers[i];
        for (int j = 0; is_detector(&l) && j < l.outputs; j++) {
            /* Detection layers pass on what comes in. */
            input[j] = next_random(&seed, l.type == DETECTION ? 1 : 3);
        }
        if (is_detector(&l)) {
            network net = *stock;
            net.input = input;
            net.train = 0;
            l.forward(l, net);
            memcpy(at, l.output, (size_t)l.outputs * sizeof(*at));
            at += l.outputs;
        }
    }
    free(input);
    return outputs;
}

static int by_p_and_corner(const void *left, const void *right)
{
    const struct vision_box *a = left;
    const struct vision_box *b = right;
    if (a->p != b->p) {
        return a->p > b->p ? -1 : 1;
    }
    return a->class_index != b->class_index ? a->class_index - b->class_index
                                            : (a->left > b->left) - (a->left < b->left);
}

static float clip(double value, int most)
{
    return (float)fmin(fmax(value, 0), most);
}

/* What stock finds, in the form that ours has; the caller frees. */
static struct vision_box *find_stock(network *stock, const struct vision_placement *placement,
                                     float thresh, float nms, int *out_count)
{
    const layer *last = &stock->layers[stock->n - 1];
    bool is_detection = last->type == DETECTION;
    int w = is_detection ? 1 : placement->picture_w;
    int h = is_detection ? 1 : placement->picture_h;
    int count = 0;
    detection *dets = get_network_boxes(stock, w, h, thresh, .5F, NULL, 1, &count);
    if (is_detection) {
        correct_yolo_boxes(dets, count, placement->picture_w, placement->picture_h, stock->w,
                           stock->h, 1);
    }
    do_nms_sort(dets, count, last->classes, nms);
    struct vision_box *found = calloc((size_t)count * (size_t)last->classes + 1, sizeof(*found));
    CU_ASSERT_PTR_NOT_NULL_FATAL(found);
    *out_count = 0;
    for (int i = 0; i < count; i++) {
        box b = dets[i].bbox;
        for (int j = 0; j < last->classes; j++) {
            struct vision_box one = {
                .class_index = j,
                .p = dets[i].prob[j],
                .left = clip((b.x - b.w / 2.) * placement->picture_w, placement->picture_w),
                .top = clip((b.y - b.h / 2.) * placement->picture_h, placement->picture_h),
                .right = clip((b.x + b.w / 2.) * placement->picture_w, placement->picture_w),
                .bottom = clip((b.y + b.h / 2.) * placement->picture_h, placement->picture_h),
            };
            if (one.p > 0 && one.right > one.left && one.bottom > one.top) {
                found[(*out_count)++] = one;
            }
        }
    }
    free_detections(dets, count);
    qsort(found, (size_t)*out_count, sizeof(*found), by_p_and_corner);
    return found;
}

static bool is_same(const struct vision_box *a, const struct vision_box *b)
{
    return a->class_index == b->class_index && a->p == b->p && a->left == b->left &&
           a->top == b->top && a->right == b->right && a->bottom == b->bottom;
}

/* Returns how many boxes both have. */
static int compare(network *stock, struct ll_network *ours,
                   const struct vision_placement *placement, const float *outputs, float thresh,
                   float nms)
{
    int expected_count = 0;
    struct vision_box *expected = find_stock(stock, placement, thresh, nms, &expected_count);
    struct vision_boxes *boxes = new_boxes(ours, placement, thresh, nms);
    const struct vision_box *found = NULL;
    int count = vision_boxes_find(boxes, outputs, &found);
    CU_ASSERT_EQUAL_FATAL(count, expected_count);
    for (int i = 0; i < count; i++) {
        CU_ASSERT(is_same(&found[i], &expected[i]));
    }
    vision_boxes_destroy(boxes);
    free(expected);
    return count;
}

static void compare_cfg(const char *cfg)
{
    /* The network's own shape, wide, tall, larger, and odd bars. */
    static const int sizes[][2] = {{128, 96},   {768, 576}, {50, 301},
                                   {1280, 720}, {77, 63},   {500, 500}};
    static const float threshs[] = {0, .24F, .5F};
    struct ll_network *ours = parse(cfg);
    network *stock = parse_stock(cfg);
    int most = 0;
    int suppressed = 0;
    for (uint32_t seed = 1; seed <= 4; seed++) {
        float *outputs = forward_stock(stock, seed);
        for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
            struct vision_placement placement =
                new_frame(ours, sizes[s][0], sizes[s][1], VISION_FIT_LETTERBOX);
            for (size_t t = 0; t < sizeof(threshs) / sizeof(threshs[0]); t++) {
                int all = compare(stock, ours, &placement, outputs, threshs[t], 1);
                int some = compare(stock, ours, &placement, outputs, threshs[t], .45F);
                most = all > most ? all : most;
                suppressed += all - some;
            }
        }
        free(outputs);
    }
    CU_ASSERT(most > 50);
    CU_ASSERT(suppressed > 50);
    ll_network_unref(ours);
    free_network(stock);
}

static void test_yolo_is_stocks(void)
{
    compare_cfg(yolov3_cfg);
}

static void test_region_is_stocks(void)
{
    compare_cfg(region_cfg);
    compare_cfg(region_logistic_cfg);
    compare_cfg(region_background_cfg);
    compare_cfg(region_coords_cfg);
}

static void test_detection_is_stocks(void)
{
    compare_cfg(detection_cfg);
    compare_cfg(detection_plain_cfg);
}

/* ---- Where boxes lie ---- */

/* The outputs of a yolo layer that sees the given box, in pixels of the network's input, with its
 * third anchor, as class 1 with probability .9. */
static float *outputs_with_box(const struct ll_network *network, double left, double top,
                               double right, double bottom)
{
    const struct ll_layer_params *layers = network->layers;
    const struct ll_layer_params *first = &layers[3];
    const struct ll_layer_params *layer = &layers[6];
    float *outputs = allocate((size_t)first->outputs + (size_t)layer->outputs);
    double x = (left + right) / 2 / network->table.in_w * layer->w;
    double y = (top + bottom) / 2 / network->table.in_h * layer->h;
    ptrdiff_t area = (ptrdiff_t)layer->w * layer->h;
    float *at = outputs + first->outputs + 16 * area + (ptrdiff_t)y * layer->w + (ptrdiff_t)x;
    at[0] = (float)(x - (int)x);
    at[area] = (float)(y - (int)y);
    at[2 * area] = (float)log((right - left) / 37);
    at[3 * area] = (float)log((bottom - top) / 58);
    at[4 * area] = 1;
    at[6 * area] = .9F;
    return outputs;
}

static void check_lands(vision_fit fit, int w, int h)
{
    static const double box[4] = {.4, .3, .55, .6};
    struct ll_network *network = parse(yolov3_cfg);
    struct vision_placement placement = new_frame(network, w, h, fit);
    float *outputs = outputs_with_box(network, placement.left + box[0] * placement.scaled_w,
                                      placement.top + box[1] * placement.scaled_h,
                                      placement.left + box[2] * placement.scaled_w,
                                      placement.top + box[3] * placement.scaled_h);
    struct vision_boxes *boxes = new_boxes(network, &placement, .5F, .45F);
    const struct vision_box *found = NULL;
    CU_ASSERT_EQUAL_FATAL(vision_boxes_find(boxes, outputs, &found), 1);
    CU_ASSERT_EQUAL(found->class_index, 1);
    CU_ASSERT_STRING_EQUAL(found->label, "1");
    CU_ASSERT_EQUAL(found->p, .9F);
    CU_ASSERT_DOUBLE_EQUAL(found->left, box[0] * w, .01);
    CU_ASSERT_DOUBLE_EQUAL(found->top, box[1] * h, .01);
    CU_ASSERT_DOUBLE_EQUAL(found->right, box[2] * w, .01);
    CU_ASSERT_DOUBLE_EQUAL(found->bottom, box[3] * h, .01);
    vision_boxes_destroy(boxes);
    free(outputs);
    ll_network_unref(network);
}

static void test_boxes_come_back_from_the_frame(void)
{
    static const int sizes[][2] = {{128, 96}, {768, 576}, {1280, 720}, {300, 400}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        check_lands(VISION_FIT_LETTERBOX, sizes[i][0], sizes[i][1]);
        check_lands(VISION_FIT_CROP, sizes[i][0], sizes[i][1]);
    }
}

static void test_boxes_are_cut_off_at_the_borders(void)
{
    struct ll_network *network = parse(yolov3_cfg);
    struct vision_placement placement = vision_placement_whole(128, 96);
    struct vision_boxes *boxes = new_boxes(network, &placement, .5F, .45F);
    const struct vision_box *found = NULL;
    float *outputs = outputs_with_box(network, -20, 10, 40, 150);
    CU_ASSERT_EQUAL_FATAL(vision_boxes_find(boxes, outputs, &found), 1);
    CU_ASSERT_EQUAL(found->left, 0);
    CU_ASSERT_DOUBLE_EQUAL(found->top, 10, .001);
    CU_ASSERT_DOUBLE_EQUAL(found->right, 40, .001);
    CU_ASSERT_EQUAL(found->bottom, 96);
    free(outputs);
    vision_boxes_destroy(boxes);

    /* A wide picture's letterbox has bars: what lies in one is not in the picture. */
    placement = new_frame(network, 1280, 240, VISION_FIT_LETTERBOX);
    boxes = new_boxes(network, &placement, .5F, .45F);
    outputs = outputs_with_box(network, 30, 2, 60, 30);
    CU_ASSERT_EQUAL(vision_boxes_find(boxes, outputs, &found), 0);
    free(outputs);
    vision_boxes_destroy(boxes);
    ll_network_unref(network);
}

static void test_labels(void)
{
    const char *names[] = {"cat", "dog", "bird"};
    struct vision_labels labels = {.count = 3, .names = names};
    struct ll_network *network = parse(yolov3_cfg);
    struct vision_boxes_config config = {.thresh = .5F,
                                         .nms = .45F,
                                         .placement = vision_placement_whole(128, 96),
                                         .labels = &labels};
    struct vision_boxes *boxes = NULL;
    CU_ASSERT_EQUAL_FATAL(vision_boxes_create(network, &config, &boxes, NULL), LL_OK);
    const struct vision_box *found = NULL;
    float *outputs = outputs_with_box(network, 10, 10, 40, 40);
    CU_ASSERT_EQUAL_FATAL(vision_boxes_find(boxes, outputs, &found), 1);
    CU_ASSERT_STRING_EQUAL(found->label, "dog");
    labels.count = 2;
    CU_ASSERT_EQUAL_FATAL(vision_boxes_find(boxes, outputs, &found), 1);
    CU_ASSERT_STRING_EQUAL(found->label, "1");
    free(outputs);
    vision_boxes_destroy(boxes);
    ll_network_unref(network);
}

/* ---- Equal, many, hostile ---- */

/* Two boxes of the same place, size and probability: the first stays, whatever else is there. */
static void test_equals_keep_their_order(void)
{
    struct ll_network *network = parse(yolov3_cfg);
    struct vision_placement placement = vision_placement_whole(128, 96);
    const struct ll_layer_params *layer = &network->layers[6];
    struct vision_boxes *boxes = new_boxes(network, &placement, .5F, .2F);
    float *outputs = outputs_with_box(network, 32, 32, 63, 63);
    ptrdiff_t area = (ptrdiff_t)layer->w * layer->h;
    float *anchors = outputs + network->layers[3].outputs;
    for (ptrdiff_t i = 0; i < 8 * area; i++) {
        /* The second anchor sees the same, a little smaller. */
        anchors[8 * area + i] = anchors[16 * area + i];
    }
    const struct vision_box *found = NULL;
    CU_ASSERT_EQUAL_FATAL(vision_boxes_find(boxes, outputs, &found), 1);
    CU_ASSERT_DOUBLE_EQUAL(found->right - found->left, 31 * 23 / 37., .01);
    free(outputs);
    vision_boxes_destroy(boxes);
    ll_network_unref(network);
}

/* One cell each, far more than are kept. */
static const char many_cfg[] =
    "[net]\nwidth=128\nheight=128\nchannels=3\n"
    "[conv]\nfilters=18\nsize=1\n[yolo]\nanchors=1,1,2,2\nnum=2\nclasses=4\n";

static void test_only_the_most_probable_come_into_question(void)
{
    struct ll_network *network = parse(many_cfg);
    struct vision_placement placement = vision_placement_whole(128, 128);
    struct vision_boxes *boxes = new_boxes(network, &placement, .5F, 1);
    const ptrdiff_t area = (ptrdiff_t)128 * 128;
    const ptrdiff_t floats = 18 * area;
    float *outputs = allocate((size_t)floats);
    uint32_t state = 1;
    for (ptrdiff_t i = 0; i < area; i++) {
        for (int n = 0; n < 2; n++) {
            float *at = outputs + 9 * area * n + i;
            at[4 * area] = 1;
            for (int j = 0; j < 4; j++) {
                at[(5 + j) * area] = .75F + next_random(&state, .25F);
            }
        }
    }
    const struct vision_box *found = NULL;
    CU_ASSERT_EQUAL_FATAL(vision_boxes_find(boxes, outputs, &found), VISION_BOXES_MOST);
    /* 8192 of 131072 that are evenly spread from .5 to 1. */
    CU_ASSERT_DOUBLE_EQUAL(found[VISION_BOXES_MOST - 1].p, 1 - .5 / 16, .002);
    int above = 0;
    for (ptrdiff_t i = 0; i < floats; i++) {
        bool is_class = i / area % 9 > 4;
        above += is_class && outputs[i] >= found[VISION_BOXES_MOST - 1].p;
    }
    CU_ASSERT(above >= VISION_BOXES_MOST && above < VISION_BOXES_MOST + 8);
    for (int i = 1; i < VISION_BOXES_MOST; i++) {
        CU_ASSERT(found[i].p <= found[i - 1].p);
    }
    /* All alike: the first in the outputs. */
    for (ptrdiff_t i = 0; i < floats; i++) {
        outputs[i] = i / area % 9 > 3 ? 1 : 0;
    }
    CU_ASSERT_EQUAL_FATAL(vision_boxes_find(boxes, outputs, &found), VISION_BOXES_MOST);
    CU_ASSERT(found[VISION_BOXES_MOST - 1].bottom < 10);
    free(outputs);
    vision_boxes_destroy(boxes);
    ll_network_unref(network);
}

static void check_sane(const struct vision_box *found, int count,
                       const struct vision_placement *placement)
{
    CU_ASSERT(count <= VISION_BOXES_MOST);
    for (int i = 0; i < count; i++) {
        const struct vision_box *one = &found[i];
        CU_ASSERT(one->p > 0 && (i == 0 || one->p <= found[i - 1].p));
        CU_ASSERT(one->left >= 0 && one->left < one->right &&
                  one->right <= (float)placement->picture_w);
        CU_ASSERT(one->top >= 0 && one->top < one->bottom &&
                  one->bottom <= (float)placement->picture_h);
    }
}

static void check_hostile(const char *cfg)
{
    static const float values[] = {NAN,          INFINITY, -INFINITY, FLT_MAX, -FLT_MAX, 0,
                                   FLT_TRUE_MIN, 1,        -1,        88,      1e30F,    .7F};
    enum { VALUES = sizeof(values) / sizeof(values[0]) };
    struct ll_network *network = parse(cfg);
    struct vision_placement placement = new_frame(network, 640, 480, VISION_FIT_CROP);
    struct vision_boxes *boxes = new_boxes(network, &placement, 0, .45F);
    struct ll_names names = {0};
    CU_ASSERT_EQUAL_FATAL(ll_table_network_outputs(&network->table, &names), LL_OK);
    size_t bytes = (size_t)ll_names_bytes(&network->table, &names);
    size_t floats = bytes / sizeof(float);
    float *outputs = allocate(floats);
    float *before = allocate(floats);
    for (uint32_t seed = 0; seed < 3 * VALUES; seed++) {
        uint32_t state = seed;
        for (size_t i = 0; i < floats; i++) {
            (void)next_random(&state, 1);
            /* One value everywhere, then any mixture, then any bits. */
            outputs[i] = seed < VALUES ? values[seed] : values[(state >> 16) % VALUES];
            if (seed >= 2 * VALUES) {
                memcpy(&outputs[i], &state, sizeof(state));
            }
        }
        memcpy(before, outputs, bytes);
        const struct vision_box *found = NULL;
        int count = vision_boxes_find(boxes, outputs, &found);
        check_sane(found, count, &placement);
        CU_ASSERT_EQUAL(memcmp(before, outputs, bytes), 0);
    }
    free(before);
    free(outputs);
    ll_names_finish(&names);
    vision_boxes_destroy(boxes);
    ll_network_unref(network);
}

static void test_any_values_are_harmless(void)
{
    check_hostile(yolov3_cfg);
    check_hostile(region_cfg);
    check_hostile(region_background_cfg);
    check_hostile(detection_cfg);
    check_hostile(detection_plain_cfg);
}

/* ---- Networks without boxes ---- */

static void check_refused(const char *cfg, const char *word)
{
    struct ll_network *network = parse(cfg);
    const struct vision_boxes_config config = {
        .placement = vision_placement_whole(network->table.in_w, network->table.in_h)};
    struct vision_boxes *boxes = NULL;
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(vision_boxes_create(network, &config, &boxes, &err), LL_E_UNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, word));
    CU_ASSERT_PTR_NULL(boxes);
    ll_network_unref(network);
}

static void test_networks_without_boxes(void)
{
    check_refused("[net]\nwidth=4\nheight=4\nchannels=3\n[conv]\nfilters=2\n[softmax]\n",
                  "no yolo, region or detection layer");
    check_refused("[net]\nwidth=4\nheight=4\nchannels=3\n[conv]\nfilters=6\n[region]\ncoords=2\n"
                  "classes=3\n",
                  "layer 1 (region, cfg line 7) has 2 coordinates");
    check_refused("[net]\nwidth=4\nheight=4\nchannels=3\n[conn]\noutput=54\n[detection]\nside=3\n"
                  "coords=5\nclasses=0\n",
                  "layer 1 (detection, cfg line 7) has 5 coordinates");
    check_refused("[net]\ninputs=5\n[conn]\noutput=6\n[conv]\nfilters=6\n[yolo]\nclasses=1\n",
                  "no width and height");
}

const char *const ll_test_suite = "vision_boxes";
const struct ll_test ll_tests[] = {
    LL_TEST(test_yolo_is_stocks),
    LL_TEST(test_region_is_stocks),
    LL_TEST(test_detection_is_stocks),
    LL_TEST(test_boxes_come_back_from_the_frame),
    LL_TEST(test_boxes_are_cut_off_at_the_borders),
    LL_TEST(test_labels),
    LL_TEST(test_equals_keep_their_order),
    LL_TEST(test_only_the_most_probable_come_into_question),
    LL_TEST(test_any_values_are_harmless),
    LL_TEST(test_networks_without_boxes),
    {NULL, NULL},
};
