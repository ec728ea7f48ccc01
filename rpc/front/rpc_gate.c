#include "rpc/front/rpc_gate.h"

#include <assert.h>
#include <stdlib.h>

#include "core/ll_container.h"
#include "core/ll_sync.h"
#include "rpc/rpc_op.h"

/* So many calls are asked for at all times. A call that finds no request waits inside gRPC, and one
 * that was reset by then never shows: more requests than resets can come between two turns of the
 * thread have each one counted. */
enum { REQUESTS = 256 };

struct request {
    struct rpc_op op;
    struct rpc_gate *gate;
    grpc_call *call;
    grpc_call_details details;
    grpc_metadata_array metadata;
};

struct rpc_gate {
    struct rpc_gate_handler handler;
    void *arg;
    grpc_completion_queue *queue;
    grpc_server *server;
    grpc_completion_queue *call_queue;
    struct ll_thread thread;
    /* A call that leads nowhere: an empty batch on it is an event for the thread (rpc_loop.c). */
    grpc_channel *poke_channel;
    grpc_call *poke_call;
    struct rpc_op poke;
    /* The gate's thread: those that are with gRPC. */
    int waiting;
    struct request requests[REQUESTS];
};

static void ask(struct request *request)
{
    struct rpc_gate *gate = request->gate;
    grpc_call_details_init(&request->details);
    grpc_metadata_array_init(&request->metadata);
    grpc_call_error error = grpc_server_request_call(
        gate->server, &request->call, &request->details, &request->metadata, gate->call_queue,
        gate->queue, rpc_op_start(&request->op));
    assert(error == GRPC_CALL_OK);
    (void)error;
}

static void request_done(struct rpc_op *op, bool ok)
{
    struct request *request = LL_CONTAINER_OF(op, struct request, op);
    struct rpc_gate *gate = request->gate;
    if (ok) {
        gate->handler.on_call(gate->arg, request->call, request->details.method);
        request->call = NULL;
    }
    grpc_call_details_destroy(&request->details);
    grpc_metadata_array_destroy(&request->metadata);
    if (ok) {
        /* Fails with ok = false, soon, where the server stops. */
        ask(request);
        return;
    }
    gate->waiting--;
    if (gate->waiting == 0) {
        gate->handler.on_end(gate->arg);
    }
}

static void poke_done(struct rpc_op *op, bool ok)
{
    struct rpc_gate *gate = LL_CONTAINER_OF(op, struct rpc_gate, poke);
    (void)ok;
    gate->handler.on_poke(gate->arg);
}

void rpc_gate_poke(struct rpc_gate *gate)
{
    /* Cannot fail: there is nothing in the batch that could be wrong. */
    grpc_call_start_batch(gate->poke_call, NULL, 0, rpc_op_start(&gate->poke), NULL);
}

static void gate_main(void *arg)
{
    struct rpc_gate *gate = arg;
    for (;;) {
        grpc_event event =
            grpc_completion_queue_next(gate->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN) {
            return;
        }
        struct rpc_op *op = rpc_op_finish(event.tag);
        op->done(op, event.success != 0);
    }
}

ll_status rpc_gate_create(const struct rpc_gate_handler *handler, void *arg,
                          struct rpc_gate **out_gate)
{
    struct rpc_gate *gate = calloc(1, sizeof(*gate));
    if (!gate) {
        return LL_E_NO_MEMORY;
    }
    gate->handler = *handler;
    gate->arg = arg;
    const grpc_completion_queue_attributes attributes = {
        .version = 1, .cq_completion_type = GRPC_CQ_NEXT, .cq_polling_type = GRPC_CQ_NON_POLLING};
    gate->queue = grpc_completion_queue_create(grpc_completion_queue_factory_lookup(&attributes),
                                               &attributes, NULL);
    gate->poke.done = poke_done;
    gate->poke_channel = grpc_lame_client_channel_create("", GRPC_STATUS_UNAVAILABLE, "");
    gate->poke_call = grpc_channel_create_call(gate->poke_channel, NULL, GRPC_PROPAGATE_DEFAULTS,
                                               gate->queue, grpc_slice_from_static_string("/"),
                                               NULL, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    for (int i = 0; i < REQUESTS; i++) {
        gate->requests[i].gate = gate;
        gate->requests[i].op.done = request_done;
    }
    *out_gate = gate;
    return LL_OK;
}

grpc_completion_queue *rpc_gate_queue(struct rpc_gate *gate)
{
    return gate->queue;
}

ll_status rpc_gate_start(struct rpc_gate *gate, grpc_server *server, grpc_completion_queue *queue)
{
    gate->server = server;
    gate->call_queue = queue;
    gate->waiting = REQUESTS;
    ll_status status = ll_thread_start(&gate->thread, "gate", gate_main, gate);
    for (int i = 0; i < REQUESTS && status == LL_OK; i++) {
        ask(&gate->requests[i]);
    }
    return status;
}

void rpc_gate_destroy(struct rpc_gate *gate)
{
    if (!gate) {
        return;
    }
    grpc_completion_queue_shutdown(gate->queue);
    if (gate->thread.started) {
        ll_thread_join(&gate->thread);
    }
    grpc_call_unref(gate->poke_call);
    grpc_channel_destroy(gate->poke_channel);
    grpc_completion_queue_destroy(gate->queue);
    free(gate);
}
