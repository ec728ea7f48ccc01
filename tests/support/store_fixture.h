/* A store and its blobs, without models.
 *
 * Failures here are the test's own and end it (CUnit's fatal assertions).
 *
 * Threads: the test's. */
#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H

#include "edge/model/edge_store.h"

struct edge_store *store_fixture_open(const char *folder, int64_t budget_bytes);

/* A blob of `bytes` times `value`, which the caller frees as well. */
struct edge_blob *store_fixture_get_filled(struct edge_store *store, char value, size_t bytes,
                                           char **out_data);

/* Files in a folder, but for those that a store that lasts always has. */
int store_fixture_count_files(const char *folder);

#endif
