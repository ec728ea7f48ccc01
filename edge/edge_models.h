/* The registry: models by id, and what has to happen to all of them.
 *
 * A model is found or made when an upload opens, and goes when it is deleted, or evicted because
 * the store or the table of models is full and nobody has used it for longest.
 *
 * Threads: any, except where a function says otherwise. */
#ifndef EDGE_MODELS_H
#define EDGE_MODELS_H

#include <stdint.h>

#include "core/ll_engine.h"
#include "core/ll_manifest.h"
#include "core/ll_plan.h"
#include "edge/edge_model.h"
#include "edge/edge_store.h"

struct edge_models;

struct edge_models_config {
    struct ll_engine *engine;
    struct edge_store *store;
    int most_models;
};

LL_MUST_USE ll_status edge_models_create(const struct edge_models_config *config,
                                         struct edge_models **out_models);
/* Forgets all models; nobody uses one any more. NULL is allowed. */
void edge_models_destroy(struct edge_models *models);

/* Called after a model's state has changed: blobs, prefix, failure, sessions, removal. On the
 * thread that changed it, without locks; it does not block. */
typedef void (*edge_model_changed)(void *arg, struct edge_model *model);
/* At most EDGE_MODELS_OBSERVERS, before the first model. */
enum { EDGE_MODELS_OBSERVERS = 4 };
void edge_models_observe(struct edge_models *models, edge_model_changed changed, void *arg);
void edge_models_notify(struct edge_models *models, struct edge_model *model);

/* The model of a manifest, made if it is new, after checking that its blobs fit its cfg, and `plan`
 * its layers. The caller gets a reference and uses the model (edge_model_release, then
 * edge_model_unref). Takes the manifest's contents over or leaves them.
 *
 * Errors: LL_E_INVALID and the parser's with the sentence that says why, LL_E_EXHAUSTED above a
 *         limit, LL_E_NO_MEMORY.
 * Threads: one at a time. */
LL_MUST_USE ll_status edge_models_open(struct edge_models *models, struct ll_manifest *manifest,
                                       const struct ll_plan *plan, struct edge_model **out_model,
                                       struct ll_error *err);

/* A reference to the model that a peer names as "sha256:...". Errors: LL_E_INVALID, LL_E_NOT_FOUND.
 */
LL_MUST_USE ll_status edge_models_find(struct edge_models *models, const char *id_text,
                                       struct edge_model **out_model, struct ll_error *err);

/* References to all models, in the order in which they came; the caller unrefs each and frees the
 * array. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status edge_models_list(struct edge_models *models, struct edge_model ***out_list,
                                       int *out_count);

/* Errors: those of edge_models_find, LL_E_PRECONDITION while it is in use. */
LL_MUST_USE ll_status edge_models_remove(struct edge_models *models, const char *id_text,
                                         struct ll_error *err);

/* Evicts models that nobody uses, those unused for longest first, until the store has room for
 * `bytes` more. Errors: LL_E_EXHAUSTED. */
LL_MUST_USE ll_status edge_models_make_room(struct edge_models *models, int64_t bytes,
                                            struct ll_error *err);

#endif
