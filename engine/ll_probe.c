#include "engine/ll_probe.h"

#include "engine/ll_engine_backend.h"

void ll_probe_set(struct ll_engine_context *context, const struct ll_probe *probe)
{
    const struct ll_engine_ops *ops = context->model->engine->ops;
    if (ops->probe_set) {
        ops->probe_set(context, probe);
    }
}

int64_t ll_probe_context_bytes(const struct ll_engine_context *context)
{
    const struct ll_engine_ops *ops = context->model->engine->ops;
    return ops->tensor_bytes ? ops->tensor_bytes(context) : 0;
}
