/* What a process holds of the machine, for tests that show that nothing grows.
 *
 * Failures here are the test's own and end it (CUnit's fatal assertions).
 *
 * Threads: any; what other threads do meanwhile is part of what is measured. */
#ifndef LL_USAGE_H
#define LL_USAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct ll_usage {
    int64_t resident_bytes;
    int descriptors;
    int threads;
    /* Files and folders below a folder, at any depth. */
    int files;
};

/* Measures process `id` and what stands below `folder` (NULL: not). Of this very process memory
 * goes back to the system first that malloc keeps for later. */
void ll_usage_measure(pid_t id, const char *folder, struct ll_usage *out_usage);

/* Whether `end` is no more than `warm`: no file, a few descriptors and threads, and `memory_bytes`.
 * gRPC closes and joins some of its own later: a test goes on and measures again until it is so, or
 * until it has gone on for long. Sanitizers keep what is freed, so that with them memory does not
 * count: they find leaks by themselves. */
bool ll_usage_is_flat(const struct ll_usage *warm, const struct ll_usage *end,
                      int64_t memory_bytes);

/* Checks that it is so, and prints both. */
void ll_usage_check_flat(const struct ll_usage *warm, const struct ll_usage *end,
                         int64_t memory_bytes);

/* How many rounds a soak test runs: `rounds`, times LL_SOAK_FACTOR of the environment where it is
 * set (1 to 1000; tools/nightly.sh does). */
int ll_usage_rounds(int rounds);

#endif
