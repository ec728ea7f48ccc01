/* What stands in the array of models: who looks at it, what is found in it, and what is taken out
 * of it, a model's drafts with the model. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_log.h"
#include "core/ll_sync.h"
#include "edge/model/edge_catalog_state.h"
#include "edge/model/edge_store_models.h"

ll_status edge_catalog_observe(struct edge_catalog *catalog, edge_catalog_changed changed,
                               void *arg)
{
    if (catalog->observer_count == EDGE_CATALOG_OBSERVERS) {
        return LL_E_FULL;
    }
    catalog->observers[catalog->observer_count++] = (struct edge_catalog_observer){changed, arg};
    return LL_OK;
}

static bool is_ready(const struct edge_model *model)
{
    return edge_model_prefix(model) == edge_model_table(model)->layer_count;
}

void edge_catalog_notify(struct edge_catalog *catalog, struct edge_model *model, edge_change change)
{
    for (int i = 0; i < catalog->observer_count; i++) {
        catalog->observers[i].changed(catalog->observers[i].arg, model, change);
    }
    if (change == EDGE_CHANGE_CREATION && edge_model_draft_bits(model) == 0 && is_ready(model)) {
        edge_catalog_retire_drafts(catalog, model);
    }
}

/* What a model must have or be to be visited. */
typedef bool (*chooses)(struct edge_model *model, const void *key);

static void with(struct edge_catalog *catalog, chooses chosen, const void *key,
                 void (*visit)(void *arg, struct edge_model *model), void *arg)
{
    int count = 0;
    ll_mutex_lock(&catalog->lock);
    for (int i = 0; i < catalog->count; i++) {
        if (chosen(catalog->list[i], key)) {
            catalog->visited[count++] = edge_model_ref(catalog->list[i]);
        }
    }
    ll_mutex_unlock(&catalog->lock);
    for (int i = 0; i < count; i++) {
        visit(arg, catalog->visited[i]);
        edge_model_unref(catalog->visited[i]);
    }
}

static bool has_blob(struct edge_model *model, const void *blob)
{
    return edge_model_has_blob(model, blob);
}

void edge_catalog_with_blob(struct edge_catalog *catalog, const struct edge_blob *blob,
                            void (*visit)(void *arg, struct edge_model *model), void *arg)
{
    with(catalog, has_blob, blob, visit, arg);
}

static bool is_owned_by(struct edge_model *model, const void *peer)
{
    return edge_model_is_owned_by(model, peer);
}

void edge_catalog_with_owner(struct edge_catalog *catalog, const struct edge_peer *peer,
                             void (*visit)(void *arg, struct edge_model *model), void *arg)
{
    with(catalog, is_owned_by, peer, visit, arg);
}

void edge_catalog_set_wake(struct edge_catalog *catalog, edge_catalog_wake wake, void *arg)
{
    catalog->wake = wake;
    catalog->wake_arg = arg;
}

void edge_catalog_want(struct edge_catalog *catalog, struct edge_model *model)
{
    if (catalog->wake && edge_model_prefix(model) < edge_model_table(model)->layer_count) {
        catalog->wake(catalog->wake_arg, model);
    }
}

ll_status edge_catalog_copy_blob(struct edge_catalog *catalog, const struct edge_blob *blob,
                                 struct edge_blob **out_copy)
{
    return edge_store_copy(catalog->store, blob, out_copy);
}

static struct edge_model *find_locked(struct edge_catalog *catalog, const struct ll_digest *id)
    LL_REQUIRES(catalog->lock)
{
    for (int i = 0; i < catalog->count; i++) {
        if (ll_digest_equal(edge_model_id(catalog->list[i]), id) &&
            edge_model_draft_bits(catalog->list[i]) == 0) {
            return catalog->list[i];
        }
    }
    return NULL;
}

static struct edge_model *find(struct edge_catalog *catalog, const struct ll_digest *id)
{
    ll_mutex_lock(&catalog->lock);
    struct edge_model *found = find_locked(catalog, id);
    if (found) {
        edge_model_ref(found);
    }
    ll_mutex_unlock(&catalog->lock);
    return found;
}

struct edge_model *edge_catalog_use_id(struct edge_catalog *catalog, const struct ll_digest *id)
{
    struct edge_model *refused = NULL;
    struct edge_model *model = find(catalog, id);
    while (model && model != refused && !edge_model_acquire(model)) {
        edge_model_unref(refused);
        refused = model;
        model = find(catalog, id);
    }
    if (model && model == refused) {
        edge_model_unref(model);
        model = NULL;
    }
    edge_model_unref(refused);
    return model;
}

ll_status edge_catalog_use(struct edge_catalog *catalog, const char *id_text,
                           struct edge_model **out_model, struct ll_error *err)
{
    struct ll_digest id;
    if (!id_text || ll_digest_parse(id_text, &id) != LL_OK) {
        return ll_fail(err, LL_E_INVALID, "model_id is not \"sha256:\" and 64 hex digits");
    }
    *out_model = edge_catalog_use_id(catalog, &id);
    return *out_model ? LL_OK : ll_fail(err, LL_E_NOT_FOUND, "no model %s here", id_text);
}

ll_status edge_catalog_find(struct edge_catalog *catalog, const char *id_text,
                            struct edge_model **out_model, struct ll_error *err)
{
    struct ll_digest id;
    if (!id_text || ll_digest_parse(id_text, &id) != LL_OK) {
        return ll_fail(err, LL_E_INVALID, "model_id is not \"sha256:\" and 64 hex digits");
    }
    struct edge_model *model = find(catalog, &id);
    if (!model) {
        return ll_fail(err, LL_E_NOT_FOUND, "no model %s here", id_text);
    }
    *out_model = model;
    return LL_OK;
}

ll_status edge_catalog_list(struct edge_catalog *catalog, struct edge_model ***out_list,
                            int *out_count)
{
    struct edge_model **list = calloc((size_t)catalog->most_models, sizeof(struct edge_model *));
    if (!list) {
        return LL_E_NO_MEMORY;
    }
    ll_mutex_lock(&catalog->lock);
    int count = 0;
    for (int i = 0; i < catalog->count; i++) {
        if (edge_model_draft_bits(catalog->list[i]) == 0) {
            list[count++] = edge_model_ref(catalog->list[i]);
        }
    }
    ll_mutex_unlock(&catalog->lock);
    *out_list = list;
    *out_count = count;
    return LL_OK;
}

void edge_catalog_take_out(struct edge_catalog *catalog, struct edge_model *model)
{
    ll_mutex_lock(&catalog->lock);
    int at = 0;
    while (at < catalog->count && catalog->list[at] != model) {
        at++;
    }
    assert(at < catalog->count);
    catalog->count--;
    memmove(&catalog->list[at], &catalog->list[at + 1],
            (size_t)(catalog->count - at) * sizeof(struct edge_model *));
    /* A new one of the same name may be here already: what the store keeps is that one's then. */
    if (edge_model_is_kept(model) && edge_model_draft_bits(model) == 0 &&
        !find_locked(catalog, edge_model_id(model))) {
        edge_store_remove_model(catalog->store, edge_model_id(model));
    }
    ll_mutex_unlock(&catalog->lock);
    if (edge_model_draft_bits(model) == 0) {
        edge_catalog_retire_drafts(catalog, model);
    }
    edge_catalog_notify(catalog, model, EDGE_CHANGE_REMOVED);
    edge_model_unref(model);
}

int edge_catalog_list_drafts(struct edge_catalog *catalog, const struct edge_model *exact,
                             struct edge_model *out_drafts[], int most)
{
    int count = 0;
    if (!edge_model_has_drafts(exact)) {
        return 0;
    }
    ll_mutex_lock(&catalog->lock);
    for (int i = 0; i < catalog->count && count < most; i++) {
        if (edge_model_is_draft_of(catalog->list[i], exact)) {
            out_drafts[count++] = edge_model_ref(catalog->list[i]);
        }
    }
    ll_mutex_unlock(&catalog->lock);
    return count;
}

bool edge_catalog_try_take_out(struct edge_catalog *catalog, struct edge_model *draft)
{
    bool is_removed = edge_model_try_remove(draft);
    if (is_removed) {
        ll_log(LL_LOG_INFO, "models", "draft %s removed", edge_model_short_id(draft));
        edge_catalog_take_out(catalog, draft);
    }
    return is_removed;
}

void edge_catalog_retire_draft(struct edge_catalog *catalog, struct edge_model *draft)
{
    edge_model_retire(draft);
    edge_catalog_try_take_out(catalog, draft);
}

void edge_catalog_retire_drafts(struct edge_catalog *catalog, const struct edge_model *exact)
{
    struct edge_model *drafts[EDGE_CATALOG_DRAFTS];
    int count = edge_catalog_list_drafts(catalog, exact, drafts, EDGE_CATALOG_DRAFTS);
    for (int i = 0; i < count; i++) {
        edge_catalog_retire_draft(catalog, drafts[i]);
        edge_model_unref(drafts[i]);
    }
}
