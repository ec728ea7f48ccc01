/* Single layers by Darknet's own forward functions: the plain layers of engine/ll_plain_layers.h,
 * which the `darknet` engine runs one after the other and other engines fall back to.
 *
 * A layer is one `struct layer` as a pattern: parameters, forward function and pointers into its
 * weights. To run it, the pattern is copied, pointed at the caller's memory and handed to Darknet
 * by value.
 *
 * Threads: see engine/ll_plain_layers.h. */
#ifndef DKB_PLAIN_H
#define DKB_PLAIN_H

#include <darknet.h>

#include "engine/ll_plain_layers.h"

extern const struct ll_plain_ops dkb_plain_ops;

/* Darknet's name for it. */
ACTIVATION dkb_plain_activation(ll_activation activation);

#endif
