/* The planner's chain of a real model, with times measured on this machine.
 *
 * The model is created group by group, then run once to warm up and some times more; each layer
 * counts with its least time. These are the edge's times; the device's are as many times as long as
 * the device is slower.
 *
 * Threads: one at a time; the calling thread computes (ll_thread_flush_denormals). */
#ifndef PLAN_MEASURE_H
#define PLAN_MEASURE_H

#include "darknet_backend/dkb_engine.h"
#include "net/plan/ll_chain.h"

struct plan_measure_config {
    const char *cfg;
    /* NULL: seeded weights, as //tools:make_weights makes them with seed 1. */
    const char *weights;
    struct ll_engine_config engine;
    /* From 1. */
    double slowdown;
    /* Runs after the first one, from 1. */
    int repeat;
};

/* What measured; static storage. */
struct plan_machine {
    const char *engine;
    const char *instruction_set;
    int threads;
};

/* Ownership: the caller frees the chain with ll_chain_finish.
 * Errors:    those of loading, creating and running; `err` names file or layer. */
LL_MUST_USE ll_status plan_measure(const struct plan_measure_config *config,
                                   struct ll_chain *out_chain, struct plan_machine *out_machine,
                                   struct ll_error *err);

#endif
