/* One model on the edge: its manifest and network, which of its blobs are here, how far it is
 * created, who uses it, and what its queries measured.
 *
 * Shared by reference count. An upload session and a query also *use* the model: a model in use is
 * neither deleted nor evicted.
 *
 * Threads: any, unless a function says otherwise. */
#ifndef EDGE_MODEL_H
#define EDGE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "coding/ll_draft.h"
#include "core/ll_status.h"
#include "edge/fair/edge_peer.h"
#include "edge/model/edge_store.h"
#include "engine/ll_engine.h"
#include "net/ll_manifest.h"
#include "net/plan/ll_plan.h"

struct edge_model;

/* A model without layers created. Takes `manifest` (which fits the network) over on LL_OK, and a
 * reference to `network`. Engine and store outlive the model.
 *
 * Errors: LL_E_NO_MEMORY and the engine's. */
LL_MUST_USE ll_status edge_model_create(struct ll_engine *engine, struct edge_store *store,
                                        struct ll_manifest *manifest, struct ll_network *network,
                                        struct edge_model **out_model, struct ll_error *err);
/* Another one like `model`, with its blobs, owner and last use, of which nothing is created.
 * Errors: LL_E_NO_MEMORY and the engine's. */
LL_MUST_USE ll_status edge_model_copy(struct ll_engine *engine, struct edge_store *store,
                                      struct edge_model *model, struct edge_model **out_copy);
struct edge_model *edge_model_ref(struct edge_model *model);
/* NULL is allowed. */
void edge_model_unref(struct edge_model *model);

/* What never changes. */
const struct ll_digest *edge_model_id(const struct edge_model *model);
/* "sha256:..." */
const char *edge_model_id_text(const struct edge_model *model);
/* The first digits, for logs. */
const char *edge_model_short_id(const struct edge_model *model);
const struct ll_manifest *edge_model_manifest(const struct edge_model *model);
const struct ll_table *edge_model_table(const struct edge_model *model);
/* NULL for a layer without weights. */
struct edge_blob *edge_model_blob(const struct edge_model *model, int layer);
/* Whether some of its blobs are verified. */
bool edge_model_has_weights(const struct edge_model *model);
/* Whether none of its blobs is missing. */
bool edge_model_has_all_weights(const struct edge_model *model);
/* Whether it is a blob of its layers; of a draft's, in either model. */
/* Whether memory would be given back if it went: it has layers, or small blobs in memory. */
bool edge_model_holds_memory(const struct edge_model *model);
bool edge_model_has_blob(const struct edge_model *model, const struct edge_blob *blob);

/* ---- Use ---- */

/* False once the model is removed. Every true needs a release. */
LL_MUST_USE bool edge_model_acquire(struct edge_model *model);
void edge_model_release(struct edge_model *model);
bool edge_model_is_used(const struct edge_model *model);
/* Marks the model as removed, unless it is in use; a creation under way ends early. */
LL_MUST_USE bool edge_model_try_remove(struct edge_model *model);
bool edge_model_is_removed(const struct edge_model *model);
/* When it was last released; for choosing what to evict. */
int64_t edge_model_last_use_ns(const struct edge_model *model);

/* Who may delete the model: the first one who brings it. Later ones are not noted. */
void edge_model_set_owner(struct edge_model *model, const struct edge_peer *peer);
bool edge_model_is_owned_by(struct edge_model *model, const struct edge_peer *peer);
/* False where nobody brought it. */
bool edge_model_get_owner(struct edge_model *model, struct edge_peer *out_peer);
/* True for the owner, and for every peer on this machine. */
bool edge_model_may_be_deleted_by(struct edge_model *model, const struct edge_peer *peer);

/* ---- What lasts ---- */

/* The store keeps the model for the next process (edge_catalog_stored.h): it was used last `age_ns`
 * ago, and came at `created_unix_ns`. From now on it hears now and then when the model is used. */
void edge_model_set_kept(struct edge_model *model, int64_t age_ns, uint64_t created_unix_ns);
bool edge_model_is_kept(const struct edge_model *model);
uint64_t edge_model_created_unix_ns(const struct edge_model *model);
/* Tells the store when the model was used last, if it keeps it. */
void edge_model_touch(struct edge_model *model);
/* Brings to disk what is here of unfinished blobs (edge_store_sync_blobs).
 *
 * Threads: the writing one. */
void edge_model_sync_blobs(struct edge_model *model);

/* ---- State ---- */

typedef enum {
    EDGE_MODEL_PARTIAL,
    EDGE_MODEL_CREATING,
    EDGE_MODEL_READY,
    EDGE_MODEL_FAILED,
} edge_model_state;

struct edge_model_info {
    edge_model_state state;
    int prefix;
    int64_t received_bytes;
    /* Of that, what a new process finds. */
    int64_t stored_bytes;
    int creations;
    int64_t creation_ns;
    int64_t queries;
    int uploads;
    /* Why a creation failed, with its status; LL_OK and empty otherwise. */
    ll_status failure_status;
    struct ll_error failure;
};

void edge_model_get_info(struct edge_model *model, struct edge_model_info *out_info);

/* Layers [0, prefix) can run. One atomic read: what was published is visible after it. */
int edge_model_prefix(const struct edge_model *model);
/* Whether a creation failed since the last session opened. One atomic read. */
bool edge_model_has_failed(const struct edge_model *model);
/* Whether layer i's blob is verified (always, without weights); of a draft, one of the two. */
bool edge_model_is_available(const struct edge_model *model, int layer);

/* ---- Drafts ---- */

/* Makes a new model, which nobody else knows yet, the draft of `exact`, which has the same cfg. A
 * layer of it is available with the blob of either: where the exact one is here first, that is
 * created. */
void edge_model_make_draft(struct edge_model *draft, struct edge_model *exact, int mantissa_bits);
/* 0: it is no draft. */
int edge_model_draft_bits(const struct edge_model *model);
/* How a draft rounds a layer's blob. */
struct ll_draft_blob edge_model_draft_blob(const struct edge_model *draft, int layer);
bool edge_model_is_draft_of(const struct edge_model *draft, const struct edge_model *exact);
/* Whether there has been one. One atomic read. */
bool edge_model_has_drafts(const struct edge_model *exact);
/* The blob that a draft's layer has in the exact model; NULL for a layer without weights, and where
 * the model is no draft. */
struct edge_blob *edge_model_exact_blob(const struct edge_model *draft, int layer);
/* The id of the model that a draft is of, "sha256:..." */
void edge_model_exact_id(const struct edge_model *draft, char out_text[LL_DIGEST_TEXT_BYTES]);
/* Nothing more of the draft is created, and nobody who does not use it already is given it. */
void edge_model_retire(struct edge_model *draft);
bool edge_model_is_retired(const struct edge_model *model);

/* ---- Creation ---- */

/* A session with this (checked) plan opens: creations end on its borders from now on, and a failed
 * model gets another try. Closing takes the borders away. */
void edge_model_open_upload(struct edge_model *model, const struct ll_plan *plan);
void edge_model_close_upload(struct edge_model *model, const struct ll_plan *plan);

/* What one creation creates: the longest available stretch, within a bound. */
struct edge_stretch {
    /* Layers [first, end). */
    int first;
    int end;
    /* Their blobs, NULL for layers without weights; the model's, until the creation ends. */
    struct ll_buf *const *blobs;
};

/* Begins the next creation: from the prefix over available layers to a border of an open session's
 * plan (a legal cut, without sessions). The last such border with at most `most_bytes` of weights
 * before it, but at least one border. Where there is nothing to create, `end` is `first`, and no
 * creation has begun.
 *
 * Threads: one creation at a time; begin, engine, end. */
struct edge_stretch edge_model_begin_creation(struct edge_model *model, int64_t most_bytes);
/* What the creation between begin and end works on. */
struct ll_engine_model *edge_model_engine_model(struct edge_model *model);
/* Has the creation under way, and all later ones, end with LL_E_CANCELLED. */
void edge_model_stop_creation(struct edge_model *model);
/* Whether there is one. One atomic read. */
bool edge_model_is_creating(const struct edge_model *model);

struct edge_creation {
    int first;
    int end;
    int64_t wall_ns;
    int64_t cpu_ns;
};

/* The model's place in the creator's queue, whose lock guards it. */
struct edge_turn {
    struct edge_model *model;
    struct edge_turn *next;
    bool is_waiting;
};
struct edge_turn *edge_model_turn(struct edge_model *model);

/* Publishes the longer prefix. */
void edge_model_end_creation(struct edge_model *model, const struct edge_creation *creation);
/* The prefix stays what it is; nothing more is created until a new session opens. */
void edge_model_fail_creation(struct edge_model *model, ll_status status,
                              const struct ll_error *err);
/* Whether a creation runs, or could begin. */
bool edge_model_is_busy(struct edge_model *model);
/* The n-th creation, from 0; false when there were fewer. */
bool edge_model_creation(struct edge_model *model, int n, struct edge_creation *out_creation);

/* ---- Queries ---- */

/* A context for one run, from the pool or new. Errors: the engine's. */
LL_MUST_USE ll_status edge_model_take_context(struct edge_model *model,
                                              struct ll_engine_context **out_context,
                                              struct ll_error *err);
/* Back into the pool; one that takes a large part of the engine's budget is destroyed instead. */
void edge_model_put_context(struct edge_model *model, struct ll_engine_context *context);
/* What the contexts in the pool take. One atomic read. */
int64_t edge_model_idle_bytes(const struct edge_model *model);
/* Destroys the contexts in the pool. */
void edge_model_drop_idle(struct edge_model *model);

/* Adds a query's times of layers [first, end). */
void edge_model_add_run(struct edge_model *model, int first, int end, const int64_t *layer_ns);
/* Mean run time of each layer, 0 where it never ran; room for all layers. */
void edge_model_mean_ns(struct edge_model *model, int64_t *out_ns);
/* What layers [first, end), created, probably take: that mean, or before the first query what they
 * took when they were warmed up; 0 where neither is known. */
void edge_model_expected_ns(struct edge_model *model, int first, int end, int64_t *out_ns);

#endif
