/* The partitioner of Shin, Jeong, Moon, "Enhanced Partitioning of DNN Layers for Uploading from
 * Mobile Devices to Edge Servers" (EMDL 2019): what shortens queries most for each byte goes first.
 *
 * Only elements on the shortest path with penalty 0.999 (net/plan/ll_path.h, a share of 0.001) are
 * candidates' parts. A candidate is a range of such elements that are not taken yet. Its *gain* is
 * by how much it shortens a query in which everything that was taken runs on the edge: next to what
 * is taken it saves a transfer. Its *efficiency* is gain / bytes of weights; without weights it is
 * plus infinity, 0 or minus infinity by the sign of the gain.
 *
 *   1. The candidate with the largest gain less the time of its upload, where that is positive, is
 *      the first partition.
 *   2. The candidate of the largest efficiency is chosen and narrowed: while there is a strictly
 *      smaller range inside, of other total bytes and of positive efficiency, the most efficient
 *      one of these takes its place. The result is the next partition. This is repeated until
 *      nothing is left on the path.
 *   3. What is not on the path comes last, each run of neighbours as one partition.
 *
 * Among equals the one that begins first is taken, then the shortest. The comparisons are exact.
 *
 * Threads: pure. */
#ifndef LL_EFFICIENCY_H
#define LL_EFFICIENCY_H

#include "net/plan/ll_predict.h"

/* Fills the partitions in the order of their upload, which is not always the elements' order.
 * Usually about the square of the chain's length in steps, the cube at worst.
 *
 * Ownership: `out_spans` has room for chain->count spans.
 * Errors:    LL_E_NO_MEMORY. */
LL_MUST_USE ll_status ll_efficiency_partition(const struct ll_chain *chain,
                                              const struct ll_link *link, struct ll_span *out_spans,
                                              int *out_count);

#endif
