/* A thread with a queue: whatever runs on it runs one after the other, so that what belongs to it
 * needs no lock. The upload sessions live on one, the receiver.
 *
 * Who posts much has a lane: its works run in order, but lanes take turns, so that nobody waits for
 * all that another one has posted.
 *
 * Threads: post from any; the rest on one. */
#ifndef EDGE_WORKER_H
#define EDGE_WORKER_H

#include <stdint.h>

#include "core/ll_status.h"

struct edge_worker;

/* Embedded in the poster's struct. */
struct edge_work {
    void (*run)(struct edge_work *work);
    /* Private. */
    struct edge_work *next;
};

/* Starts the thread, called `name`. */
LL_MUST_USE ll_status edge_worker_create(const char *name, struct edge_worker **out_worker);
/* Runs what is queued, then ends the thread. Nobody posts any more. Twice is harmless. */
void edge_worker_stop(struct edge_worker *worker);
/* Stops if need be. NULL is allowed. */
void edge_worker_destroy(struct edge_worker *worker);

/* Runs `work->run` soon, in order of posting. Cannot fail. The work may be posted again, or freed,
 * once it runs. */
void edge_worker_post(struct edge_worker *worker, struct edge_work *work);

/* Embedded in the poster's struct; private. */
struct edge_lane {
    struct edge_worker *worker;
    struct edge_work turn;
    struct edge_work *first;
    struct edge_work *last;
};

void edge_lane_init(struct edge_lane *lane, struct edge_worker *worker);
/* As edge_worker_post, in order of the lane's works; the worker's other works, and those of other
 * lanes, come between them. The last one of a lane may free it once it runs. */
void edge_lane_post(struct edge_lane *lane, struct edge_work *work);

/* Posts `work` once `deadline_ns` (ll_clock.h) has come; replaces an earlier alarm, of which a
 * worker has one. */
void edge_worker_set_alarm(struct edge_worker *worker, struct edge_work *work, int64_t deadline_ns);

#endif
