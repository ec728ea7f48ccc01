/* A model with seeded weights, for tests; its engine is the one that $LL_TEST_ENGINE names, or
 * `darknet`. Failures to make one end the test. */
#ifndef ENGINE_FIXTURE_H
#define ENGINE_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_buf.h"
#include "engine/ll_engine.h"

struct engine_fixture {
    struct ll_network *network;
    const struct ll_table *table;
    struct ll_buf **blobs;
    struct ll_engine *engine;
    struct ll_engine_model *model;
    float *input;
};

/* The engine under test. */
const char *engine_fixture_engine(void);

/* The model's prefix is empty. */
void engine_fixture_init(struct engine_fixture *fixture, const char *cfg);
/* The same with the engine of that name ("onednn-bf16": onednn, computing in bf16). */
void engine_fixture_init_as(struct engine_fixture *fixture, const char *engine, const char *cfg);
void engine_fixture_finish(struct engine_fixture *fixture);

/* Extends the model to `end`. */
ll_status engine_fixture_extend(struct engine_fixture *fixture, int end, struct ll_error *err);

/* The legal cut behind `cut`. */
int engine_fixture_next_cut(const struct engine_fixture *fixture, int cut);

/* Values of every tensor, `values[t + 1]` for tensor t; NULL for those that do not exist. */
struct engine_values {
    int count;
    float **values;
};

/* What the layers from 0 to the model's prefix make, each by a run of its own group. */
void engine_values_init(struct engine_values *values, struct engine_fixture *fixture);
void engine_values_finish(struct engine_values *values);

/* Runs [first, end) in `context`, fed from `values`. Whether it gives what they hold, bit for bit;
 * a refused run does not. */
bool engine_values_hold(const struct engine_values *values, struct ll_engine_context *context,
                        int first, int end);

#endif
