/* A network as Darknet's cfg language describes it: parsed by our own code and validated before any
 * function of Darknet sees it.
 *
 * Internal to darknet_backend/: everybody else uses the layer table (net/ll_table.h).
 *
 * Threads: any; a network is immutable. */
#ifndef DKB_NETWORK_H
#define DKB_NETWORK_H

#include <darknet.h>
#include <stdbool.h>
#include <stddef.h>

#include "engine/ll_engine.h"

/* The parameters of one layer under the names that Darknet's `struct layer` has for them, with
 * Darknet's defaults applied. Fields that a type does not have are 0. Lists belong to the network.
 */
struct dkb_layer {
    LAYER_TYPE type;
    ACTIVATION activation;
    /* Name of the tensor that Darknet passes as net.input (the output of the layer before, dropouts
     * resolved), whether the layer looks at it or not (a route, a cost and a dropout do not). */
    int input;
    /* Input and output shapes; out_* are all 0 where Darknet has no shape for the output. A
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
    /* Scratch memory in floats that forward needs in net.workspace. */
    size_t workspace_floats;
    /* Floats in the blob's parts: biases first; scales, mean and variance, `nscales` each, from
     * `scales_at`; weights from `weights_at`. Connected layers have the scales behind the weights,
     * as in the file. */
    size_t nbiases, nscales, nweights;
    size_t scales_at, weights_at;
};

struct dkb_network {
    struct ll_network base;
    /* base.table.layer_count of them. */
    struct dkb_layer *layers;
    /* The largest workspace_floats. */
    size_t workspace_floats;
};

/* Reads, validates, and builds the layer table with groups and legal cuts. Also what the engines'
 * `parse` does.
 *
 * Errors: LL_E_INVALID, LL_E_UNSUPPORTED (recurrent layers, ...), LL_E_EXHAUSTED, LL_E_NO_MEMORY;
 * `err` names line, section, key and reason. */
LL_MUST_USE ll_status dkb_network_parse(const char *cfg, size_t cfg_bytes,
                                        struct ll_network **out_network, struct ll_error *err);

/* The dkb_network that `network` is the base of. */
const struct dkb_network *dkb_network_of(const struct ll_network *network);

#endif
