#include "engine/onednn/onednn_plain.h"

#include "engine/onednn/onednn_layout.h"
#include "engine/onednn/onednn_step.h"

void onednn_create_plain(struct onednn_creation *creation, int index)
{
    struct onednn_model *model = creation->model;
    struct onednn_step *step = &model->steps[index];
    struct ll_buf *blob = creation->blobs[index - creation->first];
    step->kind = ONEDNN_PLAIN_LAYER;
    step->out_form = ONEDNN_PLAIN;
    step->blob = model->base.network->table.layers[index].blob_bytes > 0 ? ll_buf_ref(blob) : NULL;
    model->engine->plain->fill(model->plain, index, onednn_weights(creation, index));
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

int64_t onednn_plain_scratch(const struct onednn_model *model, int index)
{
    const struct ll_layer *row = &model->base.network->table.layers[index];
    int64_t floats =
        onednn_round_up(model->engine->plain->scratch_floats(&model->network->layers[index]));
    for (int r = 0; r < row->read_count; r++) {
        const struct onednn_layout *layout = onednn_layout_of(model, row->reads[r]);
        if (layout->form != ONEDNN_PLAIN) {
            floats += onednn_round_up(onednn_floats(model->engine, layout, ONEDNN_PLAIN));
        }
    }
    return floats;
}

/* The tensor as a plain layer reads it; converted to `*scratch` where it is blocked. */
static const float *plain_of(struct onednn_context *context, int name, float **scratch)
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

/* What the layer reads besides its input, which has been converted already. A list may name a
 * tensor more than once: it is converted once. */
static void gather_sources(struct onednn_context *context, int index, const float *input,
                           float **scratch)
{
    const struct ll_network *network = context->base.model->network;
    int count = ll_plain_source_count(network, index);
    for (int i = 0; i < count; i++) {
        int name = ll_plain_source(network, index, i);
        int before = 0;
        while (before < i && ll_plain_source(network, index, before) != name) {
            before++;
        }
        if (before < i) {
            context->sources[i] = context->sources[before];
        } else if (input && name == network->layers[index].input) {
            context->sources[i] = input;
        } else {
            context->sources[i] = plain_of(context, name, scratch);
        }
    }
}

void onednn_run_plain(struct onednn_context *context, int index, float *output, float *scratch)
{
    const struct onednn_model *model = (struct onednn_model *)context->base.model;
    const struct ll_plain_ops *plain = model->engine->plain;
    const struct ll_layer_params *layer = &model->network->layers[index];
    const struct ll_layer *row = &model->base.network->table.layers[index];
    struct ll_plain_tensors tensors = {
        .sources = context->sources,
        .output = output,
        .scratch = scratch,
    };
    scratch += onednn_round_up(plain->scratch_floats(layer));
    /* A route reads its list alone, whatever comes in. */
    if (layer->kind != LL_KIND_ROUTE && is_read(row, layer->input)) {
        tensors.input = plain_of(context, layer->input, &scratch);
    }
    gather_sources(context, index, tensors.input, &scratch);
    plain->run(model->plain, index, &tensors);
}
