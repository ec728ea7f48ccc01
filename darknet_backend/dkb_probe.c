#include "darknet_backend/dkb_probe.h"

#include "darknet_backend/dkb_darknet.h"
#include "darknet_backend/dkb_onednn.h"

static bool is_onednn(const struct ll_engine_context *context)
{
    return context->model->engine->ops->run == dkb_onednn_run;
}

void dkb_probe_set(struct ll_engine_context *context, const struct dkb_probe *probe)
{
    if (is_onednn(context)) {
        dkb_onednn_probe_set(context, probe);
    } else {
        dkb_darknet_probe_set(context, probe);
    }
}

int64_t dkb_probe_context_bytes(const struct ll_engine_context *context)
{
    return is_onednn(context) ? dkb_onednn_context_bytes(context)
                              : dkb_darknet_context_bytes(context);
}
