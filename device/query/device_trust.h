/* Whether an edge's numbers are to be believed.
 *
 * NaN or infinity in an answer is believed only where the device computes such values from the same
 * tensors, too. At times, if that is wanted, a whole answer is computed here as well. What the
 * device computed is what the query goes on with.
 *
 * Threads: one at a time. */
#ifndef DEVICE_TRUST_H
#define DEVICE_TRUST_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_buf.h"
#include "core/ll_status.h"
#include "net/ll_dtype.h"

/* Between engines, and where tensors were sent as half floats, or in 256 steps: of the largest
 * value. */
#define DEVICE_TRUST_NEAR 1e-4
#define DEVICE_TRUST_ROUNDED 1e-2
#define DEVICE_TRUST_STEPS 1e-1

/* Zeroed, then `verify_every`: one answer in so many is computed here as well; 0: none. */
struct device_trust {
    int64_t verify_every;
    int64_t answers;
    /* The network itself gives values that are not finite. */
    bool is_odd_normal;
    uint64_t connection;
    /* Answers of this connection with such values, which the device does not find. */
    int odd_answers;
};

/* An answer came over this connection, a number; another number than the last one's may be another
 * edge. Whether it is to be computed here as well, because it is its turn. */
bool device_trust_is_due(struct device_trust *trust, uint64_t connection);

/* All its floats are finite. */
bool device_trust_is_finite(const struct ll_buf *tensor);

/* The largest difference of two tensors of one size, as a part of `ours`' largest value: 0 where
 * they are equal bit for bit, infinity where one is not finite and the other is, or only one is
 * NaN. */
double device_trust_difference(const struct ll_buf *theirs, const struct ll_buf *ours);

/* The difference that is allowed: none where the edge computes with the same engine, instruction
 * set and threads, and nothing was rounded on the way (LL_F32). */
double device_trust_tolerance(bool is_same_engine, ll_dtype rounded_to);

/* An answer had values that are not finite; `ours` has, too. Returns whether the edge is to be
 * left: the second time that it does not. */
bool device_trust_found_odd(struct device_trust *trust, bool is_ours_odd);

#endif
