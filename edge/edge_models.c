/* Models stand in an array in order of arrival. The registry's lock guards the array only; whether
 * a model is in use is the model's own atomic, so that taking one out of the array needs no second
 * lock. */
#include "edge/edge_models.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_log.h"
#include "core/ll_sync.h"

struct observer {
    edge_model_changed changed;
    void *arg;
};

struct edge_models {
    struct ll_engine *engine;
    struct edge_store *store;
    int most_models;
    int observer_count;
    struct observer observers[EDGE_MODELS_OBSERVERS];
    /* edge_models_with_blob's own, as large as `list`. */
    struct edge_model **visited;

    struct ll_mutex lock;
    /* Guarded by lock. */
    int count LL_GUARDED_BY(lock);
    /* most_models of them. */
    struct edge_model **list LL_GUARDED_BY(lock);
};

LL_NO_ANALYSIS ll_status edge_models_create(const struct edge_models_config *config,
                                            struct edge_models **out_models)
{
    struct edge_models *models = calloc(1, sizeof(*models));
    struct edge_model **list = calloc((size_t)config->most_models, sizeof(struct edge_model *));
    struct edge_model **visited = calloc((size_t)config->most_models, sizeof(struct edge_model *));
    if (!models || !list || !visited) {
        free(models);
        free(list);
        free(visited);
        return LL_E_NO_MEMORY;
    }
    models->engine = config->engine;
    models->store = config->store;
    models->most_models = config->most_models;
    models->list = list;
    models->visited = visited;
    ll_mutex_init(&models->lock);
    *out_models = models;
    return LL_OK;
}

LL_NO_ANALYSIS void edge_models_destroy(struct edge_models *models)
{
    if (!models) {
        return;
    }
    for (int i = 0; i < models->count; i++) {
        edge_model_unref(models->list[i]);
    }
    ll_mutex_finish(&models->lock);
    free(models->list);
    free(models->visited);
    free(models);
}

void edge_models_observe(struct edge_models *models, edge_model_changed changed, void *arg)
{
    assert(models->observer_count < EDGE_MODELS_OBSERVERS);
    models->observers[models->observer_count++] = (struct observer){changed, arg};
}

void edge_models_notify(struct edge_models *models, struct edge_model *model, edge_change change)
{
    for (int i = 0; i < models->observer_count; i++) {
        models->observers[i].changed(models->observers[i].arg, model, change);
    }
}

void edge_models_with_blob(struct edge_models *models, const struct edge_blob *blob,
                           void (*visit)(void *arg, struct edge_model *model), void *arg)
{
    int count = 0;
    ll_mutex_lock(&models->lock);
    for (int i = 0; i < models->count; i++) {
        if (edge_model_has_blob(models->list[i], blob)) {
            models->visited[count++] = edge_model_ref(models->list[i]);
        }
    }
    ll_mutex_unlock(&models->lock);
    for (int i = 0; i < count; i++) {
        visit(arg, models->visited[i]);
        edge_model_unref(models->visited[i]);
    }
}

static struct edge_model *find(struct edge_models *models, const struct ll_digest *id)
{
    struct edge_model *found = NULL;
    ll_mutex_lock(&models->lock);
    for (int i = 0; i < models->count && !found; i++) {
        if (ll_digest_equal(edge_model_id(models->list[i]), id)) {
            found = edge_model_ref(models->list[i]);
        }
    }
    ll_mutex_unlock(&models->lock);
    return found;
}

ll_status edge_models_find(struct edge_models *models, const char *id_text,
                           struct edge_model **out_model, struct ll_error *err)
{
    struct ll_digest id;
    if (!id_text || ll_digest_parse(id_text, &id) != LL_OK) {
        return ll_fail(err, LL_E_INVALID, "model_id is not \"sha256:\" and 64 hex digits");
    }
    struct edge_model *model = find(models, &id);
    if (!model) {
        return ll_fail(err, LL_E_NOT_FOUND, "no model %s here", id_text);
    }
    *out_model = model;
    return LL_OK;
}

ll_status edge_models_list(struct edge_models *models, struct edge_model ***out_list,
                           int *out_count)
{
    struct edge_model **list = calloc((size_t)models->most_models, sizeof(struct edge_model *));
    if (!list) {
        return LL_E_NO_MEMORY;
    }
    ll_mutex_lock(&models->lock);
    int count = models->count;
    for (int i = 0; i < count; i++) {
        list[i] = edge_model_ref(models->list[i]);
    }
    ll_mutex_unlock(&models->lock);
    *out_list = list;
    *out_count = count;
    return LL_OK;
}

/* The model is marked as removed: takes it out of the array and tells everybody. */
static void take_out(struct edge_models *models, struct edge_model *model)
{
    ll_mutex_lock(&models->lock);
    int at = 0;
    while (at < models->count && models->list[at] != model) {
        at++;
    }
    assert(at < models->count);
    models->count--;
    memmove(&models->list[at], &models->list[at + 1],
            (size_t)(models->count - at) * sizeof(struct edge_model *));
    ll_mutex_unlock(&models->lock);
    edge_models_notify(models, model, EDGE_CHANGE_REMOVED);
    edge_model_unref(model);
}

ll_status edge_models_remove(struct edge_models *models, const char *id_text, struct ll_error *err)
{
    struct edge_model *model = NULL;
    ll_status status = edge_models_find(models, id_text, &model, err);
    if (status != LL_OK) {
        return status;
    }
    if (edge_model_try_remove(model)) {
        ll_log(LL_LOG_INFO, "models", "%s deleted", edge_model_short_id(model));
        take_out(models, model);
    } else if (edge_model_is_removed(model)) {
        status = ll_fail(err, LL_E_NOT_FOUND, "no model %s here", id_text);
    } else {
        status = ll_fail(err, LL_E_PRECONDITION, "an upload or a query uses model %s", id_text);
    }
    edge_model_unref(model);
    return status;
}

/* A reference to the model that has been unused for longest, or NULL. */
static struct edge_model *find_oldest(struct edge_models *models)
{
    struct edge_model *oldest = NULL;
    ll_mutex_lock(&models->lock);
    for (int i = 0; i < models->count; i++) {
        struct edge_model *model = models->list[i];
        if (!edge_model_is_used(model) &&
            (!oldest || edge_model_last_use_ns(model) < edge_model_last_use_ns(oldest))) {
            oldest = model;
        }
    }
    if (oldest) {
        edge_model_ref(oldest);
    }
    ll_mutex_unlock(&models->lock);
    return oldest;
}

bool edge_models_evict(struct edge_models *models)
{
    struct edge_model *oldest = NULL;
    while ((oldest = find_oldest(models)) != NULL) {
        bool is_removed = edge_model_try_remove(oldest);
        if (is_removed) {
            ll_log(LL_LOG_INFO, "models", "%s evicted: unused for longest",
                   edge_model_short_id(oldest));
            take_out(models, oldest);
        }
        edge_model_unref(oldest);
        if (is_removed) {
            return true;
        }
    }
    return false;
}

/* Whether every layer has the blob size that its cfg asks for. */
static ll_status check_blobs(const struct ll_manifest *manifest, const struct ll_table *table,
                             struct ll_error *err)
{
    if (manifest->blob_count != table->layer_count) {
        return ll_fail(err, LL_E_INVALID, "manifest: %d blobs, but the cfg has %d layers",
                       manifest->blob_count, table->layer_count);
    }
    for (int i = 0; i < table->layer_count; i++) {
        if (manifest->blobs[i].bytes != table->layers[i].blob_bytes) {
            return ll_fail(err, LL_E_INVALID,
                           "manifest: the blob of layer %d (%s) has %lld bytes instead of %lld", i,
                           table->layers[i].type, (long long)manifest->blobs[i].bytes,
                           (long long)table->layers[i].blob_bytes);
        }
    }
    return LL_OK;
}

/* Puts a new model into the array; a full one evicts. Takes the caller's reference on LL_OK. */
static ll_status insert(struct edge_models *models, struct edge_model *model, struct ll_error *err)
{
    bool has_room = false;
    do {
        ll_mutex_lock(&models->lock);
        has_room = models->count < models->most_models;
        if (has_room) {
            models->list[models->count++] = model;
        }
        ll_mutex_unlock(&models->lock);
    } while (!has_room && edge_models_evict(models));
    return has_room ? LL_OK
                    : ll_fail(err, LL_E_EXHAUSTED, "all models are in use: limit models is %d",
                              models->most_models);
}

static ll_status make_model(struct edge_models *models, struct ll_manifest *manifest,
                            const struct ll_plan *plan, struct edge_model **out_model,
                            struct ll_error *err)
{
    struct ll_network *network = NULL;
    struct edge_model *model = NULL;
    ll_status status =
        ll_engine_parse(models->engine, manifest->cfg, manifest->cfg_bytes, &network, err);
    if (status != LL_OK) {
        ll_error_prefix(err, "cfg");
        return status;
    }
    status = check_blobs(manifest, &network->table, err);
    if (status == LL_OK) {
        status = ll_plan_check(&network->table, plan, err);
    }
    if (status == LL_OK && network->table.blob_bytes > edge_store_budget_bytes(models->store)) {
        status = ll_fail(err, LL_E_EXHAUSTED,
                         "the model has %lld bytes of weights: limit store_bytes is %lld",
                         (long long)network->table.blob_bytes,
                         (long long)edge_store_budget_bytes(models->store));
    }
    if (status == LL_OK) {
        status = edge_model_create(models->engine, models->store, manifest, network, &model, err);
    }
    ll_network_unref(network);
    if (status != LL_OK) {
        return status;
    }
    bool is_acquired = edge_model_acquire(model);
    assert(is_acquired);
    (void)is_acquired;
    edge_model_ref(model);
    status = insert(models, model, err);
    if (status != LL_OK) {
        edge_model_unref(model);
        edge_model_unref(model);
        return status;
    }
    *out_model = model;
    return LL_OK;
}

ll_status edge_models_open(struct edge_models *models, struct ll_manifest *manifest,
                           const struct ll_plan *plan, struct edge_model **out_model,
                           struct ll_error *err)
{
    struct ll_digest id;
    ll_status status = ll_manifest_model_id(manifest, &id);
    if (status != LL_OK) {
        return ll_fail(err, status, "out of memory");
    }
    struct edge_model *model = find(models, &id);
    if (model && edge_model_acquire(model)) {
        status = ll_plan_check(edge_model_table(model), plan, err);
        if (status != LL_OK) {
            edge_model_release(model);
            edge_model_unref(model);
            return status;
        }
        *out_model = model;
        return LL_OK;
    }
    edge_model_unref(model);
    return make_model(models, manifest, plan, out_model, err);
}
