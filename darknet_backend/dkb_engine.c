#include "darknet_backend/dkb_engine.h"

#include <string.h>

#include "darknet_backend/reference/dkb_darknet.h"
#include "engine/onednn/onednn.h"

ll_status dkb_engine_check_name(const char *name, struct ll_error *err)
{
    if (strcmp(name, "darknet") == 0 || strcmp(name, "onednn") == 0) {
        return LL_OK;
    }
    return ll_fail(err, LL_E_UNSUPPORTED, "no engine is called '%s'; there are: darknet, onednn",
                   name);
}

ll_status dkb_engine_create(const struct ll_engine_config *config, struct ll_engine **out_engine,
                            struct ll_error *err)
{
    if (config->threads < 1) {
        return ll_fail(err, LL_E_INVALID, "an engine needs at least 1 thread, not %d",
                       config->threads);
    }
    if (strcmp(config->name, "darknet") == 0) {
        if (config->compute != LL_COMPUTE_F32) {
            return ll_fail(err, LL_E_UNSUPPORTED,
                           "the engine darknet computes in f32 only; onednn has bf16");
        }
        return dkb_darknet_engine_create(out_engine, err);
    }
    if (strcmp(config->name, "onednn") == 0) {
        return onednn_engine_create(config, out_engine, err);
    }
    return dkb_engine_check_name(config->name, err);
}
