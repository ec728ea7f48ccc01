/* The event loop: one gRPC completion queue and the thread that serves it. Everything that rpc/
 * calls back runs on a loop's thread, one callback at a time; callbacks do not block and do not
 * compute.
 *
 * The only folder that includes <grpc/...>: users see none of it. The library is initialised by the
 * first loop and stays so until the process ends: shutting gRPC 1.51 down waits up to 10 s for a
 * thread of its own that polls sockets, which is there whenever a link was slower than its sender.
 * No fork after the first loop.
 *
 * Threads: any, except destroy (not on the loop's own thread). */
#ifndef RPC_LOOP_H
#define RPC_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_status.h"

struct rpc_loop;

/* Errors: LL_E_NO_MEMORY; LL_E_EXHAUSTED, and a line in the log, without descriptors for gRPC. */
LL_MUST_USE ll_status rpc_loop_create(struct rpc_loop **out_loop);

/* Runs what is still queued, then ends the thread. Servers, channels and timers of the loop are
 * destroyed before. NULL is allowed. */
void rpc_loop_destroy(struct rpc_loop *loop);

/* Whether the caller runs on the loop's thread. */
bool rpc_loop_is_current(const struct rpc_loop *loop);

/* Embedded in the poster's struct; may be posted again once it runs. */
struct rpc_task {
    void (*run)(struct rpc_task *task);
    /* Private. */
    struct rpc_task *next;
};

/* Runs `task->run` on the loop's thread, soon, in order of posting. Cannot fail. */
void rpc_loop_post(struct rpc_loop *loop, struct rpc_task *task);

struct rpc_timer;

/* A timer that is not running. `fire` runs on the loop's thread. */
LL_MUST_USE ll_status rpc_timer_create(struct rpc_loop *loop, void (*fire)(void *arg), void *arg,
                                       struct rpc_timer **out_timer);
/* Fires once at `deadline_ns` (ll_clock.h); replaces an earlier deadline. Loop thread only. */
void rpc_timer_set(struct rpc_timer *timer, int64_t deadline_ns);
/* No `fire` begins after it returns. Loop thread only. */
void rpc_timer_cancel(struct rpc_timer *timer);
/* Loop thread, or any thread after the loop's last callback. NULL is allowed. */
void rpc_timer_destroy(struct rpc_timer *timer);

#endif
