#include "rpc/rpc_loop.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "core/ll_clock.h"
#include "core/ll_sync.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "rpc_loop";

/* Counts what ran, in order, behind a lock. */
struct journal {
    struct rpc_loop *loop;
    struct ll_mutex mutex;
    struct ll_cond changed;
    /* Guarded by mutex. */
    int count;
    int order[64];
    bool is_elsewhere;
};

static void journal_init(struct journal *journal)
{
    *journal = (struct journal){.count = 0};
    ll_mutex_init(&journal->mutex);
    ll_cond_init(&journal->changed);
    CU_ASSERT_EQUAL_FATAL(rpc_loop_create(&journal->loop), LL_OK);
}

static void journal_finish(struct journal *journal)
{
    rpc_loop_destroy(journal->loop);
    CU_ASSERT_FALSE(journal->is_elsewhere);
    ll_cond_finish(&journal->changed);
    ll_mutex_finish(&journal->mutex);
}

static void journal_add(struct journal *journal, int what)
{
    ll_mutex_lock(&journal->mutex);
    if (journal->count < 64) {
        journal->order[journal->count] = what;
    }
    journal->count++;
    journal->is_elsewhere = journal->is_elsewhere || !rpc_loop_is_current(journal->loop);
    ll_cond_broadcast(&journal->changed);
    ll_mutex_unlock(&journal->mutex);
}

static void journal_wait(struct journal *journal, int count)
{
    ll_mutex_lock(&journal->mutex);
    while (journal->count < count) {
        ll_cond_wait(&journal->changed, &journal->mutex, LL_CLOCK_NEVER);
    }
    ll_mutex_unlock(&journal->mutex);
}

struct entry {
    struct rpc_task task;
    struct journal *journal;
    int what;
    /* So often it posts itself again. */
    int again;
};

static void run_entry(struct rpc_task *task)
{
    struct entry *entry = (struct entry *)task;
    struct journal *journal = entry->journal;
    if (entry->again > 0) {
        entry->again--;
        rpc_loop_post(journal->loop, task);
    }
    journal_add(journal, entry->what);
}

static void test_tasks_run_in_order(void)
{
    struct journal journal;
    journal_init(&journal);
    CU_ASSERT_FALSE(rpc_loop_is_current(journal.loop));
    struct entry entries[50];
    for (int i = 0; i < 50; i++) {
        entries[i] = (struct entry){.task.run = run_entry, .journal = &journal, .what = i};
        rpc_loop_post(journal.loop, &entries[i].task);
    }
    journal_wait(&journal, 50);
    for (int i = 0; i < 50; i++) {
        CU_ASSERT_EQUAL(journal.order[i], i);
    }
    journal_finish(&journal);
}

static void test_task_posts_itself(void)
{
    struct journal journal;
    journal_init(&journal);
    struct entry entry = {.task.run = run_entry, .journal = &journal, .again = 1000};
    rpc_loop_post(journal.loop, &entry.task);
    journal_wait(&journal, 1001);
    journal_finish(&journal);
    CU_ASSERT_EQUAL(journal.count, 1001);
}

static void test_destroy_runs_what_is_queued(void)
{
    for (int round = 0; round < 50; round++) {
        struct journal journal;
        journal_init(&journal);
        struct entry entries[8];
        for (int i = 0; i < 8; i++) {
            entries[i] = (struct entry){.task.run = run_entry, .journal = &journal, .again = 2};
            rpc_loop_post(journal.loop, &entries[i].task);
        }
        journal_finish(&journal);
        CU_ASSERT_EQUAL(journal.count, 24);
    }
    rpc_loop_destroy(NULL);
}

struct poster {
    struct ll_thread thread;
    struct journal *journal;
    struct entry entries[500];
};

static void post_all(void *arg)
{
    struct poster *poster = arg;
    for (int i = 0; i < 500; i++) {
        poster->entries[i] = (struct entry){.task.run = run_entry, .journal = poster->journal};
        rpc_loop_post(poster->journal->loop, &poster->entries[i].task);
    }
}

static void test_tasks_from_many_threads(void)
{
    struct journal journal;
    journal_init(&journal);
    struct poster *posters = calloc(4, sizeof(*posters));
    CU_ASSERT_PTR_NOT_NULL_FATAL(posters);
    for (int i = 0; i < 4; i++) {
        posters[i].journal = &journal;
        CU_ASSERT_EQUAL_FATAL(ll_thread_start(&posters[i].thread, "poster", post_all, &posters[i]),
                              LL_OK);
    }
    for (int i = 0; i < 4; i++) {
        ll_thread_join(&posters[i].thread);
    }
    journal_wait(&journal, 2000);
    journal_finish(&journal);
    free(posters);
    CU_ASSERT_EQUAL(journal.count, 2000);
}

struct alarm {
    struct rpc_timer *timer;
    struct journal *journal;
    int what;
    int64_t deadline_ns;
    bool is_early;
    /* So often it sets itself again, into the past. */
    int again;
};

static void fire_alarm(void *arg)
{
    struct alarm *alarm = arg;
    alarm->is_early = alarm->is_early || ll_clock_now_ns() < alarm->deadline_ns;
    if (alarm->again > 0) {
        alarm->again--;
        rpc_timer_set(alarm->timer, 1);
    }
    journal_add(alarm->journal, alarm->what);
}

struct alarms {
    struct rpc_task task;
    struct alarm all[4];
};

static void set_alarms(struct rpc_task *task)
{
    struct alarms *alarms = (struct alarms *)task;
    int64_t now_ns = ll_clock_now_ns();
    /* 2 is first set to be the earliest, 3 is cancelled: 1, 0, 2 is left. */
    const int64_t delays_ms[4] = {6, 3, 0, 1};
    for (int i = 0; i < 4; i++) {
        alarms->all[i].deadline_ns = now_ns + delays_ms[i] * LL_NS_PER_MS;
        rpc_timer_set(alarms->all[i].timer, alarms->all[i].deadline_ns);
    }
    alarms->all[2].deadline_ns = now_ns + 9 * LL_NS_PER_MS;
    rpc_timer_set(alarms->all[2].timer, alarms->all[2].deadline_ns);
    rpc_timer_cancel(alarms->all[3].timer);
    rpc_timer_cancel(alarms->all[3].timer);
}

static void alarms_init(struct alarms *alarms, struct journal *journal)
{
    *alarms = (struct alarms){.task.run = set_alarms};
    for (int i = 0; i < 4; i++) {
        alarms->all[i].journal = journal;
        alarms->all[i].what = i;
        CU_ASSERT_EQUAL_FATAL(
            rpc_timer_create(journal->loop, fire_alarm, &alarms->all[i], &alarms->all[i].timer),
            LL_OK);
    }
}

static void destroy_alarms(struct rpc_task *task)
{
    struct alarms *alarms = (struct alarms *)task;
    for (int i = 0; i < 4; i++) {
        rpc_timer_destroy(alarms->all[i].timer);
    }
    rpc_timer_destroy(NULL);
}

static void test_timers_fire_in_order_of_deadline(void)
{
    struct journal journal;
    journal_init(&journal);
    struct alarms alarms;
    alarms_init(&alarms, &journal);
    rpc_loop_post(journal.loop, &alarms.task);
    journal_wait(&journal, 3);
    alarms.task.run = destroy_alarms;
    rpc_loop_post(journal.loop, &alarms.task);
    journal_finish(&journal);
    CU_ASSERT_EQUAL(journal.count, 3);
    CU_ASSERT_EQUAL(journal.order[0], 1);
    CU_ASSERT_EQUAL(journal.order[1], 0);
    CU_ASSERT_EQUAL(journal.order[2], 2);
    for (int i = 0; i < 4; i++) {
        CU_ASSERT_FALSE(alarms.all[i].is_early);
    }
}

static void set_greedy(struct rpc_task *task)
{
    struct alarms *alarms = (struct alarms *)task;
    rpc_timer_set(alarms->all[0].timer, 1);
}

static void test_greedy_timer_leaves_time_for_tasks(void)
{
    struct journal journal;
    journal_init(&journal);
    struct alarms alarms;
    alarms_init(&alarms, &journal);
    alarms.task.run = set_greedy;
    /* Would keep the thread for longer than any test may take. */
    alarms.all[0].again = 2000000000;
    rpc_loop_post(journal.loop, &alarms.task);
    journal_wait(&journal, 1000);
    alarms.task.run = destroy_alarms;
    rpc_loop_post(journal.loop, &alarms.task);
    journal_finish(&journal);
}

static void test_two_loops_at_once(void)
{
    struct journal first;
    struct journal second;
    journal_init(&first);
    journal_init(&second);
    struct entry a = {.task.run = run_entry, .journal = &first, .what = 1};
    struct entry b = {.task.run = run_entry, .journal = &second, .what = 2};
    rpc_loop_post(first.loop, &a.task);
    rpc_loop_post(second.loop, &b.task);
    journal_finish(&first);
    journal_finish(&second);
    CU_ASSERT_EQUAL(first.order[0], 1);
    CU_ASSERT_EQUAL(second.order[0], 2);
}

static void test_too_few_descriptors_are_an_error(void)
{
    struct rlimit limit;
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &limit), 0);
    struct rlimit low = {.rlim_cur = 6, .rlim_max = limit.rlim_max};
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &low), 0);
    struct rpc_loop *loop = NULL;
    CU_ASSERT_EQUAL(rpc_loop_create(&loop), LL_E_EXHAUSTED);
    CU_ASSERT_PTR_NULL(loop);
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &limit), 0);
    CU_ASSERT_EQUAL_FATAL(rpc_loop_create(&loop), LL_OK);
    rpc_loop_destroy(loop);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_tasks_run_in_order),
    LL_TEST(test_task_posts_itself),
    LL_TEST(test_destroy_runs_what_is_queued),
    LL_TEST(test_tasks_from_many_threads),
    LL_TEST(test_timers_fire_in_order_of_deadline),
    LL_TEST(test_greedy_timer_leaves_time_for_tasks),
    LL_TEST(test_two_loops_at_once),
    LL_TEST(test_too_few_descriptors_are_an_error),
    {NULL, NULL},
};
