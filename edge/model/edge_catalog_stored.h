/* The models of a catalog whose store lasts: kept when they come, found by the next process.
 *
 * Nothing happens where the store does not last. */
#ifndef EDGE_CATALOG_STORED_H
#define EDGE_CATALOG_STORED_H

#include "edge/model/edge_catalog.h"

/* Whether the store keeps models for another process. */
bool edge_catalog_lasts(const struct edge_catalog *catalog);

/* A new process finds the model from now on, with its owner and its blobs. Before the first byte of
 * a model that is new counts as stored.
 *
 * Errors: LL_E_EXHAUSTED where the disk is full, LL_E_IO, LL_E_NO_MEMORY.
 * Threads: one at a time, that of edge_catalog_open. */
LL_MUST_USE ll_status edge_catalog_keep(struct edge_catalog *catalog, struct edge_model *model,
                                        struct ll_error *err);

/* Drafts of a kept model have come, or were found to be wrong: a new process finds those that are
 * here now.
 *
 * Errors and threads: as edge_catalog_keep. */
LL_MUST_USE ll_status edge_catalog_keep_drafts(struct edge_catalog *catalog,
                                               struct edge_model *model, struct ll_error *err);

/* Takes the models that an earlier process kept, in the order in which they came; nothing of them
 * is created. Those used last stay where there are more than the limits allow. What is left of
 * others is removed.
 *
 * Errors: LL_E_NO_MEMORY.
 * Threads: before all others. */
LL_MUST_USE ll_status edge_catalog_restore(struct edge_catalog *catalog);

/* Wakes the creation of models that nobody uses, those used last first, as far as the engine's
 * memory probably suffices (edge_catalog_set_wake).
 *
 * Threads: any. */
void edge_catalog_wake_stored(struct edge_catalog *catalog);

#endif
