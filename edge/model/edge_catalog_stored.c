#include "edge/model/edge_catalog_stored.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/ll_clock.h"
#include "core/ll_log.h"
#include "edge/model/edge_catalog_state.h"
#include "edge/model/edge_store_models.h"
#include "layerlift/store/v1/store.pb-c.h"
#include "proto/wire/wire_manifest.h"
#include "proto/wire/wire_pack.h"
#include "proto/wire/wire_unpack.h"

/* ---- Keeping ---- */

static uint64_t unix_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)(now.tv_nsec / LL_NS_PER_MS);
}

static ll_status pack_model(struct edge_model *model, uint64_t created_unix_ms, uint8_t **out_data,
                            size_t *out_bytes)
{
    struct wire_manifest manifest;
    struct edge_peer owner;
    Layerlift__Store__V1__StoredModel message = LAYERLIFT__STORE__V1__STORED_MODEL__INIT;
    ll_status status = wire_manifest_init(&manifest, edge_model_manifest(model));
    if (status != LL_OK) {
        return status;
    }
    message.manifest = &manifest.message;
    message.created_unix_ms = created_unix_ms;
    if (edge_model_get_owner(model, &owner)) {
        message.owner = (ProtobufCBinaryData){sizeof(owner.bytes), owner.bytes};
    }
    status = wire_pack(&message.base, out_data, out_bytes);
    wire_manifest_finish(&manifest);
    return status;
}

ll_status edge_catalog_keep(struct edge_catalog *catalog, struct edge_model *model,
                            struct ll_error *err)
{
    uint8_t *data = NULL;
    size_t bytes = 0;
    if (!edge_store_lasts(catalog->store) || edge_model_is_kept(model)) {
        return LL_OK;
    }
    uint64_t created_unix_ms = unix_ms();
    ll_status status = pack_model(model, created_unix_ms, &data, &bytes);
    if (status != LL_OK) {
        return ll_fail(err, status, "out of memory for a model");
    }
    do {
        status = edge_store_put_model(catalog->store, edge_model_id(model), data, bytes, err);
    } while (status == LL_E_EXHAUSTED && edge_catalog_evict_for(catalog, model));
    free(data);
    if (status == LL_OK) {
        edge_model_set_kept(model, 0, created_unix_ms);
    }
    return status;
}

/* ---- Restoring ---- */

struct restored {
    struct edge_model *model;
    uint64_t created_unix_ms;
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

static ll_status take_model(void *arg, const struct edge_stored_model *stored, struct ll_error *err)
{
    struct restoration *restoration = arg;
    ProtobufCMessage *unpacked = NULL;
    struct edge_model *model = NULL;
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
    status = restore_model(restoration->catalog, message, stored, &model, err);
    if (status == LL_OK) {
        edge_model_set_kept(model, stored->age_ns, message->created_unix_ms);
        restoration->list[restoration->count++] =
            (struct restored){model, message->created_unix_ms, stored->age_ns};
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
    return (first->created_unix_ms > second->created_unix_ms) -
           (first->created_unix_ms < second->created_unix_ms);
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
        struct edge_model *model = restoration->list[--restoration->count].model;
        ll_log(LL_LOG_INFO, "models", "%s not taken up again: limit models is %d",
               edge_model_short_id(model), catalog->most_models);
        edge_store_remove_model(catalog->store, edge_model_id(model));
        edge_model_unref(model);
    }
    qsort(restoration->list, (size_t)restoration->count, sizeof(struct restored), by_arrival);
    ll_mutex_lock(&catalog->lock);
    for (int i = 0; i < restoration->count; i++) {
        catalog->list[catalog->count++] = restoration->list[i].model;
    }
    ll_mutex_unlock(&catalog->lock);
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
        ll_log(LL_LOG_INFO, "models", "%d models with %.1f MB of weights found in %s", count,
               (double)edge_store_used_bytes(store) / 1e6, edge_store_folder(store));
    }
    return LL_OK;
}

/* ---- Creating ---- */

static int by_last_use(const void *a, const void *b)
{
    int64_t first_ns = edge_model_last_use_ns(*(struct edge_model *const *)a);
    int64_t second_ns = edge_model_last_use_ns(*(struct edge_model *const *)b);
    return (first_ns < second_ns) - (first_ns > second_ns);
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
        /* Packed weights, and a quarter for what they are packed with. */
        int64_t bytes = edge_model_table(list[i])->blob_bytes;
        bytes += bytes / 4;
        bool is_created = edge_model_prefix(list[i]) == edge_model_table(list[i])->layer_count;
        if (!is_created && bytes <= room_bytes) {
            room_bytes -= bytes;
            edge_catalog_want(catalog, list[i]);
        }
        edge_model_unref(list[i]);
    }
    free(list);
}
