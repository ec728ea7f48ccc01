#include "darknet_backend/network/dkb_keys.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "darknet_backend/network/dkb_near.h"

/* Enough for a few keys. */
enum { OTHERS_CHARS = 128 };

#define KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define FOREIGN(...) ((const struct dkb_keys_foreign[]){__VA_ARGS__, {NULL, NULL, NULL}})

/* Keys that are without effect come from stock Darknet of 2018 and from the dialects that followed
 * it; of those that stand in cfgs but that no program reads there are a few too. */
static const struct dkb_keys tables[] = {
    /* Darknet divides `batch` by `subdivisions`; their values are checked for that alone, and some
     * of its own cfgs have them twice, for testing and for training. */
    {.section = "net",
     .read = KEYS("height", "width", "channels", "inputs"),
     .without_effect = KEYS(
         "batch", "subdivisions", "learning_rate", "momentum", "decay", "time_steps", "notruth",
         "random", "adam", "B1", "B2", "eps", "max_crop", "min_crop", "max_ratio", "min_ratio",
         "center", "clip", "angle", "aspect", "saturation", "exposure", "hue", "policy", "burn_in",
         "power", "step", "scale", "steps", "scales", "gamma", "max_batches", "seen", "max_epochs",
         "learning_rate_min", "sgdr_cycle", "sgdr_mult", "seq_scales", "track", "augment_speed",
         "sequential_subdivisions", "try_fix_nan", "weights_reject_freq", "equidistant_point",
         "badlabels_rejection_percentage", "num_sigmas_reject_badlabels", "ema_alpha",
         "use_cuda_graph", "loss_scale", "dynamic_minibatch", "optimized_memory",
         "workspace_size_limit_MB", "flip", "blur", "gaussian_noise", "mixup", "cutmix", "mosaic",
         "mosaic_bound", "contrastive", "contrastive_jit_flip", "contrastive_color", "unsupervised",
         "label_smooth_eps", "resize_step", "attention", "adversarial_lr", "max_chart_loss",
         "show_receptive_field"),
     .foreign = FOREIGN({"letter_box", "1", "pictures that are stretched to the input's shape"})},
    {.section = "convolutional",
     .read = KEYS("filters", "size", "stride", "pad", "padding", "activation", "batch_normalize",
                  "groups", "flipped", "binary", "xnor"),
     .without_effect =
         KEYS("dot", "cbn", "sway", "rotate", "stretch", "stretch_sway", "angle",
              "assisted_excitation", "reverse", "grad_centr", "stream", "wait_stream"),
     .foreign = FOREIGN({"dilation", "1", "a kernel whose taps lie apart"},
                        {"stride_x", DKB_KEYS_STRIDE, "another stride in x than in y"},
                        {"stride_y", DKB_KEYS_STRIDE, "another stride in y than in x"},
                        {"antialiasing", "0", "a blurred output"},
                        {"share_index", "-1000000000", "weights shared with another layer"},
                        {"bin_output", "0", "an output of single bits"},
                        {"coordconv", "0", "coordinates that are added to the output"})},
    {.section = "deconvolutional",
     .read = KEYS("filters", "size", "stride", "pad", "padding", "activation", "batch_normalize")},
    {.section = "local", .read = KEYS("filters", "size", "stride", "pad", "activation")},
    {.section = "connected", .read = KEYS("output", "activation", "batch_normalize")},
    {.section = "batchnorm"},
    {.section = "maxpool",
     .read = KEYS("stride", "size", "padding"),
     /* Of maxpool_depth. */
     .without_effect = KEYS("out_channels"),
     .foreign = FOREIGN({"stride_x", DKB_KEYS_STRIDE, "another stride in x than in y"},
                        {"stride_y", DKB_KEYS_STRIDE, "another stride in y than in x"},
                        {"antialiasing", "0", "a blurred output"},
                        {"maxpool_depth", "0", "the largest value of several channels"},
                        {"maxpool_zero_nonmax", "0", "maxima that stay in their places"})},
    {.section = "avgpool"},
    {.section = "upsample", .read = KEYS("stride", "scale")},
    {.section = "reorg", .read = KEYS("stride", "reverse", "flatten", "extra")},
    {.section = "crop",
     .read = KEYS("crop_height", "crop_width", "flip", "noadjust"),
     .without_effect = KEYS("angle", "saturation", "exposure", "shift")},
    {.section = "route",
     .read = KEYS("layers"),
     .without_effect = KEYS("stream", "wait_stream"),
     .foreign = FOREIGN({"groups", "1", "a part of the channels of each layer"},
                        {"group_id", "0", "a part of the channels of each layer"})},
    {.section = "shortcut",
     .read = KEYS("from", "activation", "alpha", "beta"),
     .foreign = FOREIGN({"weights_type", "none", "learnt factors of what is added"},
                        {"weights_normalization", "none", "learnt factors of what is added"})},
    {.section = "dropout",
     .without_effect =
         KEYS("probability", "dropblock", "dropblock_size_rel", "dropblock_size_abs")},
    {.section = "cost", .without_effect = KEYS("type", "scale", "ratio", "noobj", "thresh")},
    {.section = "softmax",
     .read = KEYS("groups", "temperature", "tree"),
     /* Darknet looks at `spatial` on graphics processors only. */
     .without_effect = KEYS("spatial", "noloss")},
    {.section = "activation", .read = KEYS("activation")},
    {.section = "logistic"},
    {.section = "l2norm"},
    {.section = "normalization", .read = KEYS("alpha", "beta", "kappa", "size")},
    {.section = "yolo",
     .read = KEYS("classes", "num", "mask", "anchors", "map", "tree"),
     .without_effect = KEYS(
         "max", "jitter", "ignore_thresh", "truth_thresh", "random", "show_details", "max_delta",
         "counters_per_class", "label_smooth_eps", "objectness_smooth", "iou_normalizer",
         "obj_normalizer", "cls_normalizer", "delta_normalizer", "uc_normalizer", "iou_loss",
         "iou_thresh_kind", "iou_thresh", "resize", "focal_loss", "beta1", "track_history_size",
         "sim_thresh", "dets_for_track", "dets_for_show", "track_ciou_norm"),
     .foreign = FOREIGN({"new_coords", "0", "boxes whose numbers mean something else"},
                        {"scale_x_y", "1", "boxes whose centres reach beyond their cells"},
                        {"nms_kind", "default", "another rule of which of two boxes stays"},
                        {"beta_nms", "0.6", "another rule of which of two boxes stays"},
                        {"embedding_layer", "999999", "vectors that follow objects over frames"})},
    {.section = "region",
     .read = KEYS("coords", "classes", "num", "softmax", "background", "anchors", "map", "tree"),
     .without_effect = KEYS("log", "sqrt", "max", "jitter", "rescore", "thresh", "classfix",
                            "absolute", "random", "coord_scale", "object_scale", "noobject_scale",
                            "mask_scale", "class_scale", "bias_match", "focal_loss", "resize")},
    {.section = "detection",
     .read = KEYS("coords", "classes", "num", "side", "softmax", "sqrt"),
     .without_effect =
         KEYS("rescore", "max", "coord_scale", "forced", "object_scale", "noobject_scale",
              "class_scale", "jitter", "random", "reorg", "resize")},
};

static const struct dkb_keys layer_keys = {
    .section = "",
    .read = KEYS("truth", "dontload", "numload", "dontloadscales"),
    .without_effect = KEYS("onlyforward", "stopbackward", "dontsave", "learning_rate", "smooth",
                           "clip", "dont_update", "burnin_update", "train_only_bn"),
};

const struct dkb_keys *dkb_keys_of(const char *section)
{
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        if (strcmp(section, tables[i].section) == 0) {
            return &tables[i];
        }
    }
    return NULL;
}

const struct dkb_keys *dkb_keys_of_layers(void)
{
    return &layer_keys;
}

static bool has(const char *const *keys, const char *key)
{
    for (; keys && *keys; keys++) {
        if (strcmp(*keys, key) == 0) {
            return true;
        }
    }
    return false;
}

static const struct dkb_keys_foreign *find_foreign(const struct dkb_keys *keys, const char *key)
{
    for (const struct dkb_keys_foreign *next = keys->foreign; next && next->key; next++) {
        if (strcmp(next->key, key) == 0) {
            return next;
        }
    }
    return NULL;
}

static void try_all(struct dkb_near *near, const struct dkb_keys *keys)
{
    for (const char *const *next = keys->read; next && *next; next++) {
        dkb_near_try(near, *next);
    }
    for (const char *const *next = keys->without_effect; next && *next; next++) {
        dkb_near_try(near, *next);
    }
    for (const struct dkb_keys_foreign *next = keys->foreign; next && next->key; next++) {
        dkb_near_try(near, next->key);
    }
}

static void refuse_unknown(struct dkb_reader *reader, const struct dkb_cfg_option *option,
                           const struct dkb_keys *own, const struct dkb_keys *common)
{
    struct dkb_near near;
    dkb_near_init(&near, option->key);
    try_all(&near, own);
    if (common) {
        try_all(&near, common);
    }
    dkb_refuse_option(reader, option, LL_E_INVALID, "not a key of this section%s%s%s",
                      near.best ? "; did you mean " : "", near.best ? near.best : "",
                      near.best ? "?" : "");
}

static bool refuse_empty(struct dkb_reader *reader, const struct dkb_cfg_option *option)
{
    bool is_empty = !option->value || option->value[0] == '\0';
    if (is_empty) {
        dkb_refuse_option(reader, option, LL_E_INVALID, "has no value");
    }
    return is_empty;
}

/* Whether the network is another one with the option. */
static bool is_changing(const struct dkb_reader *reader, const struct dkb_cfg_option *option,
                        const struct dkb_keys_foreign *foreign)
{
    bool is_stride = strcmp(foreign->neutral, DKB_KEYS_STRIDE) == 0;
    const char *neutral = is_stride ? dkb_read_text(reader, "stride", "1") : foreign->neutral;
    return option->value && !dkb_same_value(option->value, neutral);
}

/* The other foreign keys of the section, so that nobody has to meet them one by one: "" or
 * "; nor new_coords (line 10)" and so on. */
static void name_others(const struct dkb_reader *reader, const struct dkb_keys *own,
                        const struct dkb_cfg_option *refused, char out_text[OTHERS_CHARS])
{
    out_text[0] = '\0';
    size_t length = 0;
    for (size_t i = 0; i < reader->section->option_count; i++) {
        const struct dkb_cfg_option *option = &reader->section->options[i];
        const struct dkb_keys_foreign *foreign = find_foreign(own, option->key);
        if (option == refused || !foreign || !is_changing(reader, option, foreign)) {
            continue;
        }
        int added = snprintf(out_text + length, OTHERS_CHARS - length, "; nor %s (line %d)",
                             option->key, option->line);
        if (length + (size_t)added >= OTHERS_CHARS) {
            out_text[length] = '\0';
            return;
        }
        length += (size_t)added;
    }
}

static void check_foreign(struct dkb_reader *reader, const struct dkb_keys *own,
                          const struct dkb_cfg_option *option,
                          const struct dkb_keys_foreign *foreign)
{
    if (!refuse_empty(reader, option) && is_changing(reader, option, foreign)) {
        char others[OTHERS_CHARS];
        name_others(reader, own, option, others);
        dkb_refuse_option(reader, option, LL_E_UNSUPPORTED,
                          "not supported: %s, of another dialect of Darknet%s", foreign->meaning,
                          others);
    }
}

/* A key that is read says one thing. */
static void check_read(struct dkb_reader *reader, const struct dkb_cfg_option *option)
{
    if (refuse_empty(reader, option)) {
        return;
    }
    const struct dkb_cfg_option *first = dkb_cfg_find(reader->section, option->key);
    if (first != option && !dkb_same_value(option->value, first->value)) {
        dkb_refuse_option(reader, option, LL_E_INVALID,
                          "a second value of this key; the first is in line %d", first->line);
    }
}

void dkb_keys_check(struct dkb_reader *reader, const char *section)
{
    const struct dkb_keys *own = dkb_keys_of(section);
    assert(own);
    const struct dkb_keys *common = strcmp(section, "net") == 0 ? NULL : &layer_keys;
    for (size_t i = 0; i < reader->section->option_count; i++) {
        const struct dkb_cfg_option *option = &reader->section->options[i];
        const struct dkb_keys_foreign *foreign = find_foreign(own, option->key);
        if (foreign) {
            check_foreign(reader, own, option, foreign);
        } else if (has(own->read, option->key) || (common && has(common->read, option->key))) {
            check_read(reader, option);
        } else if (!has(own->without_effect, option->key) &&
                   !(common && has(common->without_effect, option->key))) {
            refuse_unknown(reader, option, own, common);
        }
        if (reader->status != LL_OK) {
            return;
        }
    }
}
