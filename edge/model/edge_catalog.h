/* The catalog of models: by id, and what has to happen to all of them.
 *
 * A model is found or made when an upload opens, and goes when it is deleted, or evicted because
 * the store or the table of models is full: models without a verified blob first, then those that
 * nobody has used for longest. Where memory is short, one that the store keeps only loses its
 * layers (edge_catalog_stored.h).
 *
 * Drafts stand beside their models: each is a model of its own, which takes a place and is evicted
 * like one, but nobody finds it under its id alone. It goes with its model, or once nobody uses it
 * any more when that is ready.
 *
 * Threads: any, except where a function says otherwise. */
#ifndef EDGE_CATALOG_H
#define EDGE_CATALOG_H

#include <stdbool.h>
#include <stdint.h>

#include "edge/model/edge_model.h"
#include "edge/model/edge_store.h"
#include "engine/ll_engine.h"
#include "net/ll_manifest.h"
#include "net/plan/ll_plan.h"

struct edge_catalog;

struct edge_catalog_config {
    /* Where its budget runs out, the catalog makes room: contexts that no query has, then models
     * that nobody uses, those unused for longest first. */
    struct ll_engine *engine;
    struct edge_store *store;
    int most_models;
    /* So long after its last use a model that is ready is not evicted for one that has no weights.
     */
    int64_t rest_ns;
};

LL_MUST_USE ll_status edge_catalog_create(const struct edge_catalog_config *config,
                                          struct edge_catalog **out_catalog);
/* Forgets all models; nobody uses one any more. NULL is allowed. */
void edge_catalog_destroy(struct edge_catalog *catalog);

typedef enum {
    /* Bytes of an unfinished blob have come (or gone). */
    EDGE_CHANGE_BYTES,
    /* A blob is available. */
    EDGE_CHANGE_BLOB,
    /* The prefix is longer, or a creation has failed. */
    EDGE_CHANGE_CREATION,
    /* The model is deleted or evicted. */
    EDGE_CHANGE_REMOVED,
} edge_change;

/* Called after a model has changed, on the thread that changed it, without locks; does not block.
 */
typedef void (*edge_catalog_changed)(void *arg, struct edge_model *model, edge_change change);
/* Before the first model. Errors: LL_E_FULL beyond EDGE_CATALOG_OBSERVERS. */
enum { EDGE_CATALOG_OBSERVERS = 4 };
LL_MUST_USE ll_status edge_catalog_observe(struct edge_catalog *catalog,
                                           edge_catalog_changed changed, void *arg);
void edge_catalog_notify(struct edge_catalog *catalog, struct edge_model *model,
                         edge_change change);

/* Has the layers of a model created that can be. Does not block. */
typedef void (*edge_catalog_wake)(void *arg, struct edge_model *model);
/* Before the first model. */
void edge_catalog_set_wake(struct edge_catalog *catalog, edge_catalog_wake wake, void *arg);
/* Somebody wants the model's layers: those that are not created, and can be, are. */
void edge_catalog_want(struct edge_catalog *catalog, struct edge_model *model);

/* Calls `visit` for every model that has the blob.
 *
 * Threads: one at a time, that of edge_catalog_open. `visit` runs without locks. */
void edge_catalog_with_blob(struct edge_catalog *catalog, const struct edge_blob *blob,
                            void (*visit)(void *arg, struct edge_model *model), void *arg);

/* The same for every model whose owner is `peer`. */
void edge_catalog_with_owner(struct edge_catalog *catalog, const struct edge_peer *peer,
                             void (*visit)(void *arg, struct edge_model *model), void *arg);

/* edge_store_copy in the catalog's store. */
LL_MUST_USE ll_status edge_catalog_copy_blob(struct edge_catalog *catalog,
                                             const struct edge_blob *blob,
                                             struct edge_blob **out_copy);

/* The model of a manifest, made if it is new, after checking that its blobs fit its cfg, and `plan`
 * its layers. The caller gets a reference and uses the model (edge_model_release, then
 * edge_model_unref). Takes the manifest's contents over or leaves them.
 *
 * Errors: LL_E_INVALID and the parser's with the sentence that says why, LL_E_EXHAUSTED above a
 *         limit, LL_E_NO_MEMORY.
 * Threads: one at a time. */
LL_MUST_USE ll_status edge_catalog_open(struct edge_catalog *catalog, struct ll_manifest *manifest,
                                        const struct ll_plan *plan, struct edge_model **out_model,
                                        struct ll_error *err);

/* A reference to the model that a peer names as "sha256:...". Errors: LL_E_INVALID, LL_E_NOT_FOUND.
 */
LL_MUST_USE ll_status edge_catalog_find(struct edge_catalog *catalog, const char *id_text,
                                        struct edge_model **out_model, struct ll_error *err);
/* The same, and uses it (edge_model_release, then edge_model_unref). */
LL_MUST_USE ll_status edge_catalog_use(struct edge_catalog *catalog, const char *id_text,
                                       struct edge_model **out_model, struct ll_error *err);

/* ---- Drafts ---- */

/* Of one model. */
enum { EDGE_CATALOG_DRAFTS = 4 };

/* What makes a draft: its manifest, the bits of mantissa that its weights have, and the (checked)
 * plan of the session that brings it. */
struct edge_draft {
    struct ll_manifest *manifest;
    int mantissa_bits;
    const struct ll_plan *plan;
};

/* The draft of `exact` that `made_of` describes, made if it is new; as edge_catalog_open, for
 * edge_catalog_leave_draft.
 *
 * Errors: those of edge_catalog_open; LL_E_EXHAUSTED for one too many, LL_E_PRECONDITION where
 *         `exact` is ready.
 * Threads: one at a time, that of edge_catalog_open. */
LL_MUST_USE ll_status edge_catalog_open_draft(struct edge_catalog *catalog,
                                              struct edge_model *exact,
                                              const struct edge_draft *made_of,
                                              struct edge_model **out_draft, struct ll_error *err);
/* The same for who only wants to run it: the draft with this id, or NULL. Errors: LL_E_INVALID
 * where it is no id. */
LL_MUST_USE ll_status edge_catalog_use_draft(struct edge_catalog *catalog,
                                             const struct edge_model *exact, const char *id_text,
                                             struct edge_model **out_draft, struct ll_error *err);
/* Releases and unrefs; the last one who leaves a retired draft removes it. */
void edge_catalog_leave_draft(struct edge_catalog *catalog, struct edge_model *draft);
/* Retires it; removed once nobody uses it. */
void edge_catalog_retire_draft(struct edge_catalog *catalog, struct edge_model *draft);
/* References to the drafts of `exact` that are not retired; returns how many. */
int edge_catalog_drafts(struct edge_catalog *catalog, const struct edge_model *exact,
                        struct edge_model *out_drafts[EDGE_CATALOG_DRAFTS]);
/* The longest prefix of those; 0: there are none. */
int edge_catalog_draft_prefix(struct edge_catalog *catalog, const struct edge_model *exact);

/* References to all models but drafts, in the order in which they came; the caller unrefs each and
 * frees the array. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status edge_catalog_list(struct edge_catalog *catalog, struct edge_model ***out_list,
                                        int *out_count);

/* Errors: those of edge_catalog_find, LL_E_PRECONDITION while it is in use. */
LL_MUST_USE ll_status edge_catalog_remove(struct edge_catalog *catalog, const char *id_text,
                                          struct ll_error *err);

/* Whether another model has a place: there is one, or a model that nobody uses leaves one. */
bool edge_catalog_has_room(struct edge_catalog *catalog);

/* Removes a model that nobody uses or creates: one without a verified blob, if there is one, else
 * the one that nobody has used for longest. False when all are in use. */
bool edge_catalog_evict(struct edge_catalog *catalog);
/* The same for the sake of `newcomer`: while no blob of it is verified (or it is NULL, not here
 * yet), models that are ready and were used within `rest_ns` stay: names without weights evict
 * nobody's models. */
bool edge_catalog_evict_for(struct edge_catalog *catalog, const struct edge_model *newcomer);

/* Destroys idle contexts of models that were used last before `before_ns`, those unused for longest
 * first, until all idle contexts that are left take at most `most_bytes`. */
void edge_catalog_drop_idle(struct edge_catalog *catalog, int64_t before_ns, int64_t most_bytes);

#endif
