#include "darknet_backend/dkb_engine.h"

#include <string.h>

#include "darknet_backend/network/dkb_network.h"
#include "darknet_backend/reference/dkb_darknet.h"
#include "darknet_backend/reference/dkb_plain.h"
#include "engine/ll_engine_backend.h"
#include "engine/onednn/onednn_engine.h"

ll_status dkb_engine_check_name(const char *name, struct ll_error *err)
{
    if (strcmp(name, "darknet") == 0 || strcmp(name, "onednn") == 0) {
        return LL_OK;
    }
    return ll_fail(err, LL_E_UNSUPPORTED, "no engine is called '%s'; there are: darknet, onednn",
                   name);
}

/* ll_engine.parse: our engines read Darknet's cfg language. */
static ll_status parse(struct ll_engine *engine, const char *cfg, size_t cfg_bytes,
                       struct ll_network **out_network, struct ll_error *err)
{
    (void)engine;
    return dkb_network_parse(cfg, cfg_bytes, out_network, err);
}

static ll_status create(const struct ll_engine_config *config, struct ll_engine **out_engine,
                        struct ll_error *err)
{
    if (strcmp(config->name, "onednn") == 0) {
        return onednn_engine_create(config, &dkb_plain_ops, out_engine, err);
    }
    if (config->compute != LL_COMPUTE_F32) {
        return ll_fail(err, LL_E_UNSUPPORTED,
                       "the engine darknet computes in f32 only; onednn has bf16");
    }
    return dkb_darknet_engine_create(out_engine, err);
}

ll_status dkb_engine_create(const struct ll_engine_config *config, struct ll_engine **out_engine,
                            struct ll_error *err)
{
    if (config->threads < 1) {
        return ll_fail(err, LL_E_INVALID, "an engine needs at least 1 thread, not %d",
                       config->threads);
    }
    ll_status status = dkb_engine_check_name(config->name, err);
    if (status == LL_OK) {
        status = create(config, out_engine, err);
    }
    if (status == LL_OK) {
        (*out_engine)->parse = parse;
    }
    return status;
}
