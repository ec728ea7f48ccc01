/* Which layers a query should run on the edge: the range that makes its predicted latency least.
 *
 * With what a query costs besides its layers (`costs`), a range [first, end) takes
 *
 *     device[0, first) + up bytes + fixed + edge[first, end) + down bytes + device[end, n)
 *
 * and an empty range device[0, n). How many values cross at which pair of cuts is computed once for
 * each network; a choice then is one sum for each pair: some microseconds for a network of a
 * hundred layers, a quarter of a millisecond for the largest.
 *
 * Candidates are all legal cuts; in a network with more than DEVICE_CHOICE_CUTS of them, as many of
 * them at equal distances, the first and the last among them.
 *
 * Threads: pure functions on an immutable struct. */
#ifndef DEVICE_CHOICE_H
#define DEVICE_CHOICE_H

#include <stdint.h>

#include "core/ll_status.h"
#include "net/ll_table.h"

enum { DEVICE_CHOICE_CUTS = 512 };

struct device_choice;

/* What a query costs, in ns. */
struct device_costs {
    /* Sums from the beginning, layer_count + 1 each: entry i is the time of layers [0, i). */
    const double *device_ns;
    const double *edge_ns;
    /* By value that crosses: the network's input, other tensors upward, tensors downward, and of
     * these the network's outputs. */
    double input_ns;
    double up_ns;
    double down_ns;
    double output_ns;
    /* By cut, layer_count + 1 each: `up_ns` and `down_ns` are this many times as much for what
     * crosses there, since it is coded; NULL: 1. */
    const double *up_factors;
    const double *down_factors;
    /* Of every remote part: round trip, waiting. */
    double fixed_ns;
};

/* How many values cross for a range. */
struct device_crossing {
    /* The network's input. */
    int64_t input;
    int64_t up;
    /* Without `outputs`. */
    int64_t down;
    /* Outputs of the network. */
    int64_t outputs;
};

struct device_range {
    int first;
    int end;
    /* The whole query, and of it everything between the device's parts. */
    double latency_ns;
    double remote_ns;
};

/* The table outlives it. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_choice_create(const struct ll_table *table,
                                           struct device_choice **out_choice);
/* NULL is allowed. */
void device_choice_destroy(struct device_choice *choice);

/* The best range with end <= prefix; empty, [0, 0), where the device alone is as fast. */
void device_choice_best(const struct device_choice *choice, const struct device_costs *costs,
                        int prefix, struct device_range *out_range);

/* What a range of legal cuts, first <= end, takes. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_choice_predict(const struct device_choice *choice,
                                            const struct device_costs *costs, int first, int end,
                                            struct device_range *out_range);

/* The values of inputs(first, end) and outputs(first, end). Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_choice_crossing(const struct device_choice *choice, int first, int end,
                                             struct device_crossing *out_crossing);

#endif
