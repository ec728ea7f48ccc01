/* A draft is removed by whoever comes second: the one who retires it, or the last one who leaves
 * it. */
#include <assert.h>

#include "core/ll_limits.h"
#include "core/ll_log.h"
#include "edge/model/edge_catalog_state.h"

static bool is_ready(const struct edge_model *model)
{
    return edge_model_prefix(model) == edge_model_table(model)->layer_count;
}

int edge_catalog_drafts(struct edge_catalog *catalog, const struct edge_model *exact,
                        struct edge_model *out_drafts[EDGE_CATALOG_DRAFTS])
{
    struct edge_model *all[EDGE_CATALOG_DRAFTS];
    int all_count = edge_catalog_list_drafts(catalog, exact, all, EDGE_CATALOG_DRAFTS);
    int count = 0;
    for (int i = 0; i < all_count; i++) {
        if (edge_model_is_retired(all[i]) || edge_model_is_removed(all[i])) {
            edge_model_unref(all[i]);
        } else {
            out_drafts[count++] = all[i];
        }
    }
    return count;
}

int edge_catalog_draft_prefix(struct edge_catalog *catalog, const struct edge_model *exact)
{
    struct edge_model *drafts[EDGE_CATALOG_DRAFTS];
    int count = edge_catalog_drafts(catalog, exact, drafts);
    int longest = 0;
    for (int i = 0; i < count; i++) {
        int prefix = edge_model_prefix(drafts[i]);
        longest = prefix > longest ? prefix : longest;
        edge_model_unref(drafts[i]);
    }
    return longest;
}

/* The draft with this id and so many bits (0: any), acquired, or NULL. */
static struct edge_model *acquire(struct edge_catalog *catalog, const struct edge_model *exact,
                                  const struct ll_digest *id, int mantissa_bits)
{
    struct edge_model *drafts[EDGE_CATALOG_DRAFTS];
    struct edge_model *found = NULL;
    int count = edge_catalog_drafts(catalog, exact, drafts);
    for (int i = 0; i < count; i++) {
        bool is_it = ll_digest_equal(edge_model_id(drafts[i]), id) &&
                     (mantissa_bits == 0 || edge_model_draft_bits(drafts[i]) == mantissa_bits);
        if (!found && is_it && edge_model_acquire(drafts[i])) {
            found = drafts[i];
        } else {
            edge_model_unref(drafts[i]);
        }
    }
    return found;
}

ll_status edge_catalog_use_draft(struct edge_catalog *catalog, const struct edge_model *exact,
                                 const char *id_text, struct edge_model **out_draft,
                                 struct ll_error *err)
{
    struct ll_digest id;
    if (ll_digest_parse(id_text, &id) != LL_OK) {
        return ll_fail(err, LL_E_INVALID, "draft_id is not \"sha256:\" and 64 hex digits");
    }
    /* Weights of one id are the same whatever a device says of their bits. */
    *out_draft = acquire(catalog, exact, &id, 0);
    if (*out_draft) {
        edge_catalog_want(catalog, *out_draft);
    }
    return LL_OK;
}

void edge_catalog_leave_draft(struct edge_catalog *catalog, struct edge_model *draft)
{
    edge_model_release(draft);
    if (edge_model_is_retired(draft)) {
        edge_catalog_try_take_out(catalog, draft);
    }
    edge_model_unref(draft);
}

/* Whether one more of the model's drafts has a place; one that nobody uses makes it. */
static bool make_place(struct edge_catalog *catalog, const struct edge_model *exact)
{
    struct edge_model *drafts[EDGE_CATALOG_DRAFTS];
    int count = edge_catalog_list_drafts(catalog, exact, drafts, EDGE_CATALOG_DRAFTS);
    bool has_place = count < EDGE_CATALOG_DRAFTS;
    for (int i = 0; i < count; i++) {
        has_place = has_place || edge_catalog_try_take_out(catalog, drafts[i]);
        edge_model_unref(drafts[i]);
    }
    return has_place;
}

ll_status edge_catalog_open_draft(struct edge_catalog *catalog, struct edge_model *exact,
                                  const struct edge_draft *made_of, struct edge_model **out_draft,
                                  struct ll_error *err)
{
    struct ll_digest id;
    if (is_ready(exact)) {
        return ll_fail(err, LL_E_PRECONDITION, "the model is ready and needs no draft");
    }
    ll_status status = ll_manifest_model_id(made_of->manifest, &id);
    if (status != LL_OK) {
        return ll_fail(err, status, "out of memory");
    }
    /* Whoever lies about the bits must not have others' frames decoded by them. */
    struct edge_model *draft = acquire(catalog, exact, &id, made_of->mantissa_bits);
    if (draft) {
        *out_draft = draft;
        return LL_OK;
    }
    if (!make_place(catalog, exact)) {
        return ll_fail_limit(err, "drafts", EDGE_CATALOG_DRAFTS, LL_RETRY_MS,
                             "all drafts of the model are in use: limit drafts is %d",
                             EDGE_CATALOG_DRAFTS);
    }
    status = edge_catalog_build(catalog, made_of->manifest, made_of->plan, &draft, err);
    if (status == LL_OK) {
        edge_model_make_draft(draft, exact, made_of->mantissa_bits);
        status = edge_catalog_insert(catalog, draft, err);
    }
    if (status != LL_OK) {
        edge_model_unref(draft);
        return status;
    }
    /* The model may have become ready meanwhile. */
    if (is_ready(exact)) {
        edge_model_retire(draft);
    }
    *out_draft = draft;
    return LL_OK;
}
