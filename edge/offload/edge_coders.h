/* Coders of tensors for the executors' threads: as many as code at the same time, kept for the next
 * query.
 *
 * Internal to the Offload service.
 *
 * Threads: any; init and finish on one. */
#ifndef EDGE_CODERS_H
#define EDGE_CODERS_H

#include "coding/ll_planes.h"
#include "core/ll_status.h"
#include "core/ll_sync.h"

/* No more executors than this keep theirs. */
enum { EDGE_CODERS_KEPT = 64 };

struct edge_coders {
    struct ll_mutex lock;
    struct ll_planes *kept[EDGE_CODERS_KEPT] LL_GUARDED_BY(lock);
    int count LL_GUARDED_BY(lock);
};

void edge_coders_init(struct edge_coders *coders);
/* All have been given back. */
void edge_coders_finish(struct edge_coders *coders);

/* A coder, to be given back. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status edge_coders_take(struct edge_coders *coders, struct ll_planes **out_planes);
/* NULL is allowed. */
void edge_coders_put(struct edge_coders *coders, struct ll_planes *planes);

#endif
