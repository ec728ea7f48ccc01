/* A folder with a file for each layer's weights, as the edge keeps them.
 *
 * Threads: one at a time. */
#ifndef BENCH_STORE_H
#define BENCH_STORE_H

#include <stdbool.h>

#include "core/ll_buf.h"
#include "core/ll_status.h"
#include "net/ll_table.h"

/* Writes `count` layers' blobs (NULL for an empty one); makes the folder if it is missing.
 *
 * Errors: LL_E_IO naming the file. */
LL_MUST_USE ll_status bench_store_write(const char *folder, struct ll_buf *const *blobs, int count,
                                        struct ll_error *err);

/* The blobs of the table's layers: mapped, or copied into private memory.
 *
 * Ownership: `out_blobs` has room for layer_count pointers, all NULL before; the caller releases
 *            what is there, also on failure.
 * Errors:    those of ll_buf_map_file; LL_E_NO_MEMORY. */
LL_MUST_USE ll_status bench_store_read(const char *folder, const struct ll_table *table,
                                       bool copied, struct ll_buf **out_blobs,
                                       struct ll_error *err);

#endif
