/* infer's model: read from files, created by an engine, with room for its outputs.
 *
 * Threads: one at a time. */
#ifndef INFER_MODEL_H
#define INFER_MODEL_H

#include <stdint.h>

#include "core/ll_status.h"
#include "darknet_backend/dkb_engine.h"
#include "darknet_backend/network/dkb_model_file.h"
#include "engine/ll_engine.h"
#include "net/ll_table.h"

/* Zeroed: none. */
struct infer_model {
    struct dkb_model_file file;
    struct ll_engine *engine;
    struct ll_engine_model *model;
    struct ll_engine_context *context;
    /* The network's outputs in layer order, `floats` values one behind the other; of the last run.
     */
    struct ll_names names;
    struct ll_tensor_out *outputs;
    float *values;
    int64_t floats;
    /* What creation took, without reading files: as elapsed, and as processor time of all threads.
     */
    int64_t create_ns;
    int64_t create_cpu_ns;
};

/* Reads the files and makes room for outputs. Errors: those of dkb_model_file_load,
 * LL_E_NO_MEMORY. */
LL_MUST_USE ll_status infer_model_load(struct infer_model *model, const char *cfg,
                                       const char *weights, struct ll_error *err);
/* Creates all layers of what was loaded. Errors: those of dkb_engine_create and of the engine. */
LL_MUST_USE ll_status infer_model_create(struct infer_model *model,
                                         const struct ll_engine_config *config,
                                         struct ll_error *err);
/* Runs all layers on an input of table.in_floats values. Errors: the engine's. */
LL_MUST_USE ll_status infer_model_run(struct infer_model *model, const float *input,
                                      struct ll_error *err);
/* Takes zeroed and half-built ones too. */
void infer_model_finish(struct infer_model *model);

#endif
