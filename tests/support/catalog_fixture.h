/* A catalog of models over a fake engine and a store, without a server.
 *
 * Threads: the test's. */
#ifndef CATALOG_FIXTURE_H
#define CATALOG_FIXTURE_H

#include "edge/model/edge_catalog.h"
#include "tests/support/fake_engine.h"
#include "tests/support/fake_model.h"

/* A cfg: 10 bytes a layer, none in layer 3; no cut between 1 and 2. */
extern const char catalog_fixture_cfg[];
enum { CATALOG_FIXTURE_LAYERS = 5 };

struct catalog_fixture {
    struct ll_engine *engine;
    struct edge_store *store;
    struct edge_catalog *catalog;
    /* How many models were removed. */
    int removals;
};

void catalog_fixture_set_up(struct catalog_fixture *fixture, int64_t budget_bytes, int most_models,
                            int64_t rest_ns);
/* Checks that nothing is left. */
void catalog_fixture_tear_down(struct catalog_fixture *fixture);

/* Opens a model with a partition per legal cut, in use from then on. NULL where `expected` is an
 * error. */
struct edge_model *catalog_fixture_open(struct catalog_fixture *fixture,
                                        const struct fake_model *fake, ll_status expected,
                                        struct ll_error *err);
/* Uses it no more. */
void catalog_fixture_close(struct edge_model *model);

/* A layer's weights arrive. */
LL_MUST_USE ll_status catalog_fixture_write(struct edge_model *model, const struct fake_model *fake,
                                            int layer);
/* Layers from the prefix to `end` arrive and are created, as on the creation thread. */
void catalog_fixture_create(struct edge_model *model, const struct fake_model *fake, int end);

#endif
