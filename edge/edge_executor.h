/* The executors: threads that run queries, and the queries that wait for a longer prefix.
 *
 * Heavy queries (LL_LIMIT_HEAVY_FLOPS) never have all threads: one is left for the others, where
 * there is more than one.
 *
 * Threads: any; start, stop and destroy on one. */
#ifndef EDGE_EXECUTOR_H
#define EDGE_EXECUTOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/ll_status.h"
#include "edge/model/edge_model.h"
#include "engine/ll_engine.h"

struct edge_executor;
struct edge_job_list;

/* Whose turn it is: jobs of one flow (a stream) run in order of arrival, flows with ready jobs take
 * turns. Embedded in the submitter's struct, zeroed; outlives its jobs. */
struct edge_flow {
    /* Private: guarded by the executor's lock. */
    uint64_t last_turn;
};

/* One query's computation, embedded in the submitter's struct. */
struct edge_job {
    /* Filled by the submitter and left alone until the job has ended. The submitter uses the model
     * (edge_model_acquire) meanwhile. The range is legal; the tensors are inputs(first, end). */
    struct edge_model *model;
    /* NULL, or a draft of the model, used as well: its layers run where the model's own are not
     * created yet. */
    struct edge_model *draft;
    struct edge_flow *flow;
    int first;
    int end;
    /* Not run before the prefix, or the draft's, is this long; at most `end`. */
    int least_prefix;
    const struct ll_tensor_in *inputs;
    int input_count;
    /* NULL, or called on an executor's thread right before the layers run, to finish the inputs'
     * values, and right after, to put the outputs into another form. Where one fails, so does the
     * job; `err` may say why. */
    ll_status (*before_run)(struct edge_job *job);
    ll_status (*after_run)(struct edge_job *job);
    /* The job has ended. On an executor's thread, without locks, once; never after a cancel that
     * returned true. */
    void (*done)(struct edge_job *job);

    /* What came out; valid in and after `done`. On LL_OK layers [first, reached) ran. */
    ll_status status;
    struct ll_error err;
    int reached;
    /* The model's own. */
    int prefix;
    /* Layers [first, exact_reached) ran with the model's weights, the others with the draft's. */
    int exact_reached;
    /* outputs(first, reached), one buffer each; nothing where reached is first. */
    struct ll_names names;
    struct ll_buf **outputs;
    /* From submission until computation began; of that, waiting for least_prefix; computing, with
     * both hooks; and of that, the hooks. */
    int64_t queued_ns;
    int64_t waited_ns;
    int64_t computed_ns;
    int64_t coding_ns;

    /* Private. */
    atomic_bool stop;
    bool is_heavy;
    int64_t submitted_ns;
    int64_t ready_ns;
    struct edge_job_list *list;
    struct edge_job *previous;
    struct edge_job *next;
};

/* How far the job could run now: the prefix, or the draft's where that is longer. */
int edge_job_prefix(const struct edge_job *job);
/* Whether that may become more. */
bool edge_job_may_go_on(const struct edge_job *job);

/* Frees what came out of a job. */
void edge_job_finish(struct edge_job *job);

/* `threads` from 1. */
LL_MUST_USE ll_status edge_executor_create(int threads, struct edge_executor **out_executor);

/* Have `rest` called on an executor's thread, between jobs: `after_ns` after the last one, and no
 * later than that while there are more and more of them. Before edge_executor_start. */
void edge_executor_set_rest(struct edge_executor *executor, int64_t after_ns,
                            void (*rest)(void *arg), void *arg);

LL_MUST_USE ll_status edge_executor_start(struct edge_executor *executor);
/* Stops the runs under way, which end with LL_E_CANCELLED behind the group of layers that they
 * compute, then the threads; jobs that have not begun never end. */
void edge_executor_stop(struct edge_executor *executor);
/* Stops if need be. NULL is allowed. */
void edge_executor_destroy(struct edge_executor *executor);

/* Queues a job: runs it as far as the prefix reaches when its turn comes, or lets it wait for
 * least_prefix first. A wait ends with LL_E_PRECONDITION when a creation of the model fails. */
void edge_executor_submit(struct edge_executor *executor, struct edge_job *job);

/* Takes a job back that has not begun. False when it runs or has ended: `done` comes, or came. What
 * runs is told to stop: if it does not end by itself before, its status is LL_E_CANCELLED. */
bool edge_executor_cancel(struct edge_executor *executor, struct edge_job *job);

/* The model's prefix is longer now, or its creation has failed. */
void edge_executor_wake(struct edge_executor *executor, const struct edge_model *model);

#endif
