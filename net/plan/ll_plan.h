/* Upload plans: a network's layers as partitions in the order of their upload.
 *
 * Every partition begins and ends at a legal cut; together they cover all layers once, in order.
 *
 * Threads: pure functions. */
#ifndef LL_PLAN_H
#define LL_PLAN_H

#include "core/ll_status.h"
#include "net/ll_table.h"
#include "net/plan/ll_chain.h"
#include "net/plan/ll_predict.h"

/* Layers [first, end), end > first. */
struct ll_partition {
    int first;
    int end;
};

struct ll_plan {
    int count;
    struct ll_partition *partitions;
};

/* What planning by times depends on. */
struct ll_plan_terms {
    struct ll_link link;
    /* K of ionn: 0 to LL_IONN_PENALTY_MAX. */
    double penalty;
};

/* Plans from the table alone:
 *   whole    everything in one partition
 *   layer    a partition for each group that has weights; groups without weights join the partition
 *            before them (those at the start join the first)
 *   mb:N     partitions of at least N x 10^6 bytes, as small as group borders allow; N > 0, a
 *            decimal number
 * Errors: LL_E_NO_MEMORY, those of ll_plan_check_name without times. */
LL_MUST_USE ll_status ll_plan_make(const struct ll_table *table, const char *partitioner,
                                   struct ll_plan *out_plan, struct ll_error *err);

/* Plans from a chain, with the times that it has:
 *   efficiency   see net/plan/ll_efficiency.h
 *   ionn         see net/plan/ll_ionn.h
 *   whole, layer, mb:N as above, with the chain's elements instead of groups
 * The edge creates layers in order and wants plans in order. Where a partitioner has another one,
 * its partitions are sorted by their first layer, and `out_was_sorted` says so.
 *
 * Errors: LL_E_INVALID, LL_E_EXHAUSTED (chain, link, penalty or name), LL_E_NO_MEMORY. */
LL_MUST_USE ll_status ll_plan_from_chain(const struct ll_chain *chain, const char *partitioner,
                                         const struct ll_plan_terms *terms,
                                         struct ll_plan *out_plan, bool *out_was_sorted,
                                         struct ll_error *err);

/* Whether `partitioner` is a name that is taken: by ll_plan_from_chain with `has_times`, else by
 * ll_plan_make. Errors: LL_E_INVALID with the names that exist. */
LL_MUST_USE ll_status ll_plan_check_name(const char *partitioner, bool has_times,
                                         struct ll_error *err);

/* Checks a plan that came from a peer. Errors: LL_E_INVALID naming the hole, overlap, illegal cut
 * or missing end. */
LL_MUST_USE ll_status ll_plan_check(const struct ll_table *table, const struct ll_plan *plan,
                                    struct ll_error *err);

/* Bytes of weights in one partition. */
int64_t ll_plan_partition_bytes(const struct ll_table *table, const struct ll_partition *partition);

void ll_plan_finish(struct ll_plan *plan);

#endif
