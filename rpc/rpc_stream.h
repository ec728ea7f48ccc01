/* One call, on either side: messages in both directions, a queue for sending, one end.
 *
 * Unary and one-way streaming calls are streams of which one direction carries one message.
 *
 * Threads: functions from any thread. Callbacks run on the loop's thread, one at a time per stream
 * (all streams of a loop share the thread), without locks held; they may call any function here. */
#ifndef RPC_STREAM_H
#define RPC_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "core/ll_buf.h"
#include "core/ll_status.h"

struct rpc_stream;

/* What may wait to be sent in one stream: messages, and the bytes of them that were copied. A
 * producer that keeps to on_writable never sees this bound; it holds against a peer that does not
 * read. */
#define RPC_STREAM_QUEUE_MESSAGES 4096
#define RPC_STREAM_QUEUE_BYTES ((size_t)16 << 20)

/* What a stream calls. `owner` is what the user gave with the handler. */
struct rpc_stream_handler {
    /* One whole message; `data` is valid during the call only. */
    void (*on_message)(void *owner, struct rpc_stream *stream, const uint8_t *data, size_t bytes);
    /* The peer sends nothing more (a server's stream: half-close; a client's stream gets on_closed
     * instead). May be NULL. */
    void (*on_half_close)(void *owner, struct rpc_stream *stream);
    /* A message has left and at most one still waits: produce more. Comes after every message that
     * leaves it so; not after finish, a client's half-close or cancel. May be NULL. */
    void (*on_writable)(void *owner, struct rpc_stream *stream);
    /* The call is over: exactly once, and the last callback. LL_OK: the server finished it with OK.
     * On a client `message` is the server's or the transport's sentence; on a server the status is
     * LL_OK when its own end was sent, LL_E_CANCELLED when the peer cancelled, vanished or the
     * deadline passed. */
    void (*on_closed)(void *owner, struct rpc_stream *stream, ll_status status,
                      const char *message);
};

/* Queues one message: `head`'s bytes (copied), then `payload`'s (may be NULL; referenced, not
 * copied). Returns at once; messages leave in the order of the calls.
 *
 * Errors: LL_E_STOPPED after the stream's end, a finish or a half-close; LL_E_EXHAUSTED above
 * LL_LIMIT_MESSAGE_BYTES; LL_E_FULL above RPC_STREAM_QUEUE_...; LL_E_NO_MEMORY. */
LL_MUST_USE ll_status rpc_stream_send(struct rpc_stream *stream, const void *head,
                                      size_t head_bytes, struct ll_buf *payload);

/* Messages that wait in the queue, the one under way included. A producer of many messages keeps
 * this at one or two and goes on in on_writable. */
int rpc_stream_queued(struct rpc_stream *stream);

/* Reads no further message while more than `queued` wait to be sent (negative: always reads, the
 * default), so that a peer that asks and does not read is held back. Loop thread. */
void rpc_stream_bound_receive(struct rpc_stream *stream, int queued);

/* Server: sends what is queued, then ends the call with `status` and `message` (may be NULL: the
 * status's own text; cut at 1 KiB); a lack of memory with a time to ask again. Of the callbacks
 * only on_closed comes after. Further calls are ignored. Client: LL_OK half-closes after what is
 * queued, anything else cancels. */
void rpc_stream_finish(struct rpc_stream *stream, ll_status status, const char *message);

/* The same with the sentence of `err`, whose limit and time go along as status details
 * (rpc_details.h). */
void rpc_stream_finish_error(struct rpc_stream *stream, ll_status status,
                             const struct ll_error *err);

/* Client, in on_closed: the limit, its value and the time that the server named; the sentence is
 * on_closed's. */
const struct ll_error *rpc_stream_error(const struct rpc_stream *stream);

/* Ends the call now; what is queued is dropped. Harmless at any time. on_closed still comes. */
void rpc_stream_cancel(struct rpc_stream *stream);

/* Takes another reference and returns `stream`. The runtime holds one itself until on_closed
 * returned, so that callbacks need none; whoever keeps the pointer longer takes one. */
struct rpc_stream *rpc_stream_ref(struct rpc_stream *stream);
/* NULL is allowed. */
void rpc_stream_unref(struct rpc_stream *stream);

/* "ipv4:10.0.0.2:50051" on a server, the target on a client. */
const char *rpc_stream_peer(const struct rpc_stream *stream);

#endif
