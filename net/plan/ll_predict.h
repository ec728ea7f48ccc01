/* How long one query takes on a chain of which some elements run on the edge, and where to cut it.
 *
 * A query's time is that of its elements, each where it runs, and of the tensors that cross: an
 * element's input where a range on the edge begins, its output where one ends, early outputs
 * wherever they are made there. Each crossing takes bytes / bandwidth and half a round trip, in
 * whole ns. Queues are not predicted.
 *
 * The chain has passed ll_chain_check, the link ll_link_check.
 *
 * Threads: pure functions. */
#ifndef LL_PREDICT_H
#define LL_PREDICT_H

#include <stdbool.h>

#include "net/plan/ll_chain.h"

struct ll_link {
    double bytes_per_s;
    /* 0 where it is not to count, as in the papers. */
    int64_t round_trip_ns;
};

/* Errors: LL_E_INVALID naming value and limits (core/ll_limits.h). */
LL_MUST_USE ll_status ll_link_check(const struct ll_link *link, struct ll_error *err);

/* What the link takes for the bytes alone, without its round trip. */
int64_t ll_link_bytes_ns(const struct ll_link *link, int64_t bytes);

/* What an element costs on the edge wherever the cut lies; what a range pays where it begins with
 * this element, and where it ends with it. */
int64_t ll_predict_edge_ns(const struct ll_link *link, const struct ll_chain_element *element);
int64_t ll_predict_up_ns(const struct ll_link *link, const struct ll_chain_element *element);
int64_t ll_predict_down_ns(const struct ll_link *link, const struct ll_chain_element *element);

/* One query where exactly the elements with `on_edge` (chain->count flags) run on the edge. */
int64_t ll_predict_query_ns(const struct ll_chain *chain, const struct ll_link *link,
                            const bool *on_edge);

/* Elements [first, end) on the edge, the rest on the device; nothing where they are equal. */
struct ll_cut {
    int first;
    int end;
    int64_t query_ns;
};

/* The fastest cut while elements [0, prefix) are created. Among equally fast ones: nothing on the
 * edge, else the one that ends first, then the one that begins first. Linear in `prefix`. */
struct ll_cut ll_predict_best_cut(const struct ll_chain *chain, const struct ll_link *link,
                                  int prefix);

#endif
