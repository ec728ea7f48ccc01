#include "tests/unit/rpc/rpc_test_peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "core/ll_clock.h"

void rpc_peer_init(struct rpc_peer *peer)
{
    memset(peer, 0, sizeof(*peer));
    peer->status = LL_STATUS_COUNT;
    ll_mutex_init(&peer->mutex);
    ll_cond_init(&peer->changed);
}

void rpc_peer_finish(struct rpc_peer *peer)
{
    CU_ASSERT_EQUAL(peer->late, 0);
    CU_ASSERT(peer->closed <= 1);
    rpc_stream_unref(peer->stream);
    free(peer->last);
    ll_cond_finish(&peer->changed);
    ll_mutex_finish(&peer->mutex);
}

void rpc_peer_reset(struct rpc_peer *peer)
{
    ll_mutex_lock(&peer->mutex);
    CU_ASSERT_EQUAL(peer->late, 0);
    CU_ASSERT_EQUAL(peer->closed, 1);
    rpc_stream_unref(peer->stream);
    free(peer->last);
    peer->stream = NULL;
    peer->last = NULL;
    peer->opened = 0;
    peer->messages = 0;
    peer->message_bytes = 0;
    peer->half_closes = 0;
    peer->writables = 0;
    peer->closed = 0;
    ll_mutex_unlock(&peer->mutex);
}

static void begin(struct rpc_peer *peer) LL_ACQUIRE(peer->mutex)
{
    ll_mutex_lock(&peer->mutex);
    peer->late += peer->closed > 0;
}

static void end(struct rpc_peer *peer) LL_RELEASE(peer->mutex)
{
    ll_cond_broadcast(&peer->changed);
    ll_mutex_unlock(&peer->mutex);
}

static void on_message(void *owner, struct rpc_stream *stream, const uint8_t *data, size_t bytes)
{
    struct rpc_peer *peer = owner;
    if (peer->message_hook) {
        peer->message_hook(peer, stream, data, bytes);
    }
    uint8_t *copy = malloc(bytes + 1);
    if (copy) {
        memcpy(copy, data, bytes);
    }
    begin(peer);
    peer->messages++;
    peer->message_bytes += bytes;
    for (size_t i = 0; i < bytes; i++) {
        peer->sum += data[i];
    }
    free(peer->last);
    peer->last = copy;
    peer->last_bytes = bytes;
    end(peer);
}

static void on_half_close(void *owner, struct rpc_stream *stream)
{
    struct rpc_peer *peer = owner;
    if (peer->half_close_hook) {
        peer->half_close_hook(peer, stream, NULL, 0);
    }
    begin(peer);
    peer->half_closes++;
    end(peer);
}

static void on_writable(void *owner, struct rpc_stream *stream)
{
    struct rpc_peer *peer = owner;
    if (peer->writable_hook) {
        peer->writable_hook(peer, stream, NULL, 0);
    }
    begin(peer);
    peer->writables++;
    end(peer);
}

static void on_closed(void *owner, struct rpc_stream *stream, ll_status status, const char *message)
{
    struct rpc_peer *peer = owner;
    if (peer->closed_hook) {
        peer->closed_hook(peer, stream, NULL, 0);
    }
    begin(peer);
    peer->closed++;
    peer->status = status;
    snprintf(peer->text, sizeof(peer->text), "%s", message);
    end(peer);
}

const struct rpc_stream_handler rpc_peer_handler = {
    .on_message = on_message,
    .on_half_close = on_half_close,
    .on_writable = on_writable,
    .on_closed = on_closed,
};

/* `count` is one of the peer's counters. */
static void wait_for(struct rpc_peer *peer, const int *counter, int count)
{
    ll_mutex_lock(&peer->mutex);
    while (*counter < count) {
        ll_cond_wait(&peer->changed, &peer->mutex, LL_CLOCK_NEVER);
    }
    ll_mutex_unlock(&peer->mutex);
}

void rpc_peer_wait_opened(struct rpc_peer *peer)
{
    wait_for(peer, &peer->opened, 1);
}

void rpc_peer_wait_messages(struct rpc_peer *peer, int count)
{
    wait_for(peer, &peer->messages, count);
}

void rpc_peer_wait_half_close(struct rpc_peer *peer)
{
    wait_for(peer, &peer->half_closes, 1);
}

void rpc_peer_wait_writables(struct rpc_peer *peer, int count)
{
    wait_for(peer, &peer->writables, count);
}

ll_status rpc_peer_wait_closed(struct rpc_peer *peer)
{
    wait_for(peer, &peer->closed, 1);
    return peer->status;
}

bool rpc_peer_last_is(struct rpc_peer *peer, const void *data, size_t bytes)
{
    ll_mutex_lock(&peer->mutex);
    bool is_same = peer->last && peer->last_bytes == bytes && memcmp(peer->last, data, bytes) == 0;
    ll_mutex_unlock(&peer->mutex);
    return is_same;
}

void rpc_peer_open(void *arg, struct rpc_stream *stream)
{
    struct rpc_peer *peer = arg;
    ll_mutex_lock(&peer->mutex);
    bool is_free = !peer->stream;
    if (is_free) {
        peer->stream = rpc_stream_ref(stream);
        peer->opened++;
    }
    end(peer);
    if (is_free) {
        rpc_server_accept(stream, &rpc_peer_handler, peer);
    } else {
        rpc_stream_finish(stream, LL_E_EXISTS, "one call at a time");
    }
}

static void echo_message(void *owner, struct rpc_stream *stream, const uint8_t *data, size_t bytes)
{
    (void)owner;
    if (rpc_stream_send(stream, data, bytes, NULL) != LL_OK) {
        rpc_stream_finish(stream, LL_E_EXHAUSTED, "cannot echo");
    }
}

static void echo_half_close(void *owner, struct rpc_stream *stream)
{
    (void)owner;
    rpc_stream_finish(stream, LL_OK, NULL);
}

static void echo_closed(void *owner, struct rpc_stream *stream, ll_status status,
                        const char *message)
{
    (void)owner;
    (void)stream;
    (void)status;
    (void)message;
}

static const struct rpc_stream_handler echo_handler = {
    .on_message = echo_message,
    .on_half_close = echo_half_close,
    .on_closed = echo_closed,
};

void rpc_echo_open(void *arg, struct rpc_stream *stream)
{
    rpc_stream_bound_receive(stream, 4);
    rpc_server_accept(stream, &echo_handler, arg);
}

void rpc_pair_init(struct rpc_pair *pair, void (*add)(struct rpc_server *server, void *arg),
                   void *arg)
{
    memset(pair, 0, sizeof(*pair));
    rpc_peer_init(&pair->peer);
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL_FATAL(rpc_loop_create(&pair->server_loop), LL_OK);
    CU_ASSERT_EQUAL_FATAL(rpc_loop_create(&pair->client_loop), LL_OK);
    struct rpc_server_config config = {.listen = "127.0.0.1:0"};
    CU_ASSERT_EQUAL_FATAL(rpc_server_create(pair->server_loop, &config, &pair->server, &err),
                          LL_OK);
    CU_ASSERT_EQUAL(rpc_server_add(pair->server, "/t.T/Echo", rpc_echo_open, NULL), LL_OK);
    CU_ASSERT_EQUAL(rpc_server_add(pair->server, "/t.T/Peer", rpc_peer_open, &pair->peer), LL_OK);
    if (add) {
        add(pair->server, arg);
    }
    CU_ASSERT_EQUAL_FATAL(rpc_server_start(pair->server, &err), LL_OK);
    snprintf(pair->target, sizeof(pair->target), "127.0.0.1:%d", rpc_server_port(pair->server));
    CU_ASSERT_EQUAL_FATAL(rpc_channel_create(pair->client_loop, pair->target, &pair->channel, &err),
                          LL_OK);
}

void rpc_pair_finish(struct rpc_pair *pair)
{
    rpc_channel_destroy(pair->channel);
    rpc_server_stop(pair->server, LL_CLOCK_NEVER);
    rpc_server_destroy(pair->server);
    if (pair->client_loop != pair->server_loop) {
        rpc_loop_destroy(pair->client_loop);
    }
    rpc_loop_destroy(pair->server_loop);
    rpc_peer_finish(&pair->peer);
}

void rpc_pair_call(struct rpc_pair *pair, const char *path, int64_t deadline_ns,
                   struct rpc_peer *client)
{
    CU_ASSERT_EQUAL_FATAL(rpc_channel_open(pair->channel, path, deadline_ns, &rpc_peer_handler,
                                           client, &client->stream),
                          LL_OK);
}

ll_status rpc_pair_unary(struct rpc_pair *pair, const char *path, const void *data, size_t bytes,
                         struct rpc_peer *client)
{
    rpc_peer_init(client);
    rpc_pair_call(pair, path, LL_CLOCK_NEVER, client);
    ll_status sent = rpc_stream_send(client->stream, data, bytes, NULL);
    CU_ASSERT(sent == LL_OK || sent == LL_E_STOPPED);
    rpc_stream_finish(client->stream, LL_OK, NULL);
    return rpc_peer_wait_closed(client);
}
