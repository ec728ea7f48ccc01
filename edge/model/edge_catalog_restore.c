/* The start: models that an earlier process kept. */
#include <stdlib.h>
#include <string.h>

#include "coding/ll_frame.h"
#include "core/ll_log.h"
#include "edge/model/edge_catalog_state.h"
#include "edge/model/edge_catalog_stored.h"
#include "edge/model/edge_store_models.h"
#include "layerlift/store/v1/store.pb-c.h"
#include "proto/wire/wire_manifest.h"
#include "proto/wire/wire_unpack.h"

struct restored {
    struct edge_model *model;
    struct edge_model *drafts[EDGE_CATALOG_DRAFTS];
    int draft_count;
    uint64_t created_unix_ns;
    int64_t age_ns;
};

struct restoration {
    struct edge_catalog *catalog;
    struct restored *list;
    int count;
    int room;
};

/* The model of a message, in no list yet. */
static ll_status restore_model(struct edge_catalog *catalog,
                               const Layerlift__Store__V1__StoredModel *message,
                               const struct edge_stored_model *stored,
                               struct edge_model **out_model, struct ll_error *err)
{
    struct ll_manifest manifest = {0};
    struct ll_digest id;
    struct edge_peer owner;
    if (!message->manifest) {
        return ll_fail(err, LL_E_INVALID, "there is no manifest");
    }
    if (message->owner.len != 0 && message->owner.len != sizeof(owner.bytes)) {
        return ll_fail(err, LL_E_INVALID, "the owner has %zu bytes instead of %zu",
                       message->owner.len, sizeof(owner.bytes));
    }
    ll_status status = wire_manifest_read(message->manifest, &manifest, err);
    if (status != LL_OK) {
        return status;
    }
    status = ll_manifest_model_id(&manifest, &id);
    if (status == LL_OK && !ll_digest_equal(&id, &stored->id)) {
        status = ll_fail(err, LL_E_INVALID, "its manifest is another model's");
    }
    if (status == LL_OK) {
        status = edge_catalog_build(catalog, &manifest, NULL, out_model, err);
    }
    ll_manifest_finish(&manifest);
    if (status == LL_OK && message->owner.len > 0) {
        memcpy(owner.bytes, message->owner.data, sizeof(owner.bytes));
        edge_model_set_owner(*out_model, &owner);
    }
    return status;
}

static ll_status read_draft_manifest(const struct edge_model *exact,
                                     const Layerlift__V1__Draft *message,
                                     struct ll_manifest *out_manifest, struct ll_error *err)
{
    const struct ll_manifest *from = edge_model_manifest(exact);
    if (message->mantissa_bits < 1 || message->mantissa_bits > LL_FRAME_MANTISSA_MOST ||
        message->n_digests != (size_t)from->blob_count) {
        return ll_fail(err, LL_E_INVALID, "a draft of %u bits has %zu digests",
                       message->mantissa_bits, message->n_digests);
    }
    if (ll_manifest_init(out_manifest, from->cfg, from->cfg_bytes, from->blob_count) != LL_OK) {
        return LL_E_NO_MEMORY;
    }
    for (int i = 0; i < from->blob_count; i++) {
        const ProtobufCBinaryData *digest = &message->digests[i];
        out_manifest->blobs[i] = from->blobs[i];
        if (digest->len == LL_DIGEST_BYTES) {
            memcpy(out_manifest->blobs[i].digest.bytes, digest->data, LL_DIGEST_BYTES);
        } else if (digest->len != 0) {
            return ll_fail(err, LL_E_INVALID, "a draft's digest has %zu bytes", digest->len);
        }
    }
    return LL_OK;
}

/* The drafts of a model that is not whole, in no list yet. */
static ll_status restore_drafts(struct edge_catalog *catalog, struct restored *restored,
                                const Layerlift__Store__V1__StoredModel *message,
                                const struct edge_stored_model *stored, struct ll_error *err)
{
    struct edge_model *exact = restored->model;
    struct edge_peer owner;
    ll_status status = LL_OK;
    bool has_need = !edge_model_has_all_weights(exact);
    for (size_t i = 0; has_need && status == LL_OK && i < message->n_drafts &&
                       restored->draft_count < EDGE_CATALOG_DRAFTS;
         i++) {
        const Layerlift__V1__Draft *draft = message->drafts[i];
        struct ll_manifest manifest = {0};
        struct edge_model *model = NULL;
        status = read_draft_manifest(exact, draft, &manifest, err);
        if (status == LL_OK) {
            status = edge_catalog_build(catalog, &manifest, NULL, &model, err);
        }
        ll_manifest_finish(&manifest);
        if (status != LL_OK) {
            break;
        }
        edge_model_make_draft(model, exact, (int)draft->mantissa_bits);
        if (edge_model_get_owner(exact, &owner)) {
            edge_model_set_owner(model, &owner);
        }
        edge_model_set_kept(model, stored->age_ns, message->created_unix_ns);
        restored->drafts[restored->draft_count++] = model;
    }
    return status;
}

static void forget_restored(struct restored *restored)
{
    for (int i = 0; i < restored->draft_count; i++) {
        edge_model_unref(restored->drafts[i]);
    }
    edge_model_unref(restored->model);
}

static ll_status take_model(void *arg, const struct edge_stored_model *stored, struct ll_error *err)
{
    struct restoration *restoration = arg;
    ProtobufCMessage *unpacked = NULL;
    struct restored restored = {.age_ns = stored->age_ns};
    if (restoration->count == restoration->room) {
        int room = 2 * restoration->room + 16;
        struct restored *list = realloc(restoration->list, (size_t)room * sizeof(*list));
        if (!list) {
            return LL_E_NO_MEMORY;
        }
        restoration->list = list;
        restoration->room = room;
    }
    ll_status status = wire_unpack(&layerlift__store__v1__stored_model__descriptor, stored->data,
                                   stored->bytes, &unpacked, err);
    if (status != LL_OK) {
        return status;
    }
    const Layerlift__Store__V1__StoredModel *message =
        (const Layerlift__Store__V1__StoredModel *)unpacked;
    restored.created_unix_ns = message->created_unix_ns;
    status = restore_model(restoration->catalog, message, stored, &restored.model, err);
    if (status == LL_OK) {
        edge_model_set_kept(restored.model, stored->age_ns, message->created_unix_ns);
        status = restore_drafts(restoration->catalog, &restored, message, stored, err);
    }
    if (status == LL_OK) {
        restoration->list[restoration->count++] = restored;
    } else {
        forget_restored(&restored);
    }
    protobuf_c_message_free_unpacked(unpacked, NULL);
    return status;
}

static int by_age(const void *a, const void *b)
{
    const struct restored *first = a;
    const struct restored *second = b;
    return (first->age_ns > second->age_ns) - (first->age_ns < second->age_ns);
}

static int by_arrival(const void *a, const void *b)
{
    const struct restored *first = a;
    const struct restored *second = b;
    return (first->created_unix_ns > second->created_unix_ns) -
           (first->created_unix_ns < second->created_unix_ns);
}

/* Those used last, as many as the table holds, go into it. */
static void list_models(struct restoration *restoration)
{
    struct edge_catalog *catalog = restoration->catalog;
    if (restoration->count == 0) {
        return;
    }
    qsort(restoration->list, (size_t)restoration->count, sizeof(struct restored), by_age);
    while (restoration->count > catalog->most_models) {
        struct restored *oldest = &restoration->list[--restoration->count];
        ll_log(LL_LOG_INFO, "models", "%s not taken up again: limit models is %d",
               edge_model_short_id(oldest->model), catalog->most_models);
        edge_store_remove_model(catalog->store, edge_model_id(oldest->model));
        forget_restored(oldest);
    }
    qsort(restoration->list, (size_t)restoration->count, sizeof(struct restored), by_arrival);
    ll_mutex_lock(&catalog->lock);
    for (int i = 0; i < restoration->count; i++) {
        catalog->list[catalog->count++] = restoration->list[i].model;
    }
    for (int i = 0; i < restoration->count; i++) {
        struct restored *restored = &restoration->list[i];
        for (int k = 0; k < restored->draft_count; k++) {
            if (catalog->count < catalog->most_models) {
                catalog->list[catalog->count++] = edge_model_ref(restored->drafts[k]);
            }
        }
    }
    ll_mutex_unlock(&catalog->lock);
    for (int i = 0; i < restoration->count; i++) {
        for (int k = 0; k < restoration->list[i].draft_count; k++) {
            edge_model_unref(restoration->list[i].drafts[k]);
        }
    }
}

ll_status edge_catalog_restore(struct edge_catalog *catalog)
{
    struct restoration restoration = {.catalog = catalog};
    struct edge_store *store = catalog->store;
    if (!edge_store_lasts(store)) {
        return LL_OK;
    }
    ll_status status = edge_store_read_models(store, take_model, &restoration);
    list_models(&restoration);
    int count = restoration.count;
    free(restoration.list);
    if (status != LL_OK) {
        return status;
    }
    /* A budget may be smaller than it was. */
    while (edge_store_used_bytes(store) > edge_store_budget_bytes(store) &&
           edge_catalog_evict(catalog)) {
    }
    edge_store_remove_orphans(store);
    if (count > 0) {
        /* Drafts' blobs count, and of unfinished files all that they take. */
        ll_log(LL_LOG_INFO, "models", "%d models found in %s, %.1f MB on disk", count,
               edge_store_folder(store), (double)edge_store_used_bytes(store) / 1e6);
    }
    return LL_OK;
}
