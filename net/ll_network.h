/* A network: a graph of layers with their parameters and the layer table, whichever file it was
 * read from. What a network computes is said here and nowhere else; weights are blobs, one a layer.
 *
 * Threads: any; a network is immutable once it is built. */
#ifndef LL_NETWORK_H
#define LL_NETWORK_H

#include <stdatomic.h>
#include <stddef.h>

#include "core/ll_status.h"
#include "net/ll_kinds.h"
#include "net/ll_table.h"

/* The parameters of one layer, with defaults applied. Fields that a type does not have are 0. Lists
 * belong to the network.
 */
struct ll_layer_params {
    ll_layer_kind kind;
    ll_activation activation;
    /* Name of the tensor that comes in (the output of the layer before, dropouts resolved), whether
     * the layer looks at it or not (a route, a cost and a dropout do not). */
    int input;
    /* Input and output shapes; out_* are all 0 where the output has no shape. A
     * shortcut's w, h and c are those of its source. */
    int w, h, c, inputs;
    int out_w, out_h, out_c, outputs;
    /* softmax has `groups` too. maxpool: `pad` is both sides together. */
    int n, size, stride, pad, groups;
    /* `flipped` concerns the .weights file alone: blobs are never flipped. With `dontloadscales`
     * the blob has no scales, mean and variance (nscales is 0): 1, 0 and 0 apply. */
    int batch_normalize, flipped, dontloadscales;
    /* shortcut: the layer it adds. route: n, input_layers, input_sizes: tensors as the cfg names
     * them (a dropout keeps its own index here; its memory is its predecessor's). */
    int index;
    int *input_layers;
    int *input_sizes;
    float alpha, beta, kappa;
    float temperature, scale;
    int softmax, classes, coords, background, side, reverse, flatten, extra;
    int flip, noadjust;
    /* detection: whether boxes come as square roots of their sizes. */
    int sqrt;
    /* yolo, region: anchors and masks, for decoding boxes. `total` anchors of two floats; `n` of
     * them (yolo's mask) belong to this layer. */
    int total;
    int *mask;
    float *anchors;
    /* Scratch memory that the plain computation of the layer needs, in floats. */
    size_t workspace_floats;
    /* Floats in the blob's parts: biases first; scales, mean and variance, `nscales` each, from
     * `scales_at`; weights from `weights_at`. Connected layers have the scales behind the weights,
     * as in the file. */
    size_t nbiases, nscales, nweights;
    size_t scales_at, weights_at;
};

struct ll_network {
    struct ll_table table;
    /* table.layer_count of them. NULL where an engine of its own kind (in tests) knows its layers
     * in another way. */
    struct ll_layer_params *layers;
    /* The largest workspace_floats. */
    size_t workspace_floats;
    atomic_uint refs;
    /* Called by the last ll_network_unref; frees everything. */
    void (*destroy)(struct ll_network *network);
};

/* A network with room for `layer_count` layers and one reference, for a reader to fill. Errors:
 * LL_E_NO_MEMORY. */
LL_MUST_USE ll_status ll_network_create(int layer_count, struct ll_network **out_network);

struct ll_network *ll_network_ref(struct ll_network *network);
/* NULL is allowed. */
void ll_network_unref(struct ll_network *network);

#endif
