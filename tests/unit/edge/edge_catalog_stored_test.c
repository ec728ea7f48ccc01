/* Models that outlive their catalog. */
#include "edge/model/edge_catalog_stored.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/ll_memory.h"
#include "edge/model/edge_store_models.h"
#include "tests/support/catalog_fixture.h"
#include "tests/support/ll_test.h"

enum { LAYERS = CATALOG_FIXTURE_LAYERS, WOKEN = 8 };

/* A process: its catalog over a folder that others had before, and whom it wants created. */
struct process {
    struct catalog_fixture base;
    int woken_count;
    struct ll_digest woken[WOKEN];
};

static void note_woken(void *arg, struct edge_model *model)
{
    struct process *process = arg;
    CU_ASSERT_FATAL(process->woken_count < WOKEN);
    process->woken[process->woken_count++] = *edge_model_id(model);
}

static void begin(struct process *process, const char *folder, int64_t budget_bytes, int models,
                  struct ll_memory *memory)
{
    *process = (struct process){.base = {.engine = fake_engine_create()}};
    ll_engine_set_memory(process->base.engine, memory);
    const struct edge_store_config store = {.folder = folder, .budget_bytes = budget_bytes};
    CU_ASSERT_EQUAL_FATAL(edge_store_create(&store, &process->base.store, NULL), LL_OK);
    const struct edge_catalog_config config = {
        .engine = process->base.engine, .store = process->base.store, .most_models = models};
    CU_ASSERT_EQUAL_FATAL(edge_catalog_create(&config, &process->base.catalog), LL_OK);
    edge_catalog_set_wake(process->base.catalog, note_woken, process);
    CU_ASSERT_EQUAL(edge_catalog_restore(process->base.catalog), LL_OK);
}

static void end(struct process *process)
{
    edge_store_leave_files(process->base.store);
    edge_catalog_destroy(process->base.catalog);
    edge_store_destroy(process->base.store);
    CU_ASSERT_EQUAL(fake_engine_alive(process->base.engine), 0);
    ll_engine_destroy(process->base.engine);
}

/* An upload of the whole model, by `peer`. */
static void upload(struct process *process, const struct fake_model *fake, const char *peer_text)
{
    struct edge_peer peer;
    struct edge_model *model = catalog_fixture_open(&process->base, fake, LL_OK, NULL);
    edge_peer_parse(peer_text, &peer);
    edge_model_set_owner(model, &peer);
    CU_ASSERT_EQUAL(edge_catalog_keep(process->base.catalog, model, NULL), LL_OK);
    for (int i = 0; i < LAYERS; i++) {
        CU_ASSERT(!fake->blobs[i] || catalog_fixture_write(model, fake, i) == LL_OK);
    }
    catalog_fixture_close(model);
}

static struct edge_model *find(struct process *process, const struct fake_model *fake)
{
    struct edge_model *model = NULL;
    return edge_catalog_find(process->base.catalog, fake->id_text, &model, NULL) == LL_OK ? model
                                                                                          : NULL;
}

/* The order in which models stand, as numbers of `fakes`. */
static void check_list(struct process *process, const struct fake_model *fakes,
                       const char *expected)
{
    struct edge_model **list = NULL;
    int count = 0;
    char order[16] = "";
    CU_ASSERT_EQUAL_FATAL(edge_catalog_list(process->base.catalog, &list, &count), LL_OK);
    for (int i = 0; i < count; i++) {
        int which = 0;
        while (!ll_digest_equal(edge_model_id(list[i]), &fakes[which].id)) {
            which++;
        }
        order[i] = (char)('0' + which);
        edge_model_unref(list[i]);
    }
    free(list);
    CU_ASSERT_STRING_EQUAL(order, expected);
}

static void make_fakes(struct fake_model *fakes, int count)
{
    for (int i = 0; i < count; i++) {
        fake_model_init(&fakes[i], catalog_fixture_cfg, (unsigned)i + 1);
    }
}

static void finish_fakes(struct fake_model *fakes, int count)
{
    for (int i = 0; i < count; i++) {
        fake_model_finish(&fakes[i]);
    }
}

static void test_owner_and_weights_are_found(void)
{
    char folder[4096];
    struct process process;
    struct fake_model fakes[1];
    struct edge_peer owner;
    struct edge_peer other;
    snprintf(folder, sizeof(folder), "%s", ll_test_folder());
    edge_peer_parse("ipv4:10.0.0.1:5", &owner);
    edge_peer_parse("ipv4:10.0.0.2:5", &other);
    make_fakes(fakes, 1);
    begin(&process, folder, 1000, 4, NULL);
    upload(&process, &fakes[0], "ipv4:10.0.0.1:4711");
    end(&process);
    begin(&process, folder, 1000, 4, NULL);
    struct edge_model *model = find(&process, &fakes[0]);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    CU_ASSERT(edge_model_may_be_deleted_by(model, &owner));
    CU_ASSERT_FALSE(edge_model_may_be_deleted_by(model, &other));
    CU_ASSERT(edge_model_has_all_weights(model));
    CU_ASSERT_FALSE(edge_model_is_used(model));
    struct edge_model_info info;
    edge_model_get_info(model, &info);
    CU_ASSERT_EQUAL(info.state, EDGE_MODEL_CREATING);
    CU_ASSERT_EQUAL(info.stored_bytes, edge_model_table(model)->blob_bytes);
    catalog_fixture_create(model, &fakes[0], LAYERS);
    edge_model_unref(model);
    /* Who comes again finds it. */
    model = catalog_fixture_open(&process.base, &fakes[0], LL_OK, NULL);
    CU_ASSERT_EQUAL(edge_model_prefix(model), LAYERS);
    catalog_fixture_close(model);
    end(&process);
    finish_fakes(fakes, 1);
}

static void test_deleted_models_are_not_found(void)
{
    char folder[4096];
    struct process process;
    struct fake_model fakes[2];
    snprintf(folder, sizeof(folder), "%s", ll_test_folder());
    make_fakes(fakes, 2);
    begin(&process, folder, 1000, 4, NULL);
    upload(&process, &fakes[0], "ipv4:10.0.0.1:1");
    upload(&process, &fakes[1], "ipv4:10.0.0.1:1");
    CU_ASSERT_EQUAL(edge_catalog_remove(process.base.catalog, fakes[0].id_text, NULL), LL_OK);
    int64_t bytes = edge_store_used_bytes(process.base.store);
    end(&process);
    begin(&process, folder, 1000, 4, NULL);
    check_list(&process, fakes, "1");
    CU_ASSERT_EQUAL(edge_store_used_bytes(process.base.store), bytes);
    end(&process);
    finish_fakes(fakes, 2);
}

/* The order of arrival is that of the list; of last use, that of what goes. */
static void test_smaller_limits_leave_what_was_used_last(void)
{
    char folder[4096];
    struct process process;
    struct fake_model fakes[3];
    snprintf(folder, sizeof(folder), "%s", ll_test_folder());
    make_fakes(fakes, 3);
    begin(&process, folder, 1000, 4, NULL);
    for (int i = 0; i < 3; i++) {
        upload(&process, &fakes[i], "ipv4:10.0.0.1:1");
    }
    end(&process);
    /* The first was used last, the second before all others. */
    begin(&process, folder, 1000, 4, NULL);
    for (int i = 0; i < 3; i++) {
        edge_store_touch_model(process.base.store, &fakes[i].id,
                               i == 0 ? 0 : (int64_t)(4 - i) * 1000000000);
    }
    end(&process);
    begin(&process, folder, 1000, 2, NULL);
    check_list(&process, fakes, "02");
    end(&process);
    /* And a store for one of them only. */
    begin(&process, folder, 40, 2, NULL);
    check_list(&process, fakes, "0");
    end(&process);
    finish_fakes(fakes, 3);
}

/* Whatever stands in the folder of models is one, or is set aside. */
static void test_strange_files_are_set_aside(void)
{
    char folder[4096];
    char path[9000];
    char aside[9100];
    struct process process;
    struct fake_model fakes[2];
    snprintf(folder, sizeof(folder), "%s", ll_test_folder());
    make_fakes(fakes, 2);
    begin(&process, folder, 1000, 4, NULL);
    upload(&process, &fakes[0], "ipv4:10.0.0.1:1");
    upload(&process, &fakes[1], "ipv4:10.0.0.1:1");
    end(&process);
    /* One under another's name, one that is no message, one that has no bytes. */
    snprintf(path, sizeof(path), "%s/models/%s", folder, fakes[1].id_text + strlen("sha256:"));
    snprintf(aside, sizeof(aside), "%s/models/%064d", folder, 1);
    CU_ASSERT_EQUAL(rename(path, aside), 0);
    snprintf(path, sizeof(path), "%s/models/%064d", folder, 2);
    ll_test_write_file(path, "\xff\xff", 2);
    snprintf(path, sizeof(path), "%s/models/%064d", folder, 3);
    ll_test_write_file(path, "", 0);
    snprintf(path, sizeof(path), "%s/models/readme.txt", folder);
    ll_test_write_file(path, "hello", 5);
    begin(&process, folder, 1000, 4, NULL);
    check_list(&process, fakes, "0");
    for (int i = 1; i <= 3; i++) {
        snprintf(path, sizeof(path), "%s/models/%064d.bad", folder, i);
        CU_ASSERT_EQUAL(access(path, F_OK), 0);
    }
    snprintf(path, sizeof(path), "%s/models/readme.txt", folder);
    CU_ASSERT_EQUAL(access(path, F_OK), 0);
    end(&process);
    finish_fakes(fakes, 2);
}

static void test_models_are_woken_as_far_as_memory_goes(void)
{
    char folder[4096];
    struct process process;
    struct fake_model fakes[3];
    struct ll_memory *memory = NULL;
    snprintf(folder, sizeof(folder), "%s", ll_test_folder());
    make_fakes(fakes, 3);
    begin(&process, folder, 1000, 4, NULL);
    for (int i = 0; i < 3; i++) {
        upload(&process, &fakes[i], "ipv4:10.0.0.1:1");
    }
    end(&process);
    /* 40 bytes a model, and a quarter more that it may take. */
    CU_ASSERT_EQUAL_FATAL(ll_memory_create(110, &memory), LL_OK);
    begin(&process, folder, 1000, 4, memory);
    edge_catalog_wake_stored(process.base.catalog);
    CU_ASSERT_EQUAL_FATAL(process.woken_count, 2);
    CU_ASSERT(ll_digest_equal(&process.woken[0], &fakes[2].id));
    CU_ASSERT(ll_digest_equal(&process.woken[1], &fakes[1].id));
    /* The third when somebody wants it. */
    struct edge_model *model = find(&process, &fakes[0]);
    edge_catalog_want(process.base.catalog, model);
    CU_ASSERT_EQUAL(process.woken_count, 3);
    edge_model_unref(model);
    end(&process);
    ll_memory_destroy(memory);
    finish_fakes(fakes, 3);
}

/* Where memory is short a model loses its layers; its weights stay, and so does its owner. */
static void test_kept_models_are_put_away(void)
{
    char folder[4096];
    struct process process;
    struct fake_model fakes[2];
    struct ll_memory *memory = NULL;
    struct edge_peer owner;
    snprintf(folder, sizeof(folder), "%s", ll_test_folder());
    make_fakes(fakes, 2);
    CU_ASSERT_EQUAL_FATAL(ll_memory_create(60, &memory), LL_OK);
    begin(&process, folder, 1000, 4, memory);
    upload(&process, &fakes[0], "ipv4:10.0.0.1:1");
    upload(&process, &fakes[1], "ipv4:10.0.0.2:1");
    struct edge_model *first = find(&process, &fakes[0]);
    catalog_fixture_create(first, &fakes[0], LAYERS);
    edge_model_unref(first);
    struct edge_model *second = find(&process, &fakes[1]);
    CU_ASSERT_EQUAL(ll_memory_used(memory), 40);
    catalog_fixture_create(second, &fakes[1], LAYERS);
    CU_ASSERT_EQUAL(ll_memory_used(memory), 40);
    edge_model_unref(second);
    check_list(&process, fakes, "01");
    first = find(&process, &fakes[0]);
    CU_ASSERT_PTR_NOT_NULL_FATAL(first);
    CU_ASSERT_EQUAL(edge_model_prefix(first), 0);
    CU_ASSERT(edge_model_has_all_weights(first));
    edge_peer_parse("ipv4:10.0.0.1:1", &owner);
    CU_ASSERT(edge_model_may_be_deleted_by(first, &owner));
    edge_model_unref(first);
    end(&process);
    ll_memory_destroy(memory);
    begin(&process, folder, 1000, 4, NULL);
    check_list(&process, fakes, "01");
    end(&process);
    finish_fakes(fakes, 2);
}

/* What lies on the disk alone does not go for the sake of memory. */
static void test_memory_evicts_nothing_in_vain(void)
{
    char folder[4096];
    struct process process;
    struct fake_model fakes[2];
    struct ll_memory *memory = NULL;
    struct ll_error err = {.text = ""};
    snprintf(folder, sizeof(folder), "%s", ll_test_folder());
    make_fakes(fakes, 2);
    begin(&process, folder, 1000, 4, NULL);
    upload(&process, &fakes[0], "ipv4:10.0.0.1:1");
    upload(&process, &fakes[1], "ipv4:10.0.0.1:1");
    end(&process);
    CU_ASSERT_EQUAL_FATAL(ll_memory_create(60, &memory), LL_OK);
    begin(&process, folder, 1000, 4, memory);
    struct edge_model *model = catalog_fixture_open(&process.base, &fakes[0], LL_OK, NULL);
    catalog_fixture_create(model, &fakes[0], LAYERS);
    CU_ASSERT_EQUAL(ll_memory_take(memory, 30, "a test", &err), LL_E_EXHAUSTED);
    check_list(&process, fakes, "01");
    /* Once nobody uses the one that has layers, it loses them. */
    catalog_fixture_close(model);
    CU_ASSERT_EQUAL(ll_memory_take(memory, 30, "a test", &err), LL_OK);
    check_list(&process, fakes, "01");
    ll_memory_give(memory, 30);
    end(&process);
    ll_memory_destroy(memory);
    finish_fakes(fakes, 2);
}

/* A draft of 7 bits whose first layer has the other model's blob. */
static struct edge_model *open_draft(struct process *process, struct edge_model *exact,
                                     const struct fake_model *fake, const struct fake_model *other)
{
    struct ll_manifest manifest;
    struct ll_plan plan;
    struct edge_model *draft = NULL;
    fake_model_copy_manifest(fake, &manifest);
    fake_model_plan(fake, &plan);
    manifest.blobs[0].digest = other->manifest.blobs[0].digest;
    CU_ASSERT_EQUAL_FATAL(
        edge_catalog_open_draft(process->base.catalog, exact, &manifest, 7, &plan, &draft, NULL),
        LL_OK);
    ll_manifest_finish(&manifest);
    ll_plan_finish(&plan);
    return draft;
}

/* Drafts of a model that is not whole are found with it; of one that is, nobody needs them. */
static void test_drafts_are_found_with_their_model(void)
{
    char folder[4096];
    struct process process;
    struct fake_model fakes[2];
    struct edge_model *drafts[EDGE_CATALOG_DRAFTS];
    struct ll_digest id;
    snprintf(folder, sizeof(folder), "%s", ll_test_folder());
    make_fakes(fakes, 2);
    begin(&process, folder, 1000, 4, NULL);
    struct edge_model *model = catalog_fixture_open(&process.base, &fakes[0], LL_OK, NULL);
    CU_ASSERT_EQUAL(edge_catalog_keep(process.base.catalog, model, NULL), LL_OK);
    struct edge_model *draft = open_draft(&process, model, &fakes[0], &fakes[1]);
    id = *edge_model_id(draft);
    CU_ASSERT_EQUAL(edge_catalog_keep_drafts(process.base.catalog, model, NULL), LL_OK);
    CU_ASSERT_EQUAL(catalog_fixture_write(draft, &fakes[1], 0), LL_OK);
    edge_catalog_leave_draft(process.base.catalog, draft);
    catalog_fixture_close(model);
    end(&process);
    begin(&process, folder, 1000, 4, NULL);
    check_list(&process, fakes, "0");
    model = catalog_fixture_open(&process.base, &fakes[0], LL_OK, NULL);
    CU_ASSERT_EQUAL_FATAL(edge_catalog_drafts(process.base.catalog, model, drafts), 1);
    CU_ASSERT(ll_digest_equal(edge_model_id(drafts[0]), &id));
    CU_ASSERT_EQUAL(edge_model_draft_bits(drafts[0]), 7);
    CU_ASSERT(edge_model_is_available(drafts[0], 0));
    CU_ASSERT_FALSE(edge_model_is_available(model, 0));
    edge_model_unref(drafts[0]);
    for (int i = 0; i < LAYERS; i++) {
        CU_ASSERT(!fakes[0].blobs[i] || catalog_fixture_write(model, &fakes[0], i) == LL_OK);
    }
    catalog_fixture_close(model);
    end(&process);
    begin(&process, folder, 1000, 4, NULL);
    model = find(&process, &fakes[0]);
    CU_ASSERT_EQUAL(edge_catalog_drafts(process.base.catalog, model, drafts), 0);
    CU_ASSERT_EQUAL(edge_store_used_bytes(process.base.store), edge_model_table(model)->blob_bytes);
    edge_model_unref(model);
    end(&process);
    finish_fakes(fakes, 2);
}

const char *const ll_test_suite = "edge_catalog_stored";
const struct ll_test ll_tests[] = {
    LL_TEST(test_owner_and_weights_are_found),
    LL_TEST(test_deleted_models_are_not_found),
    LL_TEST(test_smaller_limits_leave_what_was_used_last),
    LL_TEST(test_strange_files_are_set_aside),
    LL_TEST(test_models_are_woken_as_far_as_memory_goes),
    LL_TEST(test_kept_models_are_put_away),
    LL_TEST(test_memory_evicts_nothing_in_vain),
    LL_TEST(test_drafts_are_found_with_their_model),
    {NULL, NULL},
};
