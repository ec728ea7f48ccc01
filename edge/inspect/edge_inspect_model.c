/* The messages of models: what ListModels and GetModel tell. */
#include "edge/inspect/edge_inspect_model.h"

#include <stdlib.h>

#include "edge/inspect/edge_watch.h"
#include "proto/wire/wire_text.h"

static void fill_drafts(struct edge_inspect_summary *summary, struct edge_catalog *catalog,
                        const struct edge_model *model)
{
    struct edge_model *drafts[EDGE_CATALOG_DRAFTS];
    int count = edge_catalog_drafts(catalog, model, drafts);
    for (int i = 0; i < count; i++) {
        Layerlift__V1__DraftState *state = &summary->drafts[i];
        struct edge_model_info info;
        edge_model_get_info(drafts[i], &info);
        layerlift__v1__draft_state__init(state);
        ll_digest_format(edge_model_id(drafts[i]), summary->draft_ids[i]);
        state->draft_id = summary->draft_ids[i];
        state->mantissa_bits = (uint32_t)edge_model_draft_bits(drafts[i]);
        state->prefix = (uint32_t)info.prefix;
        state->received_bytes = (uint64_t)info.received_bytes;
        summary->draft_list[i] = state;
        edge_model_unref(drafts[i]);
    }
    summary->message.drafts = summary->draft_list;
    summary->message.n_drafts = (size_t)count;
}

void edge_inspect_summary_fill(struct edge_inspect_summary *summary, struct edge_catalog *catalog,
                               struct edge_model *model)
{
    Layerlift__V1__Model *message = &summary->message;
    struct edge_model_info *info = &summary->info;
    edge_model_get_info(model, info);
    wire_text_clean(info->failure.text);
    layerlift__v1__model__init(message);
    message->model_id = (char *)edge_model_id_text(model);
    message->state = edge_watch_state(info->state);
    message->layer_count = (uint32_t)edge_model_table(model)->layer_count;
    message->prefix = (uint32_t)info->prefix;
    message->weight_bytes = (uint64_t)edge_model_table(model)->blob_bytes;
    message->received_bytes = (uint64_t)info->received_bytes;
    message->stored_bytes = (uint64_t)info->stored_bytes;
    message->creations = (uint32_t)info->creations;
    message->creation_ns = (uint64_t)info->creation_ns;
    message->queries = (uint64_t)info->queries;
    message->upload_sessions = (uint32_t)info->uploads;
    message->failure = info->failure.text;
    fill_drafts(summary, catalog, model);
}

/* Storage for one Layer message. */
struct edge_inspect_layer {
    Layerlift__V1__Layer message;
    Layerlift__V1__Blob blob;
    char digest[LL_DIGEST_TEXT_BYTES];
    uint32_t shape[3];
};

static void fill_layer(struct edge_inspect_layer *part, struct edge_model *model, int index,
                       int prefix, int64_t mean_ns)
{
    const struct ll_layer *layer = &edge_model_table(model)->layers[index];
    const struct ll_blob_name *name = &edge_model_manifest(model)->blobs[index];
    struct edge_blob *blob = edge_model_blob(model, index);
    layerlift__v1__layer__init(&part->message);
    layerlift__v1__blob__init(&part->blob);
    ll_digest_format(&name->digest, part->digest);
    part->blob.size = (uint64_t)name->bytes;
    part->blob.digest = part->digest;
    part->shape[0] = (uint32_t)layer->out_floats;
    part->message.n_output_shape = 1;
    if ((int64_t)layer->out_c * layer->out_h * layer->out_w == layer->out_floats) {
        part->shape[0] = (uint32_t)layer->out_c;
        part->shape[1] = (uint32_t)layer->out_h;
        part->shape[2] = (uint32_t)layer->out_w;
        part->message.n_output_shape = 3;
    }
    part->message.type = (char *)layer->type;
    part->message.output_shape = part->shape;
    part->message.blob = &part->blob;
    part->message.received_bytes = blob ? (uint64_t)edge_blob_written(blob) : 0;
    part->message.created = index < prefix;
    part->message.mean_ns = (uint64_t)mean_ns;
}

static void fill_cuts(Layerlift__V1__Model *message, const struct ll_table *table, uint32_t *cuts)
{
    message->legal_cuts = cuts;
    for (int i = 0; i <= table->layer_count; i++) {
        if (ll_table_is_legal_cut(table, i)) {
            cuts[message->n_legal_cuts++] = (uint32_t)i;
        }
    }
}

ll_status edge_inspect_model_init(struct edge_inspect_model *whole, struct edge_catalog *catalog,
                                  struct edge_model *model)
{
    const struct ll_table *table = edge_model_table(model);
    size_t count = (size_t)table->layer_count;
    Layerlift__V1__Model *message = &whole->summary.message;
    int64_t *mean_ns = calloc(count, sizeof(*mean_ns));
    whole->parts = calloc(count, sizeof(*whole->parts));
    whole->layers = calloc(count, sizeof(Layerlift__V1__Layer *));
    whole->cuts = calloc(count + 1, sizeof(*whole->cuts));
    if (!mean_ns || !whole->parts || !whole->layers || !whole->cuts) {
        free(mean_ns);
        edge_inspect_model_finish(whole);
        return LL_E_NO_MEMORY;
    }
    edge_inspect_summary_fill(&whole->summary, catalog, model);
    edge_model_mean_ns(model, mean_ns);
    for (size_t i = 0; i < count; i++) {
        fill_layer(&whole->parts[i], model, (int)i, whole->summary.info.prefix, mean_ns[i]);
        whole->layers[i] = &whole->parts[i].message;
    }
    message->layers = whole->layers;
    message->n_layers = count;
    fill_cuts(message, table, whole->cuts);
    free(mean_ns);
    return LL_OK;
}

void edge_inspect_model_finish(struct edge_inspect_model *whole)
{
    free(whole->parts);
    free(whole->layers);
    free(whole->cuts);
    *whole = (struct edge_inspect_model){.parts = NULL};
}
