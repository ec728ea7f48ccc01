#include "edge/model/edge_model.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_limits.h"
#include "edge/model/edge_model_state.h"
#include "edge/model/edge_store_models.h"

/* A store hears of a model's use at most once in TOUCH_S. */
enum { REMOVED = -1, TOUCH_S = 60 };

LL_NO_ANALYSIS static void destroy(struct edge_model *model)
{
    edge_model_drop_idle(model);
    ll_engine_model_destroy(model->engine_model);
    for (int i = 0; model->blobs && i < model->network->table.layer_count; i++) {
        edge_blob_unref(model->blobs[i]);
    }
    for (int i = 0; model->exact_blobs && i < model->network->table.layer_count; i++) {
        edge_blob_unref(model->exact_blobs[i]);
    }
    free(model->blobs);
    free(model->exact_blobs);
    free(model->stretch_blobs);
    free(model->borders);
    free(model->creations);
    free(model->times);
    ll_network_unref(model->network);
    ll_manifest_finish(&model->manifest);
    ll_mutex_finish(&model->lock);
    free(model);
}

static ll_status get_blobs(struct edge_model *model, struct edge_store *store,
                           const struct ll_manifest *manifest)
{
    for (int i = 0; i < manifest->blob_count; i++) {
        const struct ll_blob_name *name = &manifest->blobs[i];
        if (name->bytes == 0) {
            continue;
        }
        ll_status status = edge_store_get(store, &name->digest, name->bytes, &model->blobs[i]);
        if (status != LL_OK) {
            return status;
        }
    }
    return LL_OK;
}

LL_NO_ANALYSIS ll_status edge_model_create(struct ll_engine *engine, struct edge_store *store,
                                           struct ll_manifest *manifest, struct ll_network *network,
                                           struct edge_model **out_model, struct ll_error *err)
{
    size_t count = (size_t)network->table.layer_count;
    assert((size_t)manifest->blob_count == count);
    struct edge_model *model = calloc(1, sizeof(*model));
    if (!model) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory for a model");
    }
    atomic_init(&model->refs, 1);
    model->turn.model = model;
    model->store = store;
    ll_mutex_init(&model->lock);
    model->network = ll_network_ref(network);
    model->blobs = calloc(count, sizeof(struct edge_blob *));
    model->exact_blobs = calloc(count, sizeof(struct edge_blob *));
    model->stretch_blobs = calloc(count, sizeof(struct ll_buf *));
    model->borders = calloc(count + 1, sizeof(int));
    model->creations = calloc(count, sizeof(struct edge_creation));
    model->times = calloc(count, sizeof(struct edge_layer_times));
    ll_status status = ll_fail(err, LL_E_NO_MEMORY, "out of memory for a model");
    if (model->blobs && model->exact_blobs && model->stretch_blobs && model->borders &&
        model->creations && model->times) {
        status = ll_manifest_model_id(manifest, &model->id);
    }
    if (status == LL_OK) {
        status = get_blobs(model, store, manifest);
    }
    if (status == LL_OK) {
        status = ll_engine_model_create(engine, network, &model->engine_model, err);
    }
    if (status != LL_OK) {
        destroy(model);
        return status;
    }
    ll_engine_model_set_stop(model->engine_model, &model->stops_creation);
    ll_engine_model_set_warm_flops(model->engine_model, LL_LIMIT_WARM_FLOPS);
    ll_digest_format(&model->id, model->id_text);
    memcpy(model->short_id, model->id_text + strlen("sha256:"), EDGE_MODEL_SHORT_ID_DIGITS);
    atomic_store(&model->last_use_ns, ll_clock_now_ns());
    model->manifest = *manifest;
    *manifest = (struct ll_manifest){0};
    *out_model = model;
    return LL_OK;
}

ll_status edge_model_copy(struct ll_engine *engine, struct edge_store *store,
                          struct edge_model *model, struct edge_model **out_copy)
{
    struct ll_manifest manifest;
    const struct ll_manifest *from = &model->manifest;
    ll_status status = ll_manifest_init(&manifest, from->cfg, from->cfg_bytes, from->blob_count);
    if (status != LL_OK) {
        return status;
    }
    memcpy(manifest.blobs, from->blobs, (size_t)from->blob_count * sizeof(*from->blobs));
    status = edge_model_create(engine, store, &manifest, model->network, out_copy, NULL);
    ll_manifest_finish(&manifest);
    if (status != LL_OK) {
        return status;
    }
    struct edge_model *copy = *out_copy;
    struct edge_peer owner;
    if (edge_model_get_owner(model, &owner)) {
        edge_model_set_owner(copy, &owner);
    }
    atomic_store(&copy->has_drafts, atomic_load(&model->has_drafts));
    copy->created_unix_ns = model->created_unix_ns;
    atomic_store(&copy->is_kept, atomic_load(&model->is_kept));
    atomic_store(&copy->touched_ns, atomic_load(&model->touched_ns));
    atomic_store(&copy->last_use_ns, atomic_load(&model->last_use_ns));
    return LL_OK;
}

struct edge_model *edge_model_ref(struct edge_model *model)
{
    atomic_fetch_add(&model->refs, 1);
    return model;
}

void edge_model_unref(struct edge_model *model)
{
    if (model && atomic_fetch_sub(&model->refs, 1) == 1) {
        destroy(model);
    }
}

const struct ll_digest *edge_model_id(const struct edge_model *model)
{
    return &model->id;
}

const char *edge_model_id_text(const struct edge_model *model)
{
    return model->id_text;
}

const char *edge_model_short_id(const struct edge_model *model)
{
    return model->short_id;
}

const struct ll_manifest *edge_model_manifest(const struct edge_model *model)
{
    return &model->manifest;
}

const struct ll_table *edge_model_table(const struct edge_model *model)
{
    return &model->network->table;
}

struct edge_blob *edge_model_blob(const struct edge_model *model, int layer)
{
    return model->blobs[layer];
}

bool edge_model_has_weights(const struct edge_model *model)
{
    for (int i = 0; i < model->network->table.layer_count; i++) {
        if (model->blobs[i] && edge_blob_data(model->blobs[i])) {
            return true;
        }
    }
    return false;
}

bool edge_model_has_all_weights(const struct edge_model *model)
{
    for (int i = 0; i < model->network->table.layer_count; i++) {
        if (!edge_model_is_available(model, i)) {
            return false;
        }
    }
    return true;
}

bool edge_model_holds_memory(const struct edge_model *model)
{
    bool holds = edge_model_prefix(model) > 0;
    for (int i = 0; i < model->network->table.layer_count && !holds; i++) {
        holds = model->blobs[i] && edge_blob_holds_memory(model->blobs[i]);
    }
    return holds;
}

bool edge_model_has_blob(const struct edge_model *model, const struct edge_blob *blob)
{
    for (int i = 0; i < model->network->table.layer_count; i++) {
        if (model->blobs[i] == blob || model->exact_blobs[i] == blob) {
            return true;
        }
    }
    return false;
}

bool edge_model_acquire(struct edge_model *model)
{
    int uses = atomic_load(&model->uses);
    while (uses != REMOVED) {
        if (atomic_compare_exchange_weak(&model->uses, &uses, uses + 1)) {
            return true;
        }
    }
    return false;
}

void edge_model_release(struct edge_model *model)
{
    int64_t now_ns = ll_clock_now_ns();
    atomic_store(&model->last_use_ns, now_ns);
    if (now_ns - atomic_load(&model->touched_ns) > TOUCH_S * LL_NS_PER_S) {
        edge_model_touch(model);
    }
    int before = atomic_fetch_sub(&model->uses, 1);
    assert(before > 0);
    (void)before;
}

/* ---- What lasts ---- */

void edge_model_set_kept(struct edge_model *model, int64_t age_ns, uint64_t created_unix_ns)
{
    int64_t used_ns = ll_clock_now_ns() - age_ns;
    model->created_unix_ns = created_unix_ns;
    atomic_store(&model->last_use_ns, used_ns);
    atomic_store(&model->touched_ns, used_ns);
    atomic_store(&model->is_kept, true);
}

bool edge_model_is_kept(const struct edge_model *model)
{
    return atomic_load(&model->is_kept);
}

uint64_t edge_model_created_unix_ns(const struct edge_model *model)
{
    return model->created_unix_ns;
}

void edge_model_touch(struct edge_model *model)
{
    int64_t used_ns = atomic_load(&model->last_use_ns);
    /* A draft is in its model's file. */
    if (atomic_load(&model->is_kept) && model->mantissa_bits == 0 &&
        used_ns > atomic_load(&model->touched_ns)) {
        atomic_store(&model->touched_ns, used_ns);
        edge_store_touch_model(model->store, &model->id, ll_clock_now_ns() - used_ns);
    }
}

void edge_model_sync_blobs(struct edge_model *model)
{
    edge_store_sync_blobs(model->store, model->blobs, model->network->table.layer_count);
}

/* ---- Use ---- */

bool edge_model_is_used(const struct edge_model *model)
{
    return atomic_load(&model->uses) > 0;
}

bool edge_model_try_remove(struct edge_model *model)
{
    int uses = 0;
    bool is_removed = atomic_compare_exchange_strong(&model->uses, &uses, REMOVED);
    if (is_removed) {
        edge_model_stop_creation(model);
    }
    return is_removed;
}

bool edge_model_is_removed(const struct edge_model *model)
{
    return atomic_load(&model->uses) == REMOVED;
}

void edge_model_set_owner(struct edge_model *model, const struct edge_peer *peer)
{
    ll_mutex_lock(&model->lock);
    if (!model->has_owner) {
        model->has_owner = true;
        model->owner = *peer;
    }
    ll_mutex_unlock(&model->lock);
}

bool edge_model_get_owner(struct edge_model *model, struct edge_peer *out_peer)
{
    ll_mutex_lock(&model->lock);
    bool has_owner = model->has_owner;
    if (has_owner) {
        *out_peer = model->owner;
    }
    ll_mutex_unlock(&model->lock);
    return has_owner;
}

bool edge_model_is_owned_by(struct edge_model *model, const struct edge_peer *peer)
{
    ll_mutex_lock(&model->lock);
    bool is_owner = model->has_owner && edge_peer_equal(&model->owner, peer);
    ll_mutex_unlock(&model->lock);
    return is_owner;
}

bool edge_model_may_be_deleted_by(struct edge_model *model, const struct edge_peer *peer)
{
    return edge_model_is_owned_by(model, peer) || edge_peer_is_loopback(peer);
}

int64_t edge_model_last_use_ns(const struct edge_model *model)
{
    return atomic_load(&model->last_use_ns);
}

int edge_model_prefix(const struct edge_model *model)
{
    return atomic_load_explicit(&model->prefix, memory_order_acquire);
}

bool edge_model_has_failed(const struct edge_model *model)
{
    return atomic_load(&model->has_failed);
}

bool edge_model_is_available(const struct edge_model *model, int layer)
{
    const struct edge_blob *blob = model->blobs[layer];
    const struct edge_blob *exact = model->exact_blobs[layer];
    return !blob || edge_blob_data(blob) || (exact && edge_blob_data(exact));
}

void edge_model_get_info(struct edge_model *model, struct edge_model_info *out_info)
{
    int count = model->network->table.layer_count;
    int64_t received_bytes = 0;
    int64_t stored_bytes = 0;
    for (int i = 0; i < count; i++) {
        received_bytes += model->blobs[i] ? edge_blob_written(model->blobs[i]) : 0;
        stored_bytes += model->blobs[i] ? edge_blob_stored(model->blobs[i]) : 0;
    }
    ll_mutex_lock(&model->lock);
    *out_info = (struct edge_model_info){
        .prefix = atomic_load(&model->prefix),
        .received_bytes = received_bytes,
        .stored_bytes = atomic_load(&model->is_kept) ? stored_bytes : 0,
        .creations = model->creation_count,
        .queries = model->queries,
        .uploads = model->uploads,
        .failure_status = model->failure_status,
        .failure = model->failure,
    };
    for (int i = 0; i < model->creation_count; i++) {
        out_info->creation_ns += model->creations[i].wall_ns;
    }
    ll_mutex_unlock(&model->lock);
    if (out_info->prefix == count) {
        out_info->state = EDGE_MODEL_READY;
    } else if (out_info->failure_status != LL_OK) {
        out_info->state = EDGE_MODEL_FAILED;
    } else {
        out_info->state =
            edge_model_has_all_weights(model) ? EDGE_MODEL_CREATING : EDGE_MODEL_PARTIAL;
    }
}

void edge_model_stop_creation(struct edge_model *model)
{
    atomic_store(&model->stops_creation, true);
}

void edge_model_drop_idle(struct edge_model *model)
{
    ll_mutex_lock(&model->lock);
    struct ll_engine_context **idle = model->idle;
    int count = model->idle_count;
    model->idle = NULL;
    model->idle_count = 0;
    model->idle_room = 0;
    atomic_store(&model->idle_bytes, 0);
    ll_mutex_unlock(&model->lock);
    for (int i = 0; i < count; i++) {
        ll_engine_context_destroy(idle[i]);
    }
    free(idle);
}
