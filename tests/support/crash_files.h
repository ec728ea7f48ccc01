/* A file system that ends at any call, and a machine that loses its power: what a store that lasts
 * is tested with. Files are real ones; beside them is kept what a disk would have of them, which is
 * what was synced, and nothing else.
 *
 * Failures here are the test's own and end it (CUnit's fatal assertions).
 *
 * Threads: one store at a time. */
#ifndef CRASH_FILES_H
#define CRASH_FILES_H

#include <stdbool.h>

#include "edge/model/edge_store_files.h"

extern const struct edge_store_files crash_files;

/* Forgets all disks. From the `stop_at`-th call on (from 0) every call fails with EIO and does
 * nothing; if that one writes, half of its bytes are written. */
void crash_files_begin(int stop_at);
/* Every write, reservation and sync from the `stop_at`-th call on fails with `number`, until
 * crash_files_begin. */
void crash_files_fail(int stop_at, int number);
bool crash_files_has_stopped(void);
/* How many calls there were. */
int crash_files_calls(void);
int crash_files_syncs(void);

/* What a loss of power leaves of `folder`, below the new folder `to`: the contents that were
 * synced, under the names that were synced, or with `has_all_names` under all
 * that there were, and with the sizes that there were. */
void crash_files_lose_power(const char *folder, bool has_all_names, const char *to);
/* Nothing is lost: a copy of all files. */
void crash_files_copy(const char *folder, const char *to);

#endif
