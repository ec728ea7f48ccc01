/* Creators of steps. What one refuses with LL_E_UNSUPPORTED is for a plain layer (onednn_plain.h).
 *
 * Threads: the extending thread. */
#ifndef ONEDNN_CREATE_H
#define ONEDNN_CREATE_H

#include "engine/onednn/onednn.h"

/* onednn_conv.c: the step of a convolution and of the layers behind it that fuse with it, up to
 * `last`, the end of its group; `out_end` is the layer behind those that it has taken. */
LL_MUST_USE ll_status onednn_create_convolution(struct onednn_creation *creation, int index,
                                                int last, int *out_end);
/* onednn_connected.c */
LL_MUST_USE ll_status onednn_create_connected(struct onednn_creation *creation, int index);
/* onednn_layers.c, the same for all types but convolutions; one layer each. */
LL_MUST_USE ll_status onednn_create_layer(struct onednn_creation *creation, int index);

#endif
