/* An engine for tests: a network in a few lines of text, arithmetic that depends on every byte of
 * the blobs and every input, and gates that hold creations and runs until the test lets them go.
 *
 * The cfg:
 *   fake                          first line
 *   input 8                       floats of the network's input
 *   input 3 24 32                 the same as channels, height and width
 *   layer 16 64                   floats that it makes, bytes of its blob; reads the layer before
 *   layer 16 0 reads 0 -1         reads these tensors instead
 *   layer 16 32 joined            no legal cut behind it
 *   layer 4 8 heavy               says that it takes FAKE_HEAVY_FLOPS operations
 *   layer 4 80 exact=8 tail=4     drafts keep so many of its blob's first and last bytes
 *   layer 4 8 output              one of the network's outputs (the last layer always is)
 *   unsupported                   refused with LL_E_UNSUPPORTED
 *
 * Of the engine's budget a model takes its blobs' bytes, and a context what the layers of its
 * largest run make. What is told to stop ends when it has passed its gate.
 *
 * Threads: any. */
#ifndef FAKE_ENGINE_H
#define FAKE_ENGINE_H

#include <stdbool.h>

#include "engine/ll_engine.h"

/* What can be held at a gate, counted, and made to fail. */
enum fake_step {
    FAKE_PARSE,
    FAKE_MODEL,
    FAKE_CREATION,
    FAKE_CONTEXT,
    FAKE_RUN,
    FAKE_STEPS,
};

#define FAKE_HEAVY_FLOPS ((int64_t)1 << 38)

/* What layer i says that its first run took: (i + 1) times this, in ns, where it ends a group. */
enum { FAKE_WARM_NS = 1000 };

/* Engine "fake", instruction set "none", one thread. NULL without memory. Destroy it with
 * ll_engine_destroy. */
struct ll_engine *fake_engine_create(void);

/* From now on every step of this kind waits at its gate before it does anything. */
void fake_engine_hold(struct ll_engine *engine, enum fake_step step);
/* Lets `count` steps through the gate, which stays closed for those behind. */
void fake_engine_pass(struct ll_engine *engine, enum fake_step step, int count);
/* Opens the gate. */
void fake_engine_release(struct ll_engine *engine, enum fake_step step);
/* Waits until `count` steps stand at the gate; false after 30 s. */
bool fake_engine_await_held(struct ll_engine *engine, enum fake_step step, int count);
/* Waits until `count` steps in all have ended, failed ones included; false after 30 s. */
bool fake_engine_await_done(struct ll_engine *engine, enum fake_step step, int count);

/* The next `count` steps of this kind fail with `status` and the sentence "made to fail". */
void fake_engine_fail(struct ll_engine *engine, enum fake_step step, int count, ll_status status);

/* Steps that have ended, failed ones included. */
int fake_engine_done(struct ll_engine *engine, enum fake_step step);
/* Steps that were told to stop and did nothing. */
int fake_engine_stopped(struct ll_engine *engine, enum fake_step step);
/* The layers [first, end) of the n-th successful creation, from 0; false if there was none. */
bool fake_engine_creation(struct ll_engine *engine, int n, int *out_first, int *out_end);
/* Networks, models and contexts that exist. */
int fake_engine_alive(struct ll_engine *engine);

#endif
