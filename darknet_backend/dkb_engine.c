#include "darknet_backend/dkb_engine.h"

#include <string.h>

#include "darknet_backend/dkb_darknet.h"
#include "darknet_backend/dkb_onednn.h"

ll_status dkb_engine_create(const struct dkb_engine_config *config, struct ll_engine **out_engine,
                            struct ll_error *err)
{
    if (config->threads < 1) {
        return ll_fail(err, LL_E_INVALID, "an engine needs at least 1 thread, not %d",
                       config->threads);
    }
    if (strcmp(config->name, "darknet") == 0) {
        return dkb_darknet_engine_create(out_engine, err);
    }
    if (strcmp(config->name, "onednn") == 0) {
        return dkb_onednn_engine_create(config->threads, config->creation_threads, out_engine, err);
    }
    return ll_fail(err, LL_E_UNSUPPORTED, "no engine is called '%s'; there are: darknet, onednn",
                   config->name);
}
