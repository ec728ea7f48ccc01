/* The warm-up: new layers run once before the prefix that contains them is published, on zeros, so
 * that no query is the first to execute a kernel or to touch a page. Their times are kept as the
 * first estimate of what they cost.
 *
 * What a run warms up is code and memory. The memory of a layer's weights was written a moment
 * before, when they were packed, and layers of equal shape share one kernel (oneDNN keeps those it
 * has made): networks repeat their blocks dozens of times. So a group runs unless it is a
 * repetition of one that has run; its time then is that one's. */
#include <string.h>

#include "darknet_backend/dkb_onednn.h"

static bool are_alike(const dnnl_memory_desc_t *a, const dnnl_memory_desc_t *b)
{
    return dnnl_memory_desc_equal(a, b) != 0;
}

/* Whether the layers compute the same on other weights. */
static bool is_same_layer(const struct dkb_layer *a, const struct dkb_layer *b)
{
    return a->type == b->type && a->activation == b->activation && a->w == b->w && a->h == b->h &&
           a->c == b->c && a->out_w == b->out_w && a->out_h == b->out_h && a->out_c == b->out_c &&
           a->size == b->size && a->stride == b->stride && a->pad == b->pad &&
           a->groups == b->groups;
}

static bool is_same_step(const struct dkb_onednn_step *a, const struct dkb_onednn_step *b)
{
    if (a->kind != b->kind) {
        return false;
    }
    if (a->kind != DKB_ONEDNN_PRIMITIVE) {
        return a->kind == DKB_ONEDNN_NOTHING;
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

static bool is_repetition(const struct dkb_onednn_model *model, int first, int last, int earlier)
{
    const struct ll_table *table = &model->base.network->table;
    if (dkb_onednn_group_last(table, earlier) - earlier != last - first) {
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
static int find_repeated(const struct dkb_onednn_model *model, int first, int last)
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

ll_status dkb_onednn_warm_up(struct dkb_onednn_model *model, int first, int end,
                             struct ll_error *err)
{
    const struct ll_table *table = &model->base.network->table;
    struct ll_engine_context *context = NULL;
    ll_status status = dkb_onednn_context_create(&model->base, &context, err);
    for (int next = first; next < end && status == LL_OK;) {
        int last = dkb_onednn_group_last(table, next);
        int repeated = find_repeated(model, next, last);
        if (repeated >= 0) {
            model->warm_ns[last] = model->warm_ns[repeated + last - next];
        } else {
            status = dkb_onednn_run_on_zeros(context, next, last, &model->warm_ns[last], err);
        }
        next = last + 1;
    }
    dkb_onednn_context_destroy(context);
    return status;
}
