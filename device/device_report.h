/* What a person sees: a progress bar where there is a terminal and plain lines elsewhere, a line
 * for each query, the end; and the same as JSON lines where they are wanted.
 *
 * Nothing here waits for the terminal or a file (device_writer.h), but for device_report_query,
 * which waits while too much is waiting to be written, and device_report_end.
 *
 * Threads: any. */
#ifndef DEVICE_REPORT_H
#define DEVICE_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/ll_status.h"
#include "device/device_json.h"

struct device_report;

struct device_report_config {
    /* For people. */
    FILE *text;
    bool is_terminal;
    /* NULL: none. Both outlive the report, and are nobody else's meanwhile. */
    FILE *json;
    int layer_count;
    /* Queries have different pictures: their lines name them. */
    bool names_images;
    struct device_terms terms;
};

/* Times count from now on. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_report_create(const struct device_report_config *config,
                                           struct device_report **out_report);
/* NULL is allowed. */
void device_report_destroy(struct device_report *report);

/* One line for the person. */
void device_report_line(struct device_report *report, const char *format, ...) LL_PRINTF(2, 3);

void device_report_progress(struct device_report *report, const struct device_progress *progress);
void device_report_ready(struct device_report *report, const struct device_creation *creation);
/* The draft is ready. */
void device_report_draft(struct device_report *report, const struct device_drafted *drafted);
void device_report_upload(struct device_report *report, const struct device_uploaded *uploaded);
void device_report_query(struct device_report *report, int64_t id,
                         const struct device_query_result *result, const struct device_view *view);
/* A query that the device itself could not finish. */
void device_report_lost(struct device_report *report, int64_t id, const char *reason);

/* Nothing waits for room any more: the run is to end, whether or not anybody reads. */
void device_report_hurry(struct device_report *report);

/* The last query's boxes or best values, counts, and the JSON's last line; nothing comes after it.
 * Waits until all is written, or for `deadline_ns`. A second call only waits. Returns the first
 * error of writing JSON; LL_E_DEADLINE. */
LL_MUST_USE ll_status device_report_end(struct device_report *report, int64_t deadline_ns);

#endif
