/* The order and the steps of an upload, from what the device knows before it has met an edge: its
 * own layer times, and assumptions about link and edge (device_estimate.h).
 *
 * Threads: pure. */
#ifndef DEVICE_PLAN_H
#define DEVICE_PLAN_H

#include "core/ll_status.h"
#include "device/times/device_layer_times.h"
#include "net/plan/ll_plan.h"

/* A partition that is larger is divided where groups of layers allow: while it uploads no query
 * gains, and the edge would create it after the last byte instead of meanwhile. One that no query
 * is predicted to gain from at all, as on a fast device, is divided into all its groups: should the
 * prediction be wrong, queries get faster step by step. */
#define DEVICE_PLAN_MOST_BYTES ((int64_t)32000000)

/* Planning takes about the square of the chain's length, the cube at worst: a network with a longer
 * chain is cut by layers. */
enum { DEVICE_PLAN_ELEMENTS = 512 };

struct device_plan_terms {
    /* A name that ll_plan_check_name takes with times. */
    const char *partitioner;
    /* As in device_chooser.h. */
    double slowdown;
    /* What the sender is held to; 0: nothing, and DEVICE_ESTIMATE_BYTES_PER_S is assumed. */
    double limit_bytes_per_s;
    /* In how many bytes a value of the network's input, and of other tensors, is sent. */
    int input_width;
    int cut_width;
    /* The input in all, where it is sent as a picture's file; 0: by its width. */
    int64_t input_bytes;
};

/* The plan for the table of `times`, in the order of its layers.
 *
 * Errors: those of ll_plan_from_chain and ll_plan_make. */
LL_MUST_USE ll_status device_plan_make(const struct device_layer_times *times,
                                       const struct device_plan_terms *terms,
                                       struct ll_plan *out_plan, struct ll_error *err);

#endif
