/* What of a model is created, and what can be created next. */
#include <assert.h>

#include "edge/model/edge_model_state.h"

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
    if (model->failure_status != LL_OK || edge_model_is_removed(model) ||
        edge_model_is_retired(model)) {
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

/* What an available layer is created of; NULL without weights. */
static struct ll_buf *weights_of(const struct edge_model *model, int layer)
{
    struct ll_buf *data = model->blobs[layer] ? edge_blob_data(model->blobs[layer]) : NULL;
    return data || !model->exact_blobs[layer] ? data : edge_blob_data(model->exact_blobs[layer]);
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
        model->stretch_blobs[i - first] = weights_of(model, i);
    }
    return (struct edge_stretch){first, end, model->stretch_blobs};
}

struct ll_engine_model *edge_model_engine_model(struct edge_model *model)
{
    return model->engine_model;
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
