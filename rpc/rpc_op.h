/* What a completion queue carries: inside rpc/ only.
 *
 * The address of a struct rpc_op is the tag of a gRPC operation. Whoever starts an operation calls
 * rpc_op_start with its tag first, on any thread; `done` runs on the loop's thread.
 *
 * gRPC is not instrumented, so ThreadSanitizer does not see that its queues order their two sides:
 * rpc_op_start and the loop tell it. */
#ifndef RPC_OP_H
#define RPC_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <grpc/grpc.h>

#include "rpc/rpc_loop.h"

#if defined(__SANITIZE_THREAD__)
#define RPC_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RPC_TSAN 1
#endif
#endif
#if defined(RPC_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

/* A channel argument. */
#define RPC_ARG_INT(name, number)                                                                  \
    {                                                                                              \
        .type = GRPC_ARG_INTEGER, .key = (char *)(name), .value.integer = (number)                 \
    }

struct rpc_op {
    void (*done)(struct rpc_op *op, bool ok);
};

/* Returns the tag of `op`, for the gRPC call that starts it. */
static inline void *rpc_op_start(struct rpc_op *op)
{
#if defined(RPC_TSAN)
    __tsan_release(op);
#endif
    return op;
}

/* The loop's counterpart. */
static inline struct rpc_op *rpc_op_finish(void *tag)
{
#if defined(RPC_TSAN)
    __tsan_acquire(tag);
#endif
    return tag;
}

grpc_completion_queue *rpc_loop_queue(struct rpc_loop *loop);

/* At least `bytes` bytes that stay valid until the next call: one callback's message. NULL without
 * memory. Loop thread. */
uint8_t *rpc_loop_scratch(struct rpc_loop *loop, size_t bytes);

/* A time of ll_clock.h as gRPC has it. */
gpr_timespec rpc_loop_time(int64_t time_ns);

#endif
