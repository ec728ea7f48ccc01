/* A model that is another one's draft: what it takes of that one, and when it is not wanted. */
#include "edge/model/edge_model_state.h"

void edge_model_make_draft(struct edge_model *draft, struct edge_model *exact, int mantissa_bits)
{
    draft->exact_id = exact->id;
    draft->mantissa_bits = mantissa_bits;
    for (int i = 0; i < draft->network->table.layer_count; i++) {
        if (exact->blobs[i]) {
            draft->exact_blobs[i] = edge_blob_ref(exact->blobs[i]);
        }
    }
    atomic_store(&exact->has_drafts, true);
}

bool edge_model_has_drafts(const struct edge_model *exact)
{
    return atomic_load(&exact->has_drafts);
}

int edge_model_draft_bits(const struct edge_model *model)
{
    return model->mantissa_bits;
}

bool edge_model_is_draft_of(const struct edge_model *draft, const struct edge_model *exact)
{
    return draft->mantissa_bits > 0 && ll_digest_equal(&draft->exact_id, &exact->id);
}

struct edge_blob *edge_model_exact_blob(const struct edge_model *draft, int layer)
{
    return draft->exact_blobs[layer];
}

void edge_model_exact_id(const struct edge_model *draft, char out_text[LL_DIGEST_TEXT_BYTES])
{
    ll_digest_format(&draft->exact_id, out_text);
}

void edge_model_retire(struct edge_model *draft)
{
    atomic_store(&draft->is_retired, true);
}

bool edge_model_is_retired(const struct edge_model *model)
{
    return atomic_load(&model->is_retired);
}

struct ll_draft_blob edge_model_draft_blob(const struct edge_model *draft, int layer)
{
    const struct ll_layer *row = &draft->network->table.layers[layer];
    return (struct ll_draft_blob){
        .mantissa_bits = edge_model_draft_bits(draft),
        .bytes = row->blob_bytes,
        .exact_bytes = row->exact_bytes,
        .exact_tail_bytes = row->exact_tail_bytes,
    };
}
