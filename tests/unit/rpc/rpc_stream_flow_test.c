/* How messages move: order, sizes, both sides' bounds, several threads and streams. */
#include <stdlib.h>
#include <string.h>

#include "core/ll_buf.h"
#include "core/ll_clock.h"
#include "core/ll_limits.h"
#include "rpc/rpc_stream.h"
#include "tests/support/ll_test.h"
#include "tests/unit/rpc/rpc_test_peer.h"

const char *const ll_test_suite = "rpc_stream_flow";

static void test_messages_keep_their_order(void)
{
    enum { COUNT = 2000 };
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    struct rpc_peer client;
    rpc_peer_init(&client);
    rpc_pair_call(&pair, "/t.T/Echo", LL_CLOCK_NEVER, &client);
    uint64_t sum = 0;
    uint8_t message[4];
    for (uint32_t i = 0; i < COUNT; i++) {
        memcpy(message, &i, 4);
        sum += (uint64_t)message[0] + message[1] + message[2] + message[3];
        CU_ASSERT_EQUAL(rpc_stream_send(client.stream, message, 4, NULL), LL_OK);
    }
    rpc_stream_finish(client.stream, LL_OK, NULL);
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&client), LL_OK);
    CU_ASSERT_EQUAL(client.messages, COUNT);
    CU_ASSERT_EQUAL(client.sum, sum);
    CU_ASSERT(rpc_peer_last_is(&client, message, 4));
    rpc_peer_finish(&client);
    rpc_pair_finish(&pair);
}

/* Payloads that were given back; gRPC does so on threads of its own, soon. */
struct releases {
    struct ll_mutex mutex;
    struct ll_cond changed;
    /* Guarded by mutex. */
    int count;
};

static void count_release(void *arg, void *data, size_t bytes)
{
    struct releases *releases = arg;
    (void)bytes;
    free(data);
    ll_mutex_lock(&releases->mutex);
    releases->count++;
    ll_cond_broadcast(&releases->changed);
    ll_mutex_unlock(&releases->mutex);
}

/* `head` in front of a payload of `bytes`, echoed and compared; the payload's release counts. */
static void echo_payload(struct rpc_pair *pair, const char *head, size_t bytes,
                         struct releases *released)
{
    uint8_t *data = malloc(bytes + 1);
    size_t head_bytes = strlen(head);
    uint8_t *expected = malloc(head_bytes + bytes + 1);
    CU_ASSERT_FATAL(data && expected);
    for (size_t i = 0; i < bytes; i++) {
        data[i] = (uint8_t)(i * 31 + i / 255);
    }
    for (size_t i = 0; i < head_bytes + bytes; i++) {
        expected[i] = i < head_bytes ? (uint8_t)head[i] : data[i - head_bytes];
    }
    struct ll_buf *payload = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_buf_wrap(data, bytes, count_release, released, &payload), LL_OK);
    struct rpc_peer client;
    rpc_peer_init(&client);
    rpc_pair_call(pair, "/t.T/Echo", LL_CLOCK_NEVER, &client);
    CU_ASSERT_EQUAL(rpc_stream_send(client.stream, head, head_bytes, payload), LL_OK);
    ll_buf_unref(payload);
    rpc_stream_finish(client.stream, LL_OK, NULL);
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&client), LL_OK);
    CU_ASSERT(rpc_peer_last_is(&client, expected, head_bytes + bytes));
    rpc_peer_finish(&client);
    free(expected);
}

static void test_payloads_of_all_sizes_arrive(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    struct releases released = {.count = 0};
    ll_mutex_init(&released.mutex);
    ll_cond_init(&released.changed);
    echo_payload(&pair, "", 0, &released);
    echo_payload(&pair, "head", 0, &released);
    echo_payload(&pair, "", 1, &released);
    echo_payload(&pair, "head", 1, &released);
    echo_payload(&pair, "head", 16384, &released);
    echo_payload(&pair, "head", LL_LIMIT_CHUNK_BYTES, &released);
    echo_payload(&pair, "head", LL_LIMIT_MESSAGE_BYTES - 4, &released);
    rpc_pair_finish(&pair);
    ll_mutex_lock(&released.mutex);
    while (released.count < 7) {
        ll_cond_wait(&released.changed, &released.mutex, LL_CLOCK_NEVER);
    }
    ll_mutex_unlock(&released.mutex);
    CU_ASSERT_EQUAL(released.count, 7);
    ll_cond_finish(&released.changed);
    ll_mutex_finish(&released.mutex);
}

static void test_too_large_message_is_refused(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    struct rpc_peer client;
    rpc_peer_init(&client);
    rpc_pair_call(&pair, "/t.T/Echo", LL_CLOCK_NEVER, &client);
    struct ll_buf *payload = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_buf_create(LL_LIMIT_MESSAGE_BYTES, &payload), LL_OK);
    CU_ASSERT_EQUAL(rpc_stream_send(client.stream, "x", 1, payload), LL_E_EXHAUSTED);
    CU_ASSERT_EQUAL(rpc_stream_queued(client.stream), 0);
    ll_buf_unref(payload);
    rpc_stream_finish(client.stream, LL_OK, NULL);
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&client), LL_OK);
    CU_ASSERT_EQUAL(client.messages, 0);
    rpc_peer_finish(&client);
    rpc_pair_finish(&pair);
}

/* Sends `left` chunks, never more than two at a time. */
struct producer {
    struct ll_buf *chunk;
    int left;
    int most_queued;
};

static void produce(struct rpc_peer *peer, struct rpc_stream *stream, const uint8_t *data,
                    size_t bytes)
{
    (void)data;
    (void)bytes;
    struct producer *producer = peer->hook_arg;
    while (producer->left > 0 && rpc_stream_queued(stream) < 2) {
        CU_ASSERT_EQUAL(rpc_stream_send(stream, "head", 4, producer->chunk), LL_OK);
        producer->left--;
        int queued = rpc_stream_queued(stream);
        producer->most_queued = queued > producer->most_queued ? queued : producer->most_queued;
    }
    if (producer->left == 0) {
        rpc_stream_finish(stream, LL_OK, NULL);
    }
}

static void test_writable_feeds_a_producer(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    struct producer producer = {.left = 200};
    CU_ASSERT_EQUAL_FATAL(ll_buf_create(LL_LIMIT_CHUNK_BYTES, &producer.chunk), LL_OK);
    memset(ll_buf_writable(producer.chunk), 3, LL_LIMIT_CHUNK_BYTES);
    pair.peer.hook_arg = &producer;
    pair.peer.message_hook = produce;
    pair.peer.writable_hook = produce;
    struct rpc_peer client;
    CU_ASSERT_EQUAL(rpc_pair_unary(&pair, "/t.T/Peer", "go", 2, &client), LL_OK);
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&pair.peer), LL_OK);
    CU_ASSERT_EQUAL(client.messages, 200);
    CU_ASSERT_EQUAL(client.message_bytes, 200 * ((size_t)LL_LIMIT_CHUNK_BYTES + 4));
    CU_ASSERT_EQUAL(producer.most_queued, 2);
    ll_buf_unref(producer.chunk);
    rpc_peer_finish(&client);
    rpc_pair_finish(&pair);
}

static void test_writable_after_a_single_send(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    struct rpc_peer client;
    rpc_peer_init(&client);
    rpc_pair_call(&pair, "/t.T/Peer", LL_CLOCK_NEVER, &client);
    for (int i = 1; i <= 3; i++) {
        CU_ASSERT_EQUAL(rpc_stream_send(client.stream, "x", 1, NULL), LL_OK);
        rpc_peer_wait_writables(&client, i);
    }
    CU_ASSERT_EQUAL(client.writables, 3);
    rpc_peer_wait_messages(&pair.peer, 3);
    rpc_stream_finish(pair.peer.stream, LL_OK, NULL);
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&client), LL_OK);
    rpc_peer_finish(&client);
    rpc_pair_finish(&pair);
}

/* Keeps a loop's thread until opened, as a peer that does not read would. */
struct gate {
    struct ll_mutex mutex;
    struct ll_cond changed;
    /* Guarded by mutex. */
    bool is_open;
};

static void wait_gate(struct rpc_peer *peer, struct rpc_stream *stream, const uint8_t *data,
                      size_t bytes)
{
    (void)stream;
    (void)data;
    (void)bytes;
    struct gate *gate = peer->hook_arg;
    ll_mutex_lock(&gate->mutex);
    while (!gate->is_open) {
        ll_cond_wait(&gate->changed, &gate->mutex, LL_CLOCK_NEVER);
    }
    ll_mutex_unlock(&gate->mutex);
}

static void open_gate(struct gate *gate)
{
    ll_mutex_lock(&gate->mutex);
    gate->is_open = true;
    ll_cond_broadcast(&gate->changed);
    ll_mutex_unlock(&gate->mutex);
}

static void gate_init(struct gate *gate)
{
    gate->is_open = false;
    ll_mutex_init(&gate->mutex);
    ll_cond_init(&gate->changed);
}

static void gate_finish(struct gate *gate)
{
    ll_cond_finish(&gate->changed);
    ll_mutex_finish(&gate->mutex);
}

static void test_queue_is_bounded_against_a_peer_that_does_not_read(void)
{
    enum { BYTES = 64 << 10 };
    static uint8_t message[BYTES];
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    struct gate gate;
    gate_init(&gate);
    struct rpc_peer client;
    rpc_peer_init(&client);
    client.hook_arg = &gate;
    client.message_hook = wait_gate;
    rpc_pair_call(&pair, "/t.T/Peer", LL_CLOCK_NEVER, &client);
    rpc_peer_wait_opened(&pair.peer);
    int sent = 0;
    ll_status status = LL_OK;
    while (status == LL_OK && sent < 100000) {
        status = rpc_stream_send(pair.peer.stream, message, BYTES, NULL);
        sent += status == LL_OK;
    }
    CU_ASSERT_EQUAL(status, LL_E_FULL);
    CU_ASSERT(sent >= (int)(RPC_STREAM_QUEUE_BYTES / BYTES));
    open_gate(&gate);
    rpc_stream_finish(pair.peer.stream, LL_OK, NULL);
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&client), LL_OK);
    CU_ASSERT_EQUAL(client.messages, sent);
    rpc_peer_finish(&client);
    rpc_pair_finish(&pair);
    gate_finish(&gate);
}

/* A server that reads nothing while two answers wait; its queue at each message is noted. */
struct held {
    int over_bound;
    struct ll_buf *answer;
};

static void answer_large(struct rpc_peer *peer, struct rpc_stream *stream, const uint8_t *data,
                         size_t bytes)
{
    (void)data;
    (void)bytes;
    struct held *held = peer->hook_arg;
    rpc_stream_bound_receive(stream, 2);
    held->over_bound += rpc_stream_queued(stream) > 2;
    CU_ASSERT_EQUAL(rpc_stream_send(stream, NULL, 0, held->answer), LL_OK);
}

static void finish_ok(struct rpc_peer *peer, struct rpc_stream *stream, const uint8_t *data,
                      size_t bytes)
{
    (void)peer;
    (void)data;
    (void)bytes;
    rpc_stream_finish(stream, LL_OK, NULL);
}

static void test_bounded_receive_holds_a_greedy_peer_back(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    struct held held = {.over_bound = 0};
    CU_ASSERT_EQUAL_FATAL(ll_buf_create(1 << 20, &held.answer), LL_OK);
    memset(ll_buf_writable(held.answer), 1, 1 << 20);
    pair.peer.hook_arg = &held;
    pair.peer.message_hook = answer_large;
    pair.peer.half_close_hook = finish_ok;
    struct gate gate;
    gate_init(&gate);
    struct rpc_peer client;
    rpc_peer_init(&client);
    client.hook_arg = &gate;
    client.message_hook = wait_gate;
    rpc_pair_call(&pair, "/t.T/Peer", LL_CLOCK_NEVER, &client);
    for (int i = 0; i < 50; i++) {
        CU_ASSERT_EQUAL(rpc_stream_send(client.stream, "?", 1, NULL), LL_OK);
    }
    rpc_stream_finish(client.stream, LL_OK, NULL);
    open_gate(&gate);
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&client), LL_OK);
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&pair.peer), LL_OK);
    CU_ASSERT_EQUAL(client.messages, 50);
    CU_ASSERT_EQUAL(held.over_bound, 0);
    ll_buf_unref(held.answer);
    rpc_peer_finish(&client);
    rpc_pair_finish(&pair);
    gate_finish(&gate);
}

enum { SENDERS = 4, SENDS = 300 };

struct sender {
    struct ll_thread thread;
    struct rpc_stream *stream;
    uint32_t id;
};

static void send_all(void *arg)
{
    struct sender *sender = arg;
    for (uint32_t i = 0; i < SENDS; i++) {
        uint32_t message[2] = {sender->id, i};
        CU_ASSERT_EQUAL(rpc_stream_send(sender->stream, message, sizeof(message), NULL), LL_OK);
    }
}

static void check_order(struct rpc_peer *peer, struct rpc_stream *stream, const uint8_t *data,
                        size_t bytes)
{
    (void)stream;
    uint32_t *next = peer->hook_arg;
    uint32_t message[2];
    CU_ASSERT_EQUAL_FATAL(bytes, sizeof(message));
    memcpy(message, data, sizeof(message));
    CU_ASSERT_FATAL(message[0] < SENDERS);
    CU_ASSERT_EQUAL(message[1], next[message[0]]);
    next[message[0]]++;
}

static void test_several_threads_send(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    uint32_t next[SENDERS] = {0};
    struct rpc_peer client;
    rpc_peer_init(&client);
    client.hook_arg = next;
    client.message_hook = check_order;
    rpc_pair_call(&pair, "/t.T/Echo", LL_CLOCK_NEVER, &client);
    struct sender senders[SENDERS] = {{{0}, NULL, 0}};
    for (uint32_t i = 0; i < SENDERS; i++) {
        senders[i].stream = client.stream;
        senders[i].id = i;
        CU_ASSERT_EQUAL_FATAL(ll_thread_start(&senders[i].thread, "sender", send_all, &senders[i]),
                              LL_OK);
    }
    for (int i = 0; i < SENDERS; i++) {
        ll_thread_join(&senders[i].thread);
    }
    rpc_stream_finish(client.stream, LL_OK, NULL);
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&client), LL_OK);
    CU_ASSERT_EQUAL(client.messages, SENDERS * SENDS);
    rpc_peer_finish(&client);
    rpc_pair_finish(&pair);
}

static void test_more_streams_than_the_server_allows_at_once(void)
{
    enum { STREAMS = 300 };
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    struct rpc_peer *clients = calloc(STREAMS, sizeof(*clients));
    CU_ASSERT_PTR_NOT_NULL_FATAL(clients);
    for (int i = 0; i < STREAMS; i++) {
        rpc_peer_init(&clients[i]);
        rpc_pair_call(&pair, "/t.T/Echo", LL_CLOCK_NEVER, &clients[i]);
        CU_ASSERT_EQUAL(rpc_stream_send(clients[i].stream, &i, sizeof(i), NULL), LL_OK);
    }
    for (int i = 0; i < STREAMS; i++) {
        rpc_stream_finish(clients[i].stream, LL_OK, NULL);
    }
    for (int i = 0; i < STREAMS; i++) {
        CU_ASSERT_EQUAL(rpc_peer_wait_closed(&clients[i]), LL_OK);
        CU_ASSERT(rpc_peer_last_is(&clients[i], &i, sizeof(i)));
        rpc_peer_finish(&clients[i]);
    }
    free(clients);
    rpc_pair_finish(&pair);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_messages_keep_their_order),
    LL_TEST(test_payloads_of_all_sizes_arrive),
    LL_TEST(test_too_large_message_is_refused),
    LL_TEST(test_writable_feeds_a_producer),
    LL_TEST(test_writable_after_a_single_send),
    LL_TEST(test_queue_is_bounded_against_a_peer_that_does_not_read),
    LL_TEST(test_bounded_receive_holds_a_greedy_peer_back),
    LL_TEST(test_several_threads_send),
    LL_TEST(test_more_streams_than_the_server_allows_at_once),
    {NULL, NULL},
};
