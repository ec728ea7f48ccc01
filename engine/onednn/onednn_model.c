/* Creation. A model grows by whole groups; whatever exists is never touched again, so that queries
 * run on it meanwhile without locks. An extension creates its steps, packs their weights, runs them
 * once, and publishes the longer prefix. */
#include "engine/onednn/onednn_model.h"

#include <stdlib.h>

#include "engine/onednn/onednn_create.h"
#include "engine/onednn/onednn_layout.h"
#include "engine/onednn/onednn_omp.h"
#include "engine/onednn/onednn_plain.h"
#include "engine/onednn/onednn_step.h"
#include "engine/onednn/onednn_warm.h"

/* What oneDNN allocates for a layer's primitive, about. */
enum { PRIMITIVE_BYTES = 16 << 10 };

static struct onednn_model *model_of(struct ll_engine_model *base)
{
    return (struct onednn_model *)base;
}

void onednn_model_destroy(struct ll_engine_model *base_model)
{
    struct onednn_model *model = model_of(base_model);
    for (int i = 0; model->steps && i < model->base.prefix; i++) {
        onednn_step_finish(&model->steps[i]);
    }
    onednn_memory_finish(&model->memory);
    model->engine->plain->destroy(model->plain);
    free(model->steps);
    free(model->layouts);
    free(model->warm_ns);
    ll_network_unref(model->base.network);
    ll_engine_model_give(base_model, atomic_load(&base_model->bytes));
    free(model);
}

ll_status onednn_model_create(struct ll_engine *engine, struct ll_network *network,
                              struct ll_engine_model **out_model, struct ll_error *err)
{
    struct onednn_model *model = calloc(1, sizeof(*model));
    if (!model) {
        return ll_fail(err, LL_E_NO_MEMORY, "no memory for a model");
    }
    size_t layers = (size_t)network->table.layer_count;
    model->base.engine = engine;
    model->base.network = ll_network_ref(network);
    model->network = network;
    model->engine = (const struct onednn_engine *)engine;
    model->memory.owner = &model->base;
    const struct ll_plain_ops *plain = model->engine->plain;
    int64_t bytes = plain->bytes(network) +
                    (int64_t)(layers * (sizeof(*model->layouts) + sizeof(*model->steps) +
                                        sizeof(*model->warm_ns) + sizeof(struct ll_layer_params) +
                                        sizeof(struct ll_layer) + PRIMITIVE_BYTES));
    ll_status status = ll_engine_model_take(&model->base, bytes, err);
    if (status != LL_OK) {
        onednn_model_destroy(&model->base);
        return status;
    }
    model->layouts = calloc(layers + 1, sizeof(*model->layouts));
    model->steps = calloc(layers, sizeof(*model->steps));
    model->warm_ns = calloc(layers, sizeof(*model->warm_ns));
    model->base.warm_ns = model->warm_ns;
    status = model->layouts && model->steps && model->warm_ns
                 ? plain->create(network, &model->plain, err)
                 : ll_fail(err, LL_E_NO_MEMORY, "no memory for a model");
    if (status != LL_OK) {
        onednn_model_destroy(&model->base);
        return status;
    }
    onednn_decide_layouts(model);
    *out_model = &model->base;
    return LL_OK;
}

/* Weights that will be packed, with something for padding. */
static size_t bytes_to_pack(const struct onednn_creation *creation, int end)
{
    const struct onednn_model *model = creation->model;
    bool is_bf16 = model->engine->type == dnnl_bf16;
    size_t bytes = 0;
    for (int i = creation->first; i < end; i++) {
        ll_layer_kind kind = model->network->layers[i].kind;
        if (kind == LL_KIND_CONVOLUTIONAL || (kind == LL_KIND_CONNECTED && is_bf16)) {
            size_t blob = (size_t)model->base.network->table.layers[i].blob_bytes;
            bytes += blob + blob / 16;
        }
    }
    return is_bf16 ? bytes / 2 : bytes;
}

/* Fused or not, one layer or several: what comes next in the group. */
static ll_status create_next(struct onednn_creation *creation, int index, int last, int *out_end)
{
    struct onednn_model *model = creation->model;
    struct onednn_mark mark = onednn_memory_mark(&model->memory);
    size_t expected_bytes = model->memory.expected_bytes;
    *out_end = index + 1;
    if (model->base.network->table.layers[index].makes != index) {
        return LL_OK;
    }
    ll_status status = LL_OK;
    if (model->network->layers[index].kind == LL_KIND_CONVOLUTIONAL) {
        status = onednn_create_convolution(creation, index, last, out_end);
    } else {
        status = onednn_create_layer(creation, index);
        if (status != LL_OK) {
            onednn_step_finish(&model->steps[index]);
        }
    }
    if (status == LL_E_UNSUPPORTED) {
        /* What was packed until then is for nobody. */
        onednn_memory_rewind(&model->memory, mark);
        onednn_memory_expect(&model->memory, expected_bytes);
        onednn_create_plain(creation, index);
        status = LL_OK;
    }
    if (status == LL_E_NO_MEMORY) {
        return ll_fail(creation->err, status, "no memory to create layer %d (%s)", index,
                       model->base.network->table.layers[index].type);
    }
    return status;
}

/* What was packed of layers [first, end) is not read again. */
static void let_blobs_go(const struct onednn_creation *creation, int first, int end)
{
    for (int i = first; i < end; i++) {
        struct ll_buf *blob = creation->blobs[i - creation->first];
        if (blob && !creation->model->steps[i].blob) {
            ll_buf_let_pages_go(blob);
        }
    }
}

static ll_status create_steps(struct onednn_creation *creation, int end)
{
    const struct ll_table *table = &creation->model->base.network->table;
    onednn_memory_expect(&creation->model->memory, bytes_to_pack(creation, end));
    ll_status status = LL_OK;
    for (int next = creation->first; next < end && status == LL_OK;) {
        int first = next;
        if (ll_engine_is_stopped(creation->model->base.stop)) {
            status = ll_fail(creation->err, LL_E_CANCELLED,
                             "the creation was stopped before layer %d", first);
            break;
        }
        status = create_next(creation, first, onednn_group_last(table, first), &next);
        if (status == LL_OK) {
            let_blobs_go(creation, first, next);
        }
    }
    onednn_memory_trim(&creation->model->memory);
    return status;
}

ll_status onednn_model_extend(struct ll_engine_model *base_model, int end,
                              struct ll_buf *const *blobs, struct ll_error *err)
{
    struct onednn_model *model = model_of(base_model);
    struct onednn_creation creation = {
        .model = model,
        .first = model->base.prefix,
        .blobs = blobs,
        .err = err,
    };
    struct onednn_mark mark = onednn_memory_mark(&model->memory);
    onednn_use_threads(model->base.engine->threads);
    ll_status status = create_steps(&creation, end);
    if (status == LL_OK) {
        if (model->engine->creation_threads < model->base.engine->threads) {
            onednn_run_alone();
        }
        status = onednn_warm_up(model, creation.first, end, err);
    }
    if (status != LL_OK) {
        for (int i = creation.first; i < end; i++) {
            onednn_step_finish(&model->steps[i]);
        }
        onednn_memory_rewind(&model->memory, mark);
        return status;
    }
    atomic_store_explicit(&model->base.prefix, end, memory_order_release);
    return LL_OK;
}
