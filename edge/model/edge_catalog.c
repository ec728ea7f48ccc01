/* Models stand in an array in order of arrival. The catalog's lock guards the array only; whether
 * a model is in use is the model's own atomic, so that taking one out of the array needs no second
 * lock. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_limits.h"
#include "core/ll_log.h"
#include "core/ll_sync.h"
#include "edge/model/edge_catalog_state.h"
#include "edge/model/edge_store_models.h"

LL_NO_ANALYSIS ll_status edge_catalog_create(const struct edge_catalog_config *config,
                                             struct edge_catalog **out_catalog)
{
    struct edge_catalog *catalog = calloc(1, sizeof(*catalog));
    struct edge_model **list = calloc((size_t)config->most_models, sizeof(struct edge_model *));
    struct edge_model **visited = calloc((size_t)config->most_models, sizeof(struct edge_model *));
    if (!catalog || !list || !visited) {
        free(catalog);
        free(list);
        free(visited);
        return LL_E_NO_MEMORY;
    }
    catalog->engine = config->engine;
    catalog->store = config->store;
    catalog->most_models = config->most_models;
    catalog->rest_ns = config->rest_ns;
    catalog->list = list;
    catalog->visited = visited;
    ll_mutex_init(&catalog->lock);
    if (ll_engine_memory(config->engine)) {
        ll_memory_set_reclaim(ll_engine_memory(config->engine), edge_catalog_make_room, catalog);
    }
    *out_catalog = catalog;
    return LL_OK;
}

LL_NO_ANALYSIS void edge_catalog_destroy(struct edge_catalog *catalog)
{
    if (!catalog) {
        return;
    }
    if (ll_engine_memory(catalog->engine)) {
        ll_memory_set_reclaim(ll_engine_memory(catalog->engine), NULL, NULL);
    }
    for (int i = 0; i < catalog->count; i++) {
        edge_model_touch(catalog->list[i]);
        edge_model_unref(catalog->list[i]);
    }
    ll_mutex_finish(&catalog->lock);
    free(catalog->list);
    free(catalog->visited);
    free(catalog);
}

ll_status edge_catalog_remove(struct edge_catalog *catalog, const char *id_text,
                              struct ll_error *err)
{
    struct edge_model *model = NULL;
    ll_status status = edge_catalog_find(catalog, id_text, &model, err);
    if (status != LL_OK) {
        return status;
    }
    if (edge_model_try_remove(model)) {
        ll_log(LL_LOG_INFO, "models", "%s deleted", edge_model_short_id(model));
        edge_catalog_take_out(catalog, model);
    } else if (edge_model_is_removed(model)) {
        status = ll_fail(err, LL_E_NOT_FOUND, "no model %s here", id_text);
    } else {
        status = ll_fail(err, LL_E_PRECONDITION, "an upload or a query uses model %s", id_text);
    }
    edge_model_unref(model);
    return status;
}

/* Whether it is ready, or would be if somebody wanted it. */
static bool is_ready(const struct edge_model *model)
{
    return edge_model_prefix(model) == edge_model_table(model)->layer_count;
}

static bool is_whole(const struct edge_model *model)
{
    return is_ready(model) || (edge_model_is_kept(model) && edge_model_has_all_weights(model));
}

/* A reference to the unused model that goes first, or NULL. One that has weights and is whole goes
 * only if it was last used at `used_until_ns` or before. `for_memory`: one that the store keeps
 * goes only if that gives memory back. */
static struct edge_model *find_victim(struct edge_catalog *catalog, int64_t used_until_ns,
                                      bool for_memory)
{
    struct edge_model *victim = NULL;
    bool victim_has_weights = true;
    ll_mutex_lock(&catalog->lock);
    for (int i = 0; i < catalog->count; i++) {
        struct edge_model *model = catalog->list[i];
        bool has_weights = edge_model_has_weights(model);
        int64_t used_ns = edge_model_last_use_ns(model);
        bool rests = has_weights && is_whole(model) && used_ns > used_until_ns;
        bool is_in_vain =
            for_memory && edge_model_is_kept(model) && !edge_model_holds_memory(model);
        if (edge_model_is_used(model) || edge_model_is_creating(model) || rests || is_in_vain) {
            continue;
        }
        bool goes_first = has_weights == victim_has_weights
                              ? !victim || used_ns < edge_model_last_use_ns(victim)
                              : !has_weights;
        if (goes_first) {
            victim = model;
            victim_has_weights = has_weights;
        }
    }
    if (victim) {
        edge_model_ref(victim);
    }
    ll_mutex_unlock(&catalog->lock);
    return victim;
}

/* Until when models must have been used last to be evicted for a newcomer. */
static int64_t used_until_ns(const struct edge_catalog *catalog, const struct edge_model *newcomer)
{
    bool has_weights = newcomer && edge_model_has_weights(newcomer);
    return has_weights ? INT64_MAX : ll_clock_now_ns() - catalog->rest_ns;
}

bool edge_catalog_has_room(struct edge_catalog *catalog)
{
    ll_mutex_lock(&catalog->lock);
    bool has_room = catalog->count < catalog->most_models;
    ll_mutex_unlock(&catalog->lock);
    struct edge_model *victim = NULL;
    if (!has_room) {
        victim = find_victim(catalog, used_until_ns(catalog, NULL), false);
    }
    edge_model_unref(victim);
    return has_room || victim;
}

static bool evict(struct edge_catalog *catalog, int64_t until_ns, bool for_memory)
{
    struct edge_model *victim = NULL;
    while ((victim = find_victim(catalog, until_ns, for_memory)) != NULL) {
        bool is_removed = edge_model_try_remove(victim);
        if (is_removed) {
            ll_log(LL_LOG_INFO, "models", "%s evicted: %s", edge_model_short_id(victim),
                   edge_model_has_weights(victim) ? "unused for longest" : "it has no weights");
            edge_catalog_take_out(catalog, victim);
        }
        edge_model_unref(victim);
        if (is_removed) {
            return true;
        }
    }
    return false;
}

bool edge_catalog_evict(struct edge_catalog *catalog)
{
    return evict(catalog, INT64_MAX, false);
}

bool edge_catalog_evict_for_memory(struct edge_catalog *catalog)
{
    return evict(catalog, INT64_MAX, true);
}

bool edge_catalog_evict_for(struct edge_catalog *catalog, const struct edge_model *newcomer)
{
    return evict(catalog, used_until_ns(catalog, newcomer), false);
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

/* Whether a run can be stopped soon enough wherever it is. */
static ll_status check_groups(const struct ll_table *table, struct ll_error *err)
{
    int first = 0;
    int64_t flops = 0;
    for (int i = 0; i < table->layer_count; i++) {
        flops += table->layers[i].flops;
        if (flops > LL_LIMIT_GROUP_FLOPS) {
            return ll_fail_limit(err, "group_flops", LL_LIMIT_GROUP_FLOPS, 0,
                                 "cfg: layers %d to %d, which run as one, take %lld operations: "
                                 "limit group_flops is %lld",
                                 first, i, (long long)flops, (long long)LL_LIMIT_GROUP_FLOPS);
        }
        if (table->layers[i].ends_group) {
            first = i + 1;
            flops = 0;
        }
    }
    return LL_OK;
}

ll_status edge_catalog_insert(struct edge_catalog *catalog, struct edge_model *model,
                              struct ll_error *err)
{
    bool has_room = false;
    bool is_acquired = edge_model_acquire(model);
    assert(is_acquired);
    (void)is_acquired;
    do {
        ll_mutex_lock(&catalog->lock);
        has_room = catalog->count < catalog->most_models;
        if (has_room) {
            catalog->list[catalog->count++] = edge_model_ref(model);
        }
        ll_mutex_unlock(&catalog->lock);
    } while (!has_room && edge_catalog_evict_for(catalog, model));
    return has_room
               ? LL_OK
               : ll_fail_limit(err, "models", catalog->most_models, LL_RETRY_MS,
                               "all models are in use: limit models is %d", catalog->most_models);
}

ll_status edge_catalog_build(struct edge_catalog *catalog, struct ll_manifest *manifest,
                             const struct ll_plan *plan, struct edge_model **out_model,
                             struct ll_error *err)
{
    struct ll_network *network = NULL;
    ll_status status =
        ll_engine_parse(catalog->engine, manifest->cfg, manifest->cfg_bytes, &network, err);
    if (status != LL_OK) {
        ll_error_prefix(err, "cfg");
        return status;
    }
    status = check_blobs(manifest, &network->table, err);
    if (status == LL_OK) {
        status = check_groups(&network->table, err);
    }
    if (status == LL_OK && plan) {
        status = ll_plan_check(&network->table, plan, err);
    }
    if (status == LL_OK && network->table.blob_bytes > edge_store_budget_bytes(catalog->store)) {
        int64_t budget_bytes = edge_store_budget_bytes(catalog->store);
        status = ll_fail_limit(err, "store_bytes", budget_bytes, 0,
                               "the model has %lld bytes of weights: limit store_bytes is %lld",
                               (long long)network->table.blob_bytes, (long long)budget_bytes);
    }
    if (status == LL_OK) {
        status =
            edge_model_create(catalog->engine, catalog->store, manifest, network, out_model, err);
    }
    ll_network_unref(network);
    return status;
}

ll_status edge_catalog_open(struct edge_catalog *catalog, struct ll_manifest *manifest,
                            const struct ll_plan *plan, struct edge_model **out_model,
                            struct ll_error *err)
{
    struct ll_digest id;
    ll_status status = ll_manifest_model_id(manifest, &id);
    if (status != LL_OK) {
        return ll_fail(err, status, "out of memory");
    }
    struct edge_model *model = edge_catalog_use_id(catalog, &id);
    if (model) {
        status = ll_plan_check(edge_model_table(model), plan, err);
        if (status != LL_OK) {
            edge_model_release(model);
            edge_model_unref(model);
            return status;
        }
        *out_model = model;
        return LL_OK;
    }
    status = edge_catalog_build(catalog, manifest, plan, &model, err);
    if (status == LL_OK) {
        status = edge_catalog_insert(catalog, model, err);
    }
    if (status != LL_OK) {
        edge_model_unref(model);
        return status;
    }
    *out_model = model;
    return LL_OK;
}
