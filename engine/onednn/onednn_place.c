/* A query's memory: contexts, and where the tensors of a run lie in them. */
#include "engine/onednn/onednn_place.h"

#include <stdlib.h>
#include <string.h>

#include "engine/onednn/onednn_layout.h"
#include "engine/onednn/onednn_plain.h"
#include "engine/onednn/onednn_sum.h"

/* What oneDNN allocates for a layer's arguments, about. */
enum { ARGUMENT_BYTES = 4096 };

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

/* What a context takes besides tensors and scratch memory. */
static int64_t fixed_bytes(size_t layers, size_t sources)
{
    const struct onednn_context *context = NULL;
    size_t per_layer = sizeof(*context->arguments) + ARGUMENT_BYTES + sizeof(*context->tensors) +
                       sizeof(*context->places) + sizeof(*context->held) +
                       sizeof(*context->arena.blocks);
    return (int64_t)((layers + 1) * per_layer + sources * sizeof(*context->sources));
}

ll_status onednn_context_create(struct ll_engine_model *base_model,
                                struct ll_engine_context **out_context, struct ll_error *err)
{
    size_t layers = (size_t)base_model->network->table.layer_count;
    struct onednn_context *context = calloc(1, sizeof(*context));
    if (!context) {
        return ll_fail(err, LL_E_NO_MEMORY, "no memory for a context");
    }
    context->base.model = base_model;
    const struct onednn_model *model = model_of(context);
    size_t sources = (size_t)ll_plain_most_sources(model->network) + 1;
    ll_status status = ll_engine_context_take(&context->base, fixed_bytes(layers, sources), err);
    if (status != LL_OK) {
        free(context);
        return status;
    }
    context->arguments = calloc(layers, sizeof(*context->arguments));
    context->tensors = calloc(layers + 1, sizeof(*context->tensors));
    context->places = calloc(layers + 1, sizeof(*context->places));
    context->held = calloc(layers + 1, sizeof(*context->held));
    context->sources = calloc(sources, sizeof(*context->sources));
    status = ll_arena_init(&context->arena, (int)layers + 1);
    dnnl_status_t stream =
        dnnl_stream_create(&context->stream, model->engine->dnnl, dnnl_stream_default_flags);
    if (status != LL_OK || stream != dnnl_success || !context->arguments || !context->tensors ||
        !context->places || !context->held || !context->sources) {
        onednn_context_destroy(&context->base);
        return ll_fail(err, LL_E_NO_MEMORY, "no memory for a context");
    }
    *out_context = &context->base;
    return LL_OK;
}

void onednn_context_destroy(struct ll_engine_context *base_context)
{
    if (!base_context) {
        return;
    }
    struct onednn_context *context = context_of(base_context);
    for (int i = 0; context->arguments && i < table_of(context)->layer_count; i++) {
        struct onednn_arguments *arguments = &context->arguments[i];
        for (int s = 0; s < ONEDNN_SOURCES; s++) {
            dnnl_memory_destroy(arguments->sources[s]);
        }
        dnnl_memory_destroy(arguments->out);
        dnnl_memory_destroy(arguments->scratchpad);
    }
    dnnl_stream_destroy(context->stream);
    ll_arena_finish(&context->arena);
    free(context->arguments);
    free(context->tensors);
    free(context->places);
    free(context->held);
    free(context->sources);
    ll_arena_drop(base_context, &context->memory, &context->memory_floats);
    ll_arena_drop(base_context, &context->scratch, &context->scratch_floats);
    ll_engine_context_give(base_context, base_context->bytes);
    free(context);
}

void onednn_probe_set(struct ll_engine_context *context, const struct ll_probe *probe)
{
    context_of(context)->probe = *probe;
}

int64_t onednn_context_bytes(const struct ll_engine_context *context)
{
    const struct onednn_context *own = (const struct onednn_context *)context;
    return (own->memory_floats + own->scratch_floats) * (int64_t)sizeof(float);
}

static int64_t last_reader_of(const struct ll_table *table, int name)
{
    return name == LL_TENSOR_INPUT ? table->input_last_reader : table->layers[name].last_reader;
}

static void take(struct onednn_context *context, int name)
{
    int64_t floats = onednn_layout_of(model_of(context), name)->floats;
    context->places[name + 1] = ll_arena_take(&context->arena, floats);
    context->held[name + 1] = true;
}

static void give(struct onednn_context *context, int name)
{
    ll_arena_give(&context->arena, context->places[name + 1]);
    context->held[name + 1] = false;
}

/* The tensor in whose place the step at `index` may write, since the group that ends at `last` is
 * its only reader from here on: what a sum is added to. `none` where there is none. */
static int tensor_to_replace(const struct onednn_context *context, int index, int last, int none)
{
    const struct onednn_model *model = model_of(context);
    const struct onednn_step *step = &model->steps[index];
    int name = none;
    int other = none;
    if (step->adds) {
        name = step->sources[1].name;
        other = step->sources[0].name;
    } else if (step->kind == ONEDNN_SUM) {
        name = model->network->layers[index].input;
        other = onednn_sum_source(model, index);
    }
    if (name == none || name == other) {
        return none;
    }
    bool as_written = onednn_layout_of(model, name)->form == step->out_form &&
                      onednn_layout_of(model, index)->form == step->out_form;
    return as_written && last_reader_of(table_of(context), name) <= last ? name : none;
}

static void plan_output(struct onednn_context *context, int index, int last)
{
    const int none = LL_TENSOR_INPUT - 1;
    int name = tensor_to_replace(context, index, last, none);
    if (name == none) {
        take(context, index);
        return;
    }
    context->places[index + 1] = context->places[name + 1];
    context->held[index + 1] = true;
    context->held[name + 1] = false;
}

/* Gives back what nobody reads behind the group [first, last]. */
static void plan_release(struct onednn_context *context, int first, int last)
{
    const struct ll_table *table = table_of(context);
    for (int i = first; i <= last; i++) {
        const struct ll_layer *row = &table->layers[i];
        for (int r = 0; r < row->read_count; r++) {
            int name = row->reads[r];
            if (context->held[name + 1] && last_reader_of(table, name) <= last) {
                give(context, name);
            }
        }
    }
    for (int i = first; i <= last; i++) {
        if (context->held[i + 1] && table->layers[i].last_reader <= last) {
            give(context, i);
        }
    }
}

/* Scratch memory of a step: converted inputs, an output to convert, what its function wants. */
static int64_t step_scratch(const struct onednn_model *model, int index)
{
    const struct onednn_step *step = &model->steps[index];
    int64_t floats = 0;
    for (int s = 0; s < step->source_count; s++) {
        const struct onednn_layout *layout = onednn_layout_of(model, step->sources[s].name);
        if (layout->form != step->sources[s].form) {
            floats += onednn_round_up(onednn_floats(model->engine, layout, step->sources[s].form));
        }
    }
    const struct onednn_layout *out = onednn_layout_of(model, index);
    if (out->form != step->out_form) {
        floats += onednn_round_up(onednn_floats(model->engine, out, step->out_form));
    }
    if (step->kind == ONEDNN_PLAIN_LAYER) {
        floats += onednn_plain_scratch(model, index);
    } else if (step->kind == ONEDNN_SUM) {
        floats += onednn_sum_scratch(model, index);
    }
    return floats + onednn_round_up(step->scratchpad_floats);
}

/* What comes into the range lies in the arena too, in its layout. */
static void plan_inputs(struct onednn_context *context, const struct ll_run *run)
{
    const struct ll_table *table = table_of(context);
    for (int i = run->first; i < run->end; i++) {
        const struct ll_layer *row = &table->layers[i];
        for (int r = 0; r < row->read_count; r++) {
            int name = row->reads[r];
            if (name < run->first && !context->held[name + 1]) {
                take(context, name);
            }
        }
    }
}

/* Finds places; returns the scratch memory needed, in floats. */
static int64_t plan(struct onednn_context *context, const struct ll_run *run)
{
    const struct ll_table *table = table_of(context);
    const struct onednn_model *model = model_of(context);
    int64_t scratch = 0;
    ll_arena_reset(&context->arena);
    for (int i = 0; i <= table->layer_count; i++) {
        context->places[i] = -1;
        context->held[i] = false;
    }
    plan_inputs(context, run);
    for (int first = run->first; first < run->end;) {
        int last = onednn_group_last(table, first);
        for (int i = first; i <= last; i++) {
            if (onednn_is_step(model, i)) {
                plan_output(context, i, last);
                int64_t floats = step_scratch(model, i);
                scratch = floats > scratch ? floats : scratch;
            }
        }
        plan_release(context, first, last);
        first = last + 1;
    }
    return scratch;
}

ll_status onednn_place(struct onednn_context *context, const struct ll_run *run,
                       struct ll_error *err)
{
    int64_t scratch_floats = plan(context, run);
    ll_status status = ll_arena_grow(&context->base, &context->memory, &context->memory_floats,
                                     context->arena.peak, err);
    if (status == LL_OK) {
        status = ll_arena_grow(&context->base, &context->scratch, &context->scratch_floats,
                               scratch_floats, err);
    }
    if (status != LL_OK) {
        return status;
    }
    if (context->probe.poison && context->memory) {
        memset(context->memory, 0xff, (size_t)context->arena.peak * sizeof(float));
    }
    if (context->probe.poison && context->scratch) {
        memset(context->scratch, 0xff, (size_t)scratch_floats * sizeof(float));
    }
    for (int i = 0; i <= table_of(context)->layer_count; i++) {
        bool has_place = context->places[i] >= 0;
        context->tensors[i] = has_place ? context->memory + context->places[i] : NULL;
    }
    return LL_OK;
}
