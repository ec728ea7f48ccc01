/* Layers that Darknet's forward functions run, on plain tensors. */
#include <string.h>

#include "engine/onednn/onednn.h"

void onednn_create_darknet(struct onednn_creation *creation, int index)
{
    struct onednn_model *model = creation->model;
    struct onednn_step *step = &model->steps[index];
    struct ll_buf *blob = creation->blobs[index - creation->first];
    step->kind = ONEDNN_DARKNET;
    step->out_form = ONEDNN_PLAIN;
    step->blob = model->base.network->table.layers[index].blob_bytes > 0 ? ll_buf_ref(blob) : NULL;
    dkb_darknet_fill(model->darknet, index, onednn_weights(creation, index));
}

/* A layer reads its input first, then its list; a name that comes twice counts once. */
static bool is_read(const struct ll_layer *row, int name)
{
    for (int r = 0; r < row->read_count; r++) {
        if (row->reads[r] == name) {
            return true;
        }
    }
    return false;
}

int64_t onednn_darknet_scratch(const struct onednn_model *model, int index)
{
    const struct ll_layer *row = &model->base.network->table.layers[index];
    int64_t floats = onednn_round_up(dkb_darknet_scratch_floats(&model->network->layers[index]));
    for (int r = 0; r < row->read_count; r++) {
        const struct onednn_layout *layout = onednn_layout_of(model, row->reads[r]);
        if (layout->form != ONEDNN_PLAIN) {
            floats += onednn_round_up(onednn_floats(model->engine, layout, ONEDNN_PLAIN));
        }
    }
    return floats;
}

/* The tensor as Darknet reads it; converted to `*scratch` where it is blocked. */
static float *plain_of(struct onednn_context *context, int name, float **scratch)
{
    const struct onednn_model *model = (struct onednn_model *)context->base.model;
    const struct onednn_layout *layout = onednn_layout_of(model, name);
    if (layout->form == ONEDNN_PLAIN) {
        return context->tensors[name + 1];
    }
    float *plain = *scratch;
    *scratch += onednn_round_up(onednn_floats(model->engine, layout, ONEDNN_PLAIN));
    onednn_convert(model->engine, layout, layout->form, context->tensors[name + 1], ONEDNN_PLAIN,
                   plain);
    return plain;
}

/* A list may name a tensor more than once: it is converted once. */
static void gather_list(struct onednn_context *context, const struct ll_layer_params *layer,
                        float **scratch)
{
    const struct ll_table *table = &context->base.model->network->table;
    for (int i = 0; i < layer->n; i++) {
        int name = table->layers[layer->input_layers[i]].makes;
        int before = 0;
        while (before < i && table->layers[layer->input_layers[before]].makes != name) {
            before++;
        }
        context->sources[i].output =
            before < i ? context->sources[before].output : plain_of(context, name, scratch);
    }
}

/* What Darknet expects to find in memory that it does not write itself. */
static void prepare_memory(const struct ll_layer_params *layer, float *output, float *scratch)
{
    if (layer->kind == LL_KIND_COST || (layer->kind == LL_KIND_REORG && layer->extra)) {
        /* Darknet never writes all of these outputs: its constructors' zeros stay. */
        memset(output, 0, (size_t)layer->outputs * sizeof(float));
    } else if (layer->kind == LL_KIND_DECONVOLUTIONAL) {
        /* Darknet clears its workspace there by multiplying with 0. */
        memset(scratch, 0, layer->workspace_floats * sizeof(float));
    }
}

void onednn_run_darknet(struct onednn_context *context, int index, float *output, float *scratch)
{
    const struct onednn_model *model = (struct onednn_model *)context->base.model;
    const struct ll_table *table = &model->base.network->table;
    const struct ll_layer_params *layer = &model->network->layers[index];
    const struct ll_layer *row = &table->layers[index];
    prepare_memory(layer, output, scratch);
    struct layer copy = model->darknet->patterns[index];
    dkb_darknet_point(layer, &copy, output, scratch);
    float *own_scratch = scratch;
    scratch += onednn_round_up(dkb_darknet_scratch_floats(layer));
    bool reads_input = layer->kind != LL_KIND_ROUTE && is_read(row, layer->input);
    float *input = reads_input ? plain_of(context, layer->input, &scratch) : NULL;
    if (layer->kind == LL_KIND_ROUTE) {
        gather_list(context, layer, &scratch);
    } else if (layer->kind == LL_KIND_SHORTCUT) {
        int name = table->layers[layer->index].makes;
        context->sources[0].output =
            name == layer->input ? input : plain_of(context, name, &scratch);
        copy.index = 0;
    }
    struct network net = {
        .n = table->layer_count,
        .index = index,
        .batch = 1,
        .layers = context->sources,
        .input = input,
        .workspace = own_scratch,
    };
    copy.forward(copy, net);
}
