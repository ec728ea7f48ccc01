/* The inside of a model: edge_model.c makes it and says who uses it, edge_model_creation.c how far
 * it is created, edge_model_queries.c what its queries take and measured, edge_model_draft.c what
 * drafts have besides.
 *
 * Everything that changes is guarded by the model's lock, except three things that are read on hot
 * paths: the prefix (published with release order after the layers below it are created), whether a
 * blob is available (the store's atomic), and the count of uses, whose negative value says that the
 * model is removed, so that "in use" and "removed" exclude each other without a second lock. */
#ifndef EDGE_MODEL_STATE_H
#define EDGE_MODEL_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/ll_sync.h"
#include "edge/model/edge_model.h"

enum { EDGE_MODEL_SHORT_ID_DIGITS = 12 };

struct edge_layer_times {
    int64_t sum_ns;
    int64_t runs;
};

struct edge_model {
    atomic_int refs;
    /* -1: removed; or how many sessions and queries use the model. */
    atomic_int uses;
    atomic_int_least64_t last_use_ns;
    struct edge_store *store;
    /* Whether the store keeps the model; when it heard of its last use, and when it came. */
    atomic_bool is_kept;
    atomic_int_least64_t touched_ns;
    uint64_t created_unix_ns;
    struct ll_digest id;
    char id_text[LL_DIGEST_TEXT_BYTES];
    char short_id[EDGE_MODEL_SHORT_ID_DIGITS + 1];
    struct ll_manifest manifest;
    struct ll_network *network;
    struct ll_engine_model *engine_model;
    struct edge_blob **blobs;
    /* Of a draft (mantissa_bits above 0): what the same layers have in the model that it is of. All
     * NULL otherwise. */
    int mantissa_bits;
    struct ll_digest exact_id;
    struct edge_blob **exact_blobs;
    atomic_bool is_retired;
    /* Of a model that has, or had, drafts. */
    atomic_bool has_drafts;
    /* The blobs of the creation under way; the creating thread's. */
    struct ll_buf **stretch_blobs;
    atomic_int prefix;
    atomic_bool has_failed;
    /* Written under lock. */
    atomic_bool is_creating;
    atomic_int_least64_t idle_bytes;
    /* The engine looks at it during a creation. */
    atomic_bool stops_creation;
    /* Guarded by the creator's lock. */
    struct edge_turn turn;

    struct ll_mutex lock;
    /* Guarded by lock. */
    bool has_owner LL_GUARDED_BY(lock);
    struct edge_peer owner LL_GUARDED_BY(lock);
    ll_status failure_status LL_GUARDED_BY(lock);
    struct ll_error failure LL_GUARDED_BY(lock);
    int uploads LL_GUARDED_BY(lock);
    /* borders[c]: how many open sessions' plans have a border before layer c. */
    int *borders LL_GUARDED_BY(lock);
    int creation_count LL_GUARDED_BY(lock);
    struct edge_creation *creations LL_GUARDED_BY(lock);
    int64_t queries LL_GUARDED_BY(lock);
    struct edge_layer_times *times LL_GUARDED_BY(lock);
    int idle_count LL_GUARDED_BY(lock);
    int idle_room LL_GUARDED_BY(lock);
    struct ll_engine_context **idle LL_GUARDED_BY(lock);
};

#endif
