/* A query's memory and its runs.
 *
 * A run takes four steps, the first three of which only look or allocate, so that a refused run has
 * written nothing:
 *
 *   1. bind    inputs are read where the caller has them, outputs are written where the caller
 *              wants them
 *   2. plan    every other tensor of the range gets a place in the arena, from the layer that makes
 *              it to its last reader
 *   3. reserve the arena's memory and the largest scratch memory of the range
 *   4. compute layer by layer */
#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_limits.h"
#include "darknet_backend/reference/dkb_darknet.h"

static struct dkb_darknet_context *context_of(struct ll_engine_context *base)
{
    return (struct dkb_darknet_context *)base;
}

static const struct dkb_darknet_model *model_of(const struct dkb_darknet_context *context)
{
    return (const struct dkb_darknet_model *)context->base.model;
}

static const struct ll_table *table_of(const struct dkb_darknet_context *context)
{
    return &context->base.model->network->table;
}

ll_status dkb_darknet_context_create(struct ll_engine_model *base_model,
                                     struct ll_engine_context **out_context, struct ll_error *err)
{
    size_t tensors = (size_t)base_model->network->table.layer_count + 1;
    struct dkb_darknet_context *context = calloc(1, sizeof(*context));
    if (!context) {
        return ll_fail(err, LL_E_NO_MEMORY, "no memory for a context");
    }
    context->base.model = base_model;
    int sources = dkb_darknet_most_sources(model_of(context)->network);
    int64_t bytes = (int64_t)(tensors * (sizeof(*context->tensors) + sizeof(*context->places) +
                                         sizeof(*context->arena.blocks)) +
                              (size_t)sources * sizeof(*context->sources));
    ll_status status = ll_engine_context_take(&context->base, bytes, err);
    if (status != LL_OK) {
        free(context);
        return status;
    }
    context->tensors = calloc(tensors, sizeof(*context->tensors));
    context->places = calloc(tensors, sizeof(*context->places));
    context->sources = calloc((size_t)sources, sizeof(*context->sources));
    status = ll_arena_init(&context->arena, (int)tensors);
    if (status != LL_OK || !context->tensors || !context->places || !context->sources) {
        dkb_darknet_context_destroy(&context->base);
        return ll_fail(err, LL_E_NO_MEMORY, "no memory for a context");
    }
    *out_context = &context->base;
    return LL_OK;
}

void dkb_darknet_context_destroy(struct ll_engine_context *base_context)
{
    if (!base_context) {
        return;
    }
    struct dkb_darknet_context *context = context_of(base_context);
    ll_arena_finish(&context->arena);
    free(context->tensors);
    free(context->places);
    free(context->sources);
    ll_arena_drop(base_context, &context->memory, &context->memory_floats);
    ll_arena_drop(base_context, &context->scratch, &context->scratch_floats);
    ll_engine_context_give(base_context, base_context->bytes);
    free(context);
}

void dkb_darknet_probe_set(struct ll_engine_context *context, const struct ll_probe *probe)
{
    context_of(context)->probe = *probe;
}

int64_t dkb_darknet_context_bytes(const struct ll_engine_context *context)
{
    const struct dkb_darknet_context *own = (const struct dkb_darknet_context *)context;
    return (own->memory_floats + own->scratch_floats) * (int64_t)sizeof(float);
}

/* Where Darknet would want to write, though inputs are only read. */
static float *as_darknet_has_it(const float *data)
{
    return (float *)data;
}

static ll_status check_range(const struct dkb_darknet_context *context, const struct ll_run *run,
                             struct ll_error *err)
{
    const struct ll_table *table = table_of(context);
    int prefix = atomic_load_explicit(&context->base.model->prefix, memory_order_acquire);
    if (run->first < 0 || run->first >= run->end || run->end > prefix) {
        return ll_fail(err, LL_E_INVALID, "layers %d to %d cannot run: %d are created", run->first,
                       run->end, prefix);
    }
    if (!ll_table_is_legal_cut(table, run->first) || !ll_table_is_legal_cut(table, run->end)) {
        return ll_fail(err, LL_E_INVALID, "layers %d to %d cannot run: not legal cuts", run->first,
                       run->end);
    }
    return LL_OK;
}

static const struct ll_tensor_in *find_input(const struct ll_run *run, int name)
{
    for (int i = 0; i < run->input_count; i++) {
        if (run->inputs[i].name == name) {
            return &run->inputs[i];
        }
    }
    return NULL;
}

static ll_status bind_input(struct dkb_darknet_context *context, const struct ll_run *run, int name,
                            struct ll_error *err)
{
    if (context->tensors[name + 1]) {
        return LL_OK;
    }
    const struct ll_tensor_in *input = find_input(run, name);
    int64_t floats = ll_table_tensor_floats(table_of(context), name);
    if (!input || !input->data) {
        return ll_fail(err, LL_E_INVALID, "tensor %d is missing: layers %d to %d read it", name,
                       run->first, run->end);
    }
    if (input->floats != floats) {
        return ll_fail(err, LL_E_INVALID, "tensor %d has %lld floats instead of %lld", name,
                       (long long)input->floats, (long long)floats);
    }
    context->tensors[name + 1] = as_darknet_has_it(input->data);
    return LL_OK;
}

static ll_status bind_output(struct dkb_darknet_context *context, const struct ll_run *run,
                             const struct ll_tensor_out *output, struct ll_error *err)
{
    const struct ll_table *table = table_of(context);
    int name = output->name;
    if (name < run->first || name >= run->end || table->layers[name].makes != name ||
        table->layers[name].last_reader < run->end) {
        return ll_fail(err, LL_E_INVALID, "tensor %d is no output of layers %d to %d", name,
                       run->first, run->end);
    }
    int64_t floats = table->layers[name].out_floats;
    if (output->floats != floats || !output->data) {
        return ll_fail(err, LL_E_INVALID, "output tensor %d has room for %lld floats, not %lld",
                       name, output->data ? (long long)output->floats : 0LL, (long long)floats);
    }
    if (context->tensors[name + 1]) {
        return ll_fail(err, LL_E_INVALID, "output tensor %d is asked for twice", name);
    }
    context->tensors[name + 1] = output->data;
    return LL_OK;
}

static ll_status bind(struct dkb_darknet_context *context, const struct ll_run *run,
                      struct ll_error *err)
{
    const struct ll_table *table = table_of(context);
    memset(context->tensors, 0, ((size_t)table->layer_count + 1) * sizeof(*context->tensors));
    for (int i = run->first; i < run->end; i++) {
        const struct ll_layer *row = &table->layers[i];
        for (int r = 0; r < row->read_count; r++) {
            if (row->reads[r] >= run->first) {
                continue;
            }
            ll_status status = bind_input(context, run, row->reads[r], err);
            if (status != LL_OK) {
                return status;
            }
        }
    }
    for (int i = 0; i < run->output_count; i++) {
        ll_status status = bind_output(context, run, &run->outputs[i], err);
        if (status != LL_OK) {
            return status;
        }
    }
    return LL_OK;
}

/* Gives back what nobody reads after layer `index`. Tensors that are bound have no place. */
static void plan_release(struct dkb_darknet_context *context, const struct ll_run *run, int index)
{
    const struct ll_table *table = table_of(context);
    const struct ll_layer *row = &table->layers[index];
    for (int r = 0; r < row->read_count; r++) {
        int name = row->reads[r];
        if (name >= run->first && table->layers[name].last_reader == index &&
            !context->tensors[name + 1]) {
            ll_arena_give(&context->arena, context->places[name + 1]);
        }
    }
    if (row->makes == index && row->last_reader < 0) {
        ll_arena_give(&context->arena, context->places[index + 1]);
    }
}

/* Finds places; returns the scratch memory needed, in floats. */
static int64_t plan(struct dkb_darknet_context *context, const struct ll_run *run)
{
    const struct ll_table *table = table_of(context);
    const struct ll_network *network = model_of(context)->network;
    int64_t scratch = 0;
    ll_arena_reset(&context->arena);
    for (int i = run->first; i < run->end; i++) {
        if (table->layers[i].makes == i && !context->tensors[i + 1]) {
            context->places[i + 1] = ll_arena_take(&context->arena, table->layers[i].out_floats);
        }
        int64_t floats = dkb_darknet_scratch_floats(&network->layers[i]);
        if (floats > scratch) {
            scratch = floats;
        }
        plan_release(context, run, i);
    }
    return scratch;
}

static ll_status reserve(struct dkb_darknet_context *context, const struct ll_run *run,
                         int64_t scratch_floats, struct ll_error *err)
{
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
    const struct ll_table *table = table_of(context);
    for (int i = run->first; i < run->end; i++) {
        if (table->layers[i].makes == i && !context->tensors[i + 1]) {
            context->tensors[i + 1] = context->memory + context->places[i + 1];
        }
    }
    return LL_OK;
}

/* Points the layer's list of other layers, if it has one, at the tensors that they made. */
static void gather_sources(struct dkb_darknet_context *context, const struct ll_layer_params *layer,
                           struct layer *copy)
{
    const struct ll_table *table = table_of(context);
    if (layer->kind == LL_KIND_ROUTE) {
        for (int i = 0; i < layer->n; i++) {
            int name = table->layers[layer->input_layers[i]].makes;
            context->sources[i].output = context->tensors[name + 1];
        }
    } else if (layer->kind == LL_KIND_SHORTCUT) {
        int name = table->layers[layer->index].makes;
        context->sources[0].output = context->tensors[name + 1];
        copy->index = 0;
    }
}

/* Zeros where Darknet takes its constructors' zeros for granted. */
static void prepare_memory(struct dkb_darknet_context *context, const struct ll_layer_params *layer,
                           float *output)
{
    if (layer->kind == LL_KIND_COST || (layer->kind == LL_KIND_REORG && layer->extra)) {
        /* Outputs that are never, or not all, written. */
        memset(output, 0, (size_t)layer->outputs * sizeof(float));
    } else if (layer->kind == LL_KIND_DECONVOLUTIONAL) {
        /* Its matrix product multiplies what lies there by 0, which a NaN survives. */
        memset(context->scratch, 0, layer->workspace_floats * sizeof(float));
    }
}

static void compute_layer(struct dkb_darknet_context *context, int index)
{
    const struct dkb_darknet_model *model = model_of(context);
    const struct ll_layer_params *layer = &model->network->layers[index];
    const struct ll_layer *row = &table_of(context)->layers[index];
    if (row->makes != index) {
        return;
    }
    float *output = context->tensors[index + 1];
    prepare_memory(context, layer, output);
    struct layer copy = model->patterns[index];
    dkb_darknet_point(layer, &copy, output, context->scratch);
    gather_sources(context, layer, &copy);
    struct network net = {
        .n = context->base.model->network->table.layer_count,
        .index = index,
        .batch = 1,
        .layers = context->sources,
        .input = context->tensors[layer->input + 1],
        .workspace = context->scratch,
    };
    copy.forward(copy, net);
    if (context->probe.made) {
        context->probe.made(context->probe.arg, index, output, row->out_floats);
    }
}

ll_status dkb_darknet_run(struct ll_engine_context *base_context, const struct ll_run *run,
                          struct ll_error *err)
{
    struct dkb_darknet_context *context = context_of(base_context);
    ll_status status = check_range(context, run, err);
    if (status == LL_OK) {
        status = bind(context, run, err);
    }
    if (status == LL_OK) {
        status = reserve(context, run, plan(context, run), err);
    }
    if (status != LL_OK) {
        return status;
    }
    int64_t before_ns = run->layer_ns ? ll_clock_now_ns() : 0;
    for (int i = run->first; i < run->end; i++) {
        if (ll_engine_is_stopped(run->stop)) {
            return ll_fail(err, LL_E_CANCELLED, "the run was stopped before layer %d", i);
        }
        compute_layer(context, i);
        if (run->layer_ns) {
            int64_t now_ns = ll_clock_now_ns();
            run->layer_ns[i - run->first] = now_ns - before_ns;
            before_ns = now_ns;
        }
    }
    return LL_OK;
}
