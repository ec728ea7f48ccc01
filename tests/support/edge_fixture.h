/* A server with the fake engine in this process, and a client of it.
 *
 * Threads: the test's. */
#ifndef EDGE_FIXTURE_H
#define EDGE_FIXTURE_H

#include "edge/edge_server.h"
#include "tests/support/edge_client.h"
#include "tests/support/fake_engine.h"
#include "tests/support/fake_model.h"

struct edge_fixture {
    struct ll_engine *engine;
    struct edge_server_config config;
    struct edge_server *server;
    struct edge_client *client;
};

/* Fills `config` with defaults for tests (a port of its own, two executors), to be changed before
 * edge_fixture_start. */
void edge_fixture_init(struct edge_fixture *fixture);
void edge_fixture_start(struct edge_fixture *fixture);
/* Both. */
void edge_fixture_set_up(struct edge_fixture *fixture);
/* Stops everything and checks that the engine has nothing left. */
void edge_fixture_tear_down(struct edge_fixture *fixture);

/* The same with a model, made of `cfg`, which the server does not have yet. */
void edge_fixture_set_up_model(struct edge_fixture *fixture, struct fake_model *model,
                               const char *cfg);
void edge_fixture_tear_down_model(struct edge_fixture *fixture, struct fake_model *model);

/* A cfg for uploads: layers 1 and 2 are one group; layer 3 has no weights. */
extern const char edge_fixture_cfg[];
enum { EDGE_FIXTURE_LAYERS = 5, EDGE_FIXTURE_BYTES = 3600 };

/* Waits, by WatchModel, until the model's prefix is `prefix`. */
void edge_fixture_await_prefix(struct edge_fixture *fixture, const struct fake_model *model,
                               int prefix);
/* Waits, by WatchModel, until `bytes` of the model's weights are here. */
void edge_fixture_await_bytes(struct edge_fixture *fixture, const struct fake_model *model,
                              int64_t bytes);
/* The model as GetModel gives it; NULL when it is unknown. */
Layerlift__V1__Model *edge_fixture_model(struct edge_fixture *fixture,
                                         const struct fake_model *model);

/* Checks that somebody else's upload is taken from beginning to end. */
void edge_fixture_check_serving(struct edge_fixture *fixture);
/* Checks that the call ends with `status` and a sentence that has `reason`, and that others are
 * served; closes the call. */
void edge_fixture_check_refused(struct edge_fixture *fixture, struct edge_call *call,
                                ll_status status, const char *reason);

#endif
