/* One run: what of a model is computed, from what, to where.
 *
 * Threads: any. */
#ifndef LL_RUN_H
#define LL_RUN_H

#include <stdatomic.h>
#include <stdint.h>

/* A tensor's values, channels x height x width, f32. */
struct ll_tensor_in {
    int name;
    int64_t floats;
    const float *data;
};

struct ll_tensor_out {
    int name;
    int64_t floats;
    float *data;
};

/* One run over [first, end). `inputs` has at least every tensor of inputs(first, end); further ones
 * are ignored. `outputs` are to be filled: tensors of outputs(first, end), with room for `floats`
 * values each. */
struct ll_run {
    int first;
    int end;
    const struct ll_tensor_in *inputs;
    int input_count;
    const struct ll_tensor_out *outputs;
    int output_count;
    /* NULL, or end - first times to be filled: how long each layer took, in ns; a fused group's
     * time stands at its last layer, 0 at the others. All 0 where the engine takes no times. */
    int64_t *layer_ns;
    /* NULL, or set by any thread when nobody waits for the run any more: it ends behind the group
     * of layers that it computes then. */
    const atomic_bool *stop;
};

/* The first of the run's inputs of that name, NULL without. */
const struct ll_tensor_in *ll_run_find_input(const struct ll_run *run, int name);

#endif
