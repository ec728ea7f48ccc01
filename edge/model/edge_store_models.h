/* What a store that lasts keeps of models: one file each, DIR/models/ID, whose contents are the
 * catalog's (edge_catalog_stored.c). The time of its last change is that of the model's last use.
 *
 * Threads: any. */
#ifndef EDGE_STORE_MODELS_H
#define EDGE_STORE_MODELS_H

#include <stddef.h>
#include <stdint.h>

#include "edge/model/edge_store.h"

/* The file is on disk when this returns. Errors: LL_E_EXHAUSTED where the disk is full, LL_E_IO. */
LL_MUST_USE ll_status edge_store_put_model(struct edge_store *store, const struct ll_digest *id,
                                           const void *data, size_t bytes, struct ll_error *err);
/* Nothing happens where there is none. */
void edge_store_remove_model(struct edge_store *store, const struct ll_digest *id);
/* It was used `age_ns` ago. */
void edge_store_touch_model(struct edge_store *store, const struct ll_digest *id, int64_t age_ns);

struct edge_stored_model {
    struct ll_digest id;
    const void *data;
    size_t bytes;
    /* How long ago it was used; from 0. */
    int64_t age_ns;
};

/* Calls `take` for every file. One that it cannot take (LL_E_INVALID and others) is renamed to
 * ID.bad and said in the log; without memory it stays as it is.
 *
 * Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status edge_store_read_models(
    struct edge_store *store,
    ll_status (*take)(void *arg, const struct edge_stored_model *stored, struct ll_error *err),
    void *arg);

#endif
