#include <stdlib.h>

#include "darknet_backend/reference/dkb_darknet.h"
#include "darknet_backend/reference/dkb_darknet_run.h"
#include "darknet_backend/reference/dkb_plain.h"

static struct dkb_darknet_model *model_of(struct ll_engine_model *base)
{
    return (struct dkb_darknet_model *)base;
}

static void model_destroy(struct ll_engine_model *base_model)
{
    struct dkb_darknet_model *model = model_of(base_model);
    for (int i = 0; model->blobs && i < model->base.prefix; i++) {
        ll_buf_unref(model->blobs[i]);
    }
    free(model->blobs);
    dkb_plain_ops.destroy(model->layers);
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
    int64_t bytes = dkb_plain_ops.bytes(network) +
                    (int64_t)(layers * (sizeof(struct ll_buf *) + sizeof(struct ll_layer_params) +
                                        sizeof(struct ll_layer)));
    ll_status status = ll_engine_model_take(&model->base, bytes, err);
    if (status != LL_OK) {
        model_destroy(&model->base);
        return status;
    }
    model->blobs = calloc(layers, sizeof(struct ll_buf *));
    status = model->blobs ? dkb_plain_ops.create(network, &model->layers, err)
                          : ll_fail(err, LL_E_NO_MEMORY, "no memory for a model");
    if (status != LL_OK) {
        model_destroy(&model->base);
        return status;
    }
    *out_model = &model->base;
    return LL_OK;
}

static ll_status model_extend(struct ll_engine_model *base_model, int end,
                              struct ll_buf *const *blobs, struct ll_error *err)
{
    struct dkb_darknet_model *model = model_of(base_model);
    const struct ll_table *table = &model->base.network->table;
    int prefix = model->base.prefix;
    if (ll_engine_is_stopped(model->base.stop)) {
        return ll_fail(err, LL_E_CANCELLED, "the creation was stopped before layer %d", prefix);
    }
    for (int i = prefix; i < end; i++) {
        struct ll_buf *blob = blobs[i - prefix];
        bool has_weights = table->layers[i].blob_bytes > 0;
        model->blobs[i] = has_weights ? ll_buf_ref(blob) : NULL;
        dkb_plain_ops.fill(model->layers, i, has_weights ? ll_buf_data(blob) : NULL);
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
