#include "edge/model/edge_catalog_stored.h"

#include <stdlib.h>
#include <time.h>

#include "core/ll_clock.h"
#include "edge/model/edge_catalog_state.h"
#include "edge/model/edge_store_models.h"
#include "layerlift/store/v1/store.pb-c.h"
#include "proto/wire/wire_manifest.h"
#include "proto/wire/wire_pack.h"

/* ---- Keeping ---- */

static uint64_t unix_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * (uint64_t)LL_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* A draft as a message, whose digests are the manifest's own. */
struct packed_draft {
    Layerlift__V1__Draft message;
    ProtobufCBinaryData *digests;
};

static ll_status init_draft(struct packed_draft *packed, const struct edge_model *draft)
{
    const struct ll_manifest *manifest = edge_model_manifest(draft);
    layerlift__v1__draft__init(&packed->message);
    packed->digests = calloc((size_t)manifest->blob_count, sizeof(*packed->digests));
    if (!packed->digests) {
        return LL_E_NO_MEMORY;
    }
    for (int i = 0; i < manifest->blob_count; i++) {
        if (edge_model_blob(draft, i) != edge_model_exact_blob(draft, i)) {
            packed->digests[i] =
                (ProtobufCBinaryData){LL_DIGEST_BYTES, manifest->blobs[i].digest.bytes};
        }
    }
    packed->message.mantissa_bits = (uint32_t)edge_model_draft_bits(draft);
    packed->message.n_digests = (size_t)manifest->blob_count;
    packed->message.digests = packed->digests;
    return LL_OK;
}

/* A model's file, with the drafts of it that are here. */
static ll_status pack_model(struct edge_model *model, uint64_t created_unix_ns,
                            struct edge_model *const *drafts, int draft_count, uint8_t **out_data,
                            size_t *out_bytes)
{
    struct wire_manifest manifest;
    struct edge_peer owner;
    struct packed_draft packed[EDGE_CATALOG_DRAFTS] = {{.digests = NULL}};
    Layerlift__V1__Draft *list[EDGE_CATALOG_DRAFTS];
    Layerlift__Store__V1__StoredModel message = LAYERLIFT__STORE__V1__STORED_MODEL__INIT;
    ll_status status = wire_manifest_init(&manifest, edge_model_manifest(model));
    if (status != LL_OK) {
        return status;
    }
    message.manifest = &manifest.message;
    message.created_unix_ns = created_unix_ns;
    if (edge_model_get_owner(model, &owner)) {
        message.owner = (ProtobufCBinaryData){sizeof(owner.bytes), owner.bytes};
    }
    for (int i = 0; status == LL_OK && i < draft_count; i++) {
        status = init_draft(&packed[i], drafts[i]);
        list[message.n_drafts++] = &packed[i].message;
    }
    message.drafts = list;
    if (status == LL_OK) {
        status = wire_pack(&message.base, out_data, out_bytes);
    }
    for (int i = 0; i < draft_count; i++) {
        free(packed[i].digests);
    }
    wire_manifest_finish(&manifest);
    return status;
}

/* Writes a model's file. */
static ll_status put_model(struct edge_catalog *catalog, struct edge_model *model,
                           uint64_t created_unix_ns, struct edge_model *const *drafts,
                           int draft_count, struct ll_error *err)
{
    uint8_t *data = NULL;
    size_t bytes = 0;
    ll_status status = pack_model(model, created_unix_ns, drafts, draft_count, &data, &bytes);
    if (status != LL_OK) {
        return ll_fail(err, status, "out of memory for a model");
    }
    do {
        status = edge_store_put_model(catalog->store, edge_model_id(model), data, bytes, err);
    } while (status == LL_E_EXHAUSTED && edge_catalog_evict_for(catalog, model));
    free(data);
    return status;
}

bool edge_catalog_lasts(const struct edge_catalog *catalog)
{
    return edge_store_lasts(catalog->store);
}

ll_status edge_catalog_keep(struct edge_catalog *catalog, struct edge_model *model,
                            struct ll_error *err)
{
    if (!edge_store_lasts(catalog->store) || edge_model_is_kept(model)) {
        return LL_OK;
    }
    uint64_t created_unix_ns = unix_ns();
    ll_status status = put_model(catalog, model, created_unix_ns, NULL, 0, err);
    if (status == LL_OK) {
        edge_model_set_kept(model, 0, created_unix_ns);
    }
    return status;
}

ll_status edge_catalog_keep_drafts(struct edge_catalog *catalog, struct edge_model *model,
                                   struct ll_error *err)
{
    struct edge_model *drafts[EDGE_CATALOG_DRAFTS];
    if (!edge_model_is_kept(model)) {
        return LL_OK;
    }
    uint64_t created_unix_ns = edge_model_created_unix_ns(model);
    int count = edge_catalog_drafts(catalog, model, drafts);
    ll_status status = put_model(catalog, model, created_unix_ns, drafts, count, err);
    for (int i = 0; i < count; i++) {
        if (status == LL_OK && !edge_model_is_kept(drafts[i])) {
            edge_model_set_kept(drafts[i], 0, created_unix_ns);
        }
        edge_model_unref(drafts[i]);
    }
    return status;
}

/* ---- Creating ---- */

static int by_last_use(const void *a, const void *b)
{
    int64_t first_ns = edge_model_last_use_ns(*(struct edge_model *const *)a);
    int64_t second_ns = edge_model_last_use_ns(*(struct edge_model *const *)b);
    return (first_ns < second_ns) - (first_ns > second_ns);
}

/* Has a model created if what it probably takes is left. */
static void wake_within(struct edge_catalog *catalog, struct edge_model *model, int64_t *room_bytes)
{
    /* Packed weights, and a quarter for what they are packed with. */
    int64_t bytes = edge_model_table(model)->blob_bytes;
    bytes += bytes / 4;
    bool is_created = edge_model_prefix(model) == edge_model_table(model)->layer_count;
    if (!is_created && bytes <= *room_bytes) {
        *room_bytes -= bytes;
        edge_catalog_want(catalog, model);
    }
}

static void wake_drafts(struct edge_catalog *catalog, const struct edge_model *model,
                        int64_t *room_bytes)
{
    struct edge_model *drafts[EDGE_CATALOG_DRAFTS];
    int count = edge_catalog_drafts(catalog, model, drafts);
    for (int i = 0; i < count; i++) {
        wake_within(catalog, drafts[i], room_bytes);
        edge_model_unref(drafts[i]);
    }
}

void edge_catalog_wake_stored(struct edge_catalog *catalog)
{
    struct edge_model **list = NULL;
    int count = 0;
    const struct ll_memory *memory = ll_engine_memory(catalog->engine);
    if (!edge_store_lasts(catalog->store) || edge_catalog_list(catalog, &list, &count) != LL_OK) {
        return;
    }
    int64_t room_bytes = memory ? ll_memory_limit(memory) - ll_memory_used(memory) : INT64_MAX;
    qsort(list, (size_t)count, sizeof(struct edge_model *), by_last_use);
    for (int i = 0; i < count; i++) {
        wake_within(catalog, list[i], &room_bytes);
        wake_drafts(catalog, list[i], &room_bytes);
        edge_model_unref(list[i]);
    }
    free(list);
}
