/* Everything that changes is guarded by the model's lock, except three things that are read on hot
 * paths: the prefix (published with release order after the layers below it are created), whether a
 * blob is available (the store's atomic), and the count of uses, whose negative value says that the
 * model is removed, so that "in use" and "removed" exclude each other without a second lock. */
#include "edge/model/edge_model.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_limits.h"
#include "core/ll_sync.h"

enum {
    REMOVED = -1,
    SHORT_ID_DIGITS = 12,
    /* A context in the pool takes at most this part of the budget: larger ones are rare, and
     * allocating them anew is little beside their runs. */
    IDLE_PARTS = 16,
};

struct layer_times {
    int64_t sum_ns;
    int64_t runs;
};

struct edge_model {
    atomic_int refs;
    /* REMOVED, or how many sessions and queries use the model. */
    atomic_int uses;
    atomic_int_least64_t last_use_ns;
    struct ll_digest id;
    char id_text[LL_DIGEST_TEXT_BYTES];
    char short_id[SHORT_ID_DIGITS + 1];
    struct ll_manifest manifest;
    struct ll_network *network;
    struct ll_engine_model *engine_model;
    struct edge_blob **blobs;
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
    struct layer_times *times LL_GUARDED_BY(lock);
    int idle_count LL_GUARDED_BY(lock);
    int idle_room LL_GUARDED_BY(lock);
    struct ll_engine_context **idle LL_GUARDED_BY(lock);
};

LL_NO_ANALYSIS static void destroy(struct edge_model *model)
{
    edge_model_drop_idle(model);
    ll_engine_model_destroy(model->engine_model);
    for (int i = 0; model->blobs && i < model->network->table.layer_count; i++) {
        edge_blob_unref(model->blobs[i]);
    }
    free(model->blobs);
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
    ll_mutex_init(&model->lock);
    model->network = ll_network_ref(network);
    model->blobs = calloc(count, sizeof(struct edge_blob *));
    model->stretch_blobs = calloc(count, sizeof(struct ll_buf *));
    model->borders = calloc(count + 1, sizeof(int));
    model->creations = calloc(count, sizeof(struct edge_creation));
    model->times = calloc(count, sizeof(struct layer_times));
    ll_status status = ll_fail(err, LL_E_NO_MEMORY, "out of memory for a model");
    if (model->blobs && model->stretch_blobs && model->borders && model->creations &&
        model->times) {
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
    memcpy(model->short_id, model->id_text + strlen("sha256:"), SHORT_ID_DIGITS);
    atomic_store(&model->last_use_ns, ll_clock_now_ns());
    model->manifest = *manifest;
    *manifest = (struct ll_manifest){0};
    *out_model = model;
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

bool edge_model_has_blob(const struct edge_model *model, const struct edge_blob *blob)
{
    for (int i = 0; i < model->network->table.layer_count; i++) {
        if (model->blobs[i] == blob) {
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
    atomic_store(&model->last_use_ns, ll_clock_now_ns());
    int before = atomic_fetch_sub(&model->uses, 1);
    assert(before > 0);
    (void)before;
}

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

bool edge_model_may_be_deleted_by(struct edge_model *model, const struct edge_peer *peer)
{
    ll_mutex_lock(&model->lock);
    bool is_owner = model->has_owner && edge_peer_equal(&model->owner, peer);
    ll_mutex_unlock(&model->lock);
    return is_owner || edge_peer_is_loopback(peer);
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
    return !model->blobs[layer] || edge_blob_data(model->blobs[layer]) != NULL;
}

void edge_model_get_info(struct edge_model *model, struct edge_model_info *out_info)
{
    int count = model->network->table.layer_count;
    int64_t received_bytes = 0;
    for (int i = 0; i < count; i++) {
        received_bytes += model->blobs[i] ? edge_blob_written(model->blobs[i]) : 0;
    }
    ll_mutex_lock(&model->lock);
    *out_info = (struct edge_model_info){
        .prefix = atomic_load(&model->prefix),
        .received_bytes = received_bytes,
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
    bool is_here = true;
    for (int i = 0; i < count; i++) {
        is_here = is_here && edge_model_is_available(model, i);
    }
    if (out_info->prefix == count) {
        out_info->state = EDGE_MODEL_READY;
    } else if (out_info->failure_status != LL_OK) {
        out_info->state = EDGE_MODEL_FAILED;
    } else {
        out_info->state = is_here ? EDGE_MODEL_CREATING : EDGE_MODEL_PARTIAL;
    }
}

void edge_model_open_upload(struct edge_model *model, const struct ll_plan *plan)
{
    ll_mutex_lock(&model->lock);
    model->uploads++;
    for (int i = 0; i < plan->count; i++) {
        model->borders[plan->partitions[i].end]++;
    }
    model->failure_status = LL_OK;
    model->failure.text[0] = '\0';
    atomic_store(&model->has_failed, false);
    ll_mutex_unlock(&model->lock);
}

void edge_model_close_upload(struct edge_model *model, const struct ll_plan *plan)
{
    ll_mutex_lock(&model->lock);
    model->uploads--;
    for (int i = 0; i < plan->count; i++) {
        model->borders[plan->partitions[i].end]--;
    }
    ll_mutex_unlock(&model->lock);
}

static int next_border_locked(struct edge_model *model, int64_t most_bytes) LL_REQUIRES(model->lock)
{
    const struct ll_table *table = &model->network->table;
    int prefix = atomic_load(&model->prefix);
    int end = prefix;
    int64_t bytes = 0;
    if (model->failure_status != LL_OK || edge_model_is_removed(model)) {
        return prefix;
    }
    for (int i = prefix; i < table->layer_count && edge_model_is_available(model, i); i++) {
        bytes += table->layers[i].blob_bytes;
        if (bytes > most_bytes && end > prefix) {
            break;
        }
        bool is_border =
            model->uploads > 0 ? model->borders[i + 1] > 0 : table->layers[i].ends_group;
        if (is_border) {
            end = i + 1;
        }
    }
    return end;
}

struct edge_stretch edge_model_begin_creation(struct edge_model *model, int64_t most_bytes)
{
    ll_mutex_lock(&model->lock);
    assert(!atomic_load(&model->is_creating));
    int first = atomic_load(&model->prefix);
    int end = next_border_locked(model, most_bytes);
    atomic_store(&model->is_creating, end > first);
    ll_mutex_unlock(&model->lock);
    for (int i = first; i < end; i++) {
        model->stretch_blobs[i - first] = model->blobs[i] ? edge_blob_data(model->blobs[i]) : NULL;
    }
    return (struct edge_stretch){first, end, model->stretch_blobs};
}

struct ll_engine_model *edge_model_engine_model(struct edge_model *model)
{
    return model->engine_model;
}

void edge_model_stop_creation(struct edge_model *model)
{
    atomic_store(&model->stops_creation, true);
}

bool edge_model_is_creating(const struct edge_model *model)
{
    return atomic_load(&model->is_creating);
}

struct edge_turn *edge_model_turn(struct edge_model *model)
{
    return &model->turn;
}

void edge_model_end_creation(struct edge_model *model, const struct edge_creation *creation)
{
    ll_mutex_lock(&model->lock);
    assert(atomic_load(&model->is_creating) && creation->first == atomic_load(&model->prefix));
    atomic_store(&model->is_creating, false);
    model->creations[model->creation_count++] = *creation;
    atomic_store_explicit(&model->prefix, creation->end, memory_order_release);
    ll_mutex_unlock(&model->lock);
}

void edge_model_fail_creation(struct edge_model *model, ll_status status,
                              const struct ll_error *err)
{
    ll_mutex_lock(&model->lock);
    atomic_store(&model->is_creating, false);
    model->failure_status = status;
    model->failure = *err;
    atomic_store(&model->has_failed, status != LL_OK);
    ll_mutex_unlock(&model->lock);
}

bool edge_model_is_busy(struct edge_model *model)
{
    ll_mutex_lock(&model->lock);
    bool is_busy = atomic_load(&model->is_creating) ||
                   next_border_locked(model, 0) > atomic_load(&model->prefix);
    ll_mutex_unlock(&model->lock);
    return is_busy;
}

bool edge_model_creation(struct edge_model *model, int n, struct edge_creation *out_creation)
{
    ll_mutex_lock(&model->lock);
    bool exists = n < model->creation_count;
    if (exists) {
        *out_creation = model->creations[n];
    }
    ll_mutex_unlock(&model->lock);
    return exists;
}

ll_status edge_model_take_context(struct edge_model *model, struct ll_engine_context **out_context,
                                  struct ll_error *err)
{
    struct ll_engine_context *context = NULL;
    ll_mutex_lock(&model->lock);
    if (model->idle_count > 0) {
        context = model->idle[--model->idle_count];
        atomic_fetch_sub(&model->idle_bytes, ll_engine_context_bytes(context));
    }
    ll_mutex_unlock(&model->lock);
    if (!context) {
        return ll_engine_context_create(model->engine_model, out_context, err);
    }
    *out_context = context;
    return LL_OK;
}

void edge_model_put_context(struct edge_model *model, struct ll_engine_context *context)
{
    const struct ll_memory *memory = ll_engine_memory(ll_engine_model_engine(model->engine_model));
    bool is_kept =
        !memory || ll_engine_context_bytes(context) <= ll_memory_limit(memory) / IDLE_PARTS;
    ll_mutex_lock(&model->lock);
    if (is_kept && model->idle_count == model->idle_room) {
        int room = model->idle_room > 0 ? 2 * model->idle_room : 4;
        struct ll_engine_context **idle =
            realloc(model->idle, (size_t)room * sizeof(struct ll_engine_context *));
        if (idle) {
            model->idle = idle;
            model->idle_room = room;
        }
        is_kept = idle != NULL;
    }
    if (is_kept) {
        model->idle[model->idle_count++] = context;
        atomic_fetch_add(&model->idle_bytes, ll_engine_context_bytes(context));
    }
    ll_mutex_unlock(&model->lock);
    if (!is_kept) {
        ll_engine_context_destroy(context);
    }
}

int64_t edge_model_idle_bytes(const struct edge_model *model)
{
    return atomic_load(&model->idle_bytes);
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

void edge_model_add_run(struct edge_model *model, int first, int end, const int64_t *layer_ns)
{
    ll_mutex_lock(&model->lock);
    model->queries++;
    for (int i = first; i < end; i++) {
        model->times[i].sum_ns += layer_ns[i - first];
        model->times[i].runs++;
    }
    ll_mutex_unlock(&model->lock);
}

static int64_t mean_of(const struct layer_times *times)
{
    return times->runs > 0 ? times->sum_ns / times->runs : 0;
}

void edge_model_mean_ns(struct edge_model *model, int64_t *out_ns)
{
    ll_mutex_lock(&model->lock);
    for (int i = 0; i < model->network->table.layer_count; i++) {
        out_ns[i] = mean_of(&model->times[i]);
    }
    ll_mutex_unlock(&model->lock);
}

void edge_model_expected_ns(struct edge_model *model, int first, int end, int64_t *out_ns)
{
    const int64_t *warm_ns = ll_engine_model_warm_ns(model->engine_model);
    ll_mutex_lock(&model->lock);
    for (int i = first; i < end; i++) {
        int64_t mean_ns = mean_of(&model->times[i]);
        int64_t first_ns = warm_ns ? warm_ns[i] : 0;
        out_ns[i - first] = mean_ns > 0 ? mean_ns : first_ns;
    }
    ll_mutex_unlock(&model->lock);
}
