/* The manual's tables of options and limits, made from the programs' own rows.
 *
 * Threads: any. */
#ifndef OPTIONS_MANUAL_H
#define OPTIONS_MANUAL_H

#include <stdbool.h>
#include <stdio.h>

#include "core/ll_option_table.h"
#include "core/ll_status.h"

/* A Markdown table of the manual: what stands between the lines `<!-- table NAME -->` and
 * `<!-- end of table -->`. */
struct options_manual_table {
    const char *name;
    /* Of limits (all rows that are some), or of options. */
    bool is_of_limits;
    /* Its rows, in this order; NULL ends the list. */
    const struct ll_option_table *parts[3];
};

enum { OPTIONS_MANUAL_TABLES = 4 };
extern const struct options_manual_table options_manual_tables[OPTIONS_MANUAL_TABLES];

/* Copies the manual `text` to `out` with every table made anew.
 *
 * Errors: LL_E_INVALID where a table's name is unknown, its end is missing, or one of ours is not
 *         there or twice; `err` says which. What is written by then is no manual. */
LL_MUST_USE ll_status options_manual_copy(const char *text, FILE *out, struct ll_error *err);

#endif
