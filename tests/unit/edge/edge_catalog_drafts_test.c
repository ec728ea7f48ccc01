/* Drafts beside their models: who finds them, what they are created of, and when they go. */
#include <stdlib.h>

#include "edge/model/edge_catalog.h"
#include "tests/support/catalog_fixture.h"
#include "tests/support/ll_test.h"

enum { LAYERS = CATALOG_FIXTURE_LAYERS, BITS = 7 };

struct scene {
    struct catalog_fixture fixture;
    struct fake_model fake;
    /* Its first layer's blob is the draft's. */
    struct fake_model other;
    struct edge_model *model;
};

static void set_up(struct scene *scene, int most_models)
{
    catalog_fixture_set_up(&scene->fixture, 10000, most_models, 0);
    fake_model_init(&scene->fake, catalog_fixture_cfg, 1);
    fake_model_init(&scene->other, catalog_fixture_cfg, 2);
    scene->model = catalog_fixture_open(&scene->fixture, &scene->fake, LL_OK, NULL);
}

static void tear_down(struct scene *scene)
{
    catalog_fixture_close(scene->model);
    fake_model_finish(&scene->other);
    fake_model_finish(&scene->fake);
    catalog_fixture_tear_down(&scene->fixture);
}

/* Opens the draft of so many bits whose first layer has the blob of `other`. NULL where `expected`
 * is an error. */
static struct edge_model *open_draft_of_bits(struct scene *scene, const struct fake_model *other,
                                             int bits, ll_status expected, struct ll_error *err)
{
    struct ll_manifest manifest;
    struct ll_plan plan;
    struct edge_model *draft = NULL;
    fake_model_copy_manifest(&scene->fake, &manifest);
    fake_model_plan(&scene->fake, &plan);
    manifest.blobs[0].digest = other->manifest.blobs[0].digest;
    const struct edge_draft made_of = {.manifest = &manifest, .mantissa_bits = bits, .plan = &plan};
    CU_ASSERT_EQUAL_FATAL(
        edge_catalog_open_draft(scene->fixture.catalog, scene->model, &made_of, &draft, err),
        expected);
    ll_manifest_finish(&manifest);
    ll_plan_finish(&plan);
    return draft;
}

static struct edge_model *open_draft(struct scene *scene, const struct fake_model *other,
                                     ll_status expected, struct ll_error *err)
{
    return open_draft_of_bits(scene, other, BITS, expected, err);
}

static int count_drafts(struct scene *scene)
{
    struct edge_model *drafts[EDGE_CATALOG_DRAFTS];
    int count = edge_catalog_drafts(scene->fixture.catalog, scene->model, drafts);
    for (int i = 0; i < count; i++) {
        edge_model_unref(drafts[i]);
    }
    return count;
}

static void test_draft_is_found_beside_its_model_alone(void)
{
    struct scene scene;
    struct ll_error err = {.text = ""};
    set_up(&scene, 4);
    struct edge_catalog *catalog = scene.fixture.catalog;
    struct edge_model *draft = open_draft(&scene, &scene.other, LL_OK, NULL);
    struct edge_model *found = NULL;
    CU_ASSERT_EQUAL(edge_model_draft_bits(draft), BITS);
    CU_ASSERT_EQUAL(edge_model_draft_bits(scene.model), 0);
    CU_ASSERT(edge_model_is_draft_of(draft, scene.model));
    CU_ASSERT_FALSE(edge_model_is_draft_of(scene.model, scene.model));
    CU_ASSERT_EQUAL(edge_catalog_find(catalog, edge_model_id_text(draft), &found, &err),
                    LL_E_NOT_FOUND);
    CU_ASSERT_EQUAL(edge_catalog_remove(catalog, edge_model_id_text(draft), &err), LL_E_NOT_FOUND);
    struct edge_model **list = NULL;
    int count = 0;
    CU_ASSERT_EQUAL_FATAL(edge_catalog_list(catalog, &list, &count), LL_OK);
    CU_ASSERT_EQUAL_FATAL(count, 1);
    CU_ASSERT_PTR_EQUAL(list[0], scene.model);
    edge_model_unref(list[0]);
    free(list);
    CU_ASSERT_EQUAL(count_drafts(&scene), 1);
    CU_ASSERT_EQUAL(
        edge_catalog_use_draft(catalog, scene.model, edge_model_id_text(draft), &found, &err),
        LL_OK);
    CU_ASSERT_PTR_EQUAL(found, draft);
    edge_catalog_leave_draft(catalog, found);
    CU_ASSERT_EQUAL(edge_catalog_use_draft(catalog, scene.model, scene.fake.id_text, &found, &err),
                    LL_OK);
    CU_ASSERT_PTR_NULL(found);
    CU_ASSERT_EQUAL(edge_catalog_use_draft(catalog, scene.model, "sha256:", &found, &err),
                    LL_E_INVALID);
    /* The same one again. */
    struct edge_model *again = open_draft(&scene, &scene.other, LL_OK, NULL);
    CU_ASSERT_PTR_EQUAL(again, draft);
    edge_catalog_leave_draft(catalog, again);
    edge_catalog_leave_draft(catalog, draft);
    CU_ASSERT_EQUAL(count_drafts(&scene), 1);
    tear_down(&scene);
}

/* Frames are decoded by the bits: those that another device has named do not count. */
static void test_drafts_of_other_bits_stand_apart(void)
{
    struct scene scene;
    struct ll_error err = {.text = ""};
    struct edge_model *found = NULL;
    set_up(&scene, 4);
    struct edge_catalog *catalog = scene.fixture.catalog;
    struct edge_model *lie = open_draft_of_bits(&scene, &scene.other, BITS - 2, LL_OK, NULL);
    struct edge_model *draft = open_draft(&scene, &scene.other, LL_OK, NULL);
    CU_ASSERT_EQUAL(edge_model_draft_bits(draft), BITS);
    CU_ASSERT_EQUAL(edge_model_draft_bits(lie), BITS - 2);
    CU_ASSERT_STRING_EQUAL(edge_model_id_text(draft), edge_model_id_text(lie));
    /* They have the same weights. */
    CU_ASSERT_PTR_EQUAL(edge_model_blob(draft, 0), edge_model_blob(lie, 0));
    edge_catalog_retire_draft(catalog, lie);
    edge_catalog_leave_draft(catalog, lie);
    CU_ASSERT_EQUAL(
        edge_catalog_use_draft(catalog, scene.model, edge_model_id_text(draft), &found, &err),
        LL_OK);
    CU_ASSERT_PTR_EQUAL(found, draft);
    edge_catalog_leave_draft(catalog, found);
    edge_catalog_leave_draft(catalog, draft);
    tear_down(&scene);
}

static void test_draft_is_created_of_what_is_here_first(void)
{
    struct scene scene;
    set_up(&scene, 4);
    struct edge_model *draft = open_draft(&scene, &scene.other, LL_OK, NULL);
    CU_ASSERT(edge_model_has_blob(draft, edge_model_blob(scene.model, 0)));
    CU_ASSERT_FALSE(edge_model_is_available(draft, 0));
    CU_ASSERT_EQUAL(catalog_fixture_write(scene.model, &scene.fake, 0), LL_OK);
    CU_ASSERT(edge_model_is_available(draft, 0));
    struct edge_stretch stretch = edge_model_begin_creation(draft, INT64_MAX);
    CU_ASSERT_EQUAL_FATAL(stretch.end, 1);
    CU_ASSERT_PTR_EQUAL(stretch.blobs[0], edge_blob_data(edge_model_blob(scene.model, 0)));
    struct ll_error err = {.text = ""};
    edge_model_fail_creation(draft, LL_OK, &err);
    /* Its own goes first. */
    CU_ASSERT_EQUAL(catalog_fixture_write(draft, &scene.other, 0), LL_OK);
    stretch = edge_model_begin_creation(draft, INT64_MAX);
    CU_ASSERT_PTR_EQUAL(stretch.blobs[0], edge_blob_data(edge_model_blob(draft, 0)));
    edge_model_fail_creation(draft, LL_OK, &err);
    edge_catalog_leave_draft(scene.fixture.catalog, draft);
    tear_down(&scene);
}

static void test_retired_draft_goes_with_its_last_user(void)
{
    struct scene scene;
    struct ll_error err = {.text = ""};
    set_up(&scene, 4);
    struct edge_catalog *catalog = scene.fixture.catalog;
    struct edge_model *draft = open_draft(&scene, &scene.other, LL_OK, NULL);
    struct edge_model *second = open_draft(&scene, &scene.other, LL_OK, NULL);
    struct edge_model *found = NULL;
    CU_ASSERT_EQUAL(catalog_fixture_write(draft, &scene.other, 0), LL_OK);
    edge_catalog_retire_draft(catalog, draft);
    CU_ASSERT(edge_model_is_retired(draft));
    CU_ASSERT_FALSE(edge_model_is_removed(draft));
    CU_ASSERT_EQUAL(count_drafts(&scene), 0);
    struct edge_stretch stretch = edge_model_begin_creation(draft, INT64_MAX);
    CU_ASSERT_EQUAL(stretch.first, stretch.end);
    CU_ASSERT_EQUAL(
        edge_catalog_use_draft(catalog, scene.model, edge_model_id_text(draft), &found, &err),
        LL_OK);
    CU_ASSERT_PTR_NULL(found);
    edge_catalog_leave_draft(catalog, second);
    CU_ASSERT_EQUAL(scene.fixture.removals, 0);
    edge_catalog_leave_draft(catalog, draft);
    CU_ASSERT_EQUAL(scene.fixture.removals, 1);
    tear_down(&scene);
}

static void test_draft_goes_when_its_model_is_ready(void)
{
    struct scene scene;
    struct ll_error err = {.text = ""};
    set_up(&scene, 4);
    struct edge_model *draft = open_draft(&scene, &scene.other, LL_OK, NULL);
    edge_catalog_leave_draft(scene.fixture.catalog, draft);
    CU_ASSERT_EQUAL(count_drafts(&scene), 1);
    catalog_fixture_create(scene.model, &scene.fake, LAYERS - 1);
    edge_catalog_notify(scene.fixture.catalog, scene.model, EDGE_CHANGE_CREATION);
    CU_ASSERT_EQUAL(count_drafts(&scene), 1);
    catalog_fixture_create(scene.model, &scene.fake, LAYERS);
    edge_catalog_notify(scene.fixture.catalog, scene.model, EDGE_CHANGE_CREATION);
    CU_ASSERT_EQUAL(count_drafts(&scene), 0);
    CU_ASSERT_EQUAL(scene.fixture.removals, 1);
    CU_ASSERT_PTR_NULL(open_draft(&scene, &scene.other, LL_E_PRECONDITION, &err));
    tear_down(&scene);
}

static void test_draft_goes_with_its_model(void)
{
    struct scene scene;
    set_up(&scene, 4);
    struct edge_model *draft = open_draft(&scene, &scene.other, LL_OK, NULL);
    edge_catalog_leave_draft(scene.fixture.catalog, draft);
    edge_model_release(scene.model);
    CU_ASSERT_EQUAL(edge_catalog_remove(scene.fixture.catalog, scene.fake.id_text, NULL), LL_OK);
    CU_ASSERT_EQUAL(scene.fixture.removals, 2);
    edge_model_unref(scene.model);
    scene.model = catalog_fixture_open(&scene.fixture, &scene.fake, LL_OK, NULL);
    CU_ASSERT_EQUAL(count_drafts(&scene), 0);
    tear_down(&scene);
}

/* Drafts take places of models, and a model has only so many. */
static void test_drafts_are_limited(void)
{
    struct scene scene;
    struct ll_error err = {.text = ""};
    struct fake_model others[EDGE_CATALOG_DRAFTS + 1];
    struct edge_model *drafts[EDGE_CATALOG_DRAFTS];
    set_up(&scene, EDGE_CATALOG_DRAFTS + 9);
    for (int i = 0; i <= EDGE_CATALOG_DRAFTS; i++) {
        fake_model_init(&others[i], catalog_fixture_cfg, 10 + (unsigned)i);
    }
    for (int i = 0; i < EDGE_CATALOG_DRAFTS; i++) {
        drafts[i] = open_draft(&scene, &others[i], LL_OK, NULL);
    }
    CU_ASSERT_PTR_NULL(open_draft(&scene, &others[EDGE_CATALOG_DRAFTS], LL_E_EXHAUSTED, &err));
    CU_ASSERT_STRING_EQUAL(err.limit, "drafts");
    edge_catalog_leave_draft(scene.fixture.catalog, drafts[1]);
    drafts[1] = open_draft(&scene, &others[EDGE_CATALOG_DRAFTS], LL_OK, NULL);
    CU_ASSERT_EQUAL(scene.fixture.removals, 1);
    CU_ASSERT_EQUAL(count_drafts(&scene), EDGE_CATALOG_DRAFTS);
    for (int i = 0; i < EDGE_CATALOG_DRAFTS; i++) {
        edge_catalog_leave_draft(scene.fixture.catalog, drafts[i]);
    }
    for (int i = 0; i <= EDGE_CATALOG_DRAFTS; i++) {
        fake_model_finish(&others[i]);
    }
    tear_down(&scene);
}

static void test_draft_without_a_place_is_refused(void)
{
    struct scene scene;
    struct ll_error err = {.text = ""};
    set_up(&scene, 1);
    CU_ASSERT_PTR_NULL(open_draft(&scene, &scene.other, LL_E_EXHAUSTED, &err));
    CU_ASSERT_STRING_EQUAL(err.limit, "models");
    tear_down(&scene);
}

const char *const ll_test_suite = "edge_catalog_drafts";
const struct ll_test ll_tests[] = {
    LL_TEST(test_draft_is_found_beside_its_model_alone),
    LL_TEST(test_drafts_of_other_bits_stand_apart),
    LL_TEST(test_draft_is_created_of_what_is_here_first),
    LL_TEST(test_retired_draft_goes_with_its_last_user),
    LL_TEST(test_draft_goes_when_its_model_is_ready),
    LL_TEST(test_draft_goes_with_its_model),
    LL_TEST(test_drafts_are_limited),
    LL_TEST(test_draft_without_a_place_is_refused),
    {NULL, NULL},
};
