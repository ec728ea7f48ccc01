#include "edge/upload/edge_worker.h"

#include "core/ll_clock.h"
#include "core/ll_sync.h"
#include "tests/support/ll_test.h"

enum { WORKS = 100 };

struct fixture;

struct test_work {
    struct edge_work work;
    struct fixture *fixture;
    int number;
    /* So often it posts itself again. */
    int again;
};

struct fixture {
    struct edge_worker *worker;
    struct test_work works[WORKS];
    struct ll_mutex lock;
    struct ll_cond changed;
    bool is_held LL_GUARDED_BY(lock);
    int order[2 * WORKS] LL_GUARDED_BY(lock);
    int ran LL_GUARDED_BY(lock);
};

static void run(struct edge_work *work)
{
    struct test_work *test = (struct test_work *)(void *)work;
    struct fixture *fixture = test->fixture;
    ll_mutex_lock(&fixture->lock);
    while (fixture->is_held) {
        ll_cond_wait(&fixture->changed, &fixture->lock, LL_CLOCK_NEVER);
    }
    fixture->order[fixture->ran++] = test->number;
    ll_cond_broadcast(&fixture->changed);
    ll_mutex_unlock(&fixture->lock);
    if (test->again-- > 0) {
        edge_worker_post(fixture->worker, work);
    }
}

LL_NO_ANALYSIS static void set_up(struct fixture *fixture)
{
    *fixture = (struct fixture){.is_held = true};
    ll_mutex_init(&fixture->lock);
    ll_cond_init(&fixture->changed);
    for (int i = 0; i < WORKS; i++) {
        fixture->works[i] =
            (struct test_work){.work = {.run = run}, .fixture = fixture, .number = i};
    }
    CU_ASSERT_EQUAL_FATAL(edge_worker_create("test", &fixture->worker), LL_OK);
}

static void let_go(struct fixture *fixture)
{
    ll_mutex_lock(&fixture->lock);
    fixture->is_held = false;
    ll_cond_broadcast(&fixture->changed);
    ll_mutex_unlock(&fixture->lock);
}

static void await(struct fixture *fixture, int count)
{
    ll_mutex_lock(&fixture->lock);
    while (fixture->ran < count) {
        ll_cond_wait(&fixture->changed, &fixture->lock, LL_CLOCK_NEVER);
    }
    ll_mutex_unlock(&fixture->lock);
}

LL_NO_ANALYSIS static void tear_down(struct fixture *fixture, int ran)
{
    edge_worker_destroy(fixture->worker);
    CU_ASSERT_EQUAL(fixture->ran, ran);
    ll_cond_finish(&fixture->changed);
    ll_mutex_finish(&fixture->lock);
}

LL_NO_ANALYSIS static void test_work_runs_in_order(void)
{
    struct fixture fixture;
    set_up(&fixture);
    for (int i = 0; i < WORKS; i++) {
        edge_worker_post(fixture.worker, &fixture.works[i].work);
    }
    let_go(&fixture);
    await(&fixture, WORKS);
    for (int i = 0; i < WORKS; i++) {
        CU_ASSERT_EQUAL(fixture.order[i], i);
    }
    tear_down(&fixture, WORKS);
}

/* Behind what others have posted meanwhile. */
LL_NO_ANALYSIS static void test_work_may_be_posted_again_when_it_runs(void)
{
    static const int order[] = {0, 1, 0, 0};
    struct fixture fixture;
    set_up(&fixture);
    fixture.works[0].again = 2;
    edge_worker_post(fixture.worker, &fixture.works[0].work);
    edge_worker_post(fixture.worker, &fixture.works[1].work);
    let_go(&fixture);
    await(&fixture, 4);
    for (int i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(fixture.order[i], order[i]);
    }
    tear_down(&fixture, 4);
}

/* A work each, whatever one of them has posted before. */
LL_NO_ANALYSIS static void test_lanes_take_turns(void)
{
    static const int order[] = {0, 1, 5, 9, 2, 6, 3, 4};
    struct fixture fixture;
    struct edge_lane long_lane;
    struct edge_lane short_lane;
    set_up(&fixture);
    edge_lane_init(&long_lane, fixture.worker);
    edge_lane_init(&short_lane, fixture.worker);
    /* The worker is held up in this one. */
    edge_worker_post(fixture.worker, &fixture.works[0].work);
    for (int i = 1; i < 5; i++) {
        edge_lane_post(&long_lane, &fixture.works[i].work);
    }
    edge_lane_post(&short_lane, &fixture.works[5].work);
    edge_lane_post(&short_lane, &fixture.works[6].work);
    edge_worker_post(fixture.worker, &fixture.works[9].work);
    let_go(&fixture);
    await(&fixture, 8);
    for (int i = 0; i < 8; i++) {
        CU_ASSERT_EQUAL(fixture.order[i], order[i]);
    }
    tear_down(&fixture, 8);
}

static void test_an_empty_lane_wakes_the_worker(void)
{
    struct fixture fixture;
    struct edge_lane lane;
    set_up(&fixture);
    let_go(&fixture);
    edge_lane_init(&lane, fixture.worker);
    for (int i = 0; i < WORKS; i++) {
        edge_lane_post(&lane, &fixture.works[i].work);
        await(&fixture, i + 1);
    }
    tear_down(&fixture, WORKS);
}

static void test_stop_runs_what_is_queued(void)
{
    struct fixture fixture;
    set_up(&fixture);
    for (int i = 0; i < WORKS; i++) {
        edge_worker_post(fixture.worker, &fixture.works[i].work);
    }
    let_go(&fixture);
    edge_worker_stop(fixture.worker);
    edge_worker_stop(fixture.worker);
    tear_down(&fixture, WORKS);
}

static void test_an_idle_worker_ends(void)
{
    struct fixture fixture;
    set_up(&fixture);
    tear_down(&fixture, 0);
    edge_worker_destroy(NULL);
}

const char *const ll_test_suite = "edge_worker";
const struct ll_test ll_tests[] = {
    LL_TEST(test_work_runs_in_order),
    LL_TEST(test_work_may_be_posted_again_when_it_runs),
    LL_TEST(test_lanes_take_turns),
    LL_TEST(test_an_empty_lane_wakes_the_worker),
    LL_TEST(test_stop_runs_what_is_queued),
    LL_TEST(test_an_idle_worker_ends),
    {NULL, NULL},
};
