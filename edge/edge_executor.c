/* Three lists under one lock: jobs that are ready, in order of arrival (flows take turns), jobs
 * that wait for a longer prefix, and jobs that run. A creation publishes its prefix before it calls
 * edge_executor_wake, and a job looks at the prefix under the lock that wake takes: whichever comes
 * second sees the other, so that no job waits for a prefix that is there. */
#include "edge/edge_executor.h"

#include <stdlib.h>

#include "core/ll_clock.h"
#include "core/ll_limits.h"
#include "core/ll_sync.h"
#include "edge/edge_job_run.h"

/* Doubly linked, so that a cancel takes any job out at once. */
struct edge_job_list {
    struct edge_job *first;
    struct edge_job *last;
};

struct edge_executor {
    int thread_count;
    struct ll_thread *threads;

    struct ll_mutex lock;
    /* Signalled when a job becomes ready, and on stop. */
    struct ll_cond changed;
    /* Guarded by lock, with the jobs' private fields. */
    bool is_stopping LL_GUARDED_BY(lock);
    struct edge_job_list ready LL_GUARDED_BY(lock);
    struct edge_job_list waiting LL_GUARDED_BY(lock);
    struct edge_job_list running LL_GUARDED_BY(lock);
    int heavy_running LL_GUARDED_BY(lock);
    /* Counts the jobs that began. */
    uint64_t turn LL_GUARDED_BY(lock);
    /* When the last job ended; when to call `rest`. */
    int64_t last_end_ns LL_GUARDED_BY(lock);
    int64_t next_rest_ns LL_GUARDED_BY(lock);

    /* Constant once threads run. `rest` may be NULL. */
    int64_t rest_after_ns;
    void (*rest)(void *arg);
    void *rest_arg;
};

static void append(struct edge_job_list *list, struct edge_job *job)
{
    job->list = list;
    job->next = NULL;
    job->previous = list->last;
    *(list->last ? &list->last->next : &list->first) = job;
    list->last = job;
}

static void take_out(struct edge_job *job)
{
    struct edge_job_list *list = job->list;
    *(job->previous ? &job->previous->next : &list->first) = job->next;
    *(job->next ? &job->next->previous : &list->last) = job->previous;
    job->list = NULL;
}

int edge_job_prefix(const struct edge_job *job)
{
    int exact = edge_model_prefix(job->model);
    int draft = job->draft ? edge_model_prefix(job->draft) : 0;
    return draft > exact ? draft : exact;
}

bool edge_job_may_go_on(const struct edge_job *job)
{
    bool draft_may =
        job->draft && !edge_model_has_failed(job->draft) && !edge_model_is_retired(job->draft);
    return draft_may || !edge_model_has_failed(job->model);
}

static bool can_run(const struct edge_job *job)
{
    return edge_job_prefix(job) >= job->least_prefix || !edge_job_may_go_on(job);
}

static void make_ready_locked(struct edge_executor *executor, struct edge_job *job)
    LL_REQUIRES(executor->lock)
{
    job->ready_ns = ll_clock_now_ns();
    append(&executor->ready, job);
    ll_cond_signal(&executor->changed);
}

static bool is_heavy(const struct edge_job *job)
{
    const struct ll_table *table = edge_model_table(job->model);
    int64_t flops = 0;
    for (int i = job->first; i < job->end; i++) {
        flops += table->layers[i].flops;
    }
    return flops > LL_LIMIT_HEAVY_FLOPS;
}

void edge_executor_submit(struct edge_executor *executor, struct edge_job *job)
{
    job->is_heavy = is_heavy(job);
    ll_mutex_lock(&executor->lock);
    job->submitted_ns = ll_clock_now_ns();
    if (can_run(job)) {
        make_ready_locked(executor, job);
    } else {
        append(&executor->waiting, job);
    }
    ll_mutex_unlock(&executor->lock);
}

void edge_executor_wake(struct edge_executor *executor, const struct edge_model *model)
{
    ll_mutex_lock(&executor->lock);
    struct edge_job *next = NULL;
    for (struct edge_job *job = executor->waiting.first; job; job = next) {
        next = job->next;
        if ((job->model == model || job->draft == model) && can_run(job)) {
            take_out(job);
            make_ready_locked(executor, job);
        }
    }
    ll_mutex_unlock(&executor->lock);
}

bool edge_executor_cancel(struct edge_executor *executor, struct edge_job *job)
{
    ll_mutex_lock(&executor->lock);
    bool has_begun = !job->list || job->list == &executor->running;
    if (has_begun) {
        atomic_store(&job->stop, true);
    } else {
        take_out(job);
    }
    ll_mutex_unlock(&executor->lock);
    return !has_begun;
}

void edge_job_finish(struct edge_job *job)
{
    for (int i = 0; job->outputs && i < job->names.count; i++) {
        ll_buf_unref(job->outputs[i]);
    }
    free(job->outputs);
    job->outputs = NULL;
    ll_names_finish(&job->names);
}

/* ---- One run ---- */

/* Makes room for outputs(first, reached) and describes it to the engine. */
static ll_status make_outputs(struct edge_job *job, struct ll_tensor_out **out_tensors)
{
    const struct ll_table *table = edge_model_table(job->model);
    ll_status status = ll_table_outputs(table, job->first, job->reached, &job->names);
    if (status != LL_OK) {
        return status;
    }
    size_t count = (size_t)job->names.count;
    struct ll_tensor_out *tensors = calloc(count + 1, sizeof(*tensors));
    job->outputs = calloc(count + 1, sizeof(struct ll_buf *));
    status = tensors && job->outputs ? LL_OK : LL_E_NO_MEMORY;
    for (size_t i = 0; status == LL_OK && i < count; i++) {
        int name = job->names.names[i];
        int64_t floats = ll_table_tensor_floats(table, name);
        status = ll_buf_create((size_t)floats * sizeof(float), &job->outputs[i]);
        if (status == LL_OK) {
            tensors[i] = (struct ll_tensor_out){
                .name = name, .floats = floats, .data = ll_buf_writable(job->outputs[i])};
        }
    }
    if (status != LL_OK) {
        free(tensors);
        return status;
    }
    *out_tensors = tensors;
    return LL_OK;
}

/* Calls one of the job's hooks; NULL is allowed. */
static ll_status run_hook(struct edge_job *job, ll_status (*hook)(struct edge_job *job))
{
    if (!hook) {
        return LL_OK;
    }
    int64_t began_ns = ll_clock_now_ns();
    ll_status status = hook(job);
    int64_t took_ns = ll_clock_now_ns() - began_ns;
    job->coding_ns += took_ns;
    job->computed_ns += took_ns;
    return status;
}

/* Runs a job as far as the prefix reaches. */
static void run_job(struct edge_job *job)
{
    int64_t began_ns = ll_clock_now_ns();
    job->queued_ns = began_ns - job->submitted_ns;
    job->waited_ns = job->ready_ns - job->submitted_ns;
    int prefix = edge_job_prefix(job);
    /* Read second: what it says is no less. */
    job->prefix = edge_model_prefix(job->model);
    job->reached = prefix < job->end ? prefix : job->end;
    job->exact_reached = job->prefix < job->reached ? job->prefix : job->reached;
    if (prefix < job->least_prefix) {
        job->status = ll_fail(&job->err, LL_E_PRECONDITION,
                              "layer %d is never going to be ready: a creation of the model failed",
                              job->least_prefix);
        return;
    }
    if (job->exact_reached < job->first) {
        job->exact_reached = job->first;
    }
    if (job->reached <= job->first) {
        job->reached = job->first;
        job->status = LL_OK;
        return;
    }
    struct ll_tensor_out *outputs = NULL;
    job->status = make_outputs(job, &outputs);
    if (job->status == LL_OK) {
        job->status = run_hook(job, job->before_run);
    }
    if (job->status == LL_OK) {
        job->status = edge_job_run_layers(job, outputs);
    }
    if (job->status == LL_OK) {
        job->status = run_hook(job, job->after_run);
    }
    free(outputs);
    if (job->status == LL_E_NO_MEMORY && job->err.text[0] == '\0') {
        ll_fail(&job->err, LL_E_NO_MEMORY, "the edge has no memory for this query");
    }
}

/* ---- The threads ---- */

/* The first job of the flow that had its last turn longest ago begins to run; NULL if none may.
 * Limits keep the list short. */
static struct edge_job *fairest_locked(struct edge_executor *executor) LL_REQUIRES(executor->lock)
{
    struct edge_job *fairest = NULL;
    int most_heavy = executor->thread_count > 1 ? executor->thread_count - 1 : 1;
    for (struct edge_job *job = executor->ready.first; job; job = job->next) {
        bool may_run = !job->is_heavy || executor->heavy_running < most_heavy;
        if (may_run && (!fairest || job->flow->last_turn < fairest->flow->last_turn)) {
            fairest = job;
        }
    }
    if (fairest) {
        take_out(fairest);
        append(&executor->running, fairest);
        executor->heavy_running += fairest->is_heavy;
        fairest->flow->last_turn = ++executor->turn;
    }
    return fairest;
}

/* Calls `rest` if it is time, without the lock. Jobs that have ended since the last time make it
 * worth another call. */
static void rest_locked(struct edge_executor *executor) LL_REQUIRES(executor->lock)
{
    int64_t now_ns = ll_clock_now_ns();
    if (now_ns < executor->next_rest_ns) {
        return;
    }
    int64_t again_ns = executor->last_end_ns + executor->rest_after_ns;
    executor->next_rest_ns = again_ns > now_ns ? again_ns : LL_CLOCK_NEVER;
    ll_mutex_unlock(&executor->lock);
    executor->rest(executor->rest_arg);
    ll_mutex_lock(&executor->lock);
}

/* Waits for a job, and rests meanwhile. NULL on stop. */
static struct edge_job *next_job(struct edge_executor *executor)
{
    struct edge_job *job = NULL;
    ll_mutex_lock(&executor->lock);
    rest_locked(executor);
    while (!executor->is_stopping && !(job = fairest_locked(executor))) {
        ll_cond_wait(&executor->changed, &executor->lock, executor->next_rest_ns);
        rest_locked(executor);
    }
    ll_mutex_unlock(&executor->lock);
    return job;
}

/* From now on the job is its submitter's. */
static void end_job(struct edge_executor *executor, struct edge_job *job)
{
    ll_mutex_lock(&executor->lock);
    take_out(job);
    executor->heavy_running -= job->is_heavy;
    executor->last_end_ns = ll_clock_now_ns();
    if (executor->rest && executor->next_rest_ns == LL_CLOCK_NEVER) {
        executor->next_rest_ns = executor->last_end_ns + executor->rest_after_ns;
    }
    ll_mutex_unlock(&executor->lock);
    job->done(job);
}

static void run_for_ever(void *arg)
{
    struct edge_executor *executor = arg;
    ll_thread_flush_denormals();
    struct edge_job *job = NULL;
    while ((job = next_job(executor)) != NULL) {
        run_job(job);
        end_job(executor, job);
    }
}

LL_NO_ANALYSIS ll_status edge_executor_create(int threads, struct edge_executor **out_executor)
{
    struct edge_executor *executor = calloc(1, sizeof(*executor));
    struct ll_thread *list = calloc((size_t)threads, sizeof(*list));
    if (!executor || !list) {
        free(executor);
        free(list);
        return LL_E_NO_MEMORY;
    }
    executor->thread_count = threads;
    executor->threads = list;
    executor->next_rest_ns = LL_CLOCK_NEVER;
    ll_mutex_init(&executor->lock);
    ll_cond_init(&executor->changed);
    *out_executor = executor;
    return LL_OK;
}

void edge_executor_set_rest(struct edge_executor *executor, int64_t after_ns,
                            void (*rest)(void *arg), void *arg)
{
    executor->rest_after_ns = after_ns;
    executor->rest = rest;
    executor->rest_arg = arg;
}

ll_status edge_executor_start(struct edge_executor *executor)
{
    for (int i = 0; i < executor->thread_count; i++) {
        ll_status status =
            ll_thread_start(&executor->threads[i], "executor", run_for_ever, executor);
        if (status != LL_OK) {
            edge_executor_stop(executor);
            return status;
        }
    }
    return LL_OK;
}

void edge_executor_stop(struct edge_executor *executor)
{
    ll_mutex_lock(&executor->lock);
    executor->is_stopping = true;
    for (struct edge_job *job = executor->running.first; job; job = job->next) {
        atomic_store(&job->stop, true);
    }
    ll_cond_broadcast(&executor->changed);
    ll_mutex_unlock(&executor->lock);
    for (int i = 0; i < executor->thread_count; i++) {
        ll_thread_join(&executor->threads[i]);
    }
}

void edge_executor_destroy(struct edge_executor *executor)
{
    if (!executor) {
        return;
    }
    edge_executor_stop(executor);
    ll_mutex_finish(&executor->lock);
    ll_cond_finish(&executor->changed);
    free(executor->threads);
    free(executor);
}
