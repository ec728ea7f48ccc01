#include "engine/ll_engine.h"

#include <string.h>

#include "engine/ll_engine_backend.h"
#include "engine/ll_engine_check.h"

/* ---- Engines ---- */

void ll_engine_destroy(struct ll_engine *engine)
{
    if (engine) {
        engine->ops->destroy(engine);
    }
}

const char *ll_engine_name(const struct ll_engine *engine)
{
    return engine->name;
}

const char *ll_engine_instruction_set(const struct ll_engine *engine)
{
    return engine->instruction_set;
}

int ll_engine_threads(const struct ll_engine *engine)
{
    return engine->threads;
}

ll_compute ll_engine_compute(const struct ll_engine *engine)
{
    return engine->compute;
}

void ll_engine_set_memory(struct ll_engine *engine, struct ll_memory *memory)
{
    engine->memory = memory;
}

struct ll_memory *ll_engine_memory(const struct ll_engine *engine)
{
    return engine->memory;
}

ll_status ll_engine_parse(struct ll_engine *engine, const char *cfg, size_t cfg_bytes,
                          struct ll_network **out_network, struct ll_error *err)
{
    if (!engine->parse) {
        return ll_fail(err, LL_E_UNSUPPORTED, "the engine %s reads no networks", engine->name);
    }
    return engine->parse(engine, cfg, cfg_bytes, out_network, err);
}

/* ---- Models ---- */

ll_status ll_engine_model_create(struct ll_engine *engine, struct ll_network *network,
                                 struct ll_engine_model **out_model, struct ll_error *err)
{
    return engine->ops->model_create(engine, network, out_model, err);
}

void ll_engine_model_destroy(struct ll_engine_model *model)
{
    if (model) {
        model->engine->ops->model_destroy(model);
    }
}

ll_status ll_engine_model_extend(struct ll_engine_model *model, int end,
                                 struct ll_buf *const *blobs, struct ll_error *err)
{
    ll_status status = ll_engine_check_extension(&model->network->table,
                                                 ll_engine_model_prefix(model), end, blobs, err);
    return status == LL_OK ? model->engine->ops->model_extend(model, end, blobs, err) : status;
}

int ll_engine_model_prefix(const struct ll_engine_model *model)
{
    return atomic_load_explicit(&model->prefix, memory_order_acquire);
}

struct ll_engine *ll_engine_model_engine(const struct ll_engine_model *model)
{
    return model->engine;
}

struct ll_network *ll_engine_model_network(const struct ll_engine_model *model)
{
    return model->network;
}

void ll_engine_model_set_stop(struct ll_engine_model *model, const atomic_bool *stop)
{
    model->stop = stop;
}

void ll_engine_model_set_warm_flops(struct ll_engine_model *model, int64_t flops)
{
    model->warm_flops = flops;
}

const int64_t *ll_engine_model_warm_ns(const struct ll_engine_model *model)
{
    return model->warm_ns;
}

int64_t ll_engine_model_bytes(const struct ll_engine_model *model)
{
    return atomic_load(&model->bytes);
}

ll_status ll_engine_model_take(struct ll_engine_model *model, int64_t bytes, struct ll_error *err)
{
    ll_status status = ll_memory_take(model->engine->memory, bytes, "a model's layers", err);
    if (status == LL_OK) {
        atomic_fetch_add(&model->bytes, bytes);
    }
    return status;
}

void ll_engine_model_give(struct ll_engine_model *model, int64_t bytes)
{
    atomic_fetch_sub(&model->bytes, bytes);
    ll_memory_give(model->engine->memory, bytes);
}

/* ---- Contexts and runs ---- */

ll_status ll_engine_context_create(struct ll_engine_model *model,
                                   struct ll_engine_context **out_context, struct ll_error *err)
{
    return model->engine->ops->context_create(model, out_context, err);
}

void ll_engine_context_destroy(struct ll_engine_context *context)
{
    if (context) {
        context->model->engine->ops->context_destroy(context);
    }
}

struct ll_engine_model *ll_engine_context_model(const struct ll_engine_context *context)
{
    return context->model;
}

int64_t ll_engine_context_bytes(const struct ll_engine_context *context)
{
    return context->bytes;
}

ll_status ll_engine_run(struct ll_engine_context *context, const struct ll_run *run,
                        struct ll_error *err)
{
    struct ll_engine_model *model = context->model;
    int prefix = ll_engine_model_prefix(model);
    ll_status status = ll_engine_check_run(&model->network->table, prefix, run, err);
    if (status != LL_OK) {
        return status;
    }
    if (run->layer_ns) {
        memset(run->layer_ns, 0, (size_t)(run->end - run->first) * sizeof(*run->layer_ns));
    }
    return model->engine->ops->run(context, run, err);
}

ll_status ll_engine_context_take(struct ll_engine_context *context, int64_t bytes,
                                 struct ll_error *err)
{
    ll_status status = ll_memory_take(context->model->engine->memory, bytes, "a run", err);
    if (status == LL_OK) {
        context->bytes += bytes;
    }
    return status;
}

void ll_engine_context_give(struct ll_engine_context *context, int64_t bytes)
{
    context->bytes -= bytes;
    ll_memory_give(context->model->engine->memory, bytes);
}
