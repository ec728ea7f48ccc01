/* Threads, mutexes and condition variables: the only module that names pthread.
 *
 * Mutexes are error-checking unless NDEBUG is set; every condition variable waits on the monotonic
 * clock (ll_clock.h). Our own bugs (unlocking what is not held) end in an assertion. */
#ifndef LL_SYNC_H
#define LL_SYNC_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/ll_status.h"

/* What clang's thread safety analysis checks (tools/lint/thread_safety.py, which defines
 * LL_THREAD_SAFETY): which lock guards a field, and which functions take, need or give one back.
 * Other compilers, and clang before 19, know no guarded_by in C structs.
 *
 *   struct queue {
 *       struct ll_mutex lock;
 *       int count LL_GUARDED_BY(lock);
 *   };
 *   static void push_locked(struct queue *queue) LL_REQUIRES(queue->lock); */
#if defined(LL_THREAD_SAFETY)
#define LL_CAPABILITY __attribute__((capability("mutex")))
#define LL_GUARDED_BY(lock) __attribute__((guarded_by(&lock)))
#define LL_ACQUIRE(...) __attribute__((acquire_capability(__VA_ARGS__)))
#define LL_RELEASE(...) __attribute__((release_capability(__VA_ARGS__)))
#define LL_REQUIRES(...) __attribute__((requires_capability(__VA_ARGS__)))
#define LL_EXCLUDES(...) __attribute__((locks_excluded(__VA_ARGS__)))
/* For the bodies of the functions that clang is to believe, and for those that build or take apart
 * what no other thread knows yet or any more. */
#define LL_NO_ANALYSIS __attribute__((no_thread_safety_analysis))
#else
#define LL_CAPABILITY
#define LL_GUARDED_BY(lock)
#define LL_ACQUIRE(...)
#define LL_RELEASE(...)
#define LL_REQUIRES(...)
#define LL_EXCLUDES(...)
#define LL_NO_ANALYSIS
#endif

struct LL_CAPABILITY ll_mutex {
    pthread_mutex_t impl;
};

struct ll_cond {
    pthread_cond_t impl;
};

struct ll_thread {
    pthread_t impl;
    bool started;
};

/* Neither can fail on Linux with default attributes; a failure is asserted. */
void ll_mutex_init(struct ll_mutex *mutex);
void ll_mutex_finish(struct ll_mutex *mutex) LL_EXCLUDES(*mutex);
void ll_mutex_lock(struct ll_mutex *mutex) LL_ACQUIRE(*mutex);
void ll_mutex_unlock(struct ll_mutex *mutex) LL_RELEASE(*mutex);

/* Asserts, where the build checks mutexes, that the calling thread holds `mutex`. */
void ll_mutex_assert_held(struct ll_mutex *mutex) LL_REQUIRES(*mutex);

void ll_cond_init(struct ll_cond *cond);
void ll_cond_finish(struct ll_cond *cond);
void ll_cond_signal(struct ll_cond *cond);
void ll_cond_broadcast(struct ll_cond *cond);

/* Waits for a signal until `deadline_ns` (LL_CLOCK_NEVER: without end). Returns false when the
 * deadline passed; may wake up for nothing, so call it in a `while` over the predicate. */
bool ll_cond_wait(struct ll_cond *cond, struct ll_mutex *mutex, int64_t deadline_ns)
    LL_REQUIRES(*mutex);

/* Between the two this thread gets no signal, nor does any thread that is made by it then: a
 * library's threads leave signals to the main one. */
void ll_signals_hold(sigset_t *out_before);
void ll_signals_release(const sigset_t *before);

/* Starts `entry(arg)` on a new thread called `name` (15 characters count), with all signals
 * blocked: only a program's main thread handles signals. A thread that is going to compute calls
 * ll_thread_flush_denormals itself.
 *
 * Errors: LL_E_NO_MEMORY when the system gives no thread. */
LL_MUST_USE ll_status ll_thread_start(struct ll_thread *thread, const char *name,
                                      void (*entry)(void *), void *arg);

/* Waits for the thread's end. Nothing happens for one that was never started or is joined. */
void ll_thread_join(struct ll_thread *thread);

/* How many of `count` threads can run at once beside those that there are: starts them, ends them
 * and leaves nothing behind. */
int ll_threads_try(int count);

/* Sets flush-to-zero and denormals-are-zero for the calling thread (MXCSR; nothing on other
 * processors): denormals in peaked softmaxes are slow, and Darknet's own build flushes them. Every
 * thread that computes layers calls it first, so that device and edge agree bit for bit. */
void ll_thread_flush_denormals(void);

#endif
