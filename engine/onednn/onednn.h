/* The `onednn` engine from the inside.
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
 * Internal to darknet_backend/onednn_*.c. */
#ifndef ONEDNN_H
#define ONEDNN_H

#include <dnnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "darknet_backend/network/dkb_network.h"
#include "darknet_backend/reference/dkb_darknet.h"
#include "engine/ll_arena.h"
#include "engine/ll_engine.h"
#include "engine/ll_engine_config.h"
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
    /* Darknet's forward function. */
    ONEDNN_DARKNET,
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
    /* Patterns of the layers that Darknet's functions run; nothing in it is ever created. */
    struct ll_engine *darknet_engine;
    struct dkb_darknet_model *darknet;
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
    struct layer *sources;
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

/* The layout of tensor `name`. */
const struct onednn_layout *onednn_layout_of(const struct onednn_model *model, int name);

/* Weights of layer `index`, NULL without. */
const float *onednn_weights(const struct onednn_creation *creation, int index);

/* onednn_layout.c: fills model->layouts. */
void onednn_decide_layouts(struct onednn_model *model);
/* The description for oneDNN, 1 x channels x height x width, of a tensor of that shape in the
 * wished form. */
dnnl_memory_desc_t onednn_describe(const struct onednn_engine *engine,
                                   const struct onednn_layout *layout, enum onednn_form form);
/* What a tensor of that shape takes in the wished form, in floats of memory. */
int64_t onednn_floats(const struct onednn_engine *engine, const struct onednn_layout *layout,
                      enum onednn_form form);
/* Copies a tensor of that shape between two different forms. From f32 to bf16 values are rounded to
 * the nearest, the other way nothing changes; padding becomes 0. */
void onednn_convert(const struct onednn_engine *engine, const struct onednn_layout *layout,
                    enum onednn_form from_form, const float *from, enum onednn_form to_form,
                    float *to);

/* onednn_conv.c: creates the step of a convolution and of the layers behind it that fuse with
 * it, up to `last`, the end of its group; `out_end` is the layer behind those that it has taken.
 * LL_E_UNSUPPORTED where only Darknet can. */
LL_MUST_USE ll_status onednn_create_convolution(struct onednn_creation *creation, int index,
                                                int last, int *out_end);
/* onednn_connected.c */
LL_MUST_USE ll_status onednn_create_connected(struct onednn_creation *creation, int index);
/* onednn_layers.c, the same for all types but convolutions; one layer each. */
LL_MUST_USE ll_status onednn_create_layer(struct onednn_creation *creation, int index);

/* onednn_darknet.c: the step that runs Darknet's function; scratch that it needs, in floats;
 * running it on plain tensors. */
void onednn_create_darknet(struct onednn_creation *creation, int index);
int64_t onednn_darknet_scratch(const struct onednn_model *model, int index);
void onednn_run_darknet(struct onednn_context *context, int index, float *output, float *scratch);

/* onednn_sum.c: a shortcut of any shapes, as its own step where both tensors have the layout of
 * the sum; the tensor that it adds; scratch that it needs, in floats; its run, perhaps in place. */
LL_MUST_USE ll_status onednn_create_sum(struct onednn_creation *creation, int index);
int onednn_sum_source(const struct onednn_model *model, int index);
int64_t onednn_sum_scratch(const struct onednn_model *model, int index);
void onednn_run_sum(struct onednn_context *context, int index, float *out, float *scratch);

/* onednn_place.c: finds a place for every tensor of the range, in memory that is there then.
 * Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status onednn_place(struct onednn_context *context, const struct ll_run *run,
                                   struct ll_error *err);
ll_status onednn_context_create(struct ll_engine_model *base_model,
                                struct ll_engine_context **out_context, struct ll_error *err);
void onednn_context_destroy(struct ll_engine_context *base_context);
void onednn_probe_set(struct ll_engine_context *context, const struct ll_probe *probe);
int64_t onednn_context_bytes(const struct ll_engine_context *context);

/* onednn_run.c */
ll_status onednn_run(struct ll_engine_context *base_context, const struct ll_run *run,
                     struct ll_error *err);
/* Runs the group [first, last], created but perhaps not yet part of the prefix, on zeros, and tells
 * how long it took. */
LL_MUST_USE ll_status onednn_run_on_zeros(struct ll_engine_context *base_context, int first,
                                          int last, int64_t *out_ns, struct ll_error *err);

/* onednn_warm.c: runs the new layers [first, end) once and fills model->warm_ns. */
LL_MUST_USE ll_status onednn_warm_up(struct onednn_model *model, int first, int end,
                                     struct ll_error *err);

void onednn_step_finish(struct onednn_step *step);

/* onednn_model.c. Errors: LL_E_NO_MEMORY, LL_E_UNSUPPORTED. */
LL_MUST_USE ll_status onednn_engine_create(const struct ll_engine_config *config,
                                           struct ll_engine **out_engine, struct ll_error *err);

#endif
