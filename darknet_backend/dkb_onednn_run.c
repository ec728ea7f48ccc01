/* A query's memory and its runs.
 *
 * A run takes four steps, the first three of which only look or allocate, so that a refused run has
 * written nothing:
 *
 *   1. check    every input is there, every output is one
 *   2. plan     every tensor of the range gets a place in the arena, from its maker (or, for what
 *               comes in, from the beginning) to the end of the group of its last reader
 *   3. reserve  the arena's memory and the largest scratch memory of the range
 *   4. compute  group by group */
#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_limits.h"
#include "darknet_backend/dkb_onednn.h"
#include "darknet_backend/dkb_onednn_omp.h"

enum { MEMORY_ALIGNMENT = 64, FLOATS_ALIGNMENT = 16 };

static struct dkb_onednn_context *context_of(struct ll_engine_context *base)
{
    return (struct dkb_onednn_context *)base;
}

static const struct dkb_onednn_model *model_of(const struct dkb_onednn_context *context)
{
    return (const struct dkb_onednn_model *)context->base.model;
}

static const struct ll_table *table_of(const struct dkb_onednn_context *context)
{
    return &context->base.model->network->table;
}

ll_status dkb_onednn_context_create(struct ll_engine_model *base_model,
                                    struct ll_engine_context **out_context, struct ll_error *err)
{
    size_t layers = (size_t)base_model->network->table.layer_count;
    struct dkb_onednn_context *context = calloc(1, sizeof(*context));
    if (!context) {
        return ll_fail(err, LL_E_NO_MEMORY, "no memory for a context");
    }
    context->base.model = base_model;
    const struct dkb_onednn_model *model = model_of(context);
    int sources = dkb_darknet_most_sources(model->network);
    context->arguments = calloc(layers, sizeof(*context->arguments));
    context->tensors = calloc(layers + 1, sizeof(*context->tensors));
    context->places = calloc(layers + 1, sizeof(*context->places));
    context->held = calloc(layers + 1, sizeof(*context->held));
    context->sources = calloc((size_t)sources, sizeof(*context->sources));
    ll_status status = dkb_arena_init(&context->arena, (int)layers + 1);
    dnnl_status_t stream =
        dnnl_stream_create(&context->stream, model->engine->dnnl, dnnl_stream_default_flags);
    if (status != LL_OK || stream != dnnl_success || !context->arguments || !context->tensors ||
        !context->places || !context->held || !context->sources) {
        dkb_onednn_context_destroy(&context->base);
        return ll_fail(err, LL_E_NO_MEMORY, "no memory for a context");
    }
    *out_context = &context->base;
    return LL_OK;
}

void dkb_onednn_context_destroy(struct ll_engine_context *base_context)
{
    if (!base_context) {
        return;
    }
    struct dkb_onednn_context *context = context_of(base_context);
    for (int i = 0; context->arguments && i < table_of(context)->layer_count; i++) {
        struct dkb_onednn_arguments *arguments = &context->arguments[i];
        for (int s = 0; s < DKB_ONEDNN_SOURCES; s++) {
            dnnl_memory_destroy(arguments->sources[s]);
        }
        dnnl_memory_destroy(arguments->out);
        dnnl_memory_destroy(arguments->scratchpad);
    }
    dnnl_stream_destroy(context->stream);
    dkb_arena_finish(&context->arena);
    free(context->arguments);
    free(context->tensors);
    free(context->places);
    free(context->held);
    free(context->sources);
    free(context->memory);
    free(context->scratch);
    free(context);
}

void dkb_onednn_probe_set(struct ll_engine_context *context, const struct dkb_probe *probe)
{
    context_of(context)->probe = *probe;
}

int64_t dkb_onednn_context_bytes(const struct ll_engine_context *context)
{
    const struct dkb_onednn_context *own = (const struct dkb_onednn_context *)context;
    return (own->memory_floats + own->scratch_floats) * (int64_t)sizeof(float);
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

static ll_status check_input(const struct ll_table *table, const struct ll_run *run, int name,
                             struct ll_error *err)
{
    const struct ll_tensor_in *input = find_input(run, name);
    int64_t floats = ll_table_tensor_floats(table, name);
    if (!input || !input->data) {
        return ll_fail(err, LL_E_INVALID, "tensor %d is missing: layers %d to %d read it", name,
                       run->first, run->end);
    }
    if (input->floats != floats) {
        return ll_fail(err, LL_E_INVALID, "tensor %d has %lld floats instead of %lld", name,
                       (long long)input->floats, (long long)floats);
    }
    return LL_OK;
}

static ll_status check_output(const struct ll_table *table, const struct ll_run *run, int index,
                              struct ll_error *err)
{
    const struct ll_tensor_out *output = &run->outputs[index];
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
    for (int i = 0; i < index; i++) {
        if (run->outputs[i].name == name) {
            return ll_fail(err, LL_E_INVALID, "output tensor %d is asked for twice", name);
        }
    }
    return LL_OK;
}

static ll_status check(const struct dkb_onednn_context *context, const struct ll_run *run,
                       int prefix, struct ll_error *err)
{
    const struct ll_table *table = table_of(context);
    if (run->first < 0 || run->first >= run->end || run->end > prefix) {
        return ll_fail(err, LL_E_INVALID, "layers %d to %d cannot run: %d are created", run->first,
                       run->end, prefix);
    }
    if (!ll_table_is_legal_cut(table, run->first) || !ll_table_is_legal_cut(table, run->end)) {
        return ll_fail(err, LL_E_INVALID, "layers %d to %d cannot run: not legal cuts", run->first,
                       run->end);
    }
    for (int i = run->first; i < run->end; i++) {
        const struct ll_layer *row = &table->layers[i];
        for (int r = 0; r < row->read_count; r++) {
            ll_status status =
                row->reads[r] < run->first ? check_input(table, run, row->reads[r], err) : LL_OK;
            if (status != LL_OK) {
                return status;
            }
        }
    }
    for (int i = 0; i < run->output_count; i++) {
        ll_status status = check_output(table, run, i, err);
        if (status != LL_OK) {
            return status;
        }
    }
    return LL_OK;
}

static bool is_step(const struct dkb_onednn_model *model, int index)
{
    return model->steps[index].kind != DKB_ONEDNN_NOTHING;
}

/* The last layer of the group that begins at `first`. */
static int group_last(const struct ll_table *table, int first)
{
    while (!table->layers[first].ends_group) {
        first++;
    }
    return first;
}

static int64_t last_reader_of(const struct ll_table *table, int name)
{
    return name == LL_TENSOR_INPUT ? table->input_last_reader : table->layers[name].last_reader;
}

static void take(struct dkb_onednn_context *context, int name)
{
    int64_t floats = dkb_onednn_layout_of(model_of(context), name)->floats;
    context->places[name + 1] = dkb_arena_take(&context->arena, floats);
    context->held[name + 1] = true;
}

static void give(struct dkb_onednn_context *context, int name)
{
    dkb_arena_give(&context->arena, context->places[name + 1]);
    context->held[name + 1] = false;
}

/* Whether the step at `index` may write its sum where the tensor that it adds lies: the group that
 * ends at `last` is that tensor's only reader from here on. */
static bool adds_in_place(const struct dkb_onednn_context *context, int index, int last)
{
    const struct dkb_onednn_model *model = model_of(context);
    const struct dkb_onednn_step *step = &model->steps[index];
    if (!step->adds) {
        return false;
    }
    int name = step->sources[1].name;
    bool as_written = dkb_onednn_layout_of(model, name)->blocked == step->out_blocked &&
                      dkb_onednn_layout_of(model, index)->blocked == step->out_blocked;
    return as_written && name != step->sources[0].name &&
           last_reader_of(table_of(context), name) <= last;
}

static void plan_output(struct dkb_onednn_context *context, int index, int last)
{
    if (!adds_in_place(context, index, last)) {
        take(context, index);
        return;
    }
    int name = model_of(context)->steps[index].sources[1].name;
    context->places[index + 1] = context->places[name + 1];
    context->held[index + 1] = true;
    context->held[name + 1] = false;
}

/* Gives back what nobody reads behind the group [first, last]. */
static void plan_release(struct dkb_onednn_context *context, int first, int last)
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

static int64_t round_up(int64_t floats)
{
    return (floats + FLOATS_ALIGNMENT - 1) / FLOATS_ALIGNMENT * FLOATS_ALIGNMENT;
}

/* Scratch memory of a step: converted inputs, an output to convert, what its function wants. */
static int64_t step_scratch(const struct dkb_onednn_model *model, int index)
{
    const struct dkb_onednn_step *step = &model->steps[index];
    int64_t floats = 0;
    for (int s = 0; s < step->source_count; s++) {
        const struct dkb_onednn_layout *layout = dkb_onednn_layout_of(model, step->sources[s].name);
        if (layout->blocked != step->sources[s].blocked) {
            floats += round_up(dkb_onednn_floats(model->engine, layout, step->sources[s].blocked));
        }
    }
    const struct dkb_onednn_layout *out = dkb_onednn_layout_of(model, index);
    if (out->blocked != step->out_blocked) {
        floats += round_up(dkb_onednn_floats(model->engine, out, step->out_blocked));
    }
    if (step->kind == DKB_ONEDNN_DARKNET) {
        floats += dkb_onednn_darknet_scratch(model, index);
    }
    return floats + round_up(step->scratchpad_floats);
}

/* What comes into the range lies in the arena too, in its layout. */
static void plan_inputs(struct dkb_onednn_context *context, const struct ll_run *run)
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
static int64_t plan(struct dkb_onednn_context *context, const struct ll_run *run)
{
    const struct ll_table *table = table_of(context);
    const struct dkb_onednn_model *model = model_of(context);
    int64_t scratch = 0;
    dkb_arena_reset(&context->arena);
    for (int i = 0; i <= table->layer_count; i++) {
        context->places[i] = -1;
        context->held[i] = false;
    }
    plan_inputs(context, run);
    for (int first = run->first; first < run->end;) {
        int last = group_last(table, first);
        for (int i = first; i <= last; i++) {
            if (is_step(model, i)) {
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

/* Makes `*memory` hold at least `floats` floats; what it held is lost. */
static ll_status grow(float **memory, int64_t *held_floats, int64_t floats, struct ll_error *err)
{
    if (floats <= *held_floats) {
        return LL_OK;
    }
    if (floats > LL_LIMIT_CONTEXT_BYTES / (int64_t)sizeof(float)) {
        return ll_fail(err, LL_E_NO_MEMORY, "a run needs %lld bytes, the limit is %lld",
                       (long long)floats * (long long)sizeof(float),
                       (long long)LL_LIMIT_CONTEXT_BYTES);
    }
    free(*memory);
    *memory = NULL;
    *held_floats = 0;
    void *grown = NULL;
    if (posix_memalign(&grown, MEMORY_ALIGNMENT, (size_t)floats * sizeof(float)) != 0) {
        return ll_fail(err, LL_E_NO_MEMORY, "no memory for a run: %lld bytes",
                       (long long)floats * (long long)sizeof(float));
    }
    *memory = grown;
    *held_floats = floats;
    return LL_OK;
}

static ll_status reserve(struct dkb_onednn_context *context, int64_t scratch_floats,
                         struct ll_error *err)
{
    ll_status status = grow(&context->memory, &context->memory_floats, context->arena.peak, err);
    if (status == LL_OK) {
        status = grow(&context->scratch, &context->scratch_floats, scratch_floats, err);
    }
    if (status != LL_OK) {
        return status;
    }
    if (context->probe.poison) {
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

static void load_inputs(struct dkb_onednn_context *context, const struct ll_run *run)
{
    const struct dkb_onednn_model *model = model_of(context);
    for (int i = 0; i < run->input_count; i++) {
        int name = run->inputs[i].name;
        /* Inputs that nobody reads are ignored, whatever they are called. */
        if (name < LL_TENSOR_INPUT || name >= run->first || !context->tensors[name + 1] ||
            find_input(run, name) != &run->inputs[i]) {
            continue;
        }
        const struct dkb_onednn_layout *layout = dkb_onednn_layout_of(model, name);
        if (layout->blocked) {
            dkb_onednn_to_blocked(model->engine, layout, run->inputs[i].data,
                                  context->tensors[name + 1]);
        } else {
            memcpy(context->tensors[name + 1], run->inputs[i].data,
                   (size_t)layout->floats * sizeof(float));
        }
    }
}

static void store_output(const struct dkb_onednn_context *context, int name, float *plain)
{
    const struct dkb_onednn_model *model = model_of(context);
    const struct dkb_onednn_layout *layout = dkb_onednn_layout_of(model, name);
    if (layout->blocked) {
        dkb_onednn_to_plain(model->engine, layout, context->tensors[name + 1], plain);
    } else {
        memcpy(plain, context->tensors[name + 1], (size_t)layout->floats * sizeof(float));
    }
}

/* Converts between the tensor's layout and the other one. */
static void convert(const struct dkb_onednn_model *model, int name, bool to_blocked,
                    const float *from, float *to)
{
    const struct dkb_onednn_layout *layout = dkb_onednn_layout_of(model, name);
    if (to_blocked) {
        dkb_onednn_to_blocked(model->engine, layout, from, to);
    } else {
        dkb_onednn_to_plain(model->engine, layout, from, to);
    }
}

/* `count` floats of the step's scratch memory. */
static float *scratch_piece(float **scratch, int64_t floats)
{
    float *piece = *scratch;
    *scratch += round_up(floats);
    return piece;
}

/* The source in the layout that the step wants. */
static float *source_data(struct dkb_onednn_context *context,
                          const struct dkb_onednn_source *source, float **scratch)
{
    const struct dkb_onednn_model *model = model_of(context);
    const struct dkb_onednn_layout *layout = dkb_onednn_layout_of(model, source->name);
    float *data = context->tensors[source->name + 1];
    if (layout->blocked == source->blocked) {
        return data;
    }
    float *converted =
        scratch_piece(scratch, dkb_onednn_floats(model->engine, layout, source->blocked));
    convert(model, source->name, source->blocked, data, converted);
    return converted;
}

/* Points the context's object for an argument, made at its first use, at `data`. */
static dnnl_status_t point(const struct dkb_onednn_model *model, dnnl_memory_t *memory,
                           const dnnl_memory_desc_t *md, float *data)
{
    return *memory ? dnnl_memory_set_data_handle(*memory, data)
                   : dnnl_memory_create(memory, md, model->engine->dnnl, data);
}

static ll_status run_primitive(struct dkb_onednn_context *context, int index, float *out,
                               float *scratch, struct ll_error *err)
{
    const struct dkb_onednn_model *model = model_of(context);
    const struct dkb_onednn_step *step = &model->steps[index];
    struct dkb_onednn_arguments *own = &context->arguments[index];
    dnnl_exec_arg_t arguments[DKB_ONEDNN_SOURCES + DKB_ONEDNN_CONSTANTS + 2];
    int count = 0;
    dnnl_status_t status = dnnl_success;
    for (int s = 0; s < step->source_count && status == dnnl_success; s++) {
        const struct dkb_onednn_source *source = &step->sources[s];
        float *data = source_data(context, source, &scratch);
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
    return status == dnnl_success
               ? LL_OK
               : ll_fail(err, LL_E_NO_MEMORY, "layer %d (%s): oneDNN's status is %d", index,
                         table_of(context)->layers[index].type, (int)status);
}

static void run_concat(struct dkb_onednn_context *context, int index, float *out)
{
    const struct dkb_onednn_model *model = model_of(context);
    const struct dkb_layer *layer = &model->network->layers[index];
    for (int i = 0; i < layer->n; i++) {
        int name = table_of(context)->layers[layer->input_layers[i]].makes;
        int64_t floats = dkb_onednn_layout_of(model, name)->floats;
        memcpy(out, context->tensors[name + 1], (size_t)floats * sizeof(float));
        out += floats;
    }
}

static ll_status run_step(struct dkb_onednn_context *context, int index, struct ll_error *err)
{
    const struct dkb_onednn_model *model = model_of(context);
    const struct dkb_onednn_step *step = &model->steps[index];
    const struct dkb_onednn_layout *layout = dkb_onednn_layout_of(model, index);
    float *tensor = context->tensors[index + 1];
    float *scratch = context->scratch;
    float *out = tensor;
    if (layout->blocked != step->out_blocked) {
        out = scratch_piece(&scratch, dkb_onednn_floats(model->engine, layout, step->out_blocked));
    }
    ll_status status = LL_OK;
    switch (step->kind) {
    case DKB_ONEDNN_PRIMITIVE:
        status = run_primitive(context, index, out, scratch, err);
        break;
    case DKB_ONEDNN_CONCAT:
        run_concat(context, index, out);
        break;
    case DKB_ONEDNN_DARKNET:
        dkb_onednn_run_darknet(context, index, out, scratch);
        break;
    case DKB_ONEDNN_NOTHING:
        break;
    }
    if (status == LL_OK && out != tensor) {
        convert(model, index, layout->blocked, out, tensor);
    }
    return status;
}

/* Shows the tensor to the probe. */
static ll_status show(struct dkb_onednn_context *context, int index, struct ll_error *err)
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

static ll_status run_group(struct dkb_onednn_context *context, const struct ll_run *run, int first,
                           int last, struct ll_error *err)
{
    for (int i = first; i <= last; i++) {
        if (!is_step(model_of(context), i)) {
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

static ll_status run_range(struct dkb_onednn_context *context, const struct ll_run *run, int prefix,
                           struct ll_error *err)
{
    ll_status status = check(context, run, prefix, err);
    if (status == LL_OK) {
        status = reserve(context, plan(context, run), err);
    }
    if (status != LL_OK) {
        return status;
    }
    int64_t before_ns = run->layer_ns ? ll_clock_now_ns() : 0;
    load_inputs(context, run);
    for (int first = run->first; first < run->end && status == LL_OK;) {
        int last = group_last(table_of(context), first);
        status = run_group(context, run, first, last, err);
        if (run->layer_ns) {
            int64_t now_ns = ll_clock_now_ns();
            for (int i = first; i < last; i++) {
                run->layer_ns[i - run->first] = 0;
            }
            run->layer_ns[last - run->first] = now_ns - before_ns;
            before_ns = now_ns;
        }
        first = last + 1;
    }
    return status;
}

ll_status dkb_onednn_run(struct ll_engine_context *base_context, const struct ll_run *run,
                         struct ll_error *err)
{
    struct dkb_onednn_context *context = context_of(base_context);
    dkb_onednn_use_threads(context->base.model->engine->threads);
    int prefix = __atomic_load_n(&context->base.model->prefix, __ATOMIC_ACQUIRE);
    return run_range(context, run, prefix, err);
}

ll_status dkb_onednn_warm_up(struct ll_engine_context *base_context, const struct ll_run *run,
                             struct ll_error *err)
{
    return run_range(context_of(base_context), run, run->end, err);
}
