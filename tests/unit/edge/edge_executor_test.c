#include "edge/edge_executor.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_memory.h"
#include "core/ll_sync.h"
#include "tests/support/catalog_fixture.h"
#include "tests/support/ll_test.h"

static const char plain[] = "fake\n"
                            "input 4\n"
                            "layer 6 10\n"
                            "layer 5 10\n"
                            "layer 4 10\n";
enum { LAYERS = 3, JOBS = 6, PATIENCE_S = 30 };

struct fixture {
    struct catalog_fixture catalog;
    struct edge_model *model;
    struct fake_model fake;
    struct edge_executor *executor;
    struct fake_tensors input;
    struct ll_tensor_in in;
    struct ll_mutex lock;
    struct ll_cond changed;
    /* Guarded by lock: the numbers of jobs that have ended, in order. */
    int ended[JOBS];
    int ended_count;
    struct edge_flow flows[2];
};

struct test_job {
    struct edge_job job;
    struct fixture *fixture;
    int number;
};

static void on_done(struct edge_job *job)
{
    struct test_job *ended = (struct test_job *)(void *)job;
    struct fixture *fixture = ended->fixture;
    ll_mutex_lock(&fixture->lock);
    fixture->ended[fixture->ended_count++] = ended->number;
    ll_cond_broadcast(&fixture->changed);
    ll_mutex_unlock(&fixture->lock);
}

static void await_ended(struct fixture *fixture, int count)
{
    int64_t deadline_ns = ll_clock_deadline(ll_clock_now_ns(), PATIENCE_S * LL_NS_PER_S);
    bool in_time = true;
    ll_mutex_lock(&fixture->lock);
    while (fixture->ended_count < count && in_time) {
        in_time = ll_cond_wait(&fixture->changed, &fixture->lock, deadline_ns);
    }
    bool has_come = fixture->ended_count >= count;
    ll_mutex_unlock(&fixture->lock);
    CU_ASSERT_FATAL(has_come);
}

/* Creates layers up to `end`, as the creation thread does. */
static void create(struct fixture *fixture, int end)
{
    catalog_fixture_create(fixture->model, &fixture->fake, end);
    edge_executor_wake(fixture->executor, fixture->model);
}

static void set_up_model(struct fixture *fixture, const char *cfg, int threads)
{
    memset(fixture, 0, sizeof(*fixture));
    catalog_fixture_set_up(&fixture->catalog, 1000, 2, 0);
    fake_model_init(&fixture->fake, cfg, 1);
    fixture->model = catalog_fixture_open(&fixture->catalog, &fixture->fake, LL_OK, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(fixture->model);
    fake_model_inputs(&fixture->fake, 5, 0, LAYERS, &fixture->input);
    fixture->in =
        (struct ll_tensor_in){.name = LL_TENSOR_INPUT, .floats = 4, .data = fixture->input.data};
    ll_mutex_init(&fixture->lock);
    ll_cond_init(&fixture->changed);
    CU_ASSERT_EQUAL_FATAL(edge_executor_create(threads, &fixture->executor), LL_OK);
    CU_ASSERT_EQUAL_FATAL(edge_executor_start(fixture->executor), LL_OK);
}

static void set_up(struct fixture *fixture, int threads)
{
    set_up_model(fixture, plain, threads);
}

static void tear_down(struct fixture *fixture)
{
    edge_executor_destroy(fixture->executor);
    ll_mutex_finish(&fixture->lock);
    ll_cond_finish(&fixture->changed);
    fake_tensors_finish(&fixture->input);
    catalog_fixture_close(fixture->model);
    fake_model_finish(&fixture->fake);
    catalog_fixture_tear_down(&fixture->catalog);
}

static struct test_job make_job(struct fixture *fixture, int number, int end, int least_prefix)
{
    return (struct test_job){.job = {.model = fixture->model,
                                     .flow = &fixture->flows[0],
                                     .end = end,
                                     .least_prefix = least_prefix,
                                     .inputs = &fixture->in,
                                     .input_count = 1,
                                     .done = on_done},
                             .fixture = fixture,
                             .number = number};
}

static bool is_right(const struct fixture *fixture, const struct edge_job *job)
{
    struct fake_tensors expected;
    fake_model_outputs(&fixture->fake, 5, 0, job->reached, &expected);
    bool is_right = job->status == LL_OK && job->names.count == 1 &&
                    (int64_t)ll_buf_bytes(job->outputs[0]) == expected.floats * 4 &&
                    fake_floats_equal(ll_buf_data(job->outputs[0]), expected.data, expected.floats);
    fake_tensors_finish(&expected);
    return is_right;
}

static void test_job_runs_as_far_as_the_prefix(void)
{
    struct fixture fixture;
    set_up(&fixture, 1);
    create(&fixture, 2);
    struct test_job job = make_job(&fixture, 0, LAYERS, 0);
    edge_executor_submit(fixture.executor, &job.job);
    await_ended(&fixture, 1);
    CU_ASSERT_EQUAL(job.job.reached, 2);
    CU_ASSERT_EQUAL(job.job.prefix, 2);
    CU_ASSERT(is_right(&fixture, &job.job));
    CU_ASSERT(job.job.queued_ns >= job.job.waited_ns && job.job.waited_ns >= 0);
    edge_job_finish(&job.job);
    tear_down(&fixture);
}

static void test_jobs_begin_in_order(void)
{
    struct fixture fixture;
    struct test_job jobs[JOBS];
    set_up(&fixture, 1);
    create(&fixture, LAYERS);
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = make_job(&fixture, i, LAYERS, 0);
        edge_executor_submit(fixture.executor, &jobs[i].job);
    }
    await_ended(&fixture, JOBS);
    for (int i = 0; i < JOBS; i++) {
        CU_ASSERT_EQUAL(fixture.ended[i], i);
        CU_ASSERT(is_right(&fixture, &jobs[i].job));
        edge_job_finish(&jobs[i].job);
    }
    tear_down(&fixture);
}

static void test_flows_take_turns(void)
{
    struct fixture fixture;
    struct test_job jobs[JOBS];
    set_up(&fixture, 1);
    create(&fixture, LAYERS);
    fake_engine_hold(fixture.catalog.engine, FAKE_RUN);
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = make_job(&fixture, i, LAYERS, 0);
        /* One flow was there first and has much to do. */
        jobs[i].job.flow = &fixture.flows[i < JOBS - 2 ? 0 : 1];
        edge_executor_submit(fixture.executor, &jobs[i].job);
    }
    CU_ASSERT_FATAL(fake_engine_await_held(fixture.catalog.engine, FAKE_RUN, 1));
    fake_engine_release(fixture.catalog.engine, FAKE_RUN);
    await_ended(&fixture, JOBS);
    static const int expected[] = {0, JOBS - 2, 1, JOBS - 1, 2};
    for (int i = 0; i < 5; i++) {
        CU_ASSERT_EQUAL(fixture.ended[i], expected[i]);
    }
    for (int i = 0; i < JOBS; i++) {
        edge_job_finish(&jobs[i].job);
    }
    tear_down(&fixture);
}

static void test_waiting_job_does_not_hold_up_others(void)
{
    struct fixture fixture;
    set_up(&fixture, 1);
    create(&fixture, 1);
    struct test_job waiting = make_job(&fixture, 0, LAYERS, LAYERS);
    struct test_job less = make_job(&fixture, 1, LAYERS, 2);
    struct test_job ready = make_job(&fixture, 2, 1, 0);
    edge_executor_submit(fixture.executor, &waiting.job);
    edge_executor_submit(fixture.executor, &less.job);
    edge_executor_submit(fixture.executor, &ready.job);
    await_ended(&fixture, 1);
    create(&fixture, 2);
    await_ended(&fixture, 2);
    create(&fixture, LAYERS);
    await_ended(&fixture, 3);
    CU_ASSERT_EQUAL(fixture.ended[0], 2);
    CU_ASSERT_EQUAL(fixture.ended[1], 1);
    CU_ASSERT_EQUAL(fixture.ended[2], 0);
    CU_ASSERT_EQUAL(less.job.reached, 2);
    CU_ASSERT_EQUAL(waiting.job.reached, LAYERS);
    CU_ASSERT(waiting.job.waited_ns > 0);
    CU_ASSERT(is_right(&fixture, &waiting.job));
    edge_job_finish(&waiting.job);
    edge_job_finish(&less.job);
    edge_job_finish(&ready.job);
    tear_down(&fixture);
}

static void test_cancel_takes_back_what_has_not_begun(void)
{
    struct fixture fixture;
    struct test_job jobs[JOBS];
    set_up(&fixture, 1);
    create(&fixture, 1);
    fake_engine_hold(fixture.catalog.engine, FAKE_RUN);
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = make_job(&fixture, i, LAYERS, i == 3 ? LAYERS : 0);
        edge_executor_submit(fixture.executor, &jobs[i].job);
    }
    CU_ASSERT_FATAL(fake_engine_await_held(fixture.catalog.engine, FAKE_RUN, 1));
    CU_ASSERT_FALSE(edge_executor_cancel(fixture.executor, &jobs[0].job));
    /* The last, the waiting one, one in between. */
    CU_ASSERT(edge_executor_cancel(fixture.executor, &jobs[5].job));
    CU_ASSERT(edge_executor_cancel(fixture.executor, &jobs[3].job));
    CU_ASSERT(edge_executor_cancel(fixture.executor, &jobs[2].job));
    CU_ASSERT_FALSE(edge_executor_cancel(fixture.executor, &jobs[2].job));
    fake_engine_release(fixture.catalog.engine, FAKE_RUN);
    await_ended(&fixture, 3);
    static const int expected[] = {0, 1, 4};
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(fixture.ended[i], expected[i]);
        edge_job_finish(&jobs[expected[i]].job);
    }
    CU_ASSERT_EQUAL(fake_engine_done(fixture.catalog.engine, FAKE_RUN), 3);
    tear_down(&fixture);
}

static void test_failure_of_a_creation_ends_the_wait(void)
{
    struct fixture fixture;
    set_up(&fixture, 2);
    create(&fixture, 1);
    struct test_job early = make_job(&fixture, 0, LAYERS, LAYERS);
    edge_executor_submit(fixture.executor, &early.job);
    const struct ll_error err = {.text = "made to fail"};
    edge_model_fail_creation(fixture.model, LL_E_NO_MEMORY, &err);
    edge_executor_wake(fixture.executor, fixture.model);
    await_ended(&fixture, 1);
    CU_ASSERT_EQUAL(early.job.status, LL_E_PRECONDITION);
    struct test_job late = make_job(&fixture, 1, LAYERS, LAYERS);
    edge_executor_submit(fixture.executor, &late.job);
    await_ended(&fixture, 2);
    CU_ASSERT_EQUAL(late.job.status, LL_E_PRECONDITION);
    struct test_job served = make_job(&fixture, 2, LAYERS, 1);
    edge_executor_submit(fixture.executor, &served.job);
    await_ended(&fixture, 3);
    CU_ASSERT(is_right(&fixture, &served.job));
    edge_job_finish(&served.job);
    tear_down(&fixture);
}

static void test_jobs_run_at_once_on_several_threads(void)
{
    struct fixture fixture;
    struct test_job jobs[JOBS];
    set_up(&fixture, JOBS);
    create(&fixture, LAYERS);
    fake_engine_hold(fixture.catalog.engine, FAKE_RUN);
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = make_job(&fixture, i, LAYERS, 0);
        edge_executor_submit(fixture.executor, &jobs[i].job);
    }
    CU_ASSERT(fake_engine_await_held(fixture.catalog.engine, FAKE_RUN, JOBS));
    fake_engine_release(fixture.catalog.engine, FAKE_RUN);
    await_ended(&fixture, JOBS);
    for (int i = 0; i < JOBS; i++) {
        CU_ASSERT(is_right(&fixture, &jobs[i].job));
        edge_job_finish(&jobs[i].job);
    }
    tear_down(&fixture);
}

static void test_cancel_stops_what_runs(void)
{
    struct fixture fixture;
    set_up(&fixture, 1);
    create(&fixture, LAYERS);
    fake_engine_hold(fixture.catalog.engine, FAKE_RUN);
    struct test_job stopped = make_job(&fixture, 0, LAYERS, 0);
    struct test_job next = make_job(&fixture, 1, LAYERS, 0);
    edge_executor_submit(fixture.executor, &stopped.job);
    edge_executor_submit(fixture.executor, &next.job);
    CU_ASSERT_FATAL(fake_engine_await_held(fixture.catalog.engine, FAKE_RUN, 1));
    CU_ASSERT_FALSE(edge_executor_cancel(fixture.executor, &stopped.job));
    fake_engine_release(fixture.catalog.engine, FAKE_RUN);
    await_ended(&fixture, 2);
    CU_ASSERT_EQUAL(stopped.job.status, LL_E_CANCELLED);
    /* Neither its context nor the thread is the worse for it. */
    CU_ASSERT(is_right(&fixture, &next.job));
    edge_job_finish(&stopped.job);
    edge_job_finish(&next.job);
    tear_down(&fixture);
}

/* Three operations of FAKE_HEAVY_FLOPS make a heavy query. */
static const char heavy[] = "fake\n"
                            "input 4\n"
                            "layer 6 10 heavy\n"
                            "layer 5 10 heavy\n"
                            "layer 4 10 heavy\n";

static void test_heavy_jobs_leave_a_thread(void)
{
    struct fixture fixture;
    set_up_model(&fixture, heavy, 2);
    create(&fixture, LAYERS);
    fake_engine_hold(fixture.catalog.engine, FAKE_RUN);
    struct test_job first = make_job(&fixture, 0, LAYERS, 0);
    struct test_job second = make_job(&fixture, 1, LAYERS, 0);
    struct test_job light = make_job(&fixture, 2, 1, 0);
    edge_executor_submit(fixture.executor, &first.job);
    edge_executor_submit(fixture.executor, &second.job);
    edge_executor_submit(fixture.executor, &light.job);
    CU_ASSERT_FATAL(fake_engine_await_held(fixture.catalog.engine, FAKE_RUN, 2));
    /* The light one runs already, although it came last. */
    CU_ASSERT(edge_executor_cancel(fixture.executor, &second.job));
    CU_ASSERT_FALSE(edge_executor_cancel(fixture.executor, &light.job));
    edge_executor_submit(fixture.executor, &second.job);
    fake_engine_release(fixture.catalog.engine, FAKE_RUN);
    await_ended(&fixture, 3);
    CU_ASSERT_EQUAL(first.job.status, LL_OK);
    CU_ASSERT_EQUAL(second.job.status, LL_OK);
    CU_ASSERT_EQUAL(light.job.status, LL_E_CANCELLED);
    edge_job_finish(&first.job);
    edge_job_finish(&second.job);
    edge_job_finish(&light.job);
    tear_down(&fixture);
}

static void test_heavy_jobs_have_the_only_thread(void)
{
    struct fixture fixture;
    set_up_model(&fixture, heavy, 1);
    create(&fixture, LAYERS);
    struct test_job job = make_job(&fixture, 0, LAYERS, 0);
    edge_executor_submit(fixture.executor, &job.job);
    await_ended(&fixture, 1);
    CU_ASSERT_EQUAL(job.job.status, LL_OK);
    edge_job_finish(&job.job);
    tear_down(&fixture);
}

static void stop_executor(void *arg)
{
    edge_executor_stop(arg);
}

static void test_stop_stops_what_runs(void)
{
    struct fixture fixture;
    struct ll_thread stopper = {.started = false};
    set_up(&fixture, 1);
    create(&fixture, LAYERS);
    fake_engine_hold(fixture.catalog.engine, FAKE_RUN);
    struct test_job job = make_job(&fixture, 0, LAYERS, 0);
    edge_executor_submit(fixture.executor, &job.job);
    CU_ASSERT_FATAL(fake_engine_await_held(fixture.catalog.engine, FAKE_RUN, 1));
    CU_ASSERT_EQUAL_FATAL(ll_thread_start(&stopper, "stopper", stop_executor, fixture.executor),
                          LL_OK);
    while (!atomic_load(&job.job.stop)) {
        sched_yield();
    }
    fake_engine_release(fixture.catalog.engine, FAKE_RUN);
    ll_thread_join(&stopper);
    CU_ASSERT_EQUAL(fixture.ended_count, 1);
    CU_ASSERT_EQUAL(job.job.status, LL_E_CANCELLED);
    edge_job_finish(&job.job);
    tear_down(&fixture);
}

/* Counts as a job that has ended. */
static void count_rest(void *arg)
{
    struct fixture *fixture = arg;
    ll_mutex_lock(&fixture->lock);
    fixture->ended[fixture->ended_count++] = -1;
    ll_cond_broadcast(&fixture->changed);
    ll_mutex_unlock(&fixture->lock);
}

static void test_rests_once_after_jobs(void)
{
    struct fixture fixture;
    set_up(&fixture, 1);
    edge_executor_destroy(fixture.executor);
    CU_ASSERT_EQUAL_FATAL(edge_executor_create(1, &fixture.executor), LL_OK);
    edge_executor_set_rest(fixture.executor, 0, count_rest, &fixture);
    CU_ASSERT_EQUAL_FATAL(edge_executor_start(fixture.executor), LL_OK);
    create(&fixture, LAYERS);
    for (int i = 0; i < 2; i++) {
        const int *ended = i == 0 ? &fixture.ended[0] : &fixture.ended[2];
        struct test_job job = make_job(&fixture, i, LAYERS, 0);
        edge_executor_submit(fixture.executor, &job.job);
        await_ended(&fixture, 2 * i + 2);
        CU_ASSERT_EQUAL(ended[0], i);
        CU_ASSERT_EQUAL(ended[1], -1);
        edge_job_finish(&job.job);
    }
    edge_executor_stop(fixture.executor);
    CU_ASSERT_EQUAL(fixture.ended_count, 4);
    tear_down(&fixture);
}

/* Runs all layers, the first with the model's weights and the others with the draft's. */
static ll_status run_with_draft(struct fixture *fixture, struct edge_model *draft, int number,
                                struct ll_error *err)
{
    struct test_job job = make_job(fixture, number, LAYERS, 0);
    job.job.draft = draft;
    edge_executor_submit(fixture->executor, &job.job);
    await_ended(fixture, number + 1);
    CU_ASSERT_EQUAL(job.job.reached, LAYERS);
    CU_ASSERT_EQUAL(job.job.exact_reached, 1);
    ll_status status = job.job.status;
    *err = job.job.err;
    edge_job_finish(&job.job);
    return status;
}

/* A model's author chooses how much passes from layer to layer. */
static void test_what_passes_to_a_draft_takes_memory(void)
{
    enum { MEMORY_BYTES = 100000, PASSED_BYTES = 6 * 4 };
    struct fixture fixture;
    struct fake_model rounded;
    struct ll_memory *memory = NULL;
    struct ll_error err;
    set_up(&fixture, 1);
    CU_ASSERT_EQUAL_FATAL(ll_memory_create(MEMORY_BYTES, &memory), LL_OK);
    ll_engine_set_memory(fixture.catalog.engine, memory);
    fake_model_init(&rounded, plain, 2);
    struct edge_model *draft = catalog_fixture_open(&fixture.catalog, &rounded, LL_OK, NULL);
    catalog_fixture_create(draft, &rounded, LAYERS);
    create(&fixture, 1);
    CU_ASSERT_EQUAL(run_with_draft(&fixture, draft, 0, &err), LL_OK);
    /* Both contexts are here now. */
    int64_t filling = MEMORY_BYTES - ll_memory_used(memory) - PASSED_BYTES + 1;
    CU_ASSERT_EQUAL(ll_memory_take(memory, filling, "a test", NULL), LL_OK);
    CU_ASSERT_EQUAL(run_with_draft(&fixture, draft, 1, &err), LL_E_EXHAUSTED);
    CU_ASSERT_STRING_EQUAL(err.limit, "memory_bytes");
    ll_memory_give(memory, 1);
    CU_ASSERT_EQUAL(run_with_draft(&fixture, draft, 2, &err), LL_OK);
    CU_ASSERT_EQUAL(ll_memory_used(memory), MEMORY_BYTES - PASSED_BYTES);
    ll_memory_give(memory, filling - 1);
    catalog_fixture_close(draft);
    fake_model_finish(&rounded);
    tear_down(&fixture);
    ll_memory_destroy(memory);
}

const char *const ll_test_suite = "edge_executor";
const struct ll_test ll_tests[] = {
    LL_TEST(test_job_runs_as_far_as_the_prefix),
    LL_TEST(test_jobs_begin_in_order),
    LL_TEST(test_flows_take_turns),
    LL_TEST(test_waiting_job_does_not_hold_up_others),
    LL_TEST(test_cancel_takes_back_what_has_not_begun),
    LL_TEST(test_failure_of_a_creation_ends_the_wait),
    LL_TEST(test_jobs_run_at_once_on_several_threads),
    LL_TEST(test_heavy_jobs_leave_a_thread),
    LL_TEST(test_heavy_jobs_have_the_only_thread),
    LL_TEST(test_cancel_stops_what_runs),
    LL_TEST(test_stop_stops_what_runs),
    LL_TEST(test_rests_once_after_jobs),
    LL_TEST(test_what_passes_to_a_draft_takes_memory),
    {NULL, NULL},
};
