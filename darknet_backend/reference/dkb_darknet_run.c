/* A query's memory and its runs.
 *
 * A run takes four steps, the first three of which only look or allocate, so that one that is
 * refused has written nothing:
 *
 *   1. bind    inputs are read where the caller has them, outputs are written where the caller
 *              wants them
 *   2. plan    every other tensor of the range gets a place in the arena, from the layer that makes
 *              it to its last reader
 *   3. reserve the arena's memory and the largest scratch memory of the range
 *   4. compute layer by layer */
#include "darknet_backend/reference/dkb_darknet_run.h"

#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "darknet_backend/reference/dkb_plain.h"
#include "engine/ll_arena.h"
#include "engine/ll_probe.h"

struct dkb_darknet_context {
    struct ll_engine_context base;
    /* Tensor t of the running range at [t + 1]: its memory, or where it will lie in the arena. */
    float **tensors;
    int64_t *places;
    struct ll_arena arena;
    /* Tensors, and the scratch memory of the layer that runs. Grow as ranges need it. */
    float *memory;
    int64_t memory_floats;
    float *scratch;
    int64_t scratch_floats;
    /* What the layer that runs reads besides its input. */
    const float **sources;
    struct ll_probe probe;
};

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
    size_t sources = (size_t)ll_plain_most_sources(base_model->network) + 1;
    int64_t bytes = (int64_t)(tensors * (sizeof(*context->tensors) + sizeof(*context->places) +
                                         sizeof(*context->arena.blocks)) +
                              sources * sizeof(*context->sources));
    ll_status status = ll_engine_context_take(&context->base, bytes, err);
    if (status != LL_OK) {
        free(context);
        return status;
    }
    context->tensors = calloc(tensors, sizeof(*context->tensors));
    context->places = calloc(tensors, sizeof(*context->places));
    context->sources = calloc(sources, sizeof(*context->sources));
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

/* Inputs stand among the tensors that layers write, though they are only read. */
static float *as_memory(const float *data)
{
    return (float *)data;
}

/* Inputs are read where they lie, outputs written where they are wanted. */
static void bind(struct dkb_darknet_context *context, const struct ll_run *run)
{
    const struct ll_table *table = table_of(context);
    memset(context->tensors, 0, ((size_t)table->layer_count + 1) * sizeof(*context->tensors));
    for (int i = run->first; i < run->end; i++) {
        const struct ll_layer *row = &table->layers[i];
        for (int r = 0; r < row->read_count; r++) {
            int name = row->reads[r];
            if (name < run->first && !context->tensors[name + 1]) {
                context->tensors[name + 1] = as_memory(ll_run_find_input(run, name)->data);
            }
        }
    }
    for (int i = 0; i < run->output_count; i++) {
        context->tensors[run->outputs[i].name + 1] = run->outputs[i].data;
    }
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
    const struct ll_network *network = context->base.model->network;
    int64_t scratch = 0;
    ll_arena_reset(&context->arena);
    for (int i = run->first; i < run->end; i++) {
        if (table->layers[i].makes == i && !context->tensors[i + 1]) {
            context->places[i + 1] = ll_arena_take(&context->arena, table->layers[i].out_floats);
        }
        int64_t floats = dkb_plain_ops.scratch_floats(&network->layers[i]);
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

static void compute_layer(struct dkb_darknet_context *context, int index)
{
    const struct ll_network *network = context->base.model->network;
    const struct ll_layer *row = &network->table.layers[index];
    if (row->makes != index) {
        return;
    }
    for (int i = 0; i < ll_plain_source_count(network, index); i++) {
        context->sources[i] = context->tensors[ll_plain_source(network, index, i) + 1];
    }
    const struct ll_plain_tensors tensors = {
        .input = context->tensors[network->layers[index].input + 1],
        .sources = context->sources,
        .output = context->tensors[index + 1],
        .scratch = context->scratch,
    };
    dkb_plain_ops.run(model_of(context)->layers, index, &tensors);
    if (context->probe.made) {
        context->probe.made(context->probe.arg, index, tensors.output, row->out_floats);
    }
}

ll_status dkb_darknet_run(struct ll_engine_context *base_context, const struct ll_run *run,
                          struct ll_error *err)
{
    struct dkb_darknet_context *context = context_of(base_context);
    bind(context, run);
    ll_status status = reserve(context, run, plan(context, run), err);
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
