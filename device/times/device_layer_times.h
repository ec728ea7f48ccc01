/* How long each layer takes on this device.
 *
 * Times come from the runs that queries make anyway: nobody waits for a measurement. A layer's time
 * is the median of its first DEVICE_LAYER_TIMES_SAMPLES runs, and does not change after that. The
 * first run of a layer in a process is cold (memory is touched for the first time); it counts only
 * while there is none other, as do times from the engine's own warming up. Of layers that have not
 * run at all the time is guessed from their arithmetic and the memory that they touch.
 *
 * Times are the engine's own, without any slowdown. An engine that fuses a group of layers puts its
 * time at the last one: only sums over whole groups mean something.
 *
 * Threads: one at a time. */
#ifndef DEVICE_LAYER_TIMES_H
#define DEVICE_LAYER_TIMES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_status.h"
#include "net/ll_table.h"

enum { DEVICE_LAYER_TIMES_SAMPLES = 5 };

/* No layer takes longer: what says so is no measurement. */
#define DEVICE_LAYER_TIMES_MOST_NS ((int64_t)3600 * 1000000000)

struct device_layer_times;

/* Guesses, for an engine with `threads` compute threads. The table outlives it.
 * Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_layer_times_create(const struct ll_table *table, int threads,
                                                struct device_layer_times **out_times);
/* NULL is allowed. */
void device_layer_times_destroy(struct device_layer_times *times);

/* A run of layers [first, end) took `layer_ns`, end - first times. */
void device_layer_times_add(struct device_layer_times *times, int first, int end,
                            const int64_t *layer_ns);
/* All layers' times when the engine warmed them up. */
void device_layer_times_warm(struct device_layer_times *times, const int64_t *layer_ns);

/* Layer `layer`'s time is known from somewhere else to be `ns`, the median of `samples` runs (0: of
 * a cold one). Errors: LL_E_INVALID for what cannot be. */
LL_MUST_USE ll_status device_layer_times_set(struct device_layer_times *times, int layer,
                                             int64_t ns, int64_t samples);

/* A layer's time, measured or guessed, and of how many runs that is the median. */
int64_t device_layer_times_ns(const struct device_layer_times *times, int layer, int *out_samples);

/* Every layer has run or was warmed up. */
bool device_layer_times_is_measured(const struct device_layer_times *times);
/* The number of runs that the layer with the fewest has. */
int device_layer_times_least_samples(const struct device_layer_times *times);
/* Changes whenever times do. */
uint64_t device_layer_times_version(const struct device_layer_times *times);

const struct ll_table *device_layer_times_table(const struct device_layer_times *times);

#endif
