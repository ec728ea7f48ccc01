#include "tests/unit/device/device_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "core/ll_clock.h"
#include "tests/support/fake_engine.h"

#define FIXTURE_PATIENCE_NS (30 * LL_NS_PER_S)

/* ---- What the session tells ---- */

static void on_up(void *owner, const char *address, int64_t left_bytes, bool is_return)
{
    struct device_fixture *fixture = owner;
    (void)left_bytes;
    ll_mutex_lock(&fixture->lock);
    fixture->ups++;
    /* Of this edge nothing is known yet: its progress comes next. */
    fixture->prefix = 0;
    fixture->acked_bytes = 0;
    fixture->returns += is_return ? 1 : 0;
    snprintf(fixture->last_up, sizeof(fixture->last_up), "%s", address);
    ll_cond_broadcast(&fixture->changed);
    ll_mutex_unlock(&fixture->lock);
}

static void on_down(void *owner, const struct device_edge_loss *loss)
{
    struct device_fixture *fixture = owner;
    ll_mutex_lock(&fixture->lock);
    fixture->downs++;
    (void)ll_fail(&fixture->last_down, loss->status, "%s", loss->reason);
    fixture->last_was_up = loss->was_up;
    fixture->last_is_refusal = loss->is_refusal;
    fixture->last_all_refuse = loss->all_refuse;
    fixture->last_is_distrust = loss->is_distrust;
    ll_cond_broadcast(&fixture->changed);
    ll_mutex_unlock(&fixture->lock);
}

static void on_progress(void *owner, const struct device_progress *progress)
{
    struct device_fixture *fixture = owner;
    ll_mutex_lock(&fixture->lock);
    fixture->acked_bytes = progress->acked_bytes;
    fixture->prefix = progress->prefix;
    ll_cond_broadcast(&fixture->changed);
    ll_mutex_unlock(&fixture->lock);
}

static void on_ready(void *owner, const struct device_creation *creation)
{
    struct device_fixture *fixture = owner;
    (void)creation;
    ll_mutex_lock(&fixture->lock);
    fixture->creations++;
    ll_mutex_unlock(&fixture->lock);
}

static void on_uploaded(void *owner, const struct device_uploaded *uploaded)
{
    struct device_fixture *fixture = owner;
    ll_mutex_lock(&fixture->lock);
    CU_ASSERT_FALSE(fixture->has_uploaded);
    fixture->has_uploaded = true;
    fixture->uploaded = *uploaded;
    ll_cond_broadcast(&fixture->changed);
    ll_mutex_unlock(&fixture->lock);
}

static void on_drafted(void *owner, const struct device_drafted *drafted)
{
    struct device_fixture *fixture = owner;
    ll_mutex_lock(&fixture->lock);
    fixture->drafts++;
    fixture->drafted = *drafted;
    ll_cond_broadcast(&fixture->changed);
    ll_mutex_unlock(&fixture->lock);
}

static void on_draftless(void *owner, const char *address)
{
    struct device_fixture *fixture = owner;
    (void)address;
    ll_mutex_lock(&fixture->lock);
    fixture->draftless++;
    ll_mutex_unlock(&fixture->lock);
}

static void on_limited(void *owner)
{
    struct device_fixture *fixture = owner;
    ll_mutex_lock(&fixture->lock);
    fixture->limits++;
    ll_cond_broadcast(&fixture->changed);
    ll_mutex_unlock(&fixture->lock);
}

static void on_busy(void *owner, const struct device_edge_busy *busy)
{
    struct device_fixture *fixture = owner;
    ll_mutex_lock(&fixture->lock);
    fixture->busies++;
    fixture->new_busies += busy->is_new ? 1 : 0;
    fixture->last_busy = *busy->reason;
    fixture->last_is_used = busy->is_used;
    ll_cond_broadcast(&fixture->changed);
    ll_mutex_unlock(&fixture->lock);
}

static const struct device_session_events events = {.up = on_up,
                                                    .busy = on_busy,
                                                    .down = on_down,
                                                    .progress = on_progress,
                                                    .ready = on_ready,
                                                    .drafted = on_drafted,
                                                    .draftless = on_draftless,
                                                    .uploaded = on_uploaded,
                                                    .limited = on_limited};

/* ---- Lifetime ---- */

void device_fixture_init(struct device_fixture *fixture, struct fake_model *fake,
                         const char *const *edges, int edge_count, double limit_bytes_per_s)
{
    device_fixture_init_bounded(fixture, fake, edges, edge_count, limit_bytes_per_s, 0);
}

void device_fixture_init_bounded(struct device_fixture *fixture, struct fake_model *fake,
                                 const char *const *edges, int edge_count, double limit_bytes_per_s,
                                 int64_t most_upload_bytes)
{
    *fixture = (struct device_fixture){.fake = fake, .engine = fake_engine_create()};
    CU_ASSERT_PTR_NOT_NULL_FATAL(fixture->engine);
    ll_mutex_init(&fixture->lock);
    ll_cond_init(&fixture->changed);
    fake_model_plan(fake, &fixture->plan);
    fixture->model = (struct device_model){
        .table = &fake->network->table,
        .blobs = fake->blobs,
        .manifest = &fake->manifest,
        .plan = &fixture->plan,
    };
    memcpy(fixture->model.id, fake->id_text, sizeof(fixture->model.id));
    CU_ASSERT_EQUAL_FATAL(device_layer_times_create(fixture->model.table, 1, &fixture->times),
                          LL_OK);
    struct device_local_config local = {.engine = fixture->engine,
                                        .network = fake->network,
                                        .blobs = fake->blobs,
                                        .slowdown = 1,
                                        .times = fixture->times};
    struct ll_error err;
    CU_ASSERT_EQUAL_FATAL(device_local_create(&local, &fixture->local, &err), LL_OK);
    struct device_session_config session = {
        .model = &fixture->model,
        .edges = edges,
        .edge_count = edge_count,
        .limit_bytes_per_s = limit_bytes_per_s,
        .most_upload_bytes = most_upload_bytes,
        .elsewhere_ns = LL_NS_PER_MS,
        .engine = fixture->engine,
        .device = "test",
        .events = &events,
        .owner = fixture,
    };
    if (edge_count > 0) {
        CU_ASSERT_EQUAL_FATAL(device_session_create(&session, &fixture->session), LL_OK);
    }
    fixture->querier = (struct device_querier){
        .model = &fixture->model,
        .local = fixture->local,
        .edge = fixture->session ? device_session_edge(fixture->session) : NULL,
        .requests = fixture->session ? device_session_requests(fixture->session) : NULL,
        .times = fixture->times,
        .slowdown = 1,
        /* The fake engine is faster than any edge. */
        .wish = {.cut_end = -1, .choose = DEVICE_CHOOSE_FURTHEST},
    };
    CU_ASSERT_EQUAL_FATAL(device_querier_init(&fixture->querier), LL_OK);
}

void device_fixture_start(struct device_fixture *fixture)
{
    device_session_start(fixture->session);
}

void device_fixture_finish(struct device_fixture *fixture)
{
    device_session_destroy(fixture->session);
    device_querier_finish(&fixture->querier);
    device_local_destroy(fixture->local);
    device_layer_times_destroy(fixture->times);
    ll_plan_finish(&fixture->plan);
    CU_ASSERT_EQUAL(fake_engine_alive(fixture->engine), 0);
    ll_engine_destroy(fixture->engine);
    ll_cond_finish(&fixture->changed);
    ll_mutex_finish(&fixture->lock);
}

void device_fixture_finish_with(struct device_fixture *fixture, struct fake_edge *edge)
{
    struct fake_edge_counts counts;
    device_fixture_finish(fixture);
    fake_edge_get_counts(edge, &counts);
    CU_ASSERT_EQUAL(counts.faults, 0);
    fake_edge_destroy(edge);
}

/* ---- Waiting ---- */

static void await(struct device_fixture *fixture,
                  bool (*is_so)(const struct device_fixture *fixture, int64_t least), int64_t least)
{
    int64_t until_ns = ll_clock_now_ns() + FIXTURE_PATIENCE_NS;
    bool is_there = false;
    ll_mutex_lock(&fixture->lock);
    while (!(is_there = is_so(fixture, least)) && ll_clock_now_ns() < until_ns) {
        ll_cond_wait(&fixture->changed, &fixture->lock, until_ns);
    }
    ll_mutex_unlock(&fixture->lock);
    CU_ASSERT_TRUE_FATAL(is_there);
}

static bool has_ups(const struct device_fixture *fixture, int64_t least)
{
    return fixture->ups >= least;
}

static bool has_downs(const struct device_fixture *fixture, int64_t least)
{
    return fixture->downs >= least;
}

static bool has_busies(const struct device_fixture *fixture, int64_t least)
{
    return fixture->busies >= least;
}

static bool has_prefix(const struct device_fixture *fixture, int64_t least)
{
    return fixture->prefix >= least;
}

static bool has_acked(const struct device_fixture *fixture, int64_t least)
{
    return fixture->acked_bytes >= least;
}

static bool has_uploaded(const struct device_fixture *fixture, int64_t least)
{
    (void)least;
    return fixture->has_uploaded;
}

void device_fixture_await_ups(struct device_fixture *fixture, int count)
{
    await(fixture, has_ups, count);
}

void device_fixture_await_busies(struct device_fixture *fixture, int count)
{
    await(fixture, has_busies, count);
}

void device_fixture_await_downs(struct device_fixture *fixture, int count)
{
    await(fixture, has_downs, count);
}

void device_fixture_await_prefix(struct device_fixture *fixture, int prefix)
{
    await(fixture, has_prefix, prefix);
}

void device_fixture_await_acked(struct device_fixture *fixture, int64_t bytes)
{
    await(fixture, has_acked, bytes);
}

void device_fixture_await_uploaded(struct device_fixture *fixture)
{
    await(fixture, has_uploaded, 0);
}

static bool has_draft(const struct device_fixture *fixture, int64_t least)
{
    return fixture->drafts >= least;
}

void device_fixture_await_draft(struct device_fixture *fixture)
{
    await(fixture, has_draft, 1);
}

static bool has_limits(const struct device_fixture *fixture, int64_t least)
{
    return fixture->limits >= least;
}

void device_fixture_await_limit(struct device_fixture *fixture)
{
    await(fixture, has_limits, 1);
}

int device_fixture_downs(struct device_fixture *fixture)
{
    ll_mutex_lock(&fixture->lock);
    int downs = fixture->downs;
    ll_mutex_unlock(&fixture->lock);
    return downs;
}

/* ---- Queries ---- */

void device_fixture_query(struct device_fixture *fixture, unsigned seed,
                          struct device_query_result *out_result)
{
    int layers = fixture->model.table->layer_count;
    struct fake_tensors input = {0};
    struct fake_tensors expected = {0};
    struct ll_buf *buf = NULL;
    struct ll_error err = {.text = ""};
    fake_model_inputs(fixture->fake, seed, 0, layers, &input);
    fake_model_outputs(fixture->expected ? fixture->expected : fixture->fake, seed, 0, layers,
                       &expected);
    CU_ASSERT_EQUAL_FATAL(ll_buf_copy(input.data, (size_t)input.floats * sizeof(float), &buf),
                          LL_OK);
    CU_ASSERT_EQUAL_FATAL(device_query_run(&fixture->querier,
                                           &(struct device_query_input){.floats = buf}, out_result,
                                           &err),
                          LL_OK);
    CU_ASSERT_EQUAL_FATAL(out_result->output_floats, expected.floats);
    CU_ASSERT_EQUAL(
        memcmp(out_result->outputs, expected.data, (size_t)expected.floats * sizeof(float)), 0);
    CU_ASSERT_TRUE(out_result->device_ns >= 0 && out_result->edge_ns >= 0);
    CU_ASSERT_TRUE(out_result->network_ns >= 0);
    CU_ASSERT_EQUAL(out_result->device_ns + out_result->edge_ns + out_result->network_ns,
                    out_result->latency_ns);
    CU_ASSERT_TRUE(out_result->first <= out_result->end && out_result->end <= layers);
    ll_buf_unref(buf);
    fake_tensors_finish(&input);
    fake_tensors_finish(&expected);
}

void device_fixture_expect(struct device_fixture *fixture, unsigned seed, int first, int reached,
                           const char *fallback)
{
    struct device_query_result result;
    device_fixture_query(fixture, seed, &result);
    CU_ASSERT_EQUAL(result.first, first);
    CU_ASSERT_EQUAL(result.end, reached);
    CU_ASSERT_STRING_EQUAL(result.fallback.text, fallback);
    device_query_result_finish(&result);
}
