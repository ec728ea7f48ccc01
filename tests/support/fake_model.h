/* A model for the fake engine: network, blobs, manifest, and the answers that are right.
 *
 * Failures here are the test's own and end it (CUnit's fatal assertions).
 *
 * Threads: one at a time. */
#ifndef FAKE_MODEL_H
#define FAKE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/ll_engine.h"
#include "net/ll_manifest.h"
#include "net/plan/ll_plan.h"

struct fake_model {
    /* Parsed by an engine of the model's own, whose gates nobody holds. */
    struct ll_engine *engine;
    struct ll_network *network;
    struct ll_manifest manifest;
    struct ll_digest id;
    char id_text[LL_DIGEST_TEXT_BYTES];
    /* One per layer, NULL where the layer has no weights. */
    struct ll_buf **blobs;
};

/* Blobs look random and follow from seed, layer and size alone: two models with equal seeds share
 * the blobs of layers that are equal in both. */
void fake_model_init(struct fake_model *model, const char *cfg, unsigned seed);
/* The same with blobs of floats as weights are, which frames make shorter. */
void fake_model_init_weights(struct fake_model *model, const char *cfg, unsigned seed);
/* The test has changed bytes of blobs: gives them, and the model, their names. */
void fake_model_rename(struct fake_model *model);
void fake_model_finish(struct fake_model *model);

/* A copy of the manifest, for who takes it over. */
void fake_model_copy_manifest(const struct fake_model *model, struct ll_manifest *out_manifest);
/* A plan with one partition per legal cut. */
void fake_model_plan(const struct fake_model *model, struct ll_plan *out_plan);

/* Tensors one behind the other, as in the list of their names. */
struct fake_tensors {
    struct ll_names names;
    int64_t floats;
    float *data;
};

/* The values of inputs(first, end) when the network's input is made from `input_seed`. */
void fake_model_inputs(const struct fake_model *model, unsigned input_seed, int first, int end,
                       struct fake_tensors *out_tensors);
/* The values of outputs(first, end). */
void fake_model_outputs(const struct fake_model *model, unsigned input_seed, int first, int end,
                        struct fake_tensors *out_tensors);
/* Whether all bits are equal. */
bool fake_floats_equal(const float *a, const float *b, int64_t floats);
void fake_tensors_finish(struct fake_tensors *tensors);

#endif
