/* Groups: layers that a fast engine may fuse into one step, so that nobody may cut between them.
 * The rule stands in dkb_groups.c. */
#ifndef DKB_GROUPS_H
#define DKB_GROUPS_H

#include "darknet_backend/network/dkb_network.h"

/* Sets ends_group of every row of the layer table; reads, makes and is_output are there already.
 *
 * Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status dkb_groups_mark(struct ll_network *network);

#endif
