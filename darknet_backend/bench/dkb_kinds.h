/* Kinds of layers whose speed a benchmark tells apart.
 *
 * Threads: pure. */
#ifndef DKB_KINDS_H
#define DKB_KINDS_H

#include "core/ll_engine.h"

enum dkb_kind {
    DKB_KIND_CONV_1X1,
    DKB_KIND_CONV_3X3,
    DKB_KIND_CONV_OTHER,
    DKB_KIND_DEPTHWISE,
    DKB_KIND_CONNECTED,
    /* Few operations for each value that is read: no convolution and no matrix. */
    DKB_KIND_REST,
    DKB_KIND_COUNT,
};

/* "conv-1x1" and so on; static storage. */
const char *dkb_kind_name(enum dkb_kind kind);

/* The kind of layer `index` of a network that dkb_network_parse made. */
enum dkb_kind dkb_kind_of(const struct ll_network *network, int index);

#endif
