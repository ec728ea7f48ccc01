/* The partitioner of IONN (Jeong et al., SoCC 2018, section 4).
 *
 * For k = 1 - K^level, level 0, 1, ... until k > 0.999, and then for k = 1, the shortest path with
 * penalty k (net/plan/ll_path.h) says which elements a query would run on the edge; those that no
 * earlier path ran there are the next partition. Elements on no path come last. Where a path's new
 * elements are not neighbours, each run of neighbours is a partition of its own.
 *
 * Threads: pure. */
#ifndef LL_IONN_H
#define LL_IONN_H

#include "net/plan/ll_predict.h"

/* K of the paper, and the largest that is taken here: 6905 paths. */
#define LL_IONN_PENALTY 0.8
#define LL_IONN_PENALTY_MAX 0.999

/* Fills the partitions in the order of their upload, which is not always the elements' order.
 * 0 <= penalty <= LL_IONN_PENALTY_MAX.
 *
 * Ownership: `out_spans` has room for chain->count spans.
 * Errors:    LL_E_NO_MEMORY. */
LL_MUST_USE ll_status ll_ionn_partition(const struct ll_chain *chain, const struct ll_link *link,
                                        double penalty, struct ll_span *out_spans, int *out_count);

#endif
