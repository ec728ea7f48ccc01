#include <stdlib.h>

#include "darknet_backend/reference/dkb_darknet.h"

static struct dkb_darknet_model *model_of(struct ll_engine_model *base)
{
    return (struct dkb_darknet_model *)base;
}

static ll_status parse(struct ll_engine *engine, const char *cfg, size_t cfg_bytes,
                       struct ll_network **out_network, struct ll_error *err)
{
    (void)engine;
    return dkb_network_parse(cfg, cfg_bytes, out_network, err);
}

/* Channels of the widest layer whose blob lacks statistics; 0 if none does. */
static int widest_without_statistics(const struct ll_network *network)
{
    int widest = 0;
    for (int i = 0; i < network->table.layer_count; i++) {
        const struct ll_layer_params *layer = &network->layers[i];
        bool lacks =
            layer->kind == LL_KIND_BATCHNORM || (layer->batch_normalize && layer->nscales == 0);
        if (lacks && layer->out_c > widest) {
            widest = layer->out_c;
        }
    }
    return widest;
}

static ll_status fill_constants(struct dkb_darknet_model *model)
{
    int sources = dkb_darknet_most_sources(model->network);
    model->counting = calloc((size_t)sources, sizeof(*model->counting));
    if (!model->counting) {
        return LL_E_NO_MEMORY;
    }
    for (int i = 0; i < sources; i++) {
        model->counting[i] = i;
    }
    int channels = widest_without_statistics(model->network);
    if (channels == 0) {
        return LL_OK;
    }
    model->zeros = calloc((size_t)channels, sizeof(*model->zeros));
    model->ones = calloc((size_t)channels, sizeof(*model->ones));
    if (!model->zeros || !model->ones) {
        return LL_E_NO_MEMORY;
    }
    for (int i = 0; i < channels; i++) {
        model->ones[i] = 1;
    }
    return LL_OK;
}

static void model_destroy(struct ll_engine_model *base_model)
{
    struct dkb_darknet_model *model = model_of(base_model);
    for (int i = 0; model->blobs && i < model->base.prefix; i++) {
        ll_buf_unref(model->blobs[i]);
    }
    free(model->blobs);
    free(model->patterns);
    free(model->zeros);
    free(model->ones);
    free(model->counting);
    ll_network_unref(model->base.network);
    ll_engine_model_give(base_model, atomic_load(&base_model->bytes));
    free(model);
}

static ll_status model_create(struct ll_engine *engine, struct ll_network *network,
                              struct ll_engine_model **out_model, struct ll_error *err)
{
    struct dkb_darknet_model *model = calloc(1, sizeof(*model));
    if (!model) {
        return ll_fail(err, LL_E_NO_MEMORY, "no memory for a model");
    }
    size_t layers = (size_t)network->table.layer_count;
    model->base.engine = engine;
    model->base.network = ll_network_ref(network);
    model->network = network;
    int64_t bytes = (int64_t)(layers * (sizeof(*model->patterns) + sizeof(struct ll_buf *) +
                                        sizeof(struct ll_layer_params) + sizeof(struct ll_layer)));
    ll_status status = ll_engine_model_take(&model->base, bytes, err);
    if (status != LL_OK) {
        model_destroy(&model->base);
        return status;
    }
    model->patterns = calloc(layers, sizeof(*model->patterns));
    model->blobs = calloc(layers, sizeof(struct ll_buf *));
    status = fill_constants(model);
    if (status != LL_OK || !model->patterns || !model->blobs) {
        model_destroy(&model->base);
        return ll_fail(err, LL_E_NO_MEMORY, "no memory for a model");
    }
    *out_model = &model->base;
    return LL_OK;
}

/* The caller has checked sizes against the table; a mistake there must not become a wild read. */
static ll_status check_blob(const struct ll_layer *row, int index, const struct ll_buf *blob,
                            struct ll_error *err)
{
    int64_t bytes = blob ? (int64_t)ll_buf_bytes(blob) : 0;
    if (bytes != row->blob_bytes) {
        return ll_fail(err, LL_E_INVALID, "layer %d (%s) has %lld bytes of weights instead of %lld",
                       index, row->type, (long long)bytes, (long long)row->blob_bytes);
    }
    if (bytes > 0 && (uintptr_t)ll_buf_data(blob) % sizeof(float) != 0) {
        return ll_fail(err, LL_E_INVALID, "the weights of layer %d (%s) are not aligned", index,
                       row->type);
    }
    return LL_OK;
}

static ll_status model_extend(struct ll_engine_model *base_model, int end,
                              struct ll_buf *const *blobs, struct ll_error *err)
{
    struct dkb_darknet_model *model = model_of(base_model);
    const struct ll_table *table = &model->base.network->table;
    int prefix = model->base.prefix;
    if (end < prefix || !ll_table_is_legal_cut(table, end)) {
        return ll_fail(err, LL_E_INVALID, "layers %d to %d cannot be created: no legal cut", prefix,
                       end);
    }
    if (ll_engine_is_stopped(model->base.stop)) {
        return ll_fail(err, LL_E_CANCELLED, "the creation was stopped before layer %d", prefix);
    }
    for (int i = prefix; i < end; i++) {
        ll_status status = check_blob(&table->layers[i], i, blobs[i - prefix], err);
        if (status != LL_OK) {
            return status;
        }
    }
    for (int i = prefix; i < end; i++) {
        struct ll_buf *blob = blobs[i - prefix];
        bool has_weights = table->layers[i].blob_bytes > 0;
        model->blobs[i] = has_weights ? ll_buf_ref(blob) : NULL;
        dkb_darknet_fill(model, i, has_weights ? ll_buf_data(blob) : NULL);
    }
    atomic_store_explicit(&model->base.prefix, end, memory_order_release);
    return LL_OK;
}

static void destroy(struct ll_engine *engine)
{
    free(engine);
}

ll_status dkb_darknet_engine_create(struct ll_engine **out_engine, struct ll_error *err)
{
    static const struct ll_engine_ops ops = {
        .parse = parse,
        .model_create = model_create,
        .model_extend = model_extend,
        .model_destroy = model_destroy,
        .context_create = dkb_darknet_context_create,
        .context_destroy = dkb_darknet_context_destroy,
        .run = dkb_darknet_run,
        .probe_set = dkb_darknet_probe_set,
        .tensor_bytes = dkb_darknet_context_bytes,
        .destroy = destroy,
    };
    struct ll_engine *engine = calloc(1, sizeof(*engine));
    if (!engine) {
        return ll_fail(err, LL_E_NO_MEMORY, "no memory for an engine");
    }
    engine->ops = &ops;
    engine->name = "darknet";
    /* What the compiler may use in Darknet's loops decides their last bits. */
#if defined(__AVX512F__)
    engine->instruction_set = "avx512";
#elif defined(__AVX2__)
    engine->instruction_set = "avx2";
#elif defined(__x86_64__)
    engine->instruction_set = "x86-64";
#elif defined(__aarch64__)
    engine->instruction_set = "aarch64";
#else
    engine->instruction_set = "generic";
#endif
    engine->threads = 1;
    *out_engine = engine;
    return LL_OK;
}
