/* Layers that run on the device itself, at the speed that it is said to have.
 *
 * Threads: create, run and destroy on one thread at a time; interrupt from any. */
#ifndef DEVICE_LOCAL_H
#define DEVICE_LOCAL_H

#include <stdint.h>

#include "device/query/device_tensors.h"
#include "device/times/device_layer_times.h"
#include "engine/ll_engine.h"

struct device_local;

struct device_local_config {
    struct ll_engine *engine;
    struct ll_network *network;
    /* One per layer, NULL where the layer has no weights. */
    struct ll_buf *const *blobs;
    /* Layers take this many times as long as they do (with one compute thread: as their processor
     * time), by waiting; 1: as long as they do. */
    double slowdown;
    /* NULL, or where every run's layer times go, without the slowdown. Outlives it. */
    struct device_layer_times *times;
};

/* Creates all layers. The engine outlives it.
 *
 * Errors: those of the engine. */
LL_MUST_USE ll_status device_local_create(const struct device_local_config *config,
                                          struct device_local **out_local, struct ll_error *err);
/* NULL is allowed. */
void device_local_destroy(struct device_local *local);

/* Runs [first, end), legal cuts, on tensors of the set, and puts outputs(first, end) into it.
 * Nothing happens where first equals end. The time that it took, waiting included, is added to
 * `*time_ns`.
 *
 * Errors: LL_E_INVALID where an input is not held, LL_E_NO_MEMORY, those of the engine. */
LL_MUST_USE ll_status device_local_run(struct device_local *local, int first, int end,
                                       struct device_tensors *tensors, int64_t *time_ns,
                                       struct ll_error *err);

/* Ends the waiting of the run under way and of all later ones; what they compute stays. */
void device_local_interrupt(struct device_local *local);

#endif
