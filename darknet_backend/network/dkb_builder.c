#include "darknet_backend/network/dkb_builder.h"

#include <limits.h>
#include <stdlib.h>

#include "core/ll_limits.h"

int64_t dkb_mul(int64_t a, int64_t b)
{
    int64_t product = 0;
    return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

int64_t dkb_mul3(int64_t a, int64_t b, int64_t c)
{
    return dkb_mul(dkb_mul(a, b), c);
}

int64_t dkb_mul4(int64_t a, int64_t b, int64_t c, int64_t d)
{
    return dkb_mul(dkb_mul3(a, b, c), d);
}

int64_t dkb_add(int64_t a, int64_t b)
{
    int64_t sum = 0;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

int dkb_find_unequal(const struct ll_network *network, const struct ll_layer_params *route)
{
    const struct ll_layer_params *first = &network->layers[route->input_layers[0]];
    for (int i = 1; i < route->n; i++) {
        const struct ll_layer_params *source = &network->layers[route->input_layers[i]];
        if (source->out_w != first->out_w || source->out_h != first->out_h) {
            return i;
        }
    }
    return 0;
}

/* Where a route before the layer joins tensors of unequal widths or heights: refuses that route,
 * for this layer, which needs both. */
static void refuse_unequal_route(struct dkb_builder *builder)
{
    const struct ll_network *network = builder->network;
    int index = builder->index - 1;
    while (index > 0 && network->layers[index].kind == LL_KIND_DROPOUT) {
        index--;
    }
    if (index < 0 || network->layers[index].kind != LL_KIND_ROUTE) {
        return;
    }
    const struct ll_layer_params *route = &network->layers[index];
    int other = dkb_find_unequal(network, route);
    if (other == 0) {
        return;
    }
    const struct ll_layer_params *a = &network->layers[route->input_layers[0]];
    const struct ll_layer_params *b = &network->layers[route->input_layers[other]];
    struct dkb_reader reader = *builder->reader;
    /* Sections stand one behind the other, as layers do. */
    reader.section -= builder->index - index;
    dkb_refuse(&reader, "layers", LL_E_INVALID,
               "joins %d x %d of layer %d and %d x %d of layer %d, so that %s in line %d gets no "
               "width and height",
               a->out_w, a->out_h, route->input_layers[0], b->out_w, b->out_h,
               route->input_layers[other], builder->reader->section->name,
               builder->reader->section->line);
    builder->reader->status = reader.status;
}

bool dkb_take_image(struct dkb_builder *builder)
{
    if (builder->w == 0) {
        refuse_unequal_route(builder);
        dkb_refuse(builder->reader, NULL, LL_E_INVALID,
                   "needs width x height x channels, but what comes before has no shape");
        return false;
    }
    builder->layer->w = builder->w;
    builder->layer->h = builder->h;
    builder->layer->c = builder->c;
    return true;
}

/* Whether the layer may make `floats` floats. */
static bool fits_tensor(struct dkb_builder *builder, int64_t floats)
{
    if (floats < 1 || floats > LL_LIMIT_TENSOR_BYTES / (int64_t)sizeof(float)) {
        dkb_refuse_limit(builder->reader, "tensor_bytes", LL_LIMIT_TENSOR_BYTES,
                         "the output has %lld floats; from 1 to %lld are allowed",
                         (long long)floats,
                         (long long)(LL_LIMIT_TENSOR_BYTES / (int64_t)sizeof(float)));
        return false;
    }
    return true;
}

static bool fits_dimension(struct dkb_builder *builder, const char *name, int64_t value)
{
    static const char format[] = "the output's %s is %lld; from 1 to %d are allowed";
    if (value < 1) {
        dkb_refuse(builder->reader, NULL, LL_E_INVALID, format, name, (long long)value,
                   LL_LIMIT_DIM);
        return false;
    }
    if (value > LL_LIMIT_DIM) {
        dkb_refuse_limit(builder->reader, "dimension", LL_LIMIT_DIM, format, name, (long long)value,
                         LL_LIMIT_DIM);
        return false;
    }
    return true;
}

void dkb_give_image(struct dkb_builder *builder, int64_t w, int64_t h, int64_t c)
{
    if (!fits_dimension(builder, "width", w) || !fits_dimension(builder, "height", h) ||
        !fits_dimension(builder, "number of channels", c) ||
        !fits_tensor(builder, dkb_mul3(w, h, c))) {
        return;
    }
    builder->layer->out_w = (int)w;
    builder->layer->out_h = (int)h;
    builder->layer->out_c = (int)c;
    builder->layer->outputs = (int)(w * h * c);
}

void dkb_give_flat(struct dkb_builder *builder, int64_t floats)
{
    if (fits_tensor(builder, floats)) {
        builder->layer->outputs = (int)floats;
    }
}

void dkb_give_same(struct dkb_builder *builder)
{
    builder->layer->out_w = builder->w;
    builder->layer->out_h = builder->h;
    builder->layer->out_c = builder->c;
    builder->layer->outputs = builder->layer->inputs;
}

void dkb_have_weights(struct dkb_builder *builder, int64_t biases, int64_t scales, int64_t weights)
{
    int64_t floats = dkb_add(dkb_add(biases, dkb_mul(3, scales)), weights);
    int64_t bytes = dkb_mul(floats, sizeof(float));
    if (bytes > LL_LIMIT_BLOB_BYTES) {
        dkb_refuse_limit(builder->reader, "blob_bytes", LL_LIMIT_BLOB_BYTES,
                         "the layer has more than %lld bytes of weights",
                         (long long)LL_LIMIT_BLOB_BYTES);
        return;
    }
    builder->row->blob_bytes = bytes;
    builder->row->exact_bytes = bytes - (int64_t)sizeof(float) * weights;
    builder->layer->nbiases = (size_t)biases;
    builder->layer->nscales = (size_t)scales;
    builder->layer->nweights = (size_t)weights;
    builder->layer->scales_at = (size_t)biases;
    builder->layer->weights_at = (size_t)(biases + 3 * scales);
}

void dkb_need_workspace(struct dkb_builder *builder, int64_t floats)
{
    if (floats > LL_LIMIT_SCRATCH_BYTES / (int64_t)sizeof(float)) {
        dkb_refuse_limit(builder->reader, "scratch_bytes", LL_LIMIT_SCRATCH_BYTES,
                         "the layer needs more than %lld bytes of scratch memory",
                         (long long)LL_LIMIT_SCRATCH_BYTES);
        return;
    }
    builder->layer->workspace_floats = (size_t)floats;
}

void dkb_check_int(struct dkb_builder *builder, const char *key, int64_t value)
{
    if (value > INT_MAX) {
        dkb_refuse(builder->reader, key, LL_E_EXHAUSTED,
                   "too large together with the layer's other sizes");
    }
}

int dkb_made_by(const struct dkb_builder *builder, int index)
{
    return index < 0 ? LL_TENSOR_INPUT : builder->network->table.layers[index].makes;
}

static int compare_ints(const void *a, const void *b)
{
    int left = *(const int *)a;
    int right = *(const int *)b;
    return (left > right) - (left < right);
}

void dkb_reads(struct dkb_builder *builder, const int *names, int count)
{
    int *reads = calloc((size_t)count, sizeof(*reads));
    if (!reads) {
        dkb_refuse(builder->reader, NULL, LL_E_NO_MEMORY, "out of memory");
        return;
    }
    for (int i = 0; i < count; i++) {
        reads[i] = names[i];
    }
    qsort(reads, (size_t)count, sizeof(*reads), compare_ints);
    int kept = 0;
    for (int i = 0; i < count; i++) {
        if (i == 0 || reads[i] != reads[kept - 1]) {
            reads[kept++] = reads[i];
        }
    }
    builder->row->reads = reads;
    builder->row->read_count = kept;
}

void dkb_reads_input(struct dkb_builder *builder)
{
    dkb_reads(builder, &builder->layer->input, 1);
}
