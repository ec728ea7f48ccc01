#include "core/ll_sync.h"

#include <stdio.h>
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_log.h"
#include "tests/support/ll_test.h"

struct counter {
    struct ll_mutex mutex;
    struct ll_cond changed;
    /* Guarded by mutex. */
    int value;
    /* Whether the thread's denormals are flushed. */
    bool flushes;
};

static void count_up(void *arg)
{
    struct counter *counter = arg;
    ll_thread_flush_denormals();
    volatile float tiny = 1e-38f;
    volatile float quotient = tiny / 16.0f;
    for (int i = 0; i < 1000; i++) {
        ll_mutex_lock(&counter->mutex);
        ll_mutex_assert_held(&counter->mutex);
        counter->value++;
        counter->flushes = quotient == 0.0f;
        ll_cond_broadcast(&counter->changed);
        ll_mutex_unlock(&counter->mutex);
    }
}

static void test_threads_count_together(void)
{
    struct counter counter = {.value = 0};
    ll_mutex_init(&counter.mutex);
    ll_cond_init(&counter.changed);
    struct ll_thread threads[4] = {{0}};
    for (int i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL_FATAL(
            ll_thread_start(&threads[i], "a name that is too long", count_up, &counter), LL_OK);
    }
    ll_mutex_lock(&counter.mutex);
    while (counter.value < 4000) {
        ll_cond_wait(&counter.changed, &counter.mutex, LL_CLOCK_NEVER);
    }
    ll_mutex_unlock(&counter.mutex);
    for (int i = 0; i < 4; i++) {
        ll_thread_join(&threads[i]);
        ll_thread_join(&threads[i]);
    }
    CU_ASSERT_EQUAL(counter.value, 4000);
#if defined(__x86_64__)
    CU_ASSERT(counter.flushes);
#endif
    ll_cond_finish(&counter.changed);
    ll_mutex_finish(&counter.mutex);
}

static void test_wait_ends_at_its_deadline(void)
{
    struct ll_mutex mutex;
    struct ll_cond cond;
    ll_mutex_init(&mutex);
    ll_cond_init(&cond);
    ll_mutex_lock(&mutex);
    CU_ASSERT(!ll_cond_wait(&cond, &mutex, 0));
    CU_ASSERT(!ll_cond_wait(&cond, &mutex, -5));
    int64_t deadline_ns = ll_clock_now_ns() + LL_NS_PER_MS;
    while (ll_cond_wait(&cond, &mutex, deadline_ns)) {
    }
    CU_ASSERT(ll_clock_now_ns() >= deadline_ns);
    ll_mutex_unlock(&mutex);
    ll_cond_finish(&cond);
    ll_mutex_finish(&mutex);
}

static void test_deadline_does_not_overflow(void)
{
    CU_ASSERT_EQUAL(ll_clock_deadline(5, 7), 12);
    CU_ASSERT_EQUAL(ll_clock_deadline(5, INT64_MAX), LL_CLOCK_NEVER);
    CU_ASSERT_EQUAL(ll_clock_deadline(5, LL_CLOCK_NEVER), LL_CLOCK_NEVER);
}

static void test_log_levels_have_names(void)
{
    ll_log_level level = LL_LOG_INFO;
    CU_ASSERT_EQUAL(ll_log_parse_level("debug", &level), LL_OK);
    CU_ASSERT_EQUAL(level, LL_LOG_DEBUG);
    CU_ASSERT_EQUAL(ll_log_parse_level("Debug", &level), LL_E_INVALID);
    CU_ASSERT_EQUAL(level, LL_LOG_DEBUG);
}

const char *const ll_test_suite = "ll_sync";
const struct ll_test ll_tests[] = {
    LL_TEST(test_threads_count_together),
    LL_TEST(test_wait_ends_at_its_deadline),
    LL_TEST(test_deadline_does_not_overflow),
    LL_TEST(test_log_levels_have_names),
    {NULL, NULL},
};
