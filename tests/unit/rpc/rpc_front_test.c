/* The front, through a server: connections that do harm, and what others see of them. */
#include "rpc/front/rpc_front.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/ll_clock.h"
#include "core/ll_sync.h"
#include "tests/support/ll_test.h"
#include "tests/unit/rpc/rpc_test_peer.h"
#include "tests/unit/rpc/rpc_test_relay.h"

const char *const ll_test_suite = "rpc_front";

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool measures_memory = false;
#else
static const bool measures_memory = true;
#endif

static void tell_peer(void *arg, struct rpc_stream *stream, const uint8_t *data, size_t bytes)
{
    (void)arg;
    (void)data;
    (void)bytes;
    const char *peer = rpc_stream_peer(stream);
    ll_status status = rpc_stream_send(stream, peer, strlen(peer), NULL);
    rpc_stream_finish(stream, status, NULL);
}

/* As rpc_pair_init, with a configuration, on loops that are there. */
static void start_on_loops(struct rpc_pair *pair, const struct rpc_server_config *config)
{
    rpc_peer_init(&pair->peer);
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL_FATAL(rpc_server_create(pair->server_loop, config, &pair->server, &err), LL_OK);
    CU_ASSERT_EQUAL(rpc_server_add(pair->server, "/t.T/Echo", rpc_echo_open, NULL), LL_OK);
    CU_ASSERT_EQUAL(rpc_server_add(pair->server, "/t.T/Peer", rpc_peer_open, &pair->peer), LL_OK);
    CU_ASSERT_EQUAL(rpc_server_add_unary(pair->server, "/t.T/Tell", tell_peer, NULL), LL_OK);
    CU_ASSERT_EQUAL_FATAL(rpc_server_start(pair->server, &err), LL_OK);
    snprintf(pair->target, sizeof(pair->target), "127.0.0.1:%d", rpc_server_port(pair->server));
    CU_ASSERT_EQUAL_FATAL(rpc_channel_create(pair->client_loop, pair->target, &pair->channel, &err),
                          LL_OK);
}

static void start_pair(struct rpc_pair *pair, const struct rpc_server_config *config)
{
    memset(pair, 0, sizeof(*pair));
    CU_ASSERT_EQUAL_FATAL(rpc_loop_create(&pair->server_loop), LL_OK);
    CU_ASSERT_EQUAL_FATAL(rpc_loop_create(&pair->client_loop), LL_OK);
    start_on_loops(pair, config);
}

static int open_plain(const struct rpc_pair *pair)
{
    int connection = rpc_relay_connect(rpc_server_port(pair->server));
    CU_ASSERT_FATAL(connection >= 0);
    return connection;
}

/* Waits until the server closes; what it sends before is dropped. */
static void wait_closed(int connection)
{
    char bytes[4096];
    while (recv(connection, bytes, sizeof(bytes), 0) > 0) {
    }
}

static void echo_once(struct rpc_pair *pair)
{
    struct rpc_peer client;
    ll_status status = rpc_pair_unary(pair, "/t.T/Echo", "x", 1, &client);
    CU_ASSERT_EQUAL(status, LL_OK);
    if (status != LL_OK) {
        fprintf(stderr, "no echo: %s\n", client.text);
    }
    CU_ASSERT(rpc_peer_last_is(&client, "x", 1));
    rpc_peer_finish(&client);
}

static void test_peers_keep_their_addresses(void)
{
    static const char *const listens[] = {"127.0.0.1:0", "0.0.0.0:0", "[::]:0", "localhost:0"};
    for (size_t i = 0; i < sizeof(listens) / sizeof(listens[0]); i++) {
        struct rpc_server_config config = {.listen = listens[i]};
        struct rpc_pair pair;
        struct rpc_peer client;
        start_pair(&pair, &config);
        CU_ASSERT_EQUAL(rpc_pair_unary(&pair, "/t.T/Tell", "x", 1, &client), LL_OK);
        CU_ASSERT(client.last && strncmp((char *)client.last, "ipv4:127.0.0.1:", 15) == 0);
        rpc_peer_finish(&client);
        rpc_pair_finish(&pair);
    }
}

static void test_descriptors_that_run_out_come_back(void)
{
    enum { CLIENTS = 4 };
    struct rpc_server_config config = {.listen = "127.0.0.1:0"};
    struct rpc_pair pair;
    start_pair(&pair, &config);
    struct sockaddr_storage address;
    socklen_t bytes = sizeof(address);
    /* The sockets are made before; connecting takes no descriptor here. */
    int first = open_plain(&pair);
    CU_ASSERT_EQUAL(getpeername(first, (struct sockaddr *)&address, &bytes), 0);
    CU_ASSERT(send(first, "x", 1, MSG_NOSIGNAL) == 1);
    wait_closed(first);
    close(first);
    int clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CU_ASSERT_FATAL(clients[i] >= 0);
    }
    struct rlimit old;
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &old), 0);
    int next = dup(clients[0]);
    CU_ASSERT_FATAL(next >= 0);
    close(next);
    /* One is left: the second connection finds none, and the first has to make room. */
    struct rlimit small = {.rlim_cur = (rlim_t)next + 1, .rlim_max = old.rlim_max};
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &small), 0);
    for (int i = 0; i < CLIENTS; i++) {
        CU_ASSERT_EQUAL(connect(clients[i], (struct sockaddr *)&address, bytes), 0);
    }
    wait_closed(clients[0]);
    for (int i = 0; i < CLIENTS; i++) {
        close(clients[i]);
    }
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &old), 0);
    echo_once(&pair);
    rpc_pair_finish(&pair);
}

static void test_most_connections_leave_descriptors_for_others(void)
{
    struct rlimit old;
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &old), 0);
    struct rlimit small = {.rlim_cur = 1024, .rlim_max = old.rlim_max};
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &small), 0);
    CU_ASSERT_EQUAL(rpc_server_most_connections(100), 100);
    CU_ASSERT_EQUAL(rpc_server_most_connections(100000), 384);
    small.rlim_cur = 64;
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &small), 0);
    CU_ASSERT_EQUAL(rpc_server_most_connections(100000), 16);
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &old), 0);
}

/* Silent connections, many more than there may be, while one is used. */
static void run_silent(const struct rpc_server_config *config)
{
    enum { SILENT = 60 };
    struct rpc_pair pair;
    start_pair(&pair, config);
    struct rpc_peer client;
    rpc_peer_init(&client);
    rpc_pair_call(&pair, "/t.T/Echo", LL_CLOCK_NEVER, &client);
    CU_ASSERT_EQUAL(rpc_stream_send(client.stream, "a", 1, NULL), LL_OK);
    rpc_peer_wait_messages(&client, 1);
    int silent[SILENT];
    for (int i = 0; i < SILENT; i++) {
        silent[i] = open_plain(&pair);
        /* Half of them have said that they talk HTTP/2, and nothing else. */
        CU_ASSERT(i % 2 || send(silent[i], PREFACE, 24, MSG_NOSIGNAL) == 24);
    }
    /* Those of the beginning made room. */
    wait_closed(silent[0]);
    wait_closed(silent[1]);
    /* Who was served before goes on, who comes anew is served. */
    CU_ASSERT_EQUAL(rpc_stream_send(client.stream, "b", 1, NULL), LL_OK);
    rpc_peer_wait_messages(&client, 2);
    rpc_channel_destroy(pair.channel);
    CU_ASSERT_EQUAL_FATAL(rpc_channel_create(pair.client_loop, pair.target, &pair.channel, NULL),
                          LL_OK);
    echo_once(&pair);
    rpc_stream_finish(client.stream, LL_OK, NULL);
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&client), LL_OK);
    for (int i = 0; i < SILENT; i++) {
        close(silent[i]);
    }
    rpc_peer_finish(&client);
    rpc_pair_finish(&pair);
}

static void test_silent_connections_keep_nobody_out(void)
{
    const struct rpc_server_config in_all = {.listen = "127.0.0.1:0", .connections = 8};
    const struct rpc_server_config of_peer = {.listen = "127.0.0.1:0", .connections_per_peer = 8};
    run_silent(&in_all);
    run_silent(&of_peer);
}

static void test_connections_that_are_not_http2_are_closed(void)
{
    static const char *const openings[] = {"GET / HTTP/1.1\r\n\r\n", "x", PREFACE "123456789"};
    struct rpc_server_config config = {.listen = "127.0.0.1:0"};
    struct rpc_pair pair;
    start_pair(&pair, &config);
    for (size_t i = 0; i < sizeof(openings) / sizeof(openings[0]); i++) {
        int connection = open_plain(&pair);
        CU_ASSERT(send(connection, openings[i], strlen(openings[i]), MSG_NOSIGNAL) > 0);
        wait_closed(connection);
        close(connection);
    }
    echo_once(&pair);
    rpc_pair_finish(&pair);
}

static void test_connections_that_say_nothing_are_closed_in_time(void)
{
    struct rpc_server_config config = {.listen = "127.0.0.1:0", .greeting_ns = LL_NS_PER_MS};
    struct rpc_pair pair;
    start_pair(&pair, &config);
    int silent = open_plain(&pair);
    int slow = open_plain(&pair);
    CU_ASSERT(send(slow, PREFACE, 10, MSG_NOSIGNAL) == 10);
    wait_closed(silent);
    wait_closed(slow);
    close(silent);
    close(slow);
    rpc_pair_finish(&pair);
}

static void test_connections_without_calls_are_closed_in_time(void)
{
    /* With an empty SETTINGS frame. */
    static const char greeting[] = PREFACE "\0\0\0\4\0\0\0\0";
    struct rpc_server_config config = {.listen = "127.0.0.1:0", .idle_ms = 1};
    struct rpc_pair pair;
    start_pair(&pair, &config);
    int idle = open_plain(&pair);
    CU_ASSERT(send(idle, greeting, sizeof(greeting), MSG_NOSIGNAL) == sizeof(greeting));
    wait_closed(idle);
    close(idle);
    rpc_pair_finish(&pair);
}

static void test_calls_beyond_the_limit_are_exhausted(void)
{
    enum { CALLS = 3 };
    struct rpc_server_config config = {.listen = "127.0.0.1:0", .calls = CALLS};
    struct rpc_pair pair;
    start_pair(&pair, &config);
    struct rpc_peer clients[CALLS];
    for (int i = 0; i < CALLS; i++) {
        rpc_peer_init(&clients[i]);
        rpc_pair_call(&pair, "/t.T/Echo", LL_CLOCK_NEVER, &clients[i]);
        CU_ASSERT_EQUAL(rpc_stream_send(clients[i].stream, "a", 1, NULL), LL_OK);
        rpc_peer_wait_messages(&clients[i], 1);
    }
    struct rpc_peer late;
    CU_ASSERT_EQUAL(rpc_pair_unary(&pair, "/t.T/Echo", "x", 1, &late), LL_E_EXHAUSTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(late.text, "limit calls 3"));
    rpc_peer_finish(&late);
    for (int i = 0; i < CALLS; i++) {
        rpc_stream_finish(clients[i].stream, LL_OK, NULL);
        CU_ASSERT_EQUAL(rpc_peer_wait_closed(&clients[i]), LL_OK);
        rpc_peer_finish(&clients[i]);
    }
    rpc_pair_finish(&pair);
}

/* HEADERS of a call of `path` and its RST_STREAM, `count` times from stream `id` on. Returns the
 * bytes. */
static size_t write_resets(uint8_t *out, const char *path, int count, uint32_t id)
{
    static const char *const fields[][2] = {{":method", "POST"},
                                            {":scheme", "http"},
                                            {":path", NULL},
                                            {":authority", "x"},
                                            {"content-type", "application/grpc"},
                                            {"te", "trailers"}};
    uint8_t block[256];
    size_t bytes = 0;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        /* A literal that is not indexed. */
        const char *texts[2] = {fields[i][0], fields[i][1] ? fields[i][1] : path};
        block[bytes++] = 0;
        for (int k = 0; k < 2; k++) {
            size_t length = strlen(texts[k]);
            block[bytes++] = (uint8_t)length;
            memcpy(block + bytes, texts[k], length);
            bytes += length;
        }
    }
    uint8_t *at = out;
    for (int i = 0; i < count; i++, id += 2) {
        const uint8_t stream[4] = {(uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8),
                                   (uint8_t)id};
        const uint8_t headers[5] = {0, 0, (uint8_t)bytes, 1, 4};
        const uint8_t reset[5] = {0, 0, 4, 3, 0};
        const uint8_t cancel[4] = {0, 0, 0, 8};
        memcpy(at, headers, 5);
        memcpy(at + 5, stream, 4);
        memcpy(at + 9, block, bytes);
        memcpy(at + 9 + bytes, reset, 5);
        memcpy(at + 14 + bytes, stream, 4);
        memcpy(at + 18 + bytes, cancel, 4);
        at += 22 + bytes;
    }
    return (size_t)(at - out);
}

/* This process's largest resident memory so far, in KiB. */
static long peak_kib(void)
{
    struct rusage usage;
    CU_ASSERT_EQUAL(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

/* Sends `resets` of them or until the server closes; another client's calls are answered all the
 * while. Returns those that were sent. */
static int flood(struct rpc_pair *pair, int connection, const char *path, int resets)
{
    enum { AT_ONCE = 250, BYTES = 512 };
    static const uint8_t settings[9] = {0, 0, 0, 4, 0, 0, 0, 0, 0};
    static uint8_t batch[AT_ONCE * BYTES];
    CU_ASSERT(send(connection, PREFACE, 24, MSG_NOSIGNAL) == 24);
    CU_ASSERT(send(connection, settings, 9, MSG_NOSIGNAL) == 9);
    int sent = 0;
    while (sent < resets) {
        size_t bytes = write_resets(batch, path, AT_ONCE, 2 * (uint32_t)sent + 1);
        size_t at = 0;
        while (at < bytes) {
            ssize_t put = send(connection, batch + at, bytes - at, MSG_NOSIGNAL);
            if (put <= 0) {
                return sent;
            }
            at += (size_t)put;
        }
        sent += AT_ONCE;
        if (sent % 1000 == 0) {
            echo_once(pair);
        }
    }
    return sent;
}

static void test_flood_of_resets_is_cut_off(void)
{
    static const char *const paths[] = {"/t.T/Echo", "/no.Such/Method"};
    struct rpc_server_config config = {.listen = "127.0.0.1:0"};
    struct rpc_pair pair;
    start_pair(&pair, &config);
    echo_once(&pair);
    long before = peak_kib();
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        int connection = open_plain(&pair);
        flood(&pair, connection, paths[i], 20000);
        /* Whatever was sent: it ends, and the others go on. */
        wait_closed(connection);
        close(connection);
        echo_once(&pair);
    }
    /* 20,000 calls take 240 MB. */
    CU_ASSERT(!measures_memory || peak_kib() - before < 64L * 1024);
    rpc_pair_finish(&pair);
}

/* Its new connections wait for each other, and none of them in vain. */
static void test_a_flooder_may_come_back(void)
{
    enum { FRIENDS = 5 };
    struct rpc_server_config config = {.listen = "127.0.0.1:0"};
    struct rpc_pair pair;
    start_pair(&pair, &config);
    echo_once(&pair);
    int connection = open_plain(&pair);
    flood(&pair, connection, "/t.T/Echo", 20000);
    wait_closed(connection);
    close(connection);
    /* One that waits and goes again is not waited for. */
    connection = open_plain(&pair);
    CU_ASSERT(send(connection, PREFACE, 24, MSG_NOSIGNAL) == 24);
    close(connection);
    for (int i = 0; i < FRIENDS; i++) {
        rpc_channel_destroy(pair.channel);
        CU_ASSERT_EQUAL_FATAL(
            rpc_channel_create(pair.client_loop, pair.target, &pair.channel, NULL), LL_OK);
        echo_once(&pair);
    }
    rpc_pair_finish(&pair);
}

static void test_some_resets_do_no_harm(void)
{
    struct rpc_server_config config = {.listen = "127.0.0.1:0"};
    struct rpc_pair pair;
    start_pair(&pair, &config);
    int connection = open_plain(&pair);
    CU_ASSERT_EQUAL(flood(&pair, connection, "/t.T/Echo", 1000), 1000);
    /* A ping behind them is answered: the connection is there. */
    static const uint8_t ping[17] = {0, 0, 8, 6, 0, 0, 0, 0, 0, 'p', 'i', 'n', 'g'};
    CU_ASSERT(send(connection, ping, sizeof(ping), MSG_NOSIGNAL) == sizeof(ping));
    uint8_t bytes[4096];
    size_t have = 0;
    bool is_answered = false;
    while (!is_answered) {
        ssize_t got = recv(connection, bytes + have, sizeof(bytes) - have, 0);
        CU_ASSERT_FATAL(got > 0);
        have += (size_t)got;
        is_answered = memmem(bytes, have, "ping", 4);
    }
    close(connection);
    rpc_pair_finish(&pair);
}

/* Sends PRIORITY frames, which no window holds back, until it is told to stop or cut off. */
struct torrent {
    struct ll_thread thread;
    int connection;
    atomic_bool is_over;
};

static void pour(void *arg)
{
    enum { FRAMES = 5000, BYTES = 14 };
    static const uint8_t priority[BYTES] = {0, 0, 5, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    static uint8_t batch[FRAMES * BYTES];
    struct torrent *torrent = arg;
    for (int i = 0; i < FRAMES; i++) {
        memcpy(batch + (size_t)i * BYTES, priority, BYTES);
    }
    size_t at = 0;
    while (!atomic_load(&torrent->is_over)) {
        ssize_t put = send(torrent->connection, batch + at, sizeof(batch) - at, MSG_NOSIGNAL);
        if (put <= 0) {
            return;
        }
        at = (at + (size_t)put) % sizeof(batch);
    }
}

static void test_endless_frames_keep_nobody_out(void)
{
    static const char greeting[] = PREFACE "\0\0\0\4\0\0\0\0";
    struct rpc_server_config config = {.listen = "127.0.0.1:0"};
    struct rpc_pair pair = {.channel = NULL};
    /* One loop, as a server's process has: gRPC may read on any that there is. */
    CU_ASSERT_EQUAL_FATAL(rpc_loop_create(&pair.server_loop), LL_OK);
    pair.client_loop = pair.server_loop;
    start_on_loops(&pair, &config);
    struct torrent torrent = {.connection = open_plain(&pair)};
    CU_ASSERT(send(torrent.connection, greeting, sizeof(greeting), MSG_NOSIGNAL) ==
              sizeof(greeting));
    CU_ASSERT_EQUAL_FATAL(ll_thread_start(&torrent.thread, "torrent", pour, &torrent), LL_OK);
    /* They would never be answered. */
    for (int i = 0; i < 3; i++) {
        rpc_channel_destroy(pair.channel);
        CU_ASSERT_EQUAL_FATAL(
            rpc_channel_create(pair.client_loop, pair.target, &pair.channel, NULL), LL_OK);
        echo_once(&pair);
    }
    atomic_store(&torrent.is_over, true);
    ll_thread_join(&torrent.thread);
    close(torrent.connection);
    rpc_pair_finish(&pair);
}

struct churn {
    struct ll_thread thread;
    int port;
    atomic_int visits;
    atomic_bool is_over;
};

/* Connects, begins to talk HTTP/2 and leaves, again and again, until it is told to stop. */
static void come_and_go(void *arg)
{
    static const char greeting[] = PREFACE "\0\0\0\4\0\0\0\0";
    struct churn *churn = arg;
    while (!atomic_load(&churn->is_over)) {
        int connection = rpc_relay_connect(churn->port);
        if (connection >= 0) {
            send(connection, greeting, sizeof(greeting), MSG_NOSIGNAL);
            close(connection);
            atomic_fetch_add(&churn->visits, 1);
        }
    }
}

static void test_who_comes_and_goes_keeps_nobody_out(void)
{
    enum { ROUNDS = 20, VISITS = 100 };
    struct rpc_server_config config = {.listen = "127.0.0.1:0", .connections_per_peer = 32};
    struct rpc_pair pair;
    start_pair(&pair, &config);
    struct churn churn = {.port = rpc_server_port(pair.server)};
    CU_ASSERT_EQUAL_FATAL(ll_thread_start(&churn.thread, "churn", come_and_go, &churn), LL_OK);
    for (int i = 0; i < ROUNDS; i++) {
        while (atomic_load(&churn.visits) < i * VISITS) {
        }
        /* Of the same address, and new each time. */
        rpc_channel_destroy(pair.channel);
        CU_ASSERT_EQUAL_FATAL(
            rpc_channel_create(pair.client_loop, pair.target, &pair.channel, NULL), LL_OK);
        echo_once(&pair);
    }
    atomic_store(&churn.is_over, true);
    ll_thread_join(&churn.thread);
    rpc_pair_finish(&pair);
}

static int count_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    CU_ASSERT_PTR_NOT_NULL_FATAL(folder);
    int count = 0;
    while (readdir(folder)) {
        count++;
    }
    closedir(folder);
    return count;
}

static void serve_and_stop(void)
{
    struct rpc_server_config config = {.listen = "127.0.0.1:0"};
    struct rpc_pair pair;
    start_pair(&pair, &config);
    int silent = open_plain(&pair);
    int talking = open_plain(&pair);
    CU_ASSERT(send(talking, PREFACE, 24, MSG_NOSIGNAL) == 24);
    echo_once(&pair);
    rpc_server_stop(pair.server, 0);
    wait_closed(silent);
    wait_closed(talking);
    CU_ASSERT(rpc_relay_connect(rpc_server_port(pair.server)) < 0);
    close(silent);
    close(talking);
    rpc_pair_finish(&pair);
}

static void test_stop_leaves_no_descriptor(void)
{
    /* gRPC opens some once, and closes some soon after they are no longer needed. */
    serve_and_stop();
    int before = count_descriptors();
    for (int i = 0; i < 5; i++) {
        serve_and_stop();
    }
    while (count_descriptors() > before) {
    }
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_peers_keep_their_addresses),
    LL_TEST(test_descriptors_that_run_out_come_back),
    LL_TEST(test_most_connections_leave_descriptors_for_others),
    LL_TEST(test_silent_connections_keep_nobody_out),
    LL_TEST(test_connections_that_are_not_http2_are_closed),
    LL_TEST(test_connections_that_say_nothing_are_closed_in_time),
    LL_TEST(test_connections_without_calls_are_closed_in_time),
    LL_TEST(test_calls_beyond_the_limit_are_exhausted),
    LL_TEST(test_flood_of_resets_is_cut_off),
    LL_TEST(test_some_resets_do_no_harm),
    LL_TEST(test_endless_frames_keep_nobody_out),
    LL_TEST(test_who_comes_and_goes_keeps_nobody_out),
    LL_TEST(test_a_flooder_may_come_back),
    LL_TEST(test_stop_leaves_no_descriptor),
    {NULL, NULL},
};
