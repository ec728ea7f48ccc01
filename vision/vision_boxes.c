/* A search goes through the places of each detector layer in Darknet's order: cell by cell, anchor
 * by anchor. Each place holds a box, an objectness and the classes' probabilities; what is probable
 * enough becomes a candidate, in parts of the picture. The candidates that remain after suppression
 * are told in pixels. The formulas keep Darknet's types and order, so that the bits are the same.
 */
#include "vision/vision_boxes.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "vision/vision_candidates.h"

/* A layer that finds boxes, and where its output begins among the network's. */
struct detector {
    const struct ll_layer_params *layer;
    int64_t at;
};

struct vision_boxes {
    struct vision_boxes_config config;
    struct ll_network *network;
    struct detector *detectors;
    int detector_count;
    /* The most that one of them has. */
    int classes;
    /* Boxes that all of them together could see. */
    int64_t possible;
    struct vision_candidates candidates;
    /* Places gone through in this search. */
    int64_t place;
    struct vision_box *found;
    char (*numbers)[VISION_LABEL_SCRATCH_BYTES];
};

/* ---- Layers ---- */

static bool is_detector(const struct ll_layer_params *layer)
{
    return layer->kind == LL_KIND_YOLO || layer->kind == LL_KIND_REGION ||
           layer->kind == LL_KIND_DETECTION;
}

/* Whether Darknet's own decoding stays within the layer's output and reads boxes there. */
static ll_status check_layer(const struct ll_table *table, int index,
                             const struct ll_layer_params *layer, struct ll_error *err)
{
    bool has_boxes = layer->kind == LL_KIND_DETECTION ? layer->coords == 4 : layer->coords >= 4;
    if (!has_boxes) {
        return ll_fail(err, LL_E_UNSUPPORTED,
                       "layer %d (%s, cfg line %d) has %d coordinates a box, which are no boxes",
                       index, table->layers[index].type, table->layers[index].line, layer->coords);
    }
    return LL_OK;
}

/* Those of the network's outputs that are detectors'. */
static ll_status note_detectors(struct vision_boxes *boxes, const struct ll_names *outputs,
                                struct ll_error *err)
{
    const struct ll_table *table = &boxes->network->table;
    boxes->detectors = calloc((size_t)outputs->count + 1, sizeof(*boxes->detectors));
    if (!boxes->detectors) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    int64_t at = 0;
    for (int i = 0; i < outputs->count; i++) {
        int name = outputs->names[i];
        const struct ll_layer_params *layer = &boxes->network->layers[name];
        if (is_detector(layer)) {
            ll_status status = check_layer(table, name, layer, err);
            if (status != LL_OK) {
                return status;
            }
            boxes->detectors[boxes->detector_count++] = (struct detector){layer, at};
            boxes->classes = layer->classes > boxes->classes ? layer->classes : boxes->classes;
            boxes->possible += (int64_t)layer->w * layer->h * layer->n * layer->classes;
        }
        at += ll_table_tensor_floats(table, name);
    }
    return LL_OK;
}

static ll_status find_detectors(struct vision_boxes *boxes, struct ll_error *err)
{
    struct ll_names outputs = {0};
    ll_status status = ll_table_network_outputs(&boxes->network->table, &outputs);
    if (status != LL_OK) {
        return ll_fail(err, status, "out of memory");
    }
    status = note_detectors(boxes, &outputs, err);
    ll_names_finish(&outputs);
    if (status == LL_OK && boxes->detector_count == 0) {
        status = ll_fail(err, LL_E_UNSUPPORTED,
                         "the network has no yolo, region or detection layer: it finds no boxes");
    }
    if (status == LL_OK &&
        (boxes->config.placement.net_w < 1 || boxes->config.placement.net_h < 1)) {
        status = ll_fail(err, LL_E_UNSUPPORTED,
                         "the network's input has no width and height, in which boxes are told");
    }
    return status;
}

static ll_status allocate(struct vision_boxes *boxes, struct ll_error *err)
{
    size_t most = boxes->possible < VISION_BOXES_MOST ? (size_t)boxes->possible : VISION_BOXES_MOST;
    ll_status status =
        vision_candidates_init(&boxes->candidates, VISION_BOXES_MOST, boxes->possible);
    boxes->found = calloc(most + 1, sizeof(*boxes->found));
    boxes->numbers = calloc(most + 1, sizeof(*boxes->numbers));
    if (status != LL_OK || !boxes->found || !boxes->numbers) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    return LL_OK;
}

ll_status vision_boxes_create(struct ll_network *network, const struct vision_boxes_config *config,
                              struct vision_boxes **out_boxes, struct ll_error *err)
{
    struct vision_boxes *boxes = calloc(1, sizeof(*boxes));
    if (!boxes) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    boxes->config = *config;
    boxes->network = ll_network_ref(network);
    ll_status status = find_detectors(boxes, err);
    if (status == LL_OK) {
        status = allocate(boxes, err);
    }
    if (status != LL_OK) {
        vision_boxes_destroy(boxes);
        return status;
    }
    *out_boxes = boxes;
    return LL_OK;
}

void vision_boxes_destroy(struct vision_boxes *boxes)
{
    if (!boxes) {
        return;
    }
    vision_candidates_finish(&boxes->candidates);
    free(boxes->detectors);
    free(boxes->found);
    free(boxes->numbers);
    ll_network_unref(boxes->network);
    free(boxes);
}

int vision_boxes_classes(const struct vision_boxes *boxes)
{
    return boxes->classes;
}

/* ---- From outputs to candidates ---- */

/* Middle and size in parts of the network's input to those in parts of the picture, as
 * correct_yolo_boxes and correct_region_boxes. */
static struct vision_rectangle to_picture(const struct vision_placement *placement,
                                          struct vision_rectangle where)
{
    float part_w = (float)placement->scaled_w / (float)placement->net_w;
    float part_h = (float)placement->scaled_h / (float)placement->net_h;
    where.x = (float)((where.x - placement->left / placement->net_w) / part_w);
    where.y = (float)((where.y - placement->top / placement->net_h) / part_h);
    where.w *= (float)placement->net_w / (float)placement->scaled_w;
    where.h *= (float)placement->net_h / (float)placement->scaled_h;
    return where;
}

/* What one place says: `classes` probabilities, `stride` floats apart, each times `scale`, for a
 * box in parts of the network's input. */
static void take_place(struct vision_boxes *boxes, float scale, const float *probabilities,
                       ptrdiff_t stride, int classes, struct vision_rectangle where)
{
    struct vision_candidate candidate = {
        .where = to_picture(&boxes->config.placement, where),
        .place = boxes->place,
    };
    for (int i = 0; i < classes; i++) {
        candidate.p = scale * probabilities[i * stride];
        candidate.class_index = i;
        vision_candidates_add(&boxes->candidates, &candidate);
    }
}

/* get_yolo_box and get_region_box: the coordinates of a box in that cell of the layer's map, one
 * map of `area` floats for each; `w` and `h` are what the anchor is measured in. */
static struct vision_rectangle anchored_box(const struct ll_layer_params *layer, int cell,
                                            const float *x, const float *anchor, int w, int h)
{
    ptrdiff_t area = (ptrdiff_t)layer->w * layer->h;
    int col = cell % layer->w;
    int row = cell / layer->w;
    return (struct vision_rectangle){
        .x = ((float)col + x[0]) / (float)layer->w,
        .y = ((float)row + x[area]) / (float)layer->h,
        .w = (float)(exp(x[2 * area]) * anchor[0] / w),
        .h = (float)(exp(x[3 * area]) * anchor[1] / h),
    };
}

/* One map of the layer's size for each of coordinates, objectness and classes of each anchor. */
static void search_yolo(struct vision_boxes *boxes, const struct ll_layer_params *layer,
                        const float *output)
{
    const struct vision_placement *placement = &boxes->config.placement;
    ptrdiff_t area = (ptrdiff_t)layer->w * layer->h;
    ptrdiff_t floats = (4 + 1 + (ptrdiff_t)layer->classes) * area;
    for (int cell = 0; cell < area; cell++) {
        for (int n = 0; n < layer->n; n++) {
            const float *x = output + n * floats + cell;
            const float *anchor = layer->anchors + (ptrdiff_t)2 * layer->mask[n];
            float objectness = x[4 * area];
            if (objectness > boxes->config.thresh) {
                struct vision_rectangle where =
                    anchored_box(layer, cell, x, anchor, placement->net_w, placement->net_h);
                take_place(boxes, objectness, x + 5 * area, area, layer->classes, where);
            }
            boxes->place++;
        }
    }
}

/* The same maps. With `background`, the objectness is one of the classes' softmax and not looked
 * at.
 */
static void search_region(struct vision_boxes *boxes, const struct ll_layer_params *layer,
                          const float *output)
{
    ptrdiff_t area = (ptrdiff_t)layer->w * layer->h;
    ptrdiff_t coords = layer->coords;
    ptrdiff_t floats = (coords + 1 + layer->classes) * area;
    for (int cell = 0; cell < area; cell++) {
        for (int n = 0; n < layer->n; n++) {
            const float *x = output + n * floats + cell;
            const float *anchor = layer->anchors + (ptrdiff_t)2 * n;
            float scale = layer->background ? 1 : x[coords * area];
            if (scale > boxes->config.thresh) {
                struct vision_rectangle where =
                    anchored_box(layer, cell, x, anchor, layer->w, layer->h);
                take_place(boxes, scale, x + (coords + 1) * area, area, layer->classes, where);
            }
            boxes->place++;
        }
    }
}

/* First each cell's class probabilities, which its boxes share, then each box's objectness, then
 * each box's coordinates. */
static void search_detection(struct vision_boxes *boxes, const struct ll_layer_params *layer,
                             const float *output)
{
    int side = layer->side;
    ptrdiff_t classes = layer->classes;
    ptrdiff_t cells = (ptrdiff_t)side * side;
    const float *scale = output + cells * classes;
    const float *x = scale + cells * layer->n;
    int power = layer->sqrt ? 2 : 1;
    for (int cell = 0; cell < cells; cell++) {
        int col = cell % side;
        int row = cell / side;
        for (int n = 0; n < layer->n; n++) {
            struct vision_rectangle where = {
                .x = (x[0] + (float)col) / (float)side,
                .y = (x[1] + (float)row) / (float)side,
                .w = (float)pow(x[2], power),
                .h = (float)pow(x[3], power),
            };
            take_place(boxes, *scale, output + cell * classes, 1, layer->classes, where);
            scale++;
            x += 4;
            boxes->place++;
        }
    }
}

static void search(struct vision_boxes *boxes, const struct detector *detector,
                   const float *outputs)
{
    const float *output = outputs + detector->at;
    switch (detector->layer->kind) {
    case LL_KIND_YOLO:
        search_yolo(boxes, detector->layer, output);
        break;
    case LL_KIND_REGION:
        search_region(boxes, detector->layer, output);
        break;
    default:
        search_detection(boxes, detector->layer, output);
        break;
    }
}

/* ---- From candidates to boxes ---- */

/* NaN stays. */
static float clip(double value, int most)
{
    return value < 0 ? 0 : value > most ? (float)most : (float)value;
}

/* Middle and size in parts of the picture to pixels, as Darknet's draw_detections. False where no
 * area is left. */
static bool to_pixels(const struct vision_placement *placement, struct vision_rectangle where,
                      struct vision_box *out_box)
{
    out_box->left = clip((where.x - where.w / 2.) * placement->picture_w, placement->picture_w);
    out_box->top = clip((where.y - where.h / 2.) * placement->picture_h, placement->picture_h);
    out_box->right = clip((where.x + where.w / 2.) * placement->picture_w, placement->picture_w);
    out_box->bottom = clip((where.y + where.h / 2.) * placement->picture_h, placement->picture_h);
    return out_box->right > out_box->left && out_box->bottom > out_box->top;
}

int vision_boxes_find(struct vision_boxes *boxes, const float *outputs,
                      const struct vision_box **out_found)
{
    vision_candidates_clear(&boxes->candidates, boxes->config.thresh);
    boxes->place = 0;
    for (int i = 0; i < boxes->detector_count; i++) {
        search(boxes, &boxes->detectors[i], outputs);
    }
    vision_candidates_suppress(&boxes->candidates, boxes->config.nms);
    int count = 0;
    for (int i = 0; i < boxes->candidates.count; i++) {
        const struct vision_candidate *candidate = &boxes->candidates.list[i];
        struct vision_box found = {.class_index = candidate->class_index, .p = candidate->p};
        if (to_pixels(&boxes->config.placement, candidate->where, &found)) {
            found.label = vision_label(boxes->config.labels, boxes->classes, found.class_index,
                                       boxes->numbers[count]);
            boxes->found[count++] = found;
        }
    }
    *out_found = boxes->found;
    return count;
}
