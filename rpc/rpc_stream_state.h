/* The inside of a stream: inside rpc/ only. rpc_stream.c is what users call on any thread;
 * rpc_call.c stands above it and talks to gRPC. */
#ifndef RPC_STREAM_STATE_H
#define RPC_STREAM_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include <grpc/grpc.h>

#include "core/ll_status.h"
#include "core/ll_sync.h"
#include "rpc/rpc_loop.h"
#include "rpc/rpc_op.h"
#include "rpc/rpc_stream.h"

/* One message that waits to be sent. */
struct rpc_message {
    struct rpc_message *next;
    grpc_byte_buffer *buffer;
    size_t copied_bytes;
};

struct rpc_connection;

struct rpc_stream {
    struct rpc_loop *loop;
    /* Gone once closed. */
    grpc_call *call;
    /* "ipv4:..." or the target. */
    char *peer;
    atomic_uint refs;
    bool is_server;

    /* The rest down to the mutex: loop thread. The first batches have been started; the first
     * message has been asked for. */
    bool is_started;
    bool has_asked;
    /* One operation of each kind is in flight at most. */
    bool is_sending;
    bool is_receiving;
    /* on_message runs: the next message is asked for behind it. */
    bool is_delivering;
    /* Nothing more is read: the peer's half-close, a failure, or our wish. */
    bool has_read_all;
    bool has_sent_metadata;
    /* The server's status or the client's half-close has been started; it has gone out. */
    bool has_sent_end;
    bool is_end_sent;
    bool has_cancelled;
    /* gRPC said how the call ended; nothing of it is in flight any more. */
    bool is_over;
    bool is_closed;
    int was_cancelled;
    grpc_status_code code;
    /* While more than so many messages wait to be sent, none is read; negative: no bound. */
    int receive_bound;

    /* rpc_call_advance: what the mutex guards has changed. Loop thread. */
    void (*advance)(struct rpc_stream *stream);
    const struct rpc_stream_handler *handler;
    void *owner;
    /* A server's: told once, before the first message or the end goes out; told after on_closed.
     */
    void (*answered)(void *arg, struct rpc_stream *stream);
    void (*closed)(void *arg, struct rpc_stream *stream);
    void *closed_arg;
    struct rpc_connection *connection;

    struct rpc_op send;
    struct rpc_op receive;
    struct rpc_op end;
    struct rpc_message *sent;
    grpc_byte_buffer *received;
    grpc_metadata_array initial;
    grpc_metadata_array trailing;
    grpc_slice details;
    /* Server: the limit that the end names, as RPC_DETAILS_KEY's value. Client: what the server's
     * end said of one. */
    grpc_metadata refusal;
    struct ll_error error;

    struct ll_mutex mutex;
    /* Guarded by mutex. */
    struct rpc_message *first LL_GUARDED_BY(mutex);
    struct rpc_message *last LL_GUARDED_BY(mutex);
    size_t copied_bytes LL_GUARDED_BY(mutex);
    char *finish_message LL_GUARDED_BY(mutex);
    /* A serialised google.rpc.Status; NULL: none. */
    uint8_t *finish_details LL_GUARDED_BY(mutex);
    size_t finish_details_bytes LL_GUARDED_BY(mutex);
    struct rpc_task kick LL_GUARDED_BY(mutex);
    int queued LL_GUARDED_BY(mutex);
    /* rpc_stream_finish was called, with this, finish_message and finish_details. */
    ll_status finish_status LL_GUARDED_BY(mutex);
    bool is_finishing LL_GUARDED_BY(mutex);
    bool is_cancelling LL_GUARDED_BY(mutex);
    /* The call is over: nothing is queued any more. */
    bool is_ended LL_GUARDED_BY(mutex);
    /* `kick` is posted; the stream does not close before it has run. */
    bool is_kicked LL_GUARDED_BY(mutex);
};

/* Unlocks the stream and has rpc_call_advance run: here on the loop's thread, posted elsewhere. */
void rpc_stream_unlock_and_kick(struct rpc_stream *stream) LL_RELEASE(stream->mutex);

#endif
