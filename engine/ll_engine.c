#include "engine/ll_engine.h"

ll_status ll_engine_parse(struct ll_engine *engine, const char *cfg, size_t cfg_bytes,
                          struct ll_network **out_network, struct ll_error *err)
{
    return engine->ops->parse(engine, cfg, cfg_bytes, out_network, err);
}

ll_status ll_engine_model_create(struct ll_engine *engine, struct ll_network *network,
                                 struct ll_engine_model **out_model, struct ll_error *err)
{
    return engine->ops->model_create(engine, network, out_model, err);
}

ll_status ll_engine_model_extend(struct ll_engine_model *model, int end,
                                 struct ll_buf *const *blobs, struct ll_error *err)
{
    return model->engine->ops->model_extend(model, end, blobs, err);
}

void ll_engine_model_destroy(struct ll_engine_model *model)
{
    if (model) {
        model->engine->ops->model_destroy(model);
    }
}

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

ll_status ll_engine_run(struct ll_engine_context *context, const struct ll_run *run,
                        struct ll_error *err)
{
    return context->model->engine->ops->run(context, run, err);
}

void ll_engine_destroy(struct ll_engine *engine)
{
    if (engine) {
        engine->ops->destroy(engine);
    }
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
