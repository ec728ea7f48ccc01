#include "engine/onednn/onednn_omp.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "core/ll_clock.h"
#include "core/ll_sync.h"

/* As OpenMP 5.0 and GCC have them; the header comes with the compiler, and not with every compiler.
 */
void omp_set_num_threads(int threads);
void omp_set_max_active_levels(int levels);
int omp_get_num_procs(void);
/* NOLINTNEXTLINE(readability-identifier-naming): what GCC makes of `#pragma omp parallel`. */
void GOMP_parallel(void (*function)(void *), void *data, unsigned threads, unsigned flags);

void onednn_use_threads(int threads)
{
    omp_set_max_active_levels(1);
    omp_set_num_threads(threads);
}

void onednn_run_alone(void)
{
    omp_set_max_active_levels(0);
}

/* The thread that the idle team belongs to. It lives as long as the process: the team ends with it.
 */
struct keeper {
    struct ll_thread thread;
    struct ll_mutex mutex;
    struct ll_cond changed;
    /* Guarded by mutex. */
    bool has_team LL_GUARDED_BY(mutex);
};

static void do_nothing(void *arg)
{
    (void)arg;
}

static void keep_team(void *arg)
{
    struct keeper *keeper = arg;
    GOMP_parallel(do_nothing, NULL, (unsigned)omp_get_num_procs() + 1, 0);
    ll_mutex_lock(&keeper->mutex);
    keeper->has_team = true;
    ll_cond_broadcast(&keeper->changed);
    for (;;) {
        ll_cond_wait(&keeper->changed, &keeper->mutex, LL_CLOCK_NEVER);
    }
}

static ll_status start_keeper(void)
{
    /* Never released: the thread uses it to the end of the process. */
    static struct keeper keeper;
    ll_mutex_init(&keeper.mutex);
    ll_cond_init(&keeper.changed);
    ll_status status = ll_thread_start(&keeper.thread, "omp-keeper", keep_team, &keeper);
    if (status != LL_OK) {
        ll_cond_finish(&keeper.changed);
        ll_mutex_finish(&keeper.mutex);
        return status;
    }
    ll_mutex_lock(&keeper.mutex);
    while (!keeper.has_team) {
        ll_cond_wait(&keeper.changed, &keeper.mutex, LL_CLOCK_NEVER);
    }
    ll_mutex_unlock(&keeper.mutex);
    return LL_OK;
}

static bool is_told_how_to_wait(void)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody here sets variables. */
    return getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT");
}

ll_status onednn_wait_passively(void)
{
    static atomic_flag started = ATOMIC_FLAG_INIT;
    if (is_told_how_to_wait() || atomic_flag_test_and_set(&started)) {
        return LL_OK;
    }
    ll_status status = start_keeper();
    if (status != LL_OK) {
        atomic_flag_clear(&started);
    }
    return status;
}
