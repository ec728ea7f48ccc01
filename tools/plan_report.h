/* What //tools:plan tells about a plan: a table for people, an object for programs.
 *
 * Threads: one at a time. */
#ifndef PLAN_REPORT_H
#define PLAN_REPORT_H

#include "net/plan/ll_plan.h"
#include "tools/plan_measure.h"

struct plan_report {
    const struct ll_chain *chain;
    const struct ll_plan *plan;
    /* The plan was not in the order of layers before. */
    bool was_sorted;
    const char *partitioner;
    double bandwidth_mbps;
    const struct ll_plan_terms *terms;
    /* The profile or cfg. */
    const char *source;
    /* NULL for a profile; else what measured, with how much the device's times were stretched. */
    const struct plan_machine *machine;
    double slowdown;
    bool has_seeded_weights;
};

/* The table, to stdout. */
void plan_report_print(const struct plan_report *report);

/* Writes one JSON object in a line to the file, or to stdout for "-". Errors: LL_E_IO,
 * LL_E_NO_MEMORY.
 */
LL_MUST_USE ll_status plan_report_write(const struct plan_report *report, const char *path,
                                        struct ll_error *err);

#endif
