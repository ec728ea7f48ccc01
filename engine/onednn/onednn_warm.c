/* The warm-up: new layers run once before the prefix that contains them is published, on zeros, so
 * that no query is the first to execute a kernel or to touch a page. Their times are kept as the
 * first estimate of what they cost.
 *
 * What a run warms up is code and memory. The memory of a layer's weights was written a moment
 * before, when they were packed, and layers of equal shape share one kernel (oneDNN keeps those it
 * has made): networks repeat their blocks dozens of times. So a group runs unless it is a
 * repetition of one that has run; its time then is that one's.
 *
 * On an edge other models wait for the end of a creation, and so does the end of the server. There
 * an extension warms up a bounded number of operations (base.warm_flops), and as much memory as the
 * budget has; the rest is warmed up by the first query, and its time is expected from its
 * operations. */
#include "engine/onednn/onednn_warm.h"

#include "engine/onednn/onednn_place.h"
#include "engine/onednn/onednn_run.h"

static bool are_alike(const dnnl_memory_desc_t *a, const dnnl_memory_desc_t *b)
{
    return dnnl_memory_desc_equal(a, b) != 0;
}

/* Whether the layers compute the same on other weights. */
static bool is_same_layer(const struct ll_layer_params *a, const struct ll_layer_params *b)
{
    return a->kind == b->kind && a->activation == b->activation && a->w == b->w && a->h == b->h &&
           a->c == b->c && a->out_w == b->out_w && a->out_h == b->out_h && a->out_c == b->out_c &&
           a->size == b->size && a->stride == b->stride && a->pad == b->pad &&
           a->groups == b->groups;
}

static bool is_same_step(const struct onednn_step *a, const struct onednn_step *b)
{
    if (a->kind != b->kind) {
        return false;
    }
    if (a->kind != ONEDNN_PRIMITIVE) {
        return a->kind == ONEDNN_NOTHING;
    }
    if (a->source_count != b->source_count || a->constant_count != b->constant_count ||
        a->adds != b->adds || a->blob || b->blob || !are_alike(&a->out_md, &b->out_md)) {
        return false;
    }
    for (int i = 0; i < a->source_count; i++) {
        if (!are_alike(&a->sources[i].md, &b->sources[i].md)) {
            return false;
        }
    }
    return true;
}

static bool is_repetition(const struct onednn_model *model, int first, int last, int earlier)
{
    const struct ll_table *table = &model->base.network->table;
    if (onednn_group_last(table, earlier) - earlier != last - first) {
        return false;
    }
    for (int i = first; i <= last; i++) {
        int j = earlier + i - first;
        if (!is_same_layer(&model->network->layers[i], &model->network->layers[j]) ||
            !is_same_step(&model->steps[i], &model->steps[j])) {
            return false;
        }
    }
    return true;
}

/* The first layer of the nearest earlier group that the group [first, last] repeats, -1 without. */
static int find_repeated(const struct onednn_model *model, int first, int last)
{
    const struct ll_table *table = &model->base.network->table;
    for (int i = first - 1; i >= 0; i--) {
        bool begins_group = i == 0 || table->layers[i - 1].ends_group;
        if (begins_group && is_repetition(model, first, last, i)) {
            return i;
        }
    }
    return -1;
}

static int64_t group_flops(const struct ll_table *table, int first, int last)
{
    int64_t flops = 0;
    for (int i = first; i <= last; i++) {
        flops += table->layers[i].flops;
    }
    return flops;
}

/* What has run so far: how long operations take here. */
struct pace {
    int64_t flops;
    int64_t ns;
};

static int64_t expected_ns(const struct pace *pace, int64_t flops)
{
    return pace->flops > 0 ? (int64_t)((double)pace->ns / (double)pace->flops * (double)flops) : 0;
}

/* Runs a group, or gives it the time that it would take. */
static ll_status warm_group(struct onednn_model *model, struct ll_engine_context *context,
                            int first, int last, struct pace *pace, struct ll_error *err)
{
    int64_t *warm_ns = &model->warm_ns[last];
    int64_t flops = group_flops(&model->base.network->table, first, last);
    ll_status status = LL_E_EXHAUSTED;
    int64_t most_flops = model->base.warm_flops;
    if (most_flops == 0 || flops <= most_flops - pace->flops) {
        status = onednn_run_on_zeros(context, first, last, warm_ns, err);
    }
    if (status == LL_E_EXHAUSTED) {
        *warm_ns = expected_ns(pace, flops);
        return LL_OK;
    }
    if (status == LL_OK) {
        pace->flops += flops;
        pace->ns += *warm_ns;
    }
    return status;
}

ll_status onednn_warm_up(struct onednn_model *model, int first, int end, struct ll_error *err)
{
    const struct ll_table *table = &model->base.network->table;
    struct ll_engine_context *context = NULL;
    struct pace pace = {0};
    ll_status status = onednn_context_create(&model->base, &context, err);
    for (int next = first; next < end && status == LL_OK;) {
        int last = onednn_group_last(table, next);
        int repeated = find_repeated(model, next, last);
        if (ll_engine_is_stopped(model->base.stop)) {
            status = ll_fail(err, LL_E_CANCELLED, "the creation was stopped at layer %d", next);
        } else if (repeated >= 0) {
            model->warm_ns[last] = model->warm_ns[repeated + last - next];
        } else {
            status = warm_group(model, context, next, last, &pace, err);
        }
        next = last + 1;
    }
    onednn_context_destroy(context);
    return status;
}
