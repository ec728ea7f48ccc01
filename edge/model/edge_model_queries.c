/* What a model's queries take (contexts), and what they measured. */
#include <stdlib.h>

#include "edge/model/edge_model_state.h"

/* A context in the pool takes at most this part of the budget: larger ones are rare, and allocating
 * them anew is little beside their runs. */
enum { IDLE_PARTS = 16 };

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

static int64_t mean_of(const struct edge_layer_times *times)
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
