/* From sections to a network: [net] gives the input, then each section's parser (dkb_layers_*.c)
 * sees the shape that comes in and says what goes out. Then the outputs, the groups and what the
 * layer table derives. Nothing here calls a function of Darknet. */
#include "darknet_backend/network/dkb_network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_limits.h"
#include "darknet_backend/network/dkb_builder.h"
#include "darknet_backend/network/dkb_groups.h"
#include "darknet_backend/network/dkb_keys.h"
#include "darknet_backend/network/dkb_near.h"

struct layer_type {
    /* As the section says it: the canonical name first, then an alias or NULL. */
    const char *section;
    const char *alias;
    /* Without brackets, for the layer table. */
    const char *name;
    ll_layer_kind kind;
    void (*build)(struct dkb_builder *builder);
};

static const struct layer_type layer_types[] = {
    {"[convolutional]", "[conv]", "convolutional", LL_KIND_CONVOLUTIONAL, dkb_build_convolutional},
    {"[shortcut]", NULL, "shortcut", LL_KIND_SHORTCUT, dkb_build_shortcut},
    {"[route]", NULL, "route", LL_KIND_ROUTE, dkb_build_route},
    {"[maxpool]", "[max]", "maxpool", LL_KIND_MAXPOOL, dkb_build_maxpool},
    {"[avgpool]", "[avg]", "avgpool", LL_KIND_AVGPOOL, dkb_build_avgpool},
    {"[connected]", "[conn]", "connected", LL_KIND_CONNECTED, dkb_build_connected},
    {"[softmax]", "[soft]", "softmax", LL_KIND_SOFTMAX, dkb_build_softmax},
    {"[dropout]", NULL, "dropout", LL_KIND_DROPOUT, dkb_build_dropout},
    {"[upsample]", NULL, "upsample", LL_KIND_UPSAMPLE, dkb_build_upsample},
    {"[yolo]", NULL, "yolo", LL_KIND_YOLO, dkb_build_yolo},
    {"[region]", NULL, "region", LL_KIND_REGION, dkb_build_region},
    {"[detection]", NULL, "detection", LL_KIND_DETECTION, dkb_build_detection},
    {"[reorg]", NULL, "reorg", LL_KIND_REORG, dkb_build_reorg},
    {"[cost]", NULL, "cost", LL_KIND_COST, dkb_build_cost},
    {"[crop]", NULL, "crop", LL_KIND_CROP, dkb_build_crop},
    {"[local]", NULL, "local", LL_KIND_LOCAL, dkb_build_local},
    {"[batchnorm]", NULL, "batchnorm", LL_KIND_BATCHNORM, dkb_build_batchnorm},
    {"[activation]", NULL, "activation", LL_KIND_ACTIVATION, dkb_build_activation},
    {"[logistic]", NULL, "logistic", LL_KIND_LOGISTIC, dkb_build_logistic},
    {"[l2norm]", NULL, "l2norm", LL_KIND_L2NORM, dkb_build_l2norm},
    {"[normalization]", "[lrn]", "normalization", LL_KIND_NORMALIZATION, dkb_build_normalization},
    {"[deconvolutional]", "[deconv]", "deconvolutional", LL_KIND_DECONVOLUTIONAL,
     dkb_build_deconvolutional},
};

/* Types of Darknet and of the dialects that followed it. */
static const struct {
    const char *section;
    const char *reason;
} foreign_types[] = {
    {"[rnn]", "recurrent layers are not supported"},
    {"[gru]", "recurrent layers are not supported"},
    {"[lstm]", "recurrent layers are not supported"},
    {"[crnn]", "recurrent layers are not supported"},
    {"[conv_lstm]", "recurrent layers are not supported"},
    {"[history]", "recurrent layers are not supported"},
    {"[iseg]", "instance segmentation is not supported"},
    {"[Gaussian_yolo]", "boxes with uncertainties are not supported"},
    {"[scale_channels]", "the product of a tensor with a number for each channel is not supported"},
    {"[sam]", "the product of two tensors is not supported"},
    {"[local_avgpool]", "averages over windows are not supported"},
    {"[local_avg]", "averages over windows are not supported"},
    {"[reorg3d]", "not supported; [reorg] is"},
    {"[implicit]", "constant tensors are not supported"},
    {"[contrastive]", "not supported: a layer of another dialect of Darknet"},
    {"[empty]", "not supported: a layer of another dialect of Darknet"},
    {"[silence]", "not supported: a layer of another dialect of Darknet"},
};

enum { MAX_TYPE_CHARS = 40 };

static void refuse_type(struct dkb_reader *reader)
{
    const char *section = reader->section->name;
    /* What follows the bracket belongs to the name, even a comment; it is not what is near. */
    char bracketed[MAX_TYPE_CHARS + 1];
    snprintf(bracketed, sizeof(bracketed), "%.*s", (int)strcspn(section, "]") + 1, section);
    struct dkb_near near;
    dkb_near_init(&near, bracketed);
    for (size_t i = 0; i < sizeof(foreign_types) / sizeof(foreign_types[0]); i++) {
        if (strcmp(section, foreign_types[i].section) == 0) {
            dkb_refuse(reader, NULL, LL_E_UNSUPPORTED, "%s", foreign_types[i].reason);
            return;
        }
    }
    for (size_t i = 0; i < sizeof(layer_types) / sizeof(layer_types[0]); i++) {
        dkb_near_try(&near, layer_types[i].section);
        if (layer_types[i].alias) {
            dkb_near_try(&near, layer_types[i].alias);
        }
    }
    dkb_refuse(reader, NULL, LL_E_INVALID, "not a layer type%s%s%s",
               near.best ? "; did you mean " : "", near.best ? near.best : "",
               near.best ? "?" : "");
}

static const struct layer_type *find_type(struct dkb_reader *reader)
{
    const char *section = reader->section->name;
    for (size_t i = 0; i < sizeof(layer_types) / sizeof(layer_types[0]); i++) {
        const struct layer_type *type = &layer_types[i];
        if (strcmp(section, type->section) == 0 ||
            (type->alias && strcmp(section, type->alias) == 0)) {
            return type;
        }
    }
    refuse_type(reader);
    return NULL;
}

static bool is_net(const char *section)
{
    return strcmp(section, "[net]") == 0 || strcmp(section, "[network]") == 0;
}

/* The input's shape and size. `batch` and `subdivisions` concern training; they are only looked at
 * because Darknet divides one by the other. */
static void read_net(struct dkb_reader *reader, struct ll_table *table)
{
    if (!is_net(reader->section->name)) {
        dkb_refuse(reader, NULL, LL_E_INVALID, "the first section must be [net] or [network]");
        return;
    }
    dkb_keys_check(reader, "net");
    dkb_read_int(reader, "batch", 1, 1, LL_LIMIT_DIM);
    dkb_read_int(reader, "subdivisions", 1, 1, LL_LIMIT_DIM);
    int64_t h = dkb_read_int(reader, "height", 0, 0, LL_LIMIT_DIM);
    int64_t w = dkb_read_int(reader, "width", 0, 0, LL_LIMIT_DIM);
    int64_t c = dkb_read_int(reader, "channels", 0, 0, LL_LIMIT_DIM);
    int64_t pixels = dkb_mul3(w, h, c);
    int64_t most = LL_LIMIT_TENSOR_BYTES / (int64_t)sizeof(float);
    if (pixels > most) {
        dkb_refuse_limit(reader, "tensor_bytes", LL_LIMIT_TENSOR_BYTES,
                         "width x height x channels is %lld, the limit is %lld", (long long)pixels,
                         (long long)most);
        return;
    }
    int inputs = dkb_read_int(reader, "inputs", (int)pixels, 0, (int)most);
    if (inputs == 0) {
        dkb_refuse(reader, NULL, LL_E_INVALID, "needs width, height and channels, or inputs");
    } else if (pixels > 0 && inputs != pixels) {
        dkb_refuse(reader, "inputs", LL_E_INVALID, "width x height x channels is %lld",
                   (long long)pixels);
    }
    table->in_w = pixels > 0 ? (int)w : 0;
    table->in_h = pixels > 0 ? (int)h : 0;
    table->in_c = pixels > 0 ? (int)c : 0;
    table->in_floats = inputs;
}

/* Options of every section that would make Darknet load or run something else. */
static void refuse_common(struct dkb_reader *reader)
{
    static const char *const keys[] = {"truth", "dontload", "numload"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (dkb_read_flag(reader, keys[i])) {
            dkb_refuse(reader, keys[i], LL_E_UNSUPPORTED, "not supported");
        }
    }
    /* Only some layers have scales to leave out; a number it must be everywhere. */
    dkb_read_flag(reader, "dontloadscales");
}

/* Builds the layer that the reader's section describes, and fills its row of the table. */
static void build_layer(struct dkb_builder *builder)
{
    const struct layer_type *type = find_type(builder->reader);
    if (!type) {
        return;
    }
    const struct ll_layer_params *layer = builder->layer;
    struct ll_layer *row = builder->row;
    builder->layer->kind = type->kind;
    row->type = type->name;
    row->line = builder->reader->section->line;
    row->makes = builder->index;
    dkb_keys_check(builder->reader, type->name);
    refuse_common(builder->reader);
    if (builder->reader->status != LL_OK) {
        return;
    }
    type->build(builder);
    row->out_c = layer->out_c;
    row->out_h = layer->out_h;
    row->out_w = layer->out_w;
    row->out_floats = layer->outputs;
}

/* Sets what comes into layer `index` from what the layer before gives. */
static void pass_on(struct dkb_builder *builder, int index)
{
    const struct ll_table *table = &builder->network->table;
    builder->index = index;
    builder->layer = &builder->network->layers[index];
    builder->row = &builder->network->table.layers[index];
    builder->layer->input = dkb_made_by(builder, index - 1);
    if (index == 0) {
        builder->w = table->in_w;
        builder->h = table->in_h;
        builder->c = table->in_c;
        builder->layer->inputs = (int)table->in_floats;
        return;
    }
    const struct ll_layer_params *before = builder->layer - 1;
    builder->w = before->out_w;
    builder->h = before->out_h;
    builder->c = before->out_c;
    builder->layer->inputs = before->outputs;
}

/* Sums that one query of the whole network takes. */
struct totals {
    int64_t floats;
    int64_t flops;
    int64_t blob_bytes;
};

static void add_totals(struct dkb_builder *builder, struct totals *totals)
{
    struct ll_network *network = builder->network;
    const struct ll_layer *row = builder->row;
    if (builder->layer->workspace_floats > network->workspace_floats) {
        network->workspace_floats = builder->layer->workspace_floats;
    }
    totals->floats = dkb_add(totals->floats, row->makes == builder->index ? row->out_floats : 0);
    totals->flops = dkb_add(totals->flops, row->flops);
    totals->blob_bytes = dkb_add(totals->blob_bytes, row->blob_bytes);
    int64_t bytes = dkb_mul(dkb_add(totals->floats, (int64_t)network->workspace_floats), 4);
    if (bytes > LL_LIMIT_CONTEXT_BYTES) {
        dkb_refuse_limit(builder->reader, "context_bytes", LL_LIMIT_CONTEXT_BYTES,
                         "brings the tensors of one query above %lld bytes",
                         (long long)LL_LIMIT_CONTEXT_BYTES);
    }
    if (totals->flops > LL_LIMIT_MODEL_FLOPS) {
        dkb_refuse_limit(builder->reader, "model_flops", LL_LIMIT_MODEL_FLOPS,
                         "brings one query above %lld operations", (long long)LL_LIMIT_MODEL_FLOPS);
    }
    if (totals->blob_bytes > LL_LIMIT_MODEL_BYTES) {
        dkb_refuse_limit(builder->reader, "model_bytes", LL_LIMIT_MODEL_BYTES,
                         "brings the model above %lld bytes of weights",
                         (long long)LL_LIMIT_MODEL_BYTES);
    }
}

static ll_status build_layers(struct ll_network *network, const struct dkb_cfg *cfg,
                              struct ll_error *err)
{
    struct totals totals = {.floats = network->table.in_floats};
    for (int i = 0; i < network->table.layer_count; i++) {
        struct dkb_reader reader = {.section = &cfg->sections[i + 1], .err = err};
        struct dkb_builder builder = {.reader = &reader, .network = network};
        pass_on(&builder, i);
        build_layer(&builder);
        add_totals(&builder, &totals);
        if (reader.status != LL_OK) {
            return reader.status;
        }
    }
    return LL_OK;
}

/* The last layer that is not cost, and every detector. */
static ll_status mark_outputs(struct ll_network *network, struct ll_error *err)
{
    struct ll_table *table = &network->table;
    int last = table->layer_count - 1;
    while (last >= 0 && network->layers[last].kind == LL_KIND_COST) {
        last--;
    }
    if (last < 0) {
        return ll_fail(err, LL_E_INVALID, "only cost layers: the network has no output");
    }
    table->layers[table->layers[last].makes].is_output = true;
    for (int i = 0; i < last; i++) {
        ll_layer_kind kind = network->layers[i].kind;
        if (kind == LL_KIND_YOLO || kind == LL_KIND_REGION || kind == LL_KIND_DETECTION) {
            table->layers[i].is_output = true;
        }
    }
    return LL_OK;
}

static ll_status fill(struct ll_network *network, const struct dkb_cfg *cfg, struct ll_error *err)
{
    struct dkb_reader reader = {.section = &cfg->sections[0], .err = err};
    read_net(&reader, &network->table);
    if (reader.status != LL_OK) {
        return reader.status;
    }
    ll_status status = build_layers(network, cfg, err);
    if (status != LL_OK) {
        return status;
    }
    status = mark_outputs(network, err);
    if (status != LL_OK) {
        return status;
    }
    status = dkb_groups_mark(network);
    if (status != LL_OK) {
        return ll_fail(err, status, "out of memory");
    }
    return ll_table_seal(&network->table, err);
}

ll_status dkb_network_parse(const char *cfg_text, size_t cfg_bytes, struct ll_network **out_network,
                            struct ll_error *err)
{
    struct dkb_cfg cfg;
    struct ll_network *network = NULL;
    ll_status status = dkb_cfg_init(&cfg, cfg_text, cfg_bytes, err);
    if (status != LL_OK) {
        return status;
    }
    if (cfg.section_count < 2) {
        status = ll_fail(err, LL_E_INVALID, "the cfg has no layers");
        goto out;
    }
    status = ll_network_create((int)cfg.section_count - 1, &network);
    if (status != LL_OK) {
        status = ll_fail(err, status, "out of memory");
        goto out;
    }
    status = fill(network, &cfg, err);
    if (status != LL_OK) {
        ll_network_unref(network);
        goto out;
    }
    *out_network = network;
out:
    dkb_cfg_finish(&cfg);
    return status;
}
