/* A range of layers that a person asks for.
 *
 * Threads: pure. */
#ifndef DEVICE_CUT_H
#define DEVICE_CUT_H

#include "core/ll_status.h"
#include "net/ll_table.h"

/* Refuses a range that is not one of legal cuts. Errors: LL_E_INVALID; `err` lists legal ones
 * nearby. */
LL_MUST_USE ll_status device_cut_check(const struct ll_table *table, int first, int end,
                                       struct ll_error *err);

#endif
