#include "tools/lab/lab_bare.h"

#include <dnnl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "darknet_backend/network/dkb_network.h"
#include "engine/onednn/onednn_bf16.h"
#include "engine/onednn/onednn_omp.h"
#include "tools/lab/lab_seed.h"

enum { ARGUMENTS = 4 };

/* One convolution. The memory objects belong to it, the activations' bytes do not. */
struct convolution {
    int layer;
    dnnl_primitive_t primitive;
    dnnl_memory_desc_t src_md;
    dnnl_memory_desc_t dst_md;
    /* In the order of `keys`. */
    dnnl_memory_t memories[ARGUMENTS];
    dnnl_exec_arg_t arguments[ARGUMENTS];
};

enum { SRC, WEIGHTS, BIAS, DST };
static const int keys[ARGUMENTS] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS, DNNL_ARG_DST};

struct lab_bare {
    const struct ll_table *table;
    struct lab_bare_config config;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    struct convolution *convolutions;
    int count;
    /* What is read and what is written, in turn. */
    void *activations[2];
};

static bool is_counted(const struct ll_network *network, int index)
{
    const struct ll_table *table = &network->table;
    return network->layers[index].kind == LL_KIND_CONVOLUTIONAL &&
           (index == 0 || table->layers[index - 1].ends_group);
}

static dnnl_data_type_t type_of(const struct lab_bare *bare)
{
    return bare->config.compute == LL_COMPUTE_BF16 ? dnnl_bf16 : dnnl_f32;
}

/* Uniform between -reach and reach. */
static void fill(void *data, const dnnl_memory_desc_t *md, float reach, uint64_t *state)
{
    bool is_f32 = md->data_type == dnnl_f32;
    size_t count = dnnl_memory_desc_get_size(md) / (is_f32 ? sizeof(float) : sizeof(uint16_t));
    for (size_t i = 0; i < count; i++) {
        /* The upper 24 bits, as a fraction. */
        float fraction = (float)(lab_seed_next(state) >> 40) / (float)(1 << 24);
        float value = reach * (2 * fraction - 1);
        if (is_f32) {
            ((float *)data)[i] = value;
        } else {
            ((uint16_t *)data)[i] = onednn_bf16_round(value);
        }
    }
}

/* The operation. Darknet reads a 1x1 convolution's input without regard to its stride: as if it had
 * the output's size. */
static dnnl_status_t describe(const struct ll_layer_params *layer, dnnl_data_type_t type,
                              dnnl_alg_kind_t algorithm, dnnl_convolution_desc_t *out_operation)
{
    int groups = layer->groups;
    bool is_point = layer->size == 1;
    dnnl_dim_t height = is_point ? layer->out_h : layer->h;
    dnnl_dim_t width = is_point ? layer->out_w : layer->w;
    dnnl_dim_t stride = is_point ? 1 : layer->stride;
    dnnl_dims_t src_dims = {1, layer->c, height, width};
    dnnl_dims_t dst_dims = {1, layer->n, layer->out_h, layer->out_w};
    dnnl_dims_t plain = {layer->n, layer->c, layer->size, layer->size};
    dnnl_dims_t grouped = {groups, layer->n / groups, layer->c / groups, layer->size, layer->size};
    dnnl_dims_t bias_dims = {layer->n};
    dnnl_dims_t strides = {stride, stride};
    dnnl_dims_t padding = {layer->pad, layer->pad};
    dnnl_memory_desc_t src;
    dnnl_memory_desc_t dst;
    dnnl_memory_desc_t weights;
    dnnl_memory_desc_t bias;
    const dnnl_format_tag_t any = dnnl_format_tag_any;
    dnnl_status_t status = dnnl_memory_desc_init_by_tag(&src, 4, src_dims, type, any);
    if (status == dnnl_success) {
        status = dnnl_memory_desc_init_by_tag(&dst, 4, dst_dims, type, any);
    }
    if (status == dnnl_success) {
        status = dnnl_memory_desc_init_by_tag(&weights, groups > 1 ? 5 : 4,
                                              groups > 1 ? grouped : plain, type, any);
    }
    if (status == dnnl_success) {
        status = dnnl_memory_desc_init_by_tag(&bias, 1, bias_dims, dnnl_f32, dnnl_x);
    }
    return status == dnnl_success
               ? dnnl_convolution_forward_desc_init(out_operation, dnnl_forward_inference,
                                                    algorithm, &src, &weights, &bias, &dst, strides,
                                                    padding, padding)
               : status;
}

static dnnl_status_t choose(const struct lab_bare *bare, const struct ll_layer_params *layer,
                            dnnl_primitive_desc_t *out_pd)
{
    dnnl_convolution_desc_t operation;
    dnnl_status_t status = dnnl_unimplemented;
    if (bare->config.winograd && layer->size == 3 && layer->stride == 1 && layer->groups == 1) {
        status = describe(layer, type_of(bare), dnnl_convolution_winograd, &operation);
        if (status == dnnl_success) {
            status = dnnl_primitive_desc_create(out_pd, &operation, NULL, bare->engine, NULL);
        }
    }
    if (status != dnnl_success) {
        status = describe(layer, type_of(bare), dnnl_convolution_direct, &operation);
        if (status == dnnl_success) {
            status = dnnl_primitive_desc_create(out_pd, &operation, NULL, bare->engine, NULL);
        }
    }
    return status;
}

/* Memory of oneDNN's own for a constant argument, filled. */
static dnnl_status_t add_constant(const struct lab_bare *bare, struct convolution *convolution,
                                  int place, const dnnl_memory_desc_t *md, float reach)
{
    dnnl_memory_t *memory = &convolution->memories[place];
    dnnl_status_t status = dnnl_memory_create(memory, md, bare->engine, DNNL_MEMORY_ALLOCATE);
    void *data = NULL;
    if (status == dnnl_success) {
        status = dnnl_memory_get_data_handle(*memory, &data);
    }
    if (status == dnnl_success) {
        uint64_t state = (uint64_t)convolution->layer * ARGUMENTS + (uint64_t)place;
        fill(data, md, reach, &state);
    }
    return status;
}

static dnnl_status_t create_convolution(const struct lab_bare *bare,
                                        const struct ll_layer_params *layer,
                                        struct convolution *convolution)
{
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t status = choose(bare, layer, &pd);
    if (status != dnnl_success) {
        return status;
    }
    convolution->src_md = *dnnl_primitive_desc_query_md(pd, dnnl_query_src_md, 0);
    convolution->dst_md = *dnnl_primitive_desc_query_md(pd, dnnl_query_dst_md, 0);
    dnnl_memory_desc_t weights = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
    dnnl_memory_desc_t bias = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 1);
    status = dnnl_primitive_create(&convolution->primitive, pd);
    dnnl_primitive_desc_destroy(pd);
    /* Sums of so many products of variance 1 / so many: the output's variance is the input's. */
    int inputs = layer->c / layer->groups * layer->size * layer->size;
    if (status == dnnl_success) {
        status = add_constant(bare, convolution, WEIGHTS, &weights, sqrtf(3 / (float)inputs));
    }
    if (status == dnnl_success) {
        status = add_constant(bare, convolution, BIAS, &bias, .1F);
    }
    return status;
}

static ll_status create_convolutions(struct lab_bare *bare, const struct ll_network *network,
                                     struct ll_error *err)
{
    bare->convolutions = calloc((size_t)bare->table->layer_count, sizeof(*bare->convolutions));
    if (!bare->convolutions) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    for (int i = 0; i < bare->table->layer_count; i++) {
        if (!is_counted(network, i)) {
            continue;
        }
        struct convolution *convolution = &bare->convolutions[bare->count++];
        convolution->layer = i;
        dnnl_status_t status = create_convolution(bare, &network->layers[i], convolution);
        if (status != dnnl_success) {
            return ll_fail(err, LL_E_UNSUPPORTED,
                           "layer %d (%s): oneDNN has no primitive for it (status %d)", i,
                           bare->table->layers[i].type, (int)status);
        }
    }
    return LL_OK;
}

static ll_status create_activations(struct lab_bare *bare)
{
    size_t bytes = 64;
    for (int i = 0; i < bare->count; i++) {
        size_t src = dnnl_memory_desc_get_size(&bare->convolutions[i].src_md);
        size_t dst = dnnl_memory_desc_get_size(&bare->convolutions[i].dst_md);
        bytes = src > bytes ? src : bytes;
        bytes = dst > bytes ? dst : bytes;
    }
    bytes = (bytes + 63) / 64 * 64;
    for (int i = 0; i < 2; i++) {
        bare->activations[i] = aligned_alloc(64, bytes);
        if (!bare->activations[i]) {
            return LL_E_NO_MEMORY;
        }
        memset(bare->activations[i], 0, bytes);
    }
    /* The rest is written before it is read. */
    if (bare->count > 0) {
        uint64_t state = 1;
        fill(bare->activations[0], &bare->convolutions[0].src_md, 1, &state);
    }
    return LL_OK;
}

/* Each convolution reads where the one before it writes. */
static ll_status connect(struct lab_bare *bare)
{
    for (int i = 0; i < bare->count; i++) {
        struct convolution *c = &bare->convolutions[i];
        if (dnnl_memory_create(&c->memories[SRC], &c->src_md, bare->engine,
                               bare->activations[i % 2]) != dnnl_success ||
            dnnl_memory_create(&c->memories[DST], &c->dst_md, bare->engine,
                               bare->activations[(i + 1) % 2]) != dnnl_success) {
            return LL_E_NO_MEMORY;
        }
        for (int a = 0; a < ARGUMENTS; a++) {
            c->arguments[a] = (dnnl_exec_arg_t){keys[a], c->memories[a]};
        }
    }
    return LL_OK;
}

ll_status lab_bare_create(const struct ll_network *base, const struct lab_bare_config *config,
                          struct lab_bare **out_bare, struct ll_error *err)
{
    struct lab_bare *bare = calloc(1, sizeof(*bare));
    if (!bare) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    bare->table = &base->table;
    bare->config = *config;
    onednn_use_threads(config->threads);
    ll_status status = LL_OK;
    if (dnnl_engine_create(&bare->engine, dnnl_cpu, 0) != dnnl_success ||
        dnnl_stream_create(&bare->stream, bare->engine, dnnl_stream_default_flags) !=
            dnnl_success) {
        status = ll_fail(err, LL_E_NO_MEMORY, "no memory for oneDNN");
    }
    if (status == LL_OK) {
        status = create_convolutions(bare, base, err);
    }
    if (status == LL_OK) {
        status = create_activations(bare);
        if (status == LL_OK) {
            status = connect(bare);
        }
        if (status != LL_OK) {
            status = ll_fail(err, status, "no memory for activations");
        }
    }
    if (status != LL_OK) {
        lab_bare_destroy(bare);
        return status;
    }
    *out_bare = bare;
    return LL_OK;
}

void lab_bare_destroy(struct lab_bare *bare)
{
    if (!bare) {
        return;
    }
    for (int i = 0; i < bare->count; i++) {
        dnnl_primitive_destroy(bare->convolutions[i].primitive);
        for (int a = 0; a < ARGUMENTS; a++) {
            dnnl_memory_destroy(bare->convolutions[i].memories[a]);
        }
    }
    dnnl_stream_destroy(bare->stream);
    dnnl_engine_destroy(bare->engine);
    free(bare->convolutions);
    free(bare->activations[0]);
    free(bare->activations[1]);
    free(bare);
}

ll_status lab_bare_run(struct lab_bare *bare, int64_t *layer_ns, struct ll_error *err)
{
    onednn_use_threads(bare->config.threads);
    for (int i = 0; layer_ns && i < bare->table->layer_count; i++) {
        layer_ns[i] = 0;
    }
    for (int i = 0; i < bare->count; i++) {
        const struct convolution *c = &bare->convolutions[i];
        int64_t start_ns = layer_ns ? ll_clock_now_ns() : 0;
        dnnl_status_t status =
            dnnl_primitive_execute(c->primitive, bare->stream, ARGUMENTS, c->arguments);
        if (status != dnnl_success) {
            return ll_fail(err, LL_E_INTERNAL, "layer %d: oneDNN's status is %d", c->layer,
                           (int)status);
        }
        if (layer_ns) {
            layer_ns[c->layer] = ll_clock_now_ns() - start_ns;
        }
    }
    return LL_OK;
}
