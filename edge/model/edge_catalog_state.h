/* The inside of the catalog: edge_catalog_list.c is what stands in it; above that edge_catalog.c
 * makes models and evicts them, then edge_catalog_drafts.c opens drafts and gives them back, and
 * edge_catalog_stored.c keeps models for the next process. */
#ifndef EDGE_CATALOG_STATE_H
#define EDGE_CATALOG_STATE_H

#include "core/ll_sync.h"
#include "edge/model/edge_catalog.h"

struct edge_catalog_observer {
    edge_catalog_changed changed;
    void *arg;
};

struct edge_catalog {
    struct ll_engine *engine;
    struct edge_store *store;
    int most_models;
    int64_t rest_ns;
    int observer_count;
    struct edge_catalog_observer observers[EDGE_CATALOG_OBSERVERS];
    edge_catalog_wake wake;
    void *wake_arg;
    /* edge_catalog_with_blob's own, as large as `list`. */
    struct edge_model **visited;

    struct ll_mutex lock;
    /* Guarded by lock. */
    int count LL_GUARDED_BY(lock);
    /* most_models of them. */
    struct edge_model **list LL_GUARDED_BY(lock);
};

/* A model of a manifest, whose contents it takes over on LL_OK, in no list yet; `plan` (may be
 * NULL) is checked. Errors: those of edge_catalog_open. */
LL_MUST_USE ll_status edge_catalog_build(struct edge_catalog *catalog, struct ll_manifest *manifest,
                                         const struct ll_plan *plan, struct edge_model **out_model,
                                         struct ll_error *err);
/* Acquires a new model and puts it into the array; a full one evicts. The array takes a reference.
 * Errors: LL_E_EXHAUSTED. */
LL_MUST_USE ll_status edge_catalog_insert(struct edge_catalog *catalog, struct edge_model *model,
                                          struct ll_error *err);
/* The model is marked as removed: takes it out of the array, its drafts with it, and tells
 * everybody. */
void edge_catalog_take_out(struct edge_catalog *catalog, struct edge_model *model);
/* edge_catalog_evict, but of models that the store keeps only those that give memory back. */
bool edge_catalog_evict_for_memory(struct edge_catalog *catalog);
/* ll_memory_reclaim of a catalog: one step. */
bool edge_catalog_make_room(void *arg);
/* A reference to the model of that id, which is no draft, in use from then on; NULL without one.
 * One that was put away in between is found again. */
struct edge_model *edge_catalog_use_id(struct edge_catalog *catalog, const struct ll_digest *id);
/* References to at most `most` drafts of `exact`, retired ones included; returns how many. */
int edge_catalog_list_drafts(struct edge_catalog *catalog, const struct edge_model *exact,
                             struct edge_model *out_drafts[], int most);
/* Removes a draft unless it is in use. */
bool edge_catalog_try_take_out(struct edge_catalog *catalog, struct edge_model *draft);
/* Retires all drafts of a model. */
void edge_catalog_retire_drafts(struct edge_catalog *catalog, const struct edge_model *exact);

#endif
