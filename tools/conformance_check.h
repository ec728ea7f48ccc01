/* Whether an engine computes what stock Darknet computes: one cfg, seeded weights.
 *
 *   1. Our whole run against stock network_predict, on every layer's output.
 *   2. Ranges between legal cuts, each by itself: every group, and every pair of legal cuts where
 *      that is cheap. A range is fed only with its inputs as the whole run made them, in memory
 *      that is filled with NaN before, and must give what the whole run gave.
 *   3. Random two-way splits, the second half fed with what the first one gave.
 *
 * All comparisons are of bits, which holds for the `darknet` engine in the process that also holds
 * stock Darknet. For any other engine step 1 compares the network's outputs, within
 * CONFORMANCE_TOLERANCE of each one's largest value.
 *
 * Threads: one at a time in the whole process (lab_reference.h). */
#ifndef CONFORMANCE_CHECK_H
#define CONFORMANCE_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_status.h"
#include "darknet_backend/dkb_engine.h"

/* Pairs of legal cuts are all run if their operations add up to no more than this. */
#define CONFORMANCE_PAIRS_FLOPS ((int64_t)20000000000)

#define CONFORMANCE_TOLERANCE 1e-4

enum { CONFORMANCE_SPLITS = 3 };

struct conformance_config {
    struct ll_engine_config engine;
    uint64_t seed;
    /* CONFORMANCE_PAIRS_FLOPS, or another bound. */
    int64_t pairs_flops;
    /* An existing folder for the weights, which are removed again. */
    const char *folder;
};

struct conformance_result {
    int layers;
    int64_t weights_bytes;
    /* The largest difference of any value of any layer from stock Darknet; infinite where one of
     * both is NaN. For engines other than `darknet`: of any value of an output, as a part of that
     * output's largest value. */
    double max_difference;
    /* Ranges that were run in step 2, and whether they were all pairs of legal cuts. */
    int ranges;
    bool all_pairs;
    double stock_seconds;
    double seconds;
    /* The cfg asks for something that this version refuses: the sentence says what. */
    bool refused;
};

/* Checks the cfg in the file `cfg_path`. `out_result` is filled as far as the check came, on
 * failure too.
 *
 * Errors: LL_E_UNSUPPORTED with out_result->refused; LL_E_INTERNAL where an answer differs (`err`
 * names the first layer or range); those of loading. */
LL_MUST_USE ll_status conformance_check(const char *cfg_path,
                                        const struct conformance_config *config,
                                        struct conformance_result *out_result,
                                        struct ll_error *err);

#endif
