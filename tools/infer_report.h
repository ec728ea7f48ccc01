/* What infer tells of one input: to people, and as a line of JSON (infer --help has its fields).
 *
 * Threads: the main thread. */
#ifndef INFER_REPORT_H
#define INFER_REPORT_H

#include <stdint.h>

#include "cli/cli_answer.h"
#include "core/ll_output.h"
#include "core/ll_status.h"

struct infer_report {
    /* The input's name, or NULL where it is the only one. */
    const char *name;
    const struct cli_answer *answer;
    /* Output values in all. */
    int64_t floats;
    /* Boxes are more probable than this. */
    float thresh;
    int64_t create_ns;
    int64_t create_cpu_ns;
    /* Of each run on this input. */
    const int64_t *run_ns;
    int runs;
};

/* Logs a warning where the network has not answered, so that it does not look as if it had. */
void infer_report_warn(const struct infer_report *report);
/* To standard output. */
void infer_report_print(const struct infer_report *report);

/* A line each; what cannot be written comes to light at the output's end. Errors: LL_E_NO_MEMORY.
 */
LL_MUST_USE ll_status infer_report_json(const struct infer_report *report, struct ll_output *output,
                                        struct ll_error *err);
/* Of an input that could not be read: `err` says why, and is the call's own error after it. */
LL_MUST_USE ll_status infer_report_unread(const char *name, struct ll_error *err,
                                          struct ll_output *output);

#endif
