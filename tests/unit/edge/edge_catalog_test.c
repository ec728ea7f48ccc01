/* Which models there are: opened, shared, refused, removed, evicted. */
#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "tests/support/catalog_fixture.h"
#include "tests/support/ll_test.h"

static void test_model_is_shared_by_content(void)
{
    struct catalog_fixture fixture;
    struct fake_model fake;
    catalog_fixture_set_up(&fixture, 1000, 4, 0);
    fake_model_init(&fake, catalog_fixture_cfg, 1);
    struct edge_model *model = catalog_fixture_open(&fixture, &fake, LL_OK, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    CU_ASSERT_STRING_EQUAL(edge_model_id_text(model), fake.id_text);
    struct edge_model *again = catalog_fixture_open(&fixture, &fake, LL_OK, NULL);
    CU_ASSERT_PTR_EQUAL(model, again);
    CU_ASSERT_EQUAL(fake_engine_done(fixture.engine, FAKE_PARSE), 1);
    catalog_fixture_close(again);
    catalog_fixture_close(model);
    fake_model_finish(&fake);
    catalog_fixture_tear_down(&fixture);
}

static void test_models_share_blobs_but_not_state(void)
{
    struct catalog_fixture fixture;
    struct fake_model a;
    struct fake_model b;
    catalog_fixture_set_up(&fixture, 1000, 4, 0);
    fake_model_init(&a, catalog_fixture_cfg, 1);
    fake_model_init(&b, "fake\ninput 4\nlayer 4 10\nlayer 9 3\n", 1);
    struct edge_model *first = catalog_fixture_open(&fixture, &a, LL_OK, NULL);
    struct edge_model *second = catalog_fixture_open(&fixture, &b, LL_OK, NULL);
    CU_ASSERT_PTR_NOT_EQUAL(first, second);
    CU_ASSERT_PTR_EQUAL(edge_model_blob(first, 0), edge_model_blob(second, 0));
    CU_ASSERT_EQUAL(catalog_fixture_write(first, &a, 0), LL_OK);
    CU_ASSERT(edge_model_is_available(second, 0));
    CU_ASSERT_FALSE(edge_model_is_available(second, 1));
    catalog_fixture_close(first);
    catalog_fixture_close(second);
    fake_model_finish(&a);
    fake_model_finish(&b);
    catalog_fixture_tear_down(&fixture);
}

static void test_bad_manifest_is_refused_and_leaves_nothing(void)
{
    struct catalog_fixture fixture;
    struct fake_model fake;
    struct ll_error err = {.text = ""};
    catalog_fixture_set_up(&fixture, 1000, 4, 0);
    fake_model_init(&fake, catalog_fixture_cfg, 1);
    fake.manifest.blobs[2].bytes++;
    CU_ASSERT_PTR_NULL(catalog_fixture_open(&fixture, &fake, LL_E_INVALID, &err));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "layer 2 (fake) has 11 bytes instead of 10"));
    fake.manifest.blobs[2].bytes--;
    fake.manifest.blob_count--;
    CU_ASSERT_PTR_NULL(catalog_fixture_open(&fixture, &fake, LL_E_INVALID, &err));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "4 blobs, but the cfg has 5 layers"));
    fake.manifest.cfg[0] = 'x';
    CU_ASSERT_PTR_NULL(catalog_fixture_open(&fixture, &fake, LL_E_INVALID, &err));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "cfg: "));
    struct edge_model **list = NULL;
    int count = -1;
    CU_ASSERT_EQUAL_FATAL(edge_catalog_list(fixture.catalog, &list, &count), LL_OK);
    CU_ASSERT_EQUAL(count, 0);
    free(list);
    fake_model_finish(&fake);
    catalog_fixture_tear_down(&fixture);
}

static void test_plan_with_hole_is_refused(void)
{
    struct catalog_fixture fixture;
    struct fake_model fake;
    catalog_fixture_set_up(&fixture, 1000, 4, 0);
    fake_model_init(&fake, catalog_fixture_cfg, 1);
    struct ll_partition partitions[2] = {{0, 1}, {3, 5}};
    const struct ll_plan plan = {.count = 2, .partitions = partitions};
    struct ll_manifest manifest;
    struct ll_error err = {.text = ""};
    struct edge_model *model = NULL;
    fake_model_copy_manifest(&fake, &manifest);
    CU_ASSERT_EQUAL(edge_catalog_open(fixture.catalog, &manifest, &plan, &model, &err),
                    LL_E_INVALID);
    CU_ASSERT(err.text[0] != '\0');
    CU_ASSERT_PTR_NULL(model);
    ll_manifest_finish(&manifest);
    fake_model_finish(&fake);
    catalog_fixture_tear_down(&fixture);
}

static void test_groups_too_long_to_stop_are_refused(void)
{
    struct catalog_fixture fixture;
    struct fake_model fake;
    struct ll_error err = {.text = ""};
    catalog_fixture_set_up(&fixture, 1000, 4, 0);
    fake_model_init(&fake, "fake\ninput 4\nlayer 4 10 heavy joined\nlayer 4 10\n", 1);
    CU_ASSERT_PTR_NULL(catalog_fixture_open(&fixture, &fake, LL_E_EXHAUSTED, &err));
    CU_ASSERT_STRING_EQUAL(err.limit, "group_flops");
    CU_ASSERT_EQUAL(err.retry_ms, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "layers 0 to 1"));
    fake_model_finish(&fake);
    fake_model_init(&fake, "fake\ninput 4\nlayer 4 10 heavy\nlayer 4 10 heavy\n", 1);
    struct edge_model *model = catalog_fixture_open(&fixture, &fake, LL_OK, &err);
    catalog_fixture_close(model);
    fake_model_finish(&fake);
    catalog_fixture_tear_down(&fixture);
}

static void test_model_above_the_store_is_refused_at_once(void)
{
    struct catalog_fixture fixture;
    struct fake_model fake;
    struct ll_error err = {.text = ""};
    catalog_fixture_set_up(&fixture, 39, 2, 0);
    fake_model_init(&fake, catalog_fixture_cfg, 1);
    CU_ASSERT_PTR_NULL(catalog_fixture_open(&fixture, &fake, LL_E_EXHAUSTED, &err));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "store_bytes is 39"));
    fake_model_finish(&fake);
    catalog_fixture_tear_down(&fixture);
}

static void test_engine_without_memory_leaves_nothing(void)
{
    struct catalog_fixture fixture;
    struct fake_model fake;
    struct ll_error err = {.text = ""};
    catalog_fixture_set_up(&fixture, 1000, 2, 0);
    fake_model_init(&fake, catalog_fixture_cfg, 1);
    fake_engine_fail(fixture.engine, FAKE_MODEL, 1, LL_E_NO_MEMORY);
    CU_ASSERT_PTR_NULL(catalog_fixture_open(&fixture, &fake, LL_E_NO_MEMORY, &err));
    CU_ASSERT_EQUAL(fake_engine_alive(fixture.engine), 0);
    fake_model_finish(&fake);
    catalog_fixture_tear_down(&fixture);
}

static void test_model_in_use_is_not_removed(void)
{
    struct catalog_fixture fixture;
    struct fake_model fake;
    struct ll_error err = {.text = ""};
    catalog_fixture_set_up(&fixture, 1000, 4, 0);
    fake_model_init(&fake, catalog_fixture_cfg, 1);
    struct edge_model *model = catalog_fixture_open(&fixture, &fake, LL_OK, NULL);
    CU_ASSERT_EQUAL(edge_catalog_remove(fixture.catalog, fake.id_text, &err), LL_E_PRECONDITION);
    edge_model_release(model);
    CU_ASSERT_EQUAL(edge_catalog_remove(fixture.catalog, fake.id_text, &err), LL_OK);
    CU_ASSERT_EQUAL(fixture.removals, 1);
    CU_ASSERT_FALSE(edge_model_acquire(model));
    CU_ASSERT_EQUAL(edge_catalog_remove(fixture.catalog, fake.id_text, &err), LL_E_NOT_FOUND);
    CU_ASSERT_EQUAL(edge_catalog_remove(fixture.catalog, "sha256:12", &err), LL_E_INVALID);
    edge_model_unref(model);
    fake_model_finish(&fake);
    catalog_fixture_tear_down(&fixture);
}

static void test_least_recently_used_is_evicted(void)
{
    struct catalog_fixture fixture;
    struct fake_model fakes[3];
    struct ll_error err = {.text = ""};
    catalog_fixture_set_up(&fixture, 85, 2, 0);
    for (unsigned i = 0; i < 3; i++) {
        fake_model_init(&fakes[i], catalog_fixture_cfg, i);
    }
    struct edge_model *first = catalog_fixture_open(&fixture, &fakes[0], LL_OK, NULL);
    struct edge_model *second = catalog_fixture_open(&fixture, &fakes[1], LL_OK, NULL);
    CU_ASSERT_PTR_NULL(catalog_fixture_open(&fixture, &fakes[2], LL_E_EXHAUSTED, &err));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "limit models is 2"));
    for (int i = 0; i < 5; i++) {
        CU_ASSERT(i == 3 || catalog_fixture_write(first, &fakes[0], i) == LL_OK);
        CU_ASSERT(i == 3 || catalog_fixture_write(second, &fakes[1], i) == LL_OK);
    }
    CU_ASSERT_FALSE(edge_catalog_evict(fixture.catalog));
    catalog_fixture_close(second);
    catalog_fixture_close(first);
    /* The second one was left first. */
    CU_ASSERT(edge_catalog_evict(fixture.catalog));
    CU_ASSERT_EQUAL(edge_store_used_bytes(fixture.store), 40);
    struct edge_model *left = NULL;
    CU_ASSERT_EQUAL(edge_catalog_find(fixture.catalog, fakes[1].id_text, &left, &err),
                    LL_E_NOT_FOUND);
    CU_ASSERT_EQUAL(edge_catalog_find(fixture.catalog, fakes[0].id_text, &left, &err), LL_OK);
    edge_model_unref(left);
    /* One that has no weights goes before one that has, although it was used later. */
    catalog_fixture_close(catalog_fixture_open(&fixture, &fakes[1], LL_OK, NULL));
    catalog_fixture_close(catalog_fixture_open(&fixture, &fakes[2], LL_OK, NULL));
    CU_ASSERT_EQUAL(edge_catalog_find(fixture.catalog, fakes[1].id_text, &left, &err),
                    LL_E_NOT_FOUND);
    CU_ASSERT_EQUAL(edge_catalog_find(fixture.catalog, fakes[0].id_text, &left, &err), LL_OK);
    edge_model_unref(left);
    for (unsigned i = 0; i < 3; i++) {
        fake_model_finish(&fakes[i]);
    }
    catalog_fixture_tear_down(&fixture);
}

/* Names without weights evict each other, not a model that was used lately. */
static void test_newcomers_without_weights_evict_no_model_in_its_rest(void)
{
    enum { NEWCOMERS = 5 };
    struct catalog_fixture fixture;
    struct fake_model kept;
    struct fake_model newcomers[NEWCOMERS];
    struct ll_error err = {.text = ""};
    catalog_fixture_set_up(&fixture, 1000, 2, 3600 * LL_NS_PER_S);
    fake_model_init(&kept, catalog_fixture_cfg, 1);
    struct edge_model *model = catalog_fixture_open(&fixture, &kept, LL_OK, NULL);
    for (int i = 0; i < 5; i++) {
        CU_ASSERT(i == 3 || catalog_fixture_write(model, &kept, i) == LL_OK);
    }
    const struct edge_creation all = {.end = edge_model_begin_creation(model, INT64_MAX).end};
    CU_ASSERT_EQUAL(all.end, 5);
    edge_model_end_creation(model, &all);
    catalog_fixture_close(model);
    for (unsigned i = 0; i < NEWCOMERS; i++) {
        fake_model_init(&newcomers[i], catalog_fixture_cfg, 10 + i);
    }
    for (unsigned i = 0; i < NEWCOMERS - 2; i++) {
        catalog_fixture_close(catalog_fixture_open(&fixture, &newcomers[i], LL_OK, NULL));
        CU_ASSERT_EQUAL(edge_catalog_find(fixture.catalog, kept.id_text, &model, NULL), LL_OK);
        edge_model_unref(model);
    }
    /* With the others' place in use there is none for it, nor bytes. */
    struct edge_model *user = catalog_fixture_open(&fixture, &newcomers[3], LL_OK, NULL);
    CU_ASSERT_FALSE(edge_catalog_has_room(fixture.catalog));
    CU_ASSERT_PTR_NULL(catalog_fixture_open(&fixture, &newcomers[4], LL_E_EXHAUSTED, &err));
    CU_ASSERT_STRING_EQUAL(err.limit, "models");
    CU_ASSERT_FALSE(edge_catalog_evict_for(fixture.catalog, user));
    /* Who has brought weights may have the place of one that is unused. */
    CU_ASSERT_EQUAL(catalog_fixture_write(user, &newcomers[3], 0), LL_OK);
    CU_ASSERT(edge_catalog_evict_for(fixture.catalog, user));
    CU_ASSERT_EQUAL(edge_catalog_find(fixture.catalog, kept.id_text, &model, NULL), LL_E_NOT_FOUND);
    catalog_fixture_close(user);
    fake_model_finish(&kept);
    for (unsigned i = 0; i < NEWCOMERS; i++) {
        fake_model_finish(&newcomers[i]);
    }
    catalog_fixture_tear_down(&fixture);
}

static void ignore_change(void *arg, struct edge_model *model, edge_change change)
{
    (void)arg;
    (void)model;
    (void)change;
}

static void test_observers_are_bounded(void)
{
    struct catalog_fixture fixture;
    catalog_fixture_set_up(&fixture, 1000, 4, 0);
    /* The fixture is one. */
    for (int i = 1; i < EDGE_CATALOG_OBSERVERS; i++) {
        CU_ASSERT_EQUAL(edge_catalog_observe(fixture.catalog, ignore_change, NULL), LL_OK);
    }
    CU_ASSERT_EQUAL(edge_catalog_observe(fixture.catalog, ignore_change, NULL), LL_E_FULL);
    catalog_fixture_tear_down(&fixture);
}

const char *const ll_test_suite = "edge_catalog";
const struct ll_test ll_tests[] = {
    LL_TEST(test_model_is_shared_by_content),
    LL_TEST(test_models_share_blobs_but_not_state),
    LL_TEST(test_bad_manifest_is_refused_and_leaves_nothing),
    LL_TEST(test_plan_with_hole_is_refused),
    LL_TEST(test_groups_too_long_to_stop_are_refused),
    LL_TEST(test_model_above_the_store_is_refused_at_once),
    LL_TEST(test_engine_without_memory_leaves_nothing),
    LL_TEST(test_model_in_use_is_not_removed),
    LL_TEST(test_least_recently_used_is_evicted),
    LL_TEST(test_newcomers_without_weights_evict_no_model_in_its_rest),
    LL_TEST(test_observers_are_bounded),
    {NULL, NULL},
};
