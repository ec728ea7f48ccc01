#include "edge/upload/edge_worker.h"

#include <stdbool.h>
#include <stdlib.h>

#include "core/ll_clock.h"
#include "core/ll_container.h"
#include "core/ll_sync.h"

struct edge_worker {
    struct ll_thread thread;
    struct ll_mutex lock;
    /* Signalled when work comes to an empty queue, for a new alarm, and on stop. */
    struct ll_cond changed;
    /* Guarded by lock. */
    bool is_stopping LL_GUARDED_BY(lock);
    struct edge_work *first LL_GUARDED_BY(lock);
    struct edge_work *last LL_GUARDED_BY(lock);
    /* Not NULL before its deadline. */
    struct edge_work *alarm LL_GUARDED_BY(lock);
    int64_t alarm_ns LL_GUARDED_BY(lock);
};

static void append_locked(struct edge_worker *worker, struct edge_work *work)
    LL_REQUIRES(worker->lock)
{
    work->next = NULL;
    if (worker->first) {
        worker->last->next = work;
    } else {
        worker->first = work;
    }
    worker->last = work;
}

/* Behind what is queued: what came before the alarm's time is dealt with before it. */
static void ring_locked(struct edge_worker *worker) LL_REQUIRES(worker->lock)
{
    if (worker->alarm && ll_clock_now_ns() >= worker->alarm_ns) {
        append_locked(worker, worker->alarm);
        worker->alarm = NULL;
    }
}

static struct edge_work *next_work(struct edge_worker *worker)
{
    ll_mutex_lock(&worker->lock);
    ring_locked(worker);
    while (!worker->first && !worker->is_stopping) {
        ll_cond_wait(&worker->changed, &worker->lock,
                     worker->alarm ? worker->alarm_ns : LL_CLOCK_NEVER);
        ring_locked(worker);
    }
    struct edge_work *work = worker->first;
    if (work) {
        worker->first = work->next;
    }
    ll_mutex_unlock(&worker->lock);
    return work;
}

static void work_for_ever(void *arg)
{
    struct edge_worker *worker = arg;
    /* With inline creation this is the thread that warms layers up. */
    ll_thread_flush_denormals();
    struct edge_work *work = NULL;
    while ((work = next_work(worker)) != NULL) {
        work->run(work);
    }
}

ll_status edge_worker_create(const char *name, struct edge_worker **out_worker)
{
    struct edge_worker *worker = calloc(1, sizeof(*worker));
    if (!worker) {
        return LL_E_NO_MEMORY;
    }
    ll_mutex_init(&worker->lock);
    ll_cond_init(&worker->changed);
    ll_status status = ll_thread_start(&worker->thread, name, work_for_ever, worker);
    if (status != LL_OK) {
        edge_worker_destroy(worker);
        return status;
    }
    *out_worker = worker;
    return LL_OK;
}

void edge_worker_stop(struct edge_worker *worker)
{
    ll_mutex_lock(&worker->lock);
    worker->is_stopping = true;
    ll_cond_broadcast(&worker->changed);
    ll_mutex_unlock(&worker->lock);
    ll_thread_join(&worker->thread);
}

void edge_worker_destroy(struct edge_worker *worker)
{
    if (!worker) {
        return;
    }
    edge_worker_stop(worker);
    ll_mutex_finish(&worker->lock);
    ll_cond_finish(&worker->changed);
    free(worker);
}

void edge_worker_post(struct edge_worker *worker, struct edge_work *work)
{
    ll_mutex_lock(&worker->lock);
    append_locked(worker, work);
    if (worker->first == work) {
        ll_cond_signal(&worker->changed);
    }
    ll_mutex_unlock(&worker->lock);
}

/* ---- Lanes ---- */

/* A lane with works stands in the queue once, and goes behind the others before its first one runs,
 * which may be its last. */
static void take_turn(struct edge_work *turn)
{
    struct edge_lane *lane = LL_CONTAINER_OF(turn, struct edge_lane, turn);
    struct edge_worker *worker = lane->worker;
    ll_mutex_lock(&worker->lock);
    struct edge_work *work = lane->first;
    lane->first = work->next;
    if (lane->first) {
        append_locked(worker, turn);
    }
    ll_mutex_unlock(&worker->lock);
    work->run(work);
}

void edge_lane_init(struct edge_lane *lane, struct edge_worker *worker)
{
    *lane = (struct edge_lane){.worker = worker, .turn = {.run = take_turn}};
}

void edge_lane_post(struct edge_lane *lane, struct edge_work *work)
{
    struct edge_worker *worker = lane->worker;
    ll_mutex_lock(&worker->lock);
    work->next = NULL;
    if (lane->first) {
        lane->last->next = work;
    } else {
        lane->first = work;
        append_locked(worker, &lane->turn);
        if (worker->first == &lane->turn) {
            ll_cond_signal(&worker->changed);
        }
    }
    lane->last = work;
    ll_mutex_unlock(&worker->lock);
}

void edge_worker_set_alarm(struct edge_worker *worker, struct edge_work *work, int64_t deadline_ns)
{
    ll_mutex_lock(&worker->lock);
    worker->alarm = work;
    worker->alarm_ns = deadline_ns;
    ll_cond_signal(&worker->changed);
    ll_mutex_unlock(&worker->lock);
}
