/* The engine itself: what the processor has, and what of it is used. */
#include "engine/onednn/onednn_engine.h"

#include <stdlib.h>

#include "engine/onednn/onednn.h"
#include "engine/onednn/onednn_model.h"
#include "engine/onednn/onednn_omp.h"
#include "engine/onednn/onednn_place.h"
#include "engine/onednn/onednn_run.h"

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
    engine->base.compute = LL_COMPUTE_BF16;
    return LL_OK;
}

ll_status onednn_engine_create(const struct ll_engine_config *config,
                               const struct ll_plain_ops *plain, struct ll_engine **out_engine,
                               struct ll_error *err)
{
    static const struct ll_engine_ops ops = {
        .model_create = onednn_model_create,
        .model_extend = onednn_model_extend,
        .model_destroy = onednn_model_destroy,
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
    engine->plain = plain;
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
