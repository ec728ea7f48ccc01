/* What goes where the engine's memory is short: idle contexts, then layers, then models. */
#include <assert.h>

#include "core/ll_log.h"
#include "edge/model/edge_catalog_state.h"

/* A reference to the model with idle contexts that has been unused for longest, or NULL; and what
 * all idle contexts take. */
static struct edge_model *find_idle(struct edge_catalog *catalog, int64_t *out_bytes)
{
    struct edge_model *oldest = NULL;
    *out_bytes = 0;
    ll_mutex_lock(&catalog->lock);
    for (int i = 0; i < catalog->count; i++) {
        struct edge_model *model = catalog->list[i];
        int64_t bytes = edge_model_idle_bytes(model);
        *out_bytes += bytes;
        if (bytes > 0 &&
            (!oldest || edge_model_last_use_ns(model) < edge_model_last_use_ns(oldest))) {
            oldest = model;
        }
    }
    if (oldest) {
        edge_model_ref(oldest);
    }
    ll_mutex_unlock(&catalog->lock);
    return oldest;
}

void edge_catalog_drop_idle(struct edge_catalog *catalog, int64_t before_ns, int64_t most_bytes)
{
    int64_t bytes = 0;
    struct edge_model *oldest = find_idle(catalog, &bytes);
    while (oldest && bytes > most_bytes && edge_model_last_use_ns(oldest) < before_ns) {
        edge_model_drop_idle(oldest);
        edge_model_unref(oldest);
        oldest = find_idle(catalog, &bytes);
    }
    edge_model_unref(oldest);
}

/* ---- What is put away ---- */

/* A reference to the model that was created, is kept by the store and has been unused for longest,
 * or NULL. */
static struct edge_model *find_created(struct edge_catalog *catalog)
{
    struct edge_model *oldest = NULL;
    ll_mutex_lock(&catalog->lock);
    for (int i = 0; i < catalog->count; i++) {
        struct edge_model *model = catalog->list[i];
        bool can_go = edge_model_prefix(model) > 0 && edge_model_is_kept(model) &&
                      edge_model_draft_bits(model) == 0 && !edge_model_is_used(model) &&
                      !edge_model_is_creating(model);
        if (can_go && (!oldest || edge_model_last_use_ns(model) < edge_model_last_use_ns(oldest))) {
            oldest = model;
        }
    }
    if (oldest) {
        edge_model_ref(oldest);
    }
    ll_mutex_unlock(&catalog->lock);
    return oldest;
}

/* If nobody uses `model`, `fresh`, whose reference it takes then, stands where that stood: in one
 * step, so that the name is always of a model that is here. */
static bool replace(struct edge_catalog *catalog, struct edge_model *model,
                    struct edge_model *fresh)
{
    ll_mutex_lock(&catalog->lock);
    bool is_replaced = edge_model_try_remove(model);
    int at = 0;
    while (is_replaced && at < catalog->count && catalog->list[at] != model) {
        at++;
    }
    if (is_replaced) {
        assert(at < catalog->count);
        catalog->list[at] = fresh;
    }
    ll_mutex_unlock(&catalog->lock);
    if (is_replaced) {
        edge_catalog_notify(catalog, model, EDGE_CHANGE_REMOVED);
        edge_model_unref(model);
    }
    return is_replaced;
}

/* Where memory is short, a model that the store keeps need not go: its layers do, and are created
 * again when somebody wants them. False where there is none. */
static bool put_away(struct edge_catalog *catalog)
{
    struct edge_model *model = NULL;
    bool is_away = false;
    while (!is_away && (model = find_created(catalog)) != NULL) {
        struct edge_model *fresh = NULL;
        if (edge_model_copy(catalog->engine, catalog->store, model, &fresh) != LL_OK) {
            edge_model_unref(model);
            return false;
        }
        is_away = replace(catalog, model, fresh);
        if (is_away) {
            ll_log(LL_LOG_INFO, "models", "%s put away: unused for longest",
                   edge_model_short_id(model));
        } else {
            edge_model_unref(fresh);
        }
        edge_model_unref(model);
    }
    return is_away;
}

bool edge_catalog_make_room(void *arg)
{
    struct edge_catalog *catalog = arg;
    int64_t bytes = 0;
    struct edge_model *oldest = find_idle(catalog, &bytes);
    if (oldest) {
        edge_model_drop_idle(oldest);
        edge_model_unref(oldest);
        return true;
    }
    return put_away(catalog) || edge_catalog_evict_for_memory(catalog);
}
