/* The layer table: what planning, the protocol and the edge need to know about a network's layers,
 * and the tensors that cross a cut.
 *
 * Tensors are named by the layer that makes them; LL_TENSOR_INPUT is the network's input. A backend
 * builds the table from a cfg; after ll_table_seal it is immutable.
 *
 * Threads: any, once sealed. */
#ifndef LL_TABLE_H
#define LL_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_status.h"

enum { LL_TENSOR_INPUT = -1 };

struct ll_layer {
    /* The cfg section's canonical name ("convolutional"); static storage. */
    const char *type;
    /* Line of the section in the cfg, from 1. */
    int line;
    /* Output shape, channels x height x width; 0 x 0 x 0 where the layer gives a flat vector that
     * has no shape (softmax, detection). */
    int out_c, out_h, out_w;
    /* Output size in floats. */
    int64_t out_floats;
    /* Size of the layer's blob in bytes; 0 without weights. */
    int64_t blob_bytes;
    /* How many of the blob's first and of its last bytes are biases and normalisation, which drafts
     * do not round; multiples of 4, together at most the blob. */
    int64_t exact_bytes;
    int64_t exact_tail_bytes;
    /* Multiply-adds count as two. An estimate for planning. */
    int64_t flops;
    /* Names of the tensors it reads, each once, in no particular order; owned by the table. Names
     * are resolved: a dropout's own name never appears. Empty for dropout and cost. */
    int *reads;
    int read_count;
    /* The name of its output: its own index, or its predecessor's for a dropout. */
    int makes;
    /* One of the network's outputs (every yolo, region, detection; the last layer that is not
     * cost). For a dropout the flag stands at the layer that made the tensor. */
    bool is_output;
    /* The last layer of its group: a cut behind it is legal. */
    bool ends_group;
    /* Filled by ll_table_seal: the last layer that reads the tensor this layer makes, layer_count
     * if the end reads it, -1 if nothing does. */
    int last_reader;
};

struct ll_table {
    int in_c, in_h, in_w;
    int64_t in_floats;
    int layer_count;
    struct ll_layer *layers;
    /* Sum over the layers, filled by ll_table_seal. */
    int64_t blob_bytes;
    int64_t flops;
    /* Filled by ll_table_seal. */
    int input_last_reader;
};

/* A table of `layer_count` zeroed layers. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status ll_table_init(struct ll_table *table, int layer_count);
void ll_table_finish(struct ll_table *table);

/* Checks that reads and names are in order (a layer reads only earlier tensors; the last layer ends
 * a group) and fills what is derived.
 *
 * Errors: LL_E_INVALID, LL_E_EXHAUSTED where a sum passes its limit; `err` names the layer. */
LL_MUST_USE ll_status ll_table_seal(struct ll_table *table, struct ll_error *err);

/* Size in floats of a tensor that exists: LL_TENSOR_INPUT or the name of a layer. */
int64_t ll_table_tensor_floats(const struct ll_table *table, int name);

/* Whether plans, prefixes and queries may cut before layer `cut`: 0, layer_count and every group
 * border between. */
bool ll_table_is_legal_cut(const struct ll_table *table, int cut);

/* The largest legal cut that is at most `cut` (which is clamped to [0, layer_count]). */
int ll_table_legal_cut_at_most(const struct ll_table *table, int cut);

/* Tensor names, ascending. */
struct ll_names {
    int count;
    int *names;
};

/* inputs(first, end): tensors made before `first` that a layer in [first, end) reads.
 * outputs(first, end): tensors made in [first, end) that a layer at or after `end`, or the end,
 * reads. 0 <= first <= end <= layer_count. The caller frees with ll_names_finish.
 *
 * Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status ll_table_inputs(const struct ll_table *table, int first, int end,
                                      struct ll_names *out_names);
LL_MUST_USE ll_status ll_table_outputs(const struct ll_table *table, int first, int end,
                                       struct ll_names *out_names);
/* The network's outputs, in layer order: outputs(0, layer_count). */
LL_MUST_USE ll_status ll_table_network_outputs(const struct ll_table *table,
                                               struct ll_names *out_names);
void ll_names_finish(struct ll_names *names);

/* Bytes of all tensors of the list, as f32. */
int64_t ll_names_bytes(const struct ll_table *table, const struct ll_names *names);

#endif
