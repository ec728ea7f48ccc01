/* The command line of plan.
 *
 * Threads: the main one. */
#ifndef PLAN_OPTIONS_H
#define PLAN_OPTIONS_H

#include "core/ll_option_table.h"
#include "net/plan/ll_plan.h"
#include "tools/plan_measure.h"

struct plan_options {
    /* One of `profile` and `model.cfg` is set. */
    const char *profile;
    struct plan_measure_config model;
    double bandwidth_mbps;
    const char *partitioner;
    /* The link's rate included. */
    struct ll_plan_terms terms;
    /* NULL: none; "-": stdout. */
    const char *json;
};

/* Fields are of struct plan_options. */
extern const struct ll_option_table plan_option_table;

/* Ends the program with status 2 and a sentence on stderr where the command line is wrong. */
void plan_options_parse(int argc, char **argv, struct plan_options *out_options);

#endif
