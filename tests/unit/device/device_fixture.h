/* A device for tests: fake model, local engine, session, querier, and what the session told.
 *
 * Every wait ends in an event, or the test fails after 30 s.
 *
 * Threads: the test's. */
#ifndef DEVICE_FIXTURE_H
#define DEVICE_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_sync.h"
#include "device/edge_link/device_session.h"
#include "device/query/device_query.h"
#include "device/times/device_layer_times.h"
#include "tests/support/fake_model.h"
#include "tests/unit/device/device_fake_edge.h"

struct device_fixture {
    struct fake_model *fake;
    /* Whose answers are right; NULL: those of `fake`. */
    const struct fake_model *expected;
    struct ll_engine *engine;
    struct ll_plan plan;
    struct device_model model;
    struct device_layer_times *times;
    struct device_local *local;
    struct device_session *session;
    struct device_querier querier;
    /* Guards what the session told. */
    struct ll_mutex lock;
    struct ll_cond changed;
    int ups, returns, downs;
    /* How often it was busy, and what the last time said. */
    int busies, new_busies;
    struct ll_error last_busy;
    bool last_is_used;
    int prefix;
    int creations;
    int drafts, draftless;
    struct device_drafted drafted;
    int64_t acked_bytes;
    bool has_uploaded;
    struct device_uploaded uploaded;
    struct ll_error last_down;
    bool last_was_up, last_is_refusal, last_all_refuse, last_is_distrust;
    int limits;
    char last_up[64];
};

/* `fake` outlives it. `edges` none: a device alone. */
void device_fixture_init(struct device_fixture *fixture, struct fake_model *fake,
                         const char *const *edges, int edge_count, double limit_bytes_per_s);
/* The same, with a limit of the weights that are sent; 0: none. */
void device_fixture_init_bounded(struct device_fixture *fixture, struct fake_model *fake,
                                 const char *const *edges, int edge_count, double limit_bytes_per_s,
                                 int64_t most_upload_bytes);
void device_fixture_start(struct device_fixture *fixture);
void device_fixture_finish(struct device_fixture *fixture);
/* Its edge, too, which has seen nothing that is against the protocol. */
void device_fixture_finish_with(struct device_fixture *fixture, struct fake_edge *edge);

/* Each fails the test after 30 s. */
void device_fixture_await_ups(struct device_fixture *fixture, int count);
void device_fixture_await_busies(struct device_fixture *fixture, int count);
void device_fixture_await_downs(struct device_fixture *fixture, int count);
void device_fixture_await_prefix(struct device_fixture *fixture, int prefix);
void device_fixture_await_acked(struct device_fixture *fixture, int64_t bytes);
void device_fixture_await_uploaded(struct device_fixture *fixture);
void device_fixture_await_draft(struct device_fixture *fixture);
void device_fixture_await_limit(struct device_fixture *fixture);
/* Losses so far. */
int device_fixture_downs(struct device_fixture *fixture);

/* Runs a query on the input of this seed and checks that its outputs are the right ones, bit for
 * bit, and its times in order. Then device_query_result_finish. */
void device_fixture_query(struct device_fixture *fixture, unsigned seed,
                          struct device_query_result *out_result);
/* The same, and checks that the edge ran layers [first, reached), and why no more. */
void device_fixture_expect(struct device_fixture *fixture, unsigned seed, int first, int reached,
                           const char *fallback);

#endif
