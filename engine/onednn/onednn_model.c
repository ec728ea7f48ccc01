/* Creation. A model grows by whole groups; whatever exists is never touched again, so that queries
 * run on it meanwhile without locks. An extension creates its steps, packs their weights, runs them
 * once, and publishes the longer prefix. */
#include <stdlib.h>
#include <string.h>

#include "core/ll_limits.h"
#include "engine/onednn/onednn.h"
#include "engine/onednn/onednn_omp.h"

/* What oneDNN allocates for a layer's primitive, about. */
enum { PRIMITIVE_BYTES = 16 << 10 };

static struct onednn_model *model_of(struct ll_engine_model *base)
{
    return (struct onednn_model *)base;
}

const float *onednn_weights(const struct onednn_creation *creation, int index)
{
    const struct ll_layer *row = &creation->model->base.network->table.layers[index];
    return row->blob_bytes > 0 ? ll_buf_data(creation->blobs[index - creation->first]) : NULL;
}

static ll_status parse(struct ll_engine *engine, const char *cfg, size_t cfg_bytes,
                       struct ll_network **out_network, struct ll_error *err)
{
    (void)engine;
    return dkb_network_parse(cfg, cfg_bytes, out_network, err);
}

static void model_destroy(struct ll_engine_model *base_model)
{
    struct onednn_model *model = model_of(base_model);
    for (int i = 0; model->steps && i < model->base.prefix; i++) {
        onednn_step_finish(&model->steps[i]);
    }
    onednn_memory_finish(&model->memory);
    if (model->darknet) {
        ll_engine_model_destroy(&model->darknet->base);
    }
    ll_engine_destroy(model->darknet_engine);
    free(model->steps);
    free(model->layouts);
    free(model->warm_ns);
    ll_network_unref(model->base.network);
    ll_engine_model_give(base_model, atomic_load(&base_model->bytes));
    free(model);
}

/* Where the patterns of layers that Darknet's functions run are kept. */
static ll_status create_darknet(struct onednn_model *model, struct ll_error *err)
{
    ll_status status = dkb_darknet_engine_create(&model->darknet_engine, err);
    if (status != LL_OK) {
        return status;
    }
    model->darknet_engine->memory = model->base.engine->memory;
    struct ll_engine_model *darknet = NULL;
    status = ll_engine_model_create(model->darknet_engine, model->base.network, &darknet, err);
    model->darknet = (struct dkb_darknet_model *)darknet;
    return status;
}

static ll_status model_create(struct ll_engine *engine, struct ll_network *network,
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
    int64_t bytes = (int64_t)(layers * (sizeof(*model->layouts) + sizeof(*model->steps) +
                                        sizeof(*model->warm_ns) + PRIMITIVE_BYTES));
    ll_status status = ll_engine_model_take(&model->base, bytes, err);
    if (status != LL_OK) {
        model_destroy(&model->base);
        return status;
    }
    model->layouts = calloc(layers + 1, sizeof(*model->layouts));
    model->steps = calloc(layers, sizeof(*model->steps));
    model->warm_ns = calloc(layers, sizeof(*model->warm_ns));
    model->base.warm_ns = model->warm_ns;
    status = model->layouts && model->steps && model->warm_ns
                 ? create_darknet(model, err)
                 : ll_fail(err, LL_E_NO_MEMORY, "no memory for a model");
    if (status != LL_OK) {
        model_destroy(&model->base);
        return status;
    }
    onednn_decide_layouts(model);
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

static ll_status check_blobs(const struct onednn_creation *creation, int end)
{
    const struct ll_table *table = &creation->model->base.network->table;
    if (end < creation->first || !ll_table_is_legal_cut(table, end)) {
        return ll_fail(creation->err, LL_E_INVALID,
                       "layers %d to %d cannot be created: no legal cut", creation->first, end);
    }
    for (int i = creation->first; i < end; i++) {
        ll_status status =
            check_blob(&table->layers[i], i, creation->blobs[i - creation->first], creation->err);
        if (status != LL_OK) {
            return status;
        }
    }
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
        onednn_create_darknet(creation, index);
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

static ll_status model_extend(struct ll_engine_model *base_model, int end,
                              struct ll_buf *const *blobs, struct ll_error *err)
{
    struct onednn_model *model = model_of(base_model);
    struct onednn_creation creation = {
        .model = model,
        .first = model->base.prefix,
        .blobs = blobs,
        .err = err,
    };
    ll_status status = check_blobs(&creation, end);
    if (status != LL_OK || end == creation.first) {
        return status;
    }
    struct onednn_mark mark = onednn_memory_mark(&model->memory);
    onednn_use_threads(model->base.engine->threads);
    status = create_steps(&creation, end);
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

static void destroy(struct ll_engine *base_engine)
{
    struct onednn_engine *engine = (struct onednn_engine *)base_engine;
    dnnl_engine_destroy(engine->dnnl);
    free(engine);
}

/* What oneDNN may use decides which implementation it takes and the last bits. */
static void look_at_processor(struct onednn_engine *engine)
{
    static const struct {
        const char *name;
        dnnl_cpu_isa_t isa;
        int block;
    } known[] = {
        {"avx512_core_amx", dnnl_cpu_isa_avx512_core_amx, 16},
        {"avx512_core_bf16", dnnl_cpu_isa_avx512_core_bf16, 16},
        {"avx512_core_vnni", dnnl_cpu_isa_avx512_core_vnni, 16},
        {"avx512_core", dnnl_cpu_isa_avx512_core, 16},
        {"avx2_vnni", dnnl_cpu_isa_avx2_vnni, 8},
        {"avx2", dnnl_cpu_isa_avx2, 8},
        {"avx", dnnl_cpu_isa_avx, 8},
        {"sse4.1", dnnl_cpu_isa_sse41, 8},
    };
    dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
    engine->base.instruction_set = "generic";
    engine->block = 0;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (isa == known[i].isa) {
            engine->base.instruction_set = known[i].name;
            engine->block = known[i].block;
        }
    }
}

static ll_status choose_type(struct onednn_engine *engine, bool is_bf16, struct ll_error *err)
{
    engine->type = dnnl_f32;
    engine->base.name = "onednn";
    if (!is_bf16) {
        return LL_OK;
    }
    dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
    if (isa != dnnl_cpu_isa_avx512_core_bf16 && isa != dnnl_cpu_isa_avx512_core_amx) {
        return ll_fail(err, LL_E_UNSUPPORTED,
                       "this processor does not compute in bf16 (AVX-512 BF16 or AMX is needed, "
                       "oneDNN finds %s)",
                       engine->base.instruction_set);
    }
    engine->type = dnnl_bf16;
    engine->base.name = "onednn-bf16";
    return LL_OK;
}

ll_status onednn_engine_create(const struct ll_engine_config *config, struct ll_engine **out_engine,
                               struct ll_error *err)
{
    static const struct ll_engine_ops ops = {
        .parse = parse,
        .model_create = model_create,
        .model_extend = model_extend,
        .model_destroy = model_destroy,
        .context_create = onednn_context_create,
        .context_destroy = onednn_context_destroy,
        .run = onednn_run,
        .probe_set = onednn_probe_set,
        .tensor_bytes = onednn_context_bytes,
        .destroy = destroy,
    };
    struct onednn_engine *engine = calloc(1, sizeof(*engine));
    if (!engine) {
        return ll_fail(err, LL_E_NO_MEMORY, "no memory for an engine");
    }
    engine->base.ops = &ops;
    engine->base.threads = config->threads;
    engine->creation_threads = config->creation_threads > 0 ? config->creation_threads : 1;
    look_at_processor(engine);
    ll_status status = choose_type(engine, config->compute == LL_COMPUTE_BF16, err);
    if (status != LL_OK) {
        free(engine);
        return status;
    }
    if (config->threads > 1 && onednn_wait_passively() != LL_OK) {
        free(engine);
        return ll_fail(err, LL_E_NO_MEMORY, "no thread for an engine");
    }
    if (dnnl_engine_create(&engine->dnnl, dnnl_cpu, 0) != dnnl_success) {
        free(engine);
        return ll_fail(err, LL_E_UNSUPPORTED, "oneDNN has no engine for this processor");
    }
    *out_engine = &engine->base;
    return LL_OK;
}
