/* Runs.
 *
 * A run takes three steps, the first two of which (onednn_place.c) only look or allocate, so that
 * one that is refused has written nothing:
 *
 *   1. plan     every tensor of the range gets a place in the arena, from its maker (or, for what
 *               comes in, from the beginning) to the end of the group of its last reader
 *   2. reserve  the arena's memory and the largest scratch memory of the range
 *   3. compute  group by group */
#include "engine/onednn/onednn_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "engine/onednn/onednn_layout.h"
#include "engine/onednn/onednn_omp.h"
#include "engine/onednn/onednn_place.h"
#include "engine/onednn/onednn_plain.h"
#include "engine/onednn/onednn_sum.h"

static struct onednn_context *context_of(struct ll_engine_context *base)
{
    return (struct onednn_context *)base;
}

static const struct onednn_model *model_of(const struct onednn_context *context)
{
    return (const struct onednn_model *)context->base.model;
}

static const struct ll_table *table_of(const struct onednn_context *context)
{
    return &context->base.model->network->table;
}

static enum onednn_form form_of(const struct onednn_model *model, int name)
{
    return onednn_layout_of(model, name)->form;
}

/* Copies tensor `name`, converting it where the forms differ. */
static void copy(const struct onednn_model *model, int name, enum onednn_form from_form,
                 const float *from, enum onednn_form to_form, float *to)
{
    const struct onednn_layout *layout = onednn_layout_of(model, name);
    if (from_form == to_form) {
        int64_t floats = onednn_floats(model->engine, layout, from_form);
        memcpy(to, from, (size_t)floats * sizeof(float));
    } else {
        onednn_convert(model->engine, layout, from_form, from, to_form, to);
    }
}

static void load_inputs(struct onednn_context *context, const struct ll_run *run)
{
    const struct onednn_model *model = model_of(context);
    for (int i = 0; i < run->input_count; i++) {
        int name = run->inputs[i].name;
        /* Inputs that nobody reads are ignored, whatever they are called. */
        if (name < LL_TENSOR_INPUT || name >= run->first || !context->tensors[name + 1] ||
            ll_run_find_input(run, name) != &run->inputs[i]) {
            continue;
        }
        copy(model, name, ONEDNN_PLAIN, run->inputs[i].data, form_of(model, name),
             context->tensors[name + 1]);
    }
}

static void store_output(const struct onednn_context *context, int name, float *plain)
{
    const struct onednn_model *model = model_of(context);
    copy(model, name, form_of(model, name), context->tensors[name + 1], ONEDNN_PLAIN, plain);
}

/* `count` floats of the step's scratch memory. */
static float *scratch_piece(float **scratch, int64_t floats)
{
    float *piece = *scratch;
    *scratch += onednn_round_up(floats);
    return piece;
}

/* The source in the form that the step wants. */
static float *source_data(struct onednn_context *context, const struct onednn_source *source,
                          float **scratch)
{
    const struct onednn_model *model = model_of(context);
    const struct onednn_layout *layout = onednn_layout_of(model, source->name);
    float *data = context->tensors[source->name + 1];
    if (layout->form == source->form) {
        return data;
    }
    float *converted = scratch_piece(scratch, onednn_floats(model->engine, layout, source->form));
    copy(model, source->name, layout->form, data, source->form, converted);
    return converted;
}

/* Points the context's object for an argument, made at its first use, at `data`. */
static dnnl_status_t point(const struct onednn_model *model, dnnl_memory_t *memory,
                           const dnnl_memory_desc_t *md, float *data)
{
    return *memory ? dnnl_memory_set_data_handle(*memory, data)
                   : dnnl_memory_create(memory, md, model->engine->dnnl, data);
}

/* A yolo layer's boxes: x, y, width, height, objectness, classes, a plane each. Widths and heights
 * are the input's. */
static void keep_sizes(const struct ll_layer_params *layer, const float *in, float *out)
{
    int64_t pixels = (int64_t)layer->w * layer->h;
    for (int n = 0; n < layer->n; n++) {
        int64_t at = (n * ((int64_t)layer->classes + 5) + 2) * pixels;
        memcpy(out + at, in + at, (size_t)(2 * pixels) * sizeof(float));
    }
}

/* Whether Darknet's softmax of these is a row of numbers: it is none where one is NaN or infinite,
 * or all are minus infinity. oneDNN then gives numbers for some. */
static bool has_softmax(const float *in, int count)
{
    bool has_finite = false;
    for (int i = 0; i < count; i++) {
        if (isnan(in[i]) || in[i] == INFINITY) {
            return false;
        }
        has_finite = has_finite || in[i] != -INFINITY;
    }
    return has_finite;
}

static void spread_nans(const struct ll_layer_params *layer, const float *in, float *out)
{
    int count = layer->inputs / layer->groups;
    for (int row = 0; row < layer->groups; row++, in += count, out += count) {
        if (!has_softmax(in, count)) {
            for (int i = 0; i < count; i++) {
                out[i] = NAN;
            }
        }
    }
}

/* What Darknet makes of a layer's input and the primitive does not. */
static void finish_output(const struct ll_layer_params *layer, const float *in, float *out)
{
    if (layer->kind == LL_KIND_YOLO) {
        keep_sizes(layer, in, out);
    } else if (layer->kind == LL_KIND_SOFTMAX) {
        spread_nans(layer, in, out);
    }
}

static ll_status run_primitive(struct onednn_context *context, int index, float *out,
                               float *scratch, struct ll_error *err)
{
    const struct onednn_model *model = model_of(context);
    const struct onednn_step *step = &model->steps[index];
    struct onednn_arguments *own = &context->arguments[index];
    dnnl_exec_arg_t arguments[ONEDNN_SOURCES + ONEDNN_CONSTANTS + 2];
    const float *first = NULL;
    int count = 0;
    dnnl_status_t status = dnnl_success;
    for (int s = 0; s < step->source_count && status == dnnl_success; s++) {
        const struct onednn_source *source = &step->sources[s];
        float *data = source_data(context, source, &scratch);
        first = s == 0 ? data : first;
        if (s == 1 && step->adds) {
            if (data != out) {
                memcpy(out, data, dnnl_memory_desc_get_size(&step->out_md));
            }
            continue;
        }
        status = point(model, &own->sources[s], &source->md, data);
        arguments[count++] = (dnnl_exec_arg_t){source->argument, own->sources[s]};
    }
    for (int i = 0; i < step->constant_count; i++) {
        arguments[count++] =
            (dnnl_exec_arg_t){step->constants[i].argument, step->constants[i].memory};
    }
    if (status == dnnl_success) {
        status = point(model, &own->out, &step->out_md, out);
        arguments[count++] = (dnnl_exec_arg_t){DNNL_ARG_DST, own->out};
    }
    if (status == dnnl_success && step->scratchpad_floats > 0) {
        status = point(model, &own->scratchpad, &step->scratchpad_md, scratch);
        arguments[count++] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, own->scratchpad};
    }
    if (status == dnnl_success) {
        status = dnnl_primitive_execute(step->primitive, context->stream, count, arguments);
    }
    if (status == dnnl_success && first) {
        finish_output(&model->network->layers[index], first, out);
    }
    return status == dnnl_success
               ? LL_OK
               : ll_fail(err, LL_E_NO_MEMORY, "layer %d (%s): oneDNN's status is %d", index,
                         table_of(context)->layers[index].type, (int)status);
}

static void run_concat(struct onednn_context *context, int index, float *out)
{
    const struct onednn_model *model = model_of(context);
    const struct ll_layer_params *layer = &model->network->layers[index];
    for (int i = 0; i < layer->n; i++) {
        int name = table_of(context)->layers[layer->input_layers[i]].makes;
        int64_t floats = onednn_layout_of(model, name)->floats;
        memcpy(out, context->tensors[name + 1], (size_t)floats * sizeof(float));
        out += floats;
    }
}

static ll_status run_step(struct onednn_context *context, int index, struct ll_error *err)
{
    const struct onednn_model *model = model_of(context);
    const struct onednn_step *step = &model->steps[index];
    const struct onednn_layout *layout = onednn_layout_of(model, index);
    float *tensor = context->tensors[index + 1];
    float *scratch = context->scratch;
    float *out = tensor;
    if (layout->form != step->out_form) {
        out = scratch_piece(&scratch, onednn_floats(model->engine, layout, step->out_form));
    }
    ll_status status = LL_OK;
    switch (step->kind) {
    case ONEDNN_PRIMITIVE:
        status = run_primitive(context, index, out, scratch, err);
        break;
    case ONEDNN_CONCAT:
        run_concat(context, index, out);
        break;
    case ONEDNN_SUM:
        onednn_run_sum(context, index, out, scratch);
        break;
    case ONEDNN_PLAIN_LAYER:
        onednn_run_plain(context, index, out, scratch);
        break;
    case ONEDNN_NOTHING:
        break;
    }
    if (status == LL_OK && out != tensor) {
        copy(model, index, step->out_form, out, layout->form, tensor);
    }
    return status;
}

/* Shows the tensor to the probe. */
static ll_status show(struct onednn_context *context, int index, struct ll_error *err)
{
    int64_t floats = table_of(context)->layers[index].out_floats;
    float *plain = malloc((size_t)floats * sizeof(float));
    if (!plain) {
        return ll_fail(err, LL_E_NO_MEMORY, "no memory to show layer %d", index);
    }
    store_output(context, index, plain);
    context->probe.made(context->probe.arg, index, plain, floats);
    free(plain);
    return LL_OK;
}

static ll_status run_group(struct onednn_context *context, const struct ll_run *run, int first,
                           int last, struct ll_error *err)
{
    for (int i = first; i <= last; i++) {
        if (!onednn_is_step(model_of(context), i)) {
            continue;
        }
        ll_status status = run_step(context, i, err);
        if (status == LL_OK && context->probe.made) {
            status = show(context, i, err);
        }
        if (status != LL_OK) {
            return status;
        }
    }
    for (int i = 0; i < run->output_count; i++) {
        if (run->outputs[i].name >= first && run->outputs[i].name <= last) {
            store_output(context, run->outputs[i].name, run->outputs[i].data);
        }
    }
    return LL_OK;
}

ll_status onednn_run(struct ll_engine_context *base_context, const struct ll_run *run,
                     struct ll_error *err)
{
    struct onednn_context *context = context_of(base_context);
    onednn_use_threads(context->base.model->engine->threads);
    ll_status status = onednn_place(context, run, err);
    if (status != LL_OK) {
        return status;
    }
    int64_t before_ns = run->layer_ns ? ll_clock_now_ns() : 0;
    load_inputs(context, run);
    for (int first = run->first; first < run->end && status == LL_OK;) {
        int last = onednn_group_last(table_of(context), first);
        if (ll_engine_is_stopped(run->stop)) {
            return ll_fail(err, LL_E_CANCELLED, "the run was stopped before layer %d", first);
        }
        status = run_group(context, run, first, last, err);
        if (run->layer_ns) {
            int64_t now_ns = ll_clock_now_ns();
            run->layer_ns[last - run->first] = now_ns - before_ns;
            before_ns = now_ns;
        }
        first = last + 1;
    }
    return status;
}

ll_status onednn_run_on_zeros(struct ll_engine_context *base_context, int first, int last,
                              int64_t *out_ns, struct ll_error *err)
{
    struct onednn_context *context = context_of(base_context);
    const struct ll_run run = {.first = first, .end = last + 1};
    ll_status status = onednn_place(context, &run, err);
    if (status != LL_OK) {
        return status;
    }
    if (context->memory) {
        memset(context->memory, 0, (size_t)context->arena.peak * sizeof(float));
    }
    int64_t began_ns = ll_clock_now_ns();
    status = run_group(context, &run, first, last, err);
    if (status == LL_OK) {
        *out_ns = ll_clock_now_ns() - began_ns;
    }
    return status;
}
