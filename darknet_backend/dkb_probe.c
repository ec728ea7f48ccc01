#include "darknet_backend/dkb_probe.h"

#include "darknet_backend/dkb_darknet.h"
#include "darknet_backend/dkb_onednn.h"

typedef enum { FOREIGN, DARKNET, ONEDNN } engine_kind;

/* A context of another backend is not to be cast to one of ours. */
static engine_kind kind_of(const struct ll_engine_context *context)
{
    if (context->model->engine->ops->run == dkb_onednn_run) {
        return ONEDNN;
    }
    return context->model->engine->ops->run == dkb_darknet_run ? DARKNET : FOREIGN;
}

void dkb_probe_set(struct ll_engine_context *context, const struct dkb_probe *probe)
{
    switch (kind_of(context)) {
    case ONEDNN:
        dkb_onednn_probe_set(context, probe);
        break;
    case DARKNET:
        dkb_darknet_probe_set(context, probe);
        break;
    case FOREIGN:
        break;
    }
}

int64_t dkb_probe_context_bytes(const struct ll_engine_context *context)
{
    switch (kind_of(context)) {
    case ONEDNN:
        return dkb_onednn_context_bytes(context);
    case DARKNET:
        return dkb_darknet_context_bytes(context);
    default:
        return 0;
    }
}
