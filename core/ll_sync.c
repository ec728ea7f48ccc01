#include "core/ll_sync.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "core/ll_clock.h"

/* `result` must be 0; used even where NDEBUG removes the assertion. */
static void must_be_zero(int result)
{
    assert(result == 0);
    (void)result;
}

void ll_mutex_init(struct ll_mutex *mutex)
{
    pthread_mutexattr_t attributes;
    must_be_zero(pthread_mutexattr_init(&attributes));
#ifndef NDEBUG
    must_be_zero(pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK));
#endif
    must_be_zero(pthread_mutex_init(&mutex->impl, &attributes));
    must_be_zero(pthread_mutexattr_destroy(&attributes));
}

void ll_mutex_finish(struct ll_mutex *mutex)
{
    must_be_zero(pthread_mutex_destroy(&mutex->impl));
}

LL_NO_ANALYSIS void ll_mutex_lock(struct ll_mutex *mutex)
{
    must_be_zero(pthread_mutex_lock(&mutex->impl));
}

LL_NO_ANALYSIS void ll_mutex_unlock(struct ll_mutex *mutex)
{
    must_be_zero(pthread_mutex_unlock(&mutex->impl));
}

void ll_mutex_assert_held(struct ll_mutex *mutex)
{
#ifndef NDEBUG
    int result = pthread_mutex_lock(&mutex->impl);
    assert(result == EDEADLK);
    (void)result;
#else
    (void)mutex;
#endif
}

void ll_cond_init(struct ll_cond *cond)
{
    pthread_condattr_t attributes;
    must_be_zero(pthread_condattr_init(&attributes));
    must_be_zero(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC));
    must_be_zero(pthread_cond_init(&cond->impl, &attributes));
    must_be_zero(pthread_condattr_destroy(&attributes));
}

void ll_cond_finish(struct ll_cond *cond)
{
    must_be_zero(pthread_cond_destroy(&cond->impl));
}

void ll_cond_signal(struct ll_cond *cond)
{
    must_be_zero(pthread_cond_signal(&cond->impl));
}

void ll_cond_broadcast(struct ll_cond *cond)
{
    must_be_zero(pthread_cond_broadcast(&cond->impl));
}

bool ll_cond_wait(struct ll_cond *cond, struct ll_mutex *mutex, int64_t deadline_ns)
{
    if (deadline_ns == LL_CLOCK_NEVER) {
        must_be_zero(pthread_cond_wait(&cond->impl, &mutex->impl));
        return true;
    }
    if (deadline_ns < 0) {
        deadline_ns = 0;
    }
    struct timespec deadline = {.tv_sec = deadline_ns / LL_NS_PER_S,
                                .tv_nsec = deadline_ns % LL_NS_PER_S};
    int result = pthread_cond_timedwait(&cond->impl, &mutex->impl, &deadline);
    assert(result == 0 || result == ETIMEDOUT);
    return result == 0;
}

struct thread_start {
    void (*entry)(void *);
    void *arg;
    char name[16];
};

static void *thread_main(void *opaque)
{
    struct thread_start *start = opaque;
    void (*entry)(void *) = start->entry;
    void *arg = start->arg;
    pthread_setname_np(pthread_self(), start->name);
    free(start);
    entry(arg);
    return NULL;
}

void ll_signals_hold(sigset_t *out_before)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, out_before);
}

void ll_signals_release(const sigset_t *before)
{
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

ll_status ll_thread_start(struct ll_thread *thread, const char *name, void (*entry)(void *),
                          void *arg)
{
    struct thread_start *start = malloc(sizeof(*start));
    if (!start) {
        return LL_E_NO_MEMORY;
    }
    start->entry = entry;
    start->arg = arg;
    snprintf(start->name, sizeof(start->name), "%s", name);

    sigset_t before;
    ll_signals_hold(&before);
    int result = pthread_create(&thread->impl, NULL, thread_main, start);
    ll_signals_release(&before);
    if (result != 0) {
        free(start);
        return LL_E_NO_MEMORY;
    }
    thread->started = true;
    return LL_OK;
}

struct trial {
    struct ll_mutex mutex;
    struct ll_cond changed;
    bool is_over LL_GUARDED_BY(mutex);
};

/* Neither allocates nor frees: for a thread's first time glibc would set aside 64 MB of address
 * space for good. */
static void *wait_for_end(void *opaque)
{
    struct trial *trial = opaque;
    ll_mutex_lock(&trial->mutex);
    while (!trial->is_over) {
        ll_cond_wait(&trial->changed, &trial->mutex, LL_CLOCK_NEVER);
    }
    ll_mutex_unlock(&trial->mutex);
    return NULL;
}

int ll_threads_try(int count)
{
    pthread_t *threads = calloc((size_t)count, sizeof(*threads));
    if (!threads) {
        return 0;
    }
    struct trial trial = {.is_over = false};
    ll_mutex_init(&trial.mutex);
    ll_cond_init(&trial.changed);
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int started = 0;
    while (started < count && pthread_create(&threads[started], NULL, wait_for_end, &trial) == 0) {
        started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    ll_mutex_lock(&trial.mutex);
    trial.is_over = true;
    ll_cond_broadcast(&trial.changed);
    ll_mutex_unlock(&trial.mutex);
    for (int i = 0; i < started; i++) {
        must_be_zero(pthread_join(threads[i], NULL));
    }
    ll_cond_finish(&trial.changed);
    ll_mutex_finish(&trial.mutex);
    free(threads);
    return started;
}

void ll_thread_join(struct ll_thread *thread)
{
    if (thread->started) {
        must_be_zero(pthread_join(thread->impl, NULL));
        thread->started = false;
    }
}

void ll_thread_flush_denormals(void)
{
#if defined(__x86_64__)
    /* Bit 15: flush results to zero; bit 6: take denormal operands as zero. */
    _mm_setcsr(_mm_getcsr() | 0x8040u);
#endif
}
