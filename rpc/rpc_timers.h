/* A loop's timers, the earliest first: inside rpc/ only.
 *
 * A pairing heap through the timers themselves: setting one takes constant time, taking one out
 * logarithmic time on average, and neither needs memory, so that neither can fail.
 *
 * Threads: the loop's. */
#ifndef RPC_TIMERS_H
#define RPC_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

#include "rpc/rpc_loop.h"

struct rpc_timer {
    struct rpc_loop *loop;
    void (*fire)(void *arg);
    void *arg;
    int64_t deadline_ns;
    bool is_set;
    /* Of two equal deadlines the one that was set first comes first. */
    uint64_t order;
    /* The first of those below it; the next one beside it; the one before it, or above the first.
     */
    struct rpc_timer *child;
    struct rpc_timer *next;
    struct rpc_timer *prev;
};

struct rpc_timers {
    /* NULL: none is set. */
    struct rpc_timer *earliest;
    uint64_t order;
};

/* `timer` is not set. */
void rpc_timers_add(struct rpc_timers *timers, struct rpc_timer *timer, int64_t deadline_ns);
/* `timer` is set. */
void rpc_timers_remove(struct rpc_timers *timers, struct rpc_timer *timer);

#endif
