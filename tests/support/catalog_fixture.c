#include "tests/support/catalog_fixture.h"

#include "tests/support/ll_test.h"

const char catalog_fixture_cfg[] = "fake\n"
                                   "input 4\n"
                                   "layer 4 10\n"
                                   "layer 4 10 joined\n"
                                   "layer 4 10\n"
                                   "layer 4 0\n"
                                   "layer 4 10\n";

static void count_removal(void *arg, struct edge_model *model, edge_change change)
{
    struct catalog_fixture *fixture = arg;
    (void)model;
    fixture->removals += change == EDGE_CHANGE_REMOVED;
}

void catalog_fixture_set_up(struct catalog_fixture *fixture, int64_t budget_bytes, int most_models,
                            int64_t rest_ns)
{
    *fixture = (struct catalog_fixture){.engine = fake_engine_create()};
    const struct edge_store_config store = {.temporary_parent = ll_test_tmp(),
                                            .budget_bytes = budget_bytes};
    CU_ASSERT_EQUAL_FATAL(edge_store_create(&store, &fixture->store, NULL), LL_OK);
    const struct edge_catalog_config config = {.engine = fixture->engine,
                                               .store = fixture->store,
                                               .most_models = most_models,
                                               .rest_ns = rest_ns};
    CU_ASSERT_EQUAL_FATAL(edge_catalog_create(&config, &fixture->catalog), LL_OK);
    CU_ASSERT_EQUAL_FATAL(edge_catalog_observe(fixture->catalog, count_removal, fixture), LL_OK);
}

void catalog_fixture_tear_down(struct catalog_fixture *fixture)
{
    edge_catalog_destroy(fixture->catalog);
    CU_ASSERT_EQUAL(edge_store_used_bytes(fixture->store), 0);
    edge_store_destroy(fixture->store);
    CU_ASSERT_EQUAL(fake_engine_alive(fixture->engine), 0);
    ll_engine_destroy(fixture->engine);
}

struct edge_model *catalog_fixture_open(struct catalog_fixture *fixture,
                                        const struct fake_model *fake, ll_status expected,
                                        struct ll_error *err)
{
    struct ll_manifest manifest;
    struct ll_plan plan;
    struct edge_model *model = NULL;
    fake_model_copy_manifest(fake, &manifest);
    fake_model_plan(fake, &plan);
    CU_ASSERT_EQUAL(edge_catalog_open(fixture->catalog, &manifest, &plan, &model, err), expected);
    ll_manifest_finish(&manifest);
    ll_plan_finish(&plan);
    return model;
}

void catalog_fixture_close(struct edge_model *model)
{
    edge_model_release(model);
    edge_model_unref(model);
}

ll_status catalog_fixture_write(struct edge_model *model, const struct fake_model *fake, int layer)
{
    edge_write_outcome outcome;
    struct ll_error err;
    return edge_blob_write(edge_model_blob(model, layer), 0, ll_buf_data(fake->blobs[layer]),
                           ll_buf_bytes(fake->blobs[layer]), &outcome, &err);
}

void catalog_fixture_create(struct edge_model *model, const struct fake_model *fake, int end)
{
    int first = edge_model_prefix(model);
    for (int i = first; i < end; i++) {
        CU_ASSERT(!fake->blobs[i] || catalog_fixture_write(model, fake, i) == LL_OK);
    }
    struct edge_stretch stretch = edge_model_begin_creation(model, INT64_MAX);
    CU_ASSERT_EQUAL_FATAL(stretch.end, end);
    CU_ASSERT_EQUAL_FATAL(
        ll_engine_model_extend(edge_model_engine_model(model), end, stretch.blobs, NULL), LL_OK);
    const struct edge_creation creation = {.first = first, .end = end};
    edge_model_end_creation(model, &creation);
}
