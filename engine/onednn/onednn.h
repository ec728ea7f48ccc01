/* The `onednn` engine from the inside: its data. What is done with it stands in a header a module:
 *
 *   onednn_model.h   creation of models; uses what stands below
 *   onednn_warm.h    first runs of new layers
 *   onednn_run.h     runs
 *   onednn_place.h   contexts, and where a run's tensors lie
 *   onednn_create.h  a step for each layer or group of them
 *   onednn_sum.h, onednn_plain.h  steps that are no primitives: creation, scratch, run
 *   onednn_step.h, onednn_pack.h  what creators share
 *   onednn_layout.h  how tensors lie in memory
 *
 * Tensors. Each tensor has one layout for its whole life, which follows from the cfg, the
 * processor's instruction set and the type that the engine computes in alone: "blocked" (nChw16c or
 * nChw8c: channels in blocks, padded to full ones) or "plain" (channels x height x width, as at
 * cuts). oneDNN is told the padded number of channels as if it were the real one: weights are 0
 * there, so whatever stands in a padding channel is finite and harms nobody. Conversion loses
 * nothing, so that a range gives the same bits wherever it begins and ends.
 *
 * Steps. A group of layers becomes one step, or a step a layer where they do not fuse; the step
 * stands at its last layer. Steps are immutable once created and shared by all queries; whatever a
 * query writes lies in its context. A step may want its inputs in another layout than they have, or
 * write one that its output has not: the run converts through the context's scratch memory.
 *
 * Internal to engine/onednn. */
#ifndef ONEDNN_H
#define ONEDNN_H

#include <dnnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/ll_arena.h"
#include "engine/ll_engine_backend.h"
#include "engine/ll_plain_layers.h"
#include "engine/ll_probe.h"
#include "engine/onednn/onednn_memory.h"

/* How values lie in memory. */
enum onednn_form {
    /* c x h x w, f32. */
    ONEDNN_PLAIN = 0,
    /* Blocks of channels, of the engine's type. */
    ONEDNN_BLOCKED,
    /* c x h x w, bf16: only as a converted source, since a bf16 primitive reads nothing else. */
    ONEDNN_PLAIN_BF16,
};

/* How a tensor lies in memory: plain or blocked. */
struct onednn_layout {
    enum onednn_form form;
    /* The tensor's own shape; a flat vector has c values. */
    int c, h, w;
    /* Channels with padding, and memory with padding, in floats (two bf16 values each). */
    int padded_c;
    int64_t floats;
};

enum onednn_kind {
    /* Nothing happens: a dropout, or a layer that the step at its group's end has fused. */
    ONEDNN_NOTHING = 0,
    ONEDNN_PRIMITIVE,
    /* Tensors of full blocks (or plain ones) one behind the other. */
    ONEDNN_CONCAT,
    /* A shortcut between different shapes. */
    ONEDNN_SUM,
    /* A plain layer. */
    ONEDNN_PLAIN_LAYER,
};

enum { ONEDNN_SOURCES = 2, ONEDNN_CONSTANTS = 4 };

/* A tensor that a primitive reads: its name, and the layout and argument it is wanted in. */
struct onednn_source {
    int name;
    int argument;
    enum onednn_form form;
    dnnl_memory_desc_t md;
};

struct onednn_constant {
    int argument;
    dnnl_memory_t memory;
};

struct onednn_step {
    enum onednn_kind kind;
    dnnl_primitive_t primitive;
    int source_count;
    struct onednn_source sources[ONEDNN_SOURCES];
    /* The primitive adds to what its destination holds: sources[1], which is copied there. */
    bool adds;
    enum onednn_form out_form;
    dnnl_memory_desc_t out_md;
    dnnl_memory_desc_t scratchpad_md;
    int64_t scratchpad_floats;
    int constant_count;
    struct onednn_constant constants[ONEDNN_CONSTANTS];
    /* Weights that are used where they lie. */
    struct ll_buf *blob;
};

struct onednn_engine {
    struct ll_engine base;
    dnnl_engine_t dnnl;
    /* Channels a block: 16, 8, or 0 where nothing is blocked. */
    int block;
    /* Of weights and blocked tensors: f32 or bf16. */
    dnnl_data_type_t type;
    int creation_threads;
    /* What runs the layers that oneDNN lacks. */
    const struct ll_plain_ops *plain;
};

struct onednn_model {
    struct ll_engine_model base;
    const struct ll_network *network;
    const struct onednn_engine *engine;
    /* Tensor t's layout at [t + 1]. */
    struct onednn_layout *layouts;
    /* One per layer; those of [0, base.prefix) are created. */
    struct onednn_step *steps;
    /* What base.warm_ns points to. */
    int64_t *warm_ns;
    /* Packed weights. */
    struct onednn_memory memory;
    /* Those that oneDNN lacks are filled. */
    struct ll_plain_layers *plain;
};

/* A step's arguments that change from run to run; the objects are made once a context. */
struct onednn_arguments {
    dnnl_memory_t sources[ONEDNN_SOURCES];
    dnnl_memory_t out;
    dnnl_memory_t scratchpad;
};

struct onednn_context {
    struct ll_engine_context base;
    dnnl_stream_t stream;
    struct onednn_arguments *arguments;
    /* Tensor t of the running range at [t + 1], in its layout; NULL where nobody has made it. */
    float **tensors;
    /* Its place in the arena, -1 where it has none; while planning: whether it still holds it. */
    int64_t *places;
    bool *held;
    struct ll_arena arena;
    float *memory;
    int64_t memory_floats;
    float *scratch;
    int64_t scratch_floats;
    /* What the plain layer that runs reads besides its input. */
    const float **sources;
    struct ll_probe probe;
};

/* An extension at work: what the creators of steps need. */
struct onednn_creation {
    struct onednn_model *model;
    /* The first layer that the extension creates, and the blobs from there on. */
    int first;
    struct ll_buf *const *blobs;
    struct ll_error *err;
};

/* Whether anything happens at layer `index`. */
static inline bool onednn_is_step(const struct onednn_model *model, int index)
{
    return model->steps[index].kind != ONEDNN_NOTHING;
}

/* The last layer of the group that `index` belongs to. */
static inline int onednn_group_last(const struct ll_table *table, int index)
{
    while (!table->layers[index].ends_group) {
        index++;
    }
    return index;
}

/* Floats of scratch memory that keep the next piece aligned to 64 bytes. */
static inline int64_t onednn_round_up(int64_t floats)
{
    return (floats + 15) / 16 * 16;
}

/* The form in which a primitive reads plain tensors beside weights of the engine's type. */
static inline enum onednn_form onednn_plain_source(const struct onednn_engine *engine)
{
    return engine->type == dnnl_bf16 ? ONEDNN_PLAIN_BF16 : ONEDNN_PLAIN;
}

#endif
