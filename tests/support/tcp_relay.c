#include "tests/support/tcp_relay.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CUnit/CUnit.h>

#include "core/ll_sync.h"

enum {
    RELAY_PAIRS = 16,
    RELAY_BYTES = 64 << 10,
};

/* One direction: bytes that were read from one end and not yet written to the other. */
struct relay_flow {
    char bytes[RELAY_BYTES];
    size_t begin;
    size_t end;
};

/* `ends[0]` is the device's. -1: not in use. */
struct relay_pair {
    int ends[2];
    struct relay_flow flows[2];
};

struct tcp_relay {
    int listener;
    int wake;
    char address[32];
    struct ll_thread thread;
    struct relay_pair pairs[RELAY_PAIRS];
    /* Guards what is below. */
    struct ll_mutex lock;
    struct ll_cond done;
    int port LL_GUARDED_BY(lock);
    bool is_stopping LL_GUARDED_BY(lock);
    bool is_frozen LL_GUARDED_BY(lock);
    int cuts_asked LL_GUARDED_BY(lock);
    int cuts_done LL_GUARDED_BY(lock);
    int64_t forward_bytes LL_GUARDED_BY(lock);
};

static struct sockaddr_in loopback(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static void close_pair(struct relay_pair *pair)
{
    for (int i = 0; i < 2; i++) {
        if (pair->ends[i] >= 0) {
            /* At once, as a link that breaks: what is in the buffers is lost. */
            struct linger now = {.l_onoff = 1, .l_linger = 0};
            setsockopt(pair->ends[i], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
            close(pair->ends[i]);
        }
        pair->ends[i] = -1;
        pair->flows[i].begin = pair->flows[i].end = 0;
    }
}

static void accept_pair(struct tcp_relay *relay)
{
    ll_mutex_lock(&relay->lock);
    struct sockaddr_in to = loopback(relay->port);
    ll_mutex_unlock(&relay->lock);
    int device = accept4(relay->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    int edge = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct relay_pair *pair = NULL;
    for (int i = 0; i < RELAY_PAIRS && !pair; i++) {
        pair = relay->pairs[i].ends[0] < 0 ? &relay->pairs[i] : NULL;
    }
    if (device < 0 || edge < 0 || !pair || connect(edge, (struct sockaddr *)&to, sizeof(to)) != 0) {
        if (device >= 0) {
            close(device);
        }
        if (edge >= 0) {
            close(edge);
        }
        return;
    }
    pair->ends[0] = device;
    pair->ends[1] = edge;
}

/* Moves what can be moved without waiting; false where the pair is over. */
static bool move(struct tcp_relay *relay, struct relay_pair *pair, int from, short events_from,
                 short events_to)
{
    struct relay_flow *flow = &pair->flows[from];
    if (flow->begin == flow->end && (events_from & (POLLIN | POLLHUP | POLLERR))) {
        ssize_t bytes = recv(pair->ends[from], flow->bytes, RELAY_BYTES, MSG_DONTWAIT);
        if (bytes <= 0) {
            return false;
        }
        flow->begin = 0;
        flow->end = (size_t)bytes;
        events_to |= POLLOUT;
    }
    if (flow->begin < flow->end && (events_to & POLLOUT)) {
        ssize_t bytes = send(pair->ends[1 - from], flow->bytes + flow->begin,
                             flow->end - flow->begin, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (bytes > 0) {
            flow->begin += (size_t)bytes;
            ll_mutex_lock(&relay->lock);
            relay->forward_bytes += from == 0 ? bytes : 0;
            ll_mutex_unlock(&relay->lock);
        }
    }
    return true;
}

/* What a pair waits for. */
static void fill_waits(const struct relay_pair *pair, struct pollfd *waits)
{
    for (int end = 0; end < 2; end++) {
        const struct relay_flow *in = &pair->flows[end];
        const struct relay_flow *out = &pair->flows[1 - end];
        short events = in->begin == in->end ? POLLIN : 0;
        waits[end] = (struct pollfd){
            .fd = pair->ends[end],
            .events = (short)(events | (out->begin < out->end ? POLLOUT : 0)),
        };
    }
}

static void relay_once(struct tcp_relay *relay, bool is_frozen)
{
    struct pollfd waits[2 + 2 * RELAY_PAIRS];
    waits[0] = (struct pollfd){.fd = relay->wake, .events = POLLIN};
    waits[1] = (struct pollfd){.fd = is_frozen ? -1 : relay->listener, .events = POLLIN};
    for (int i = 0; i < RELAY_PAIRS; i++) {
        fill_waits(&relay->pairs[i], &waits[2 + 2 * i]);
        if (is_frozen) {
            waits[2 + 2 * i].fd = waits[3 + 2 * i].fd = -1;
        }
    }
    poll(waits, 2 + 2 * RELAY_PAIRS, -1);
    if (waits[0].revents) {
        uint64_t count = 0;
        (void)!read(relay->wake, &count, sizeof(count));
        return;
    }
    for (int i = 0; i < RELAY_PAIRS; i++) {
        struct relay_pair *pair = &relay->pairs[i];
        short device = waits[2 + 2 * i].revents;
        short edge = waits[3 + 2 * i].revents;
        if (pair->ends[0] >= 0 && (device || edge) &&
            (!move(relay, pair, 0, device, edge) || !move(relay, pair, 1, edge, device))) {
            close_pair(pair);
        }
    }
    if (waits[1].revents) {
        accept_pair(relay);
    }
}

static void run_relay(void *arg)
{
    struct tcp_relay *relay = arg;
    for (;;) {
        ll_mutex_lock(&relay->lock);
        bool is_stopping = relay->is_stopping;
        bool is_frozen = relay->is_frozen;
        bool is_cut = relay->cuts_done < relay->cuts_asked;
        ll_mutex_unlock(&relay->lock);
        if (is_cut || is_stopping) {
            for (int i = 0; i < RELAY_PAIRS; i++) {
                close_pair(&relay->pairs[i]);
            }
            ll_mutex_lock(&relay->lock);
            relay->cuts_done = relay->cuts_asked;
            ll_cond_broadcast(&relay->done);
            ll_mutex_unlock(&relay->lock);
        }
        if (is_stopping) {
            return;
        }
        relay_once(relay, is_frozen);
    }
}

LL_NO_ANALYSIS struct tcp_relay *tcp_relay_create(int port)
{
    struct tcp_relay *relay = calloc(1, sizeof(*relay));
    CU_ASSERT_PTR_NOT_NULL_FATAL(relay);
    if (!relay) {
        return NULL;
    }
    relay->port = port;
    ll_mutex_init(&relay->lock);
    ll_cond_init(&relay->done);
    for (int i = 0; i < RELAY_PAIRS; i++) {
        relay->pairs[i].ends[0] = relay->pairs[i].ends[1] = -1;
    }
    struct sockaddr_in address = loopback(0);
    socklen_t bytes = sizeof(address);
    relay->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    relay->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_FATAL(relay->wake >= 0 && relay->listener >= 0);
    CU_ASSERT_EQUAL_FATAL(bind(relay->listener, (struct sockaddr *)&address, bytes), 0);
    CU_ASSERT_EQUAL_FATAL(listen(relay->listener, RELAY_PAIRS), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(relay->listener, (struct sockaddr *)&address, &bytes), 0);
    snprintf(relay->address, sizeof(relay->address), "127.0.0.1:%d", ntohs(address.sin_port));
    CU_ASSERT_EQUAL_FATAL(ll_thread_start(&relay->thread, "relay", run_relay, relay), LL_OK);
    return relay;
}

static void wake(struct tcp_relay *relay)
{
    uint64_t one = 1;
    (void)!write(relay->wake, &one, sizeof(one));
}

void tcp_relay_destroy(struct tcp_relay *relay)
{
    ll_mutex_lock(&relay->lock);
    relay->is_stopping = true;
    ll_mutex_unlock(&relay->lock);
    wake(relay);
    ll_thread_join(&relay->thread);
    close(relay->listener);
    close(relay->wake);
    ll_cond_finish(&relay->done);
    ll_mutex_finish(&relay->lock);
    free(relay);
}

const char *tcp_relay_address(const struct tcp_relay *relay)
{
    return relay->address;
}

void tcp_relay_cut(struct tcp_relay *relay)
{
    ll_mutex_lock(&relay->lock);
    int asked = ++relay->cuts_asked;
    wake(relay);
    while (relay->cuts_done < asked) {
        ll_cond_wait(&relay->done, &relay->lock, INT64_MAX);
    }
    ll_mutex_unlock(&relay->lock);
}

void tcp_relay_freeze(struct tcp_relay *relay, bool is_frozen)
{
    ll_mutex_lock(&relay->lock);
    relay->is_frozen = is_frozen;
    ll_mutex_unlock(&relay->lock);
    wake(relay);
}

void tcp_relay_set_port(struct tcp_relay *relay, int port)
{
    ll_mutex_lock(&relay->lock);
    relay->port = port;
    ll_mutex_unlock(&relay->lock);
}

int64_t tcp_relay_forward_bytes(struct tcp_relay *relay)
{
    ll_mutex_lock(&relay->lock);
    int64_t bytes = relay->forward_bytes;
    ll_mutex_unlock(&relay->lock);
    return bytes;
}
