/* What a benchmark measures: one network, loaded once, run again and again by an engine of ours, by
 * stock Darknet, or as its bare convolutions.
 *
 * Threads: one. */
#ifndef BENCH_SUBJECT_H
#define BENCH_SUBJECT_H

#include <stdint.h>

#include "core/ll_status.h"
#include "darknet_backend/dkb_engine.h"
#include "tools/lab/lab_kinds.h"

struct bench_subject;

struct bench_subject_config {
    /* An engine's name; "stock" (Darknet's network_predict); "bare" or "bare-winograd"
     * (tools/lab/lab_bare.h). */
    const char *kind;
    const char *cfg;
    /* Not read for bare convolutions, and NULL is allowed there. */
    const char *weights;
    /* Of engines and bare convolutions. */
    ll_compute compute;
    /* Compute threads; stock Darknet has one. */
    int threads;
    /* Engines: run [0, end) and give its last tensor; 0: everything, and the network's outputs. */
    int end;
    /* Raw f32, or NULL: seeded values. */
    const char *input;
};

/* Loads, creates and runs once.
 *
 * Errors: those of what it takes to get there; `err` names the file, the layer or the kind. */
LL_MUST_USE ll_status bench_subject_create(const struct bench_subject_config *config,
                                           struct bench_subject **out_subject,
                                           struct ll_error *err);
void bench_subject_destroy(struct bench_subject *subject);

/* One run. Errors: the engine's. */
LL_MUST_USE ll_status bench_subject_run(struct bench_subject *subject, struct ll_error *err);

/* What the last run gave, one output behind the other: `*out_floats` values; NULL and 0 for bare
 * convolutions. */
const float *bench_subject_output(const struct bench_subject *subject, int64_t *out_floats);

struct bench_layer_sum {
    /* Groups of the kind; the operations of their first layers; the time they took. */
    int groups;
    int64_t flops;
    int64_t ns;
};

/* One run, with the time of each kind of layers; a fused group counts as its first layer.
 *
 * Errors: LL_E_UNSUPPORTED for stock Darknet, which does not tell. */
LL_MUST_USE ll_status bench_subject_profile(struct bench_subject *subject,
                                            struct bench_layer_sum out_sums[LAB_KIND_COUNT],
                                            struct ll_error *err);

#endif
