/* How long the remote part of a query should take, from those before it: the base of its deadline.
 *
 * Estimates rise at once and fall slowly, since a deadline that is too short costs a query that was
 * nearly there.
 *
 * Threads: one at a time. */
#ifndef DEVICE_ESTIMATE_H
#define DEVICE_ESTIMATE_H

#include <stdint.h>

struct device_estimate {
    /* 0 before the first sample. */
    double up_ns_per_byte;
    double down_ns_per_byte;
    double edge_ns_per_flop;
    double queue_ns;
    /* Deadlines that pass make the next ones longer. */
    double caution;
    int samples;
};

/* What a remote part carries and computes. */
struct device_effort {
    int64_t up_bytes;
    int64_t down_bytes;
    int64_t flops;
};

/* Where its time went. */
struct device_spent {
    int64_t up_ns;
    int64_t down_ns;
    int64_t queued_ns;
    int64_t computed_ns;
};

void device_estimate_init(struct device_estimate *estimate);

/* The time that a remote part gets: three times what is predicted, 200 ms at least; 10 s while
 * nothing is known. `rtt_ns`: the least round trip, 0 if unknown. */
int64_t device_estimate_allowance_ns(const struct device_estimate *estimate,
                                     const struct device_effort *effort, int64_t rtt_ns);

void device_estimate_answered(struct device_estimate *estimate, const struct device_effort *effort,
                              const struct device_spent *spent);
void device_estimate_missed(struct device_estimate *estimate);

#endif
