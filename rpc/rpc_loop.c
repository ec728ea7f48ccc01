#include "rpc/rpc_loop.h"

#include <malloc.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <grpc/grpc.h>
#include <grpc/support/log.h>

#include "core/ll_clock.h"
#include "core/ll_container.h"
#include "core/ll_log.h"
#include "core/ll_sync.h"
#include "rpc/rpc_op.h"
#include "rpc/rpc_timers.h"

/* One thread serves, in turn, timers, posted tasks and the completion queue.
 *
 * - Timers cost nothing in gRPC: the earliest deadline is how long the queue is waited for.
 * - Tasks wait in a list. The thread takes the whole list at a time. While it waits for the queue
 *   (`polling`) the poster of the first task wakes it; gRPC's interface has no event for that, but
 * a batch without operations completes at once, on any call, from any thread. `wake_call` is a call
 *   on a channel that leads nowhere and exists for nothing else.
 * - At most one wake-up is under way (`waking`), and the thread does not end before it arrived: a
 *   poster may be inside gRPC for a while after its task has run.
 * - What a burst leaves free stays with glibc, a gigabyte after a flood. When the loop has had
 *   nothing to do for a while after one, it is given back to the system. */

enum {
    TIMERS_AT_ONCE = 64,
    /* So many events are a burst; so long nothing happens after it. */
    BURST_EVENTS = 2000,
    CALM_MS = 500,
};

struct rpc_loop {
    grpc_completion_queue *queue;
    grpc_channel *wake_channel;
    grpc_call *wake_call;
    struct rpc_op wake;
    struct ll_thread thread;

    /* Loop thread: set timers; the message being delivered; events since memory was given back. */
    struct rpc_timers timers;
    uint8_t *scratch;
    size_t scratch_bytes;
    int64_t events;

    struct ll_mutex mutex;
    /* Guarded by mutex. */
    struct rpc_task *first LL_GUARDED_BY(mutex);
    struct rpc_task *last LL_GUARDED_BY(mutex);
    bool polling LL_GUARDED_BY(mutex);
    bool waking LL_GUARDED_BY(mutex);
    bool stopping LL_GUARDED_BY(mutex);
};

static _Thread_local const struct rpc_loop *current_loop;

/* What gRPC says by itself: mostly about what peers did, who could fill a log with it, and each
 * call tells its user anyway. Without GRPC_VERBOSITY only errors come. The function is the whole
 * process's: a program that uses gRPC elsewhere, too, finds those lines here. */
static void log_grpc(gpr_log_func_args *args)
{
    ll_log(LL_LOG_DEBUG, "grpc", "%s", args->message);
}

gpr_timespec rpc_loop_time(int64_t time_ns)
{
    if (time_ns == LL_CLOCK_NEVER) {
        return gpr_inf_future(GPR_CLOCK_MONOTONIC);
    }
    gpr_timespec time = {.tv_sec = time_ns / LL_NS_PER_S,
                         .tv_nsec = (int32_t)(time_ns % LL_NS_PER_S),
                         .clock_type = GPR_CLOCK_MONOTONIC};
    return time;
}

grpc_completion_queue *rpc_loop_queue(struct rpc_loop *loop)
{
    return loop->queue;
}

uint8_t *rpc_loop_scratch(struct rpc_loop *loop, size_t bytes)
{
    if (bytes > loop->scratch_bytes) {
        /* Not realloc: the old bytes need no copying. */
        free(loop->scratch);
        loop->scratch = malloc(bytes);
        loop->scratch_bytes = loop->scratch ? bytes : 0;
    }
    return loop->scratch;
}

bool rpc_loop_is_current(const struct rpc_loop *loop)
{
    return current_loop == loop;
}

static void wake_loop(struct rpc_loop *loop)
{
    /* Cannot fail: there is nothing in the batch that could be wrong. */
    grpc_call_start_batch(loop->wake_call, NULL, 0, rpc_op_start(&loop->wake), NULL);
}

static void wake_done(struct rpc_op *op, bool ok)
{
    struct rpc_loop *loop = LL_CONTAINER_OF(op, struct rpc_loop, wake);
    (void)ok;
    ll_mutex_lock(&loop->mutex);
    loop->waking = false;
    ll_mutex_unlock(&loop->mutex);
}

void rpc_loop_post(struct rpc_loop *loop, struct rpc_task *task)
{
    task->next = NULL;
    ll_mutex_lock(&loop->mutex);
    if (loop->first) {
        loop->last->next = task;
    } else {
        loop->first = task;
    }
    loop->last = task;
    bool wakes = loop->polling && !loop->waking;
    loop->waking = loop->waking || wakes;
    ll_mutex_unlock(&loop->mutex);
    if (wakes) {
        wake_loop(loop);
    }
}

/* Takes the tasks that wait. Without any the loop goes to its queue: sets `polling`, or returns
 * false where it is to end. */
static bool take_tasks(struct rpc_loop *loop, struct rpc_task **out_tasks)
{
    ll_mutex_lock(&loop->mutex);
    *out_tasks = loop->first;
    loop->first = NULL;
    loop->last = NULL;
    loop->polling = !*out_tasks;
    bool goes_on = *out_tasks || !loop->stopping || loop->waking;
    ll_mutex_unlock(&loop->mutex);
    return goes_on;
}

/* Fires what is due; a timer that sets itself into the past again does not keep the thread. */
static void run_timers(struct rpc_loop *loop)
{
    if (!loop->timers.earliest) {
        return;
    }
    int64_t now_ns = ll_clock_now_ns();
    for (int i = 0; i < TIMERS_AT_ONCE; i++) {
        struct rpc_timer *timer = loop->timers.earliest;
        if (!timer || timer->deadline_ns > now_ns) {
            return;
        }
        rpc_timers_remove(&loop->timers, timer);
        timer->fire(timer->arg);
    }
}

/* Waits until `deadline` for one event and serves it. */
static grpc_completion_type serve_queue(struct rpc_loop *loop, gpr_timespec deadline)
{
    grpc_event event = grpc_completion_queue_next(loop->queue, deadline, NULL);
    if (event.type == GRPC_OP_COMPLETE) {
        struct rpc_op *op = rpc_op_finish(event.tag);
        loop->events++;
        op->done(op, event.success != 0);
    }
    return event.type;
}

/* Waits for an event until the next timer; gives memory back on the way where it is time. */
static void wait_for_event(struct rpc_loop *loop)
{
    int64_t deadline_ns =
        loop->timers.earliest ? loop->timers.earliest->deadline_ns : LL_CLOCK_NEVER;
    if (loop->events < BURST_EVENTS) {
        serve_queue(loop, rpc_loop_time(deadline_ns));
        return;
    }
    int64_t calm_ns = ll_clock_deadline(ll_clock_now_ns(), CALM_MS * LL_NS_PER_MS);
    bool is_calm = calm_ns < deadline_ns;
    if (serve_queue(loop, rpc_loop_time(is_calm ? calm_ns : deadline_ns)) == GRPC_QUEUE_TIMEOUT &&
        is_calm) {
        loop->events = 0;
        malloc_trim(0);
    }
}

static void loop_main(void *arg)
{
    struct rpc_loop *loop = arg;
    current_loop = loop;
    struct rpc_task *tasks = NULL;
    while (take_tasks(loop, &tasks)) {
        bool has_run = tasks;
        while (tasks) {
            struct rpc_task *task = tasks;
            tasks = task->next;
            loop->events++;
            task->run(task);
        }
        run_timers(loop);
        if (has_run) {
            serve_queue(loop, gpr_inf_past(GPR_CLOCK_MONOTONIC));
        } else {
            wait_for_event(loop);
        }
    }
    grpc_completion_queue_shutdown(loop->queue);
    while (serve_queue(loop, gpr_inf_future(GPR_CLOCK_MONOTONIC)) != GRPC_QUEUE_SHUTDOWN) {
    }
}

/* Everything but the thread. */
static void release_loop(struct rpc_loop *loop)
{
    if (loop->wake_call) {
        grpc_call_unref(loop->wake_call);
    }
    if (loop->wake_channel) {
        grpc_channel_destroy(loop->wake_channel);
    }
    grpc_completion_queue_destroy(loop->queue);
    ll_mutex_finish(&loop->mutex);
    free(loop->scratch);
    free(loop);
}

/* gRPC ends the process where it finds no descriptors for its own needs. */
static bool has_descriptors(void)
{
    enum { NEEDED = 8 };
    int taken[NEEDED];
    int count = 0;
    while (count < NEEDED && (taken[count] = eventfd(0, EFD_CLOEXEC)) >= 0) {
        count++;
    }
    for (int i = 0; i < count; i++) {
        close(taken[i]);
    }
    if (count < NEEDED) {
        ll_log(LL_LOG_ERROR, "rpc",
               "the limit of open files (ulimit -n) is too low: %d more are needed",
               NEEDED - count);
    }
    return count == NEEDED;
}

ll_status rpc_loop_create(struct rpc_loop **out_loop)
{
    if (!has_descriptors()) {
        return LL_E_EXHAUSTED;
    }
    struct rpc_loop *loop = calloc(1, sizeof(*loop));
    if (!loop) {
        return LL_E_NO_MEMORY;
    }
    gpr_set_log_function(log_grpc);
    sigset_t before;
    ll_signals_hold(&before);
    /* Counts; never undone (rpc_loop.h). */
    grpc_init();
    ll_mutex_init(&loop->mutex);
    loop->wake.done = wake_done;
    loop->queue = grpc_completion_queue_create_for_next(NULL);
    loop->wake_channel = grpc_lame_client_channel_create("", GRPC_STATUS_UNAVAILABLE, "");
    loop->wake_call = grpc_channel_create_call(loop->wake_channel, NULL, GRPC_PROPAGATE_DEFAULTS,
                                               loop->queue, grpc_slice_from_static_string("/"),
                                               NULL, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    ll_signals_release(&before);
    ll_status status = ll_thread_start(&loop->thread, "rpc", loop_main, loop);
    if (status != LL_OK) {
        grpc_completion_queue_shutdown(loop->queue);
        release_loop(loop);
        return status;
    }
    *out_loop = loop;
    return LL_OK;
}

void rpc_loop_destroy(struct rpc_loop *loop)
{
    if (!loop) {
        return;
    }
    ll_mutex_lock(&loop->mutex);
    loop->stopping = true;
    bool wakes = !loop->waking;
    loop->waking = true;
    ll_mutex_unlock(&loop->mutex);
    if (wakes) {
        wake_loop(loop);
    }
    ll_thread_join(&loop->thread);
    release_loop(loop);
}

ll_status rpc_timer_create(struct rpc_loop *loop, void (*fire)(void *arg), void *arg,
                           struct rpc_timer **out_timer)
{
    struct rpc_timer *timer = calloc(1, sizeof(*timer));
    if (!timer) {
        return LL_E_NO_MEMORY;
    }
    timer->loop = loop;
    timer->fire = fire;
    timer->arg = arg;
    *out_timer = timer;
    return LL_OK;
}

void rpc_timer_set(struct rpc_timer *timer, int64_t deadline_ns)
{
    rpc_timer_cancel(timer);
    rpc_timers_add(&timer->loop->timers, timer, deadline_ns);
}

void rpc_timer_cancel(struct rpc_timer *timer)
{
    if (timer->is_set) {
        rpc_timers_remove(&timer->loop->timers, timer);
    }
}

void rpc_timer_destroy(struct rpc_timer *timer)
{
    if (timer) {
        rpc_timer_cancel(timer);
        free(timer);
    }
}
