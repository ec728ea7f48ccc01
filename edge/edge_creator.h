/* The creation thread: turns received blobs into layers that can run, while the upload goes on.
 *
 * Threads: create, start, stop, destroy on one; wake from any. */
#ifndef EDGE_CREATOR_H
#define EDGE_CREATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_status.h"
#include "edge/model/edge_catalog.h"
#include "edge/model/edge_model.h"

struct edge_creator;

struct edge_creator_config {
    struct edge_catalog *catalog;
    /* Create on the thread that calls edge_creator_wake, one partition at a time, instead of on the
     * creation thread: the earlier system, for comparison. */
    bool is_inline;
    /* Weights that one creation takes at most (but always one partition) before other models have
     * their turn; 0: 64 MB. */
    int64_t turn_bytes;
};

LL_MUST_USE ll_status edge_creator_create(const struct edge_creator_config *config,
                                          struct edge_creator **out_creator);
LL_MUST_USE ll_status edge_creator_start(struct edge_creator *creator);
/* Stops the creation under way behind the layer that it is at, then the thread. Twice is harmless.
 */
void edge_creator_stop(struct edge_creator *creator);
/* Stops if need be. NULL is allowed. */
void edge_creator_destroy(struct edge_creator *creator);

bool edge_creator_is_inline(const struct edge_creator *creator);

/* Blobs of the model have arrived, or its partitions' borders have changed: create what can be
 * created. Returns at once (inline: when it is done). Each creation that ends, well or not, is told
 * to the catalog's observers.
 *
 * Threads: any; inline: one. */
void edge_creator_wake(struct edge_creator *creator, struct edge_model *model);

#endif
