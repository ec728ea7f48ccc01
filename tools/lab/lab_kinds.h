/* Kinds of layers whose speed a benchmark tells apart.
 *
 * Threads: pure. */
#ifndef LAB_KINDS_H
#define LAB_KINDS_H

#include "engine/ll_engine.h"

enum lab_kind {
    LAB_KIND_CONV_1X1,
    LAB_KIND_CONV_3X3,
    LAB_KIND_CONV_OTHER,
    LAB_KIND_DEPTHWISE,
    LAB_KIND_CONNECTED,
    /* Few operations for each value that is read: no convolution and no matrix. */
    LAB_KIND_REST,
    LAB_KIND_COUNT,
};

/* "conv-1x1" and so on; static storage. */
const char *lab_kind_name(enum lab_kind kind);

/* The kind of layer `index` of a network that dkb_network_parse made. */
enum lab_kind lab_kind_of(const struct ll_network *network, int index);

#endif
