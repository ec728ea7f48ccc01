/* What the tests of rpc/ share: a recorder for one side of a stream, and a loop with a server and a
 * channel to it.
 *
 * Every wait here ends in an event; a test that waits for ever has failed, and Bazel says so. */
#ifndef RPC_TEST_PEER_H
#define RPC_TEST_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/ll_status.h"
#include "core/ll_sync.h"
#include "rpc/rpc_channel.h"
#include "rpc/rpc_loop.h"
#include "rpc/rpc_server.h"
#include "rpc/rpc_stream.h"

struct rpc_peer;

typedef void (*rpc_peer_hook)(struct rpc_peer *peer, struct rpc_stream *stream, const uint8_t *data,
                              size_t bytes);

/* Records what one side of a stream was called with. */
struct rpc_peer {
    /* Called on the loop's thread, before the event is recorded; may be NULL. */
    rpc_peer_hook message_hook;
    rpc_peer_hook half_close_hook;
    rpc_peer_hook writable_hook;
    rpc_peer_hook closed_hook;
    void *hook_arg;
    /* The stream, referenced until finish. */
    struct rpc_stream *stream;

    struct ll_mutex mutex;
    struct ll_cond changed;
    /* Guarded by mutex. */
    int opened;
    int messages;
    size_t message_bytes;
    /* The newest message, and the sum of all bytes. */
    uint8_t *last;
    size_t last_bytes;
    uint64_t sum;
    int half_closes;
    int writables;
    int closed;
    /* Callbacks after on_closed. */
    int late;
    ll_status status;
    char text[1200];
};

extern const struct rpc_stream_handler rpc_peer_handler;

void rpc_peer_init(struct rpc_peer *peer);
void rpc_peer_finish(struct rpc_peer *peer);
/* Ready for the next stream, once this one has closed. */
void rpc_peer_reset(struct rpc_peer *peer);
/* Waits until as many have come. */
void rpc_peer_wait_opened(struct rpc_peer *peer);
void rpc_peer_wait_messages(struct rpc_peer *peer, int count);
void rpc_peer_wait_half_close(struct rpc_peer *peer);
void rpc_peer_wait_writables(struct rpc_peer *peer, int count);
/* Waits for on_closed and returns its status. */
ll_status rpc_peer_wait_closed(struct rpc_peer *peer);
/* Whether the newest message is `data`. */
bool rpc_peer_last_is(struct rpc_peer *peer, const void *data, size_t bytes);

/* A method whose one call becomes `peer`'s stream; a second call is refused. `arg` is the peer. */
void rpc_peer_open(void *arg, struct rpc_stream *stream);

/* A method that echoes every message and ends with OK at the half-close. `arg` is ignored. */
void rpc_echo_open(void *arg, struct rpc_stream *stream);

struct rpc_pair {
    struct rpc_loop *server_loop;
    struct rpc_loop *client_loop;
    struct rpc_server *server;
    struct rpc_channel *channel;
    char target[64];
    /* The server's side of /t.T/Peer. */
    struct rpc_peer peer;
};

/* A server with /t.T/Echo and /t.T/Peer and whatever `add` adds, and a channel to it. */
void rpc_pair_init(struct rpc_pair *pair, void (*add)(struct rpc_server *server, void *arg),
                   void *arg);
/* Drains for ever, so that a stream that does not end fails the test. */
void rpc_pair_finish(struct rpc_pair *pair);

/* Opens `path` as `client`'s stream. */
void rpc_pair_call(struct rpc_pair *pair, const char *path, int64_t deadline_ns,
                   struct rpc_peer *client);

/* One unary call: sends `bytes` of `data`, waits for the end. `client` is initialised here. */
ll_status rpc_pair_unary(struct rpc_pair *pair, const char *path, const void *data, size_t bytes,
                         struct rpc_peer *client);

#endif
