#include "rpc/front/rpc_front.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/ll_clock.h"
#include "core/ll_log.h"
#include "core/ll_sync.h"
#include "rpc/front/rpc_front_state.h"

/* Why gRPC 1.51 does not listen itself: its listener is gone for good after the first accept that
 * fails for want of a descriptor; it accepts whoever comes; and it counts nothing.
 *
 * A connection is accepted here, on a thread of its own, and waits here until it has sent the first
 * bytes of HTTP/2. gRPC then gets a duplicate of its descriptor and does all reading and writing,
 * so that bytes cost nothing more than before. Ours stays: shutdown(2) on it ends the connection
 * whatever gRPC is busy with, and it is told when gRPC or the peer has ended it (EPOLLHUP).
 *
 * gRPC calls such a connection "fd:" and the number of its descriptor, which is how its calls find
 * it (`by_number`). Numbers are handed out in turn, so that one does not come again while calls of
 * its last owner may be on their way.
 *
 * Every connection has an allowance of calls. Beginning one takes from it, an end by the server
 * gives back, time gives back slowly: who calls honestly never uses it up, who opens streams and
 * resets them, or never lets them be counted by HTTP/2's own limit, does within a second or two and
 * is cut off. An address that did gets less for a while, and its new connections go to gRPC one at
 * a time, so that coming back at once gains nothing (rpc_front_calls.c). Whoever keeps gRPC reading
 * with frames that are no calls is cut off, too (rpc_front_watch.c). */

enum {
    /* More than are accepted: what became of connections is seen before too many others come. */
    EVENTS = 64,
    ACCEPTS_AT_ONCE = 8,
    /* HTTP/2 begins with this, and a SETTINGS frame. */
    PREFACE_BYTES = 24,
    /* Without descriptors the next attempt to accept comes after this. */
    PAUSE_MS = 100,
    /* A used connection without calls makes room for a new one after this. */
    IDLE_MS = 10000,
    /* A vanished client's connection ends when sent bytes were not acknowledged for so long. */
    USER_TIMEOUT_MS = 10000,
    /* Other things than connections need descriptors, too. */
    RESERVED_DESCRIPTORS = 32,
    /* Connections that were handed over and gRPC has not taken yet, and those whose end it has not
     * seen yet: others wait here meanwhile, where one whose peer is gone again costs nothing more.
     */
    ON_THEIR_WAY = 16,
    LEAVING = 64,
    /* gRPC's descriptors have numbers from half of this on. */
    NUMBERS = 16384,
};

static int descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT_MAX) {
        return INT_MAX;
    }
    return (int)limit.rlim_cur;
}

int rpc_front_most_connections(int wished)
{
    /* A connection takes two, ours and gRPC's. */
    int limit = descriptor_limit();
    int reserved = limit / 4 > RESERVED_DESCRIPTORS ? limit / 4 : RESERVED_DESCRIPTORS;
    int most = (limit - reserved) / 2;
    most = most > 1 ? most : 1;
    return wished < most ? wished : most;
}

static void set_held_locked(struct rpc_front *front, struct rpc_connection *connection,
                            bool is_held) LL_REQUIRES(front->mutex)
{
    front->held += is_held - connection->is_held;
    connection->is_held = is_held;
}

/* Ends the connection, whatever state it is in. It is freed at the end of the round: events of this
 * round may still name it. The front's thread. */
static void retire_locked(struct rpc_front *front, struct rpc_connection *connection)
    LL_REQUIRES(front->mutex)
{
    set_held_locked(front, connection, false);
    front->leaving -= connection->is_leaving;
    if (connection->grpc_fd >= 0) {
        shutdown(connection->fd, SHUT_RDWR);
        front->by_number[connection->grpc_fd] = NULL;
    }
    /* Closing alone would not end the events: gRPC's descriptor keeps the socket open. */
    epoll_ctl(front->epoll, EPOLL_CTL_DEL, connection->fd, NULL);
    close(connection->fd);
    connection->fd = -1;
    rpc_connections_remove(&front->connections, connection);
    connection->next = front->gone;
    front->gone = connection;
}

static void drop_gone(struct rpc_front *front)
{
    ll_mutex_lock(&front->mutex);
    while (front->gone) {
        struct rpc_connection *connection = front->gone;
        front->gone = connection->next;
        rpc_front_unref_locked(front, connection);
    }
    ll_mutex_unlock(&front->mutex);
}

static struct rpc_connection *create_connection(int fd, const struct sockaddr *address)
{
    struct rpc_connection *connection = calloc(1, sizeof(*connection));
    if (connection) {
        connection->fd = fd;
        connection->grpc_fd = -1;
        connection->refs = 1;
        connection->accepted_ns = ll_clock_now_ns();
        connection->idle_ns = connection->accepted_ns;
        connection->refilled_ns = connection->accepted_ns;
        rpc_host_read(address, &connection->host);
        rpc_peer_write(address, connection->peer, sizeof(connection->peer));
    }
    return connection;
}

/* What gRPC sets on sockets that it accepts itself. */
static void prepare_socket(int fd)
{
    int one = 1;
    unsigned timeout_ms = USER_TIMEOUT_MS;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
}

/* Whether there is room for `connection`, or another one makes it. */
static bool make_room_locked(struct rpc_front *front, const struct rpc_connection *connection)
    LL_REQUIRES(front->mutex)
{
    const struct rpc_front_config *config = &front->config;
    const struct rpc_host *host = &connection->host;
    bool is_peer = rpc_connections_of(&front->connections, host) >= config->connections_per_peer;
    if (!is_peer && front->connections.count < config->connections) {
        return true;
    }
    struct rpc_connection *victim =
        rpc_connections_victim(&front->connections, is_peer ? host : NULL, connection->accepted_ns,
                               IDLE_MS * LL_NS_PER_MS);
    ll_log_limited(&front->limit_log, LL_LOG_WARN, "rpc", "limit %s %d: %s %s",
                   is_peer ? "connections_per_peer" : "connections",
                   is_peer ? config->connections_per_peer : config->connections,
                   victim ? victim->peer : connection->peer,
                   victim ? "makes room for a new connection" : "is not accepted");
    if (victim) {
        retire_locked(front, victim);
    }
    return victim;
}

/* Takes `fd`. */
static void admit(struct rpc_front *front, int fd, const struct sockaddr *address)
{
    struct rpc_connection *connection = create_connection(fd, address);
    if (!connection) {
        close(fd);
        return;
    }
    prepare_socket(fd);
    ll_mutex_lock(&front->mutex);
    bool has_room = make_room_locked(front, connection);
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = connection};
    if (has_room && epoll_ctl(front->epoll, EPOLL_CTL_ADD, fd, &event) == 0) {
        connection->most_allowance =
            front->config.streams +
            rpc_front_resets_locked(front, &connection->host, connection->accepted_ns);
        connection->allowance = connection->most_allowance;
        rpc_connections_append(&front->connections, connection);
        int64_t check_ns = ll_clock_deadline(connection->accepted_ns, front->config.greeting_ns);
        front->check_ns = check_ns < front->check_ns ? check_ns : front->check_ns;
    } else {
        close(fd);
        free(connection);
    }
    ll_mutex_unlock(&front->mutex);
}

static void watch_listeners(struct rpc_front *front, int operation, uint32_t events)
{
    for (int i = 0; i < front->listen.count; i++) {
        struct epoll_event event = {.events = events, .data.ptr = &front->listen};
        epoll_ctl(front->epoll, operation, front->listen.sockets[i], &event);
    }
}

/* No descriptor for who waits: one connection that nobody would miss goes, and the listener rests
 * for a moment, or it would be readable all the time. */
static void rest(struct rpc_front *front, int error)
{
    int64_t now_ns = ll_clock_now_ns();
    ll_mutex_lock(&front->mutex);
    struct rpc_connection *victim =
        rpc_connections_victim(&front->connections, NULL, now_ns, IDLE_MS * LL_NS_PER_MS);
    ll_log_limited(&front->descriptors_log, LL_LOG_WARN, "rpc",
                   "cannot accept: %s; trying again, %d connections are open",
                   strerrordesc_np(error), front->connections.count);
    if (victim) {
        retire_locked(front, victim);
    }
    ll_mutex_unlock(&front->mutex);
    watch_listeners(front, EPOLL_CTL_MOD, 0);
    front->resume_ns = now_ns + PAUSE_MS * LL_NS_PER_MS;
}

static void accept_all(struct rpc_front *front)
{
    for (int i = 0; i < front->listen.count; i++) {
        for (int k = 0; k < ACCEPTS_AT_ONCE; k++) {
            struct sockaddr_storage address;
            socklen_t bytes = sizeof(address);
            int fd = accept4(front->listen.sockets[i], (struct sockaddr *)&address, &bytes,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd >= 0) {
                admit(front, fd, (struct sockaddr *)&address);
            } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                rest(front, errno);
                return;
            } else if (errno == EAGAIN) {
                break;
            }
            /* Anything else befell that one connection. */
        }
    }
}

/* Room for `number` in by_number. */
static bool reserve_number_locked(struct rpc_front *front, int number) LL_REQUIRES(front->mutex)
{
    if (number < front->numbers) {
        return true;
    }
    int numbers = number + 1 > NUMBERS ? number + 1 + NUMBERS : NUMBERS;
    struct rpc_connection **by_number =
        realloc(front->by_number, (size_t)numbers * sizeof(struct rpc_connection *));
    if (!by_number) {
        return false;
    }
    memset(by_number + front->numbers, 0,
           (size_t)(numbers - front->numbers) * sizeof(struct rpc_connection *));
    front->by_number = by_number;
    front->numbers = numbers;
    return true;
}

/* gRPC's descriptor, of the next number that is free; -1 without. */
static int duplicate(struct rpc_front *front, int fd)
{
    int most = descriptor_limit() < NUMBERS ? descriptor_limit() : NUMBERS;
    int least = most / 2;
    if (front->next_number < least || front->next_number >= most) {
        front->next_number = least;
    }
    int number = fcntl(fd, F_DUPFD_CLOEXEC, front->next_number);
    if (number < 0) {
        number = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    }
    front->next_number = number + 1;
    return number;
}

/* The connection talks HTTP/2: gives it to gRPC. False where it cannot. */
static bool hand_over(struct rpc_front *front, struct rpc_connection *connection)
{
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET, .data.ptr = connection};
    int number = duplicate(front, connection->fd);
    ll_mutex_lock(&front->mutex);
    bool is_ready = number >= 0 && !front->is_stopping && reserve_number_locked(front, number) &&
                    epoll_ctl(front->epoll, EPOLL_CTL_MOD, connection->fd, &event) == 0;
    if (is_ready) {
        /* gRPC has closed it already where it has the number again. */
        if (front->by_number[number]) {
            retire_locked(front, front->by_number[number]);
        }
        front->by_number[number] = connection;
        connection->grpc_fd = number;
    } else {
        front->on_their_way--;
    }
    ll_mutex_unlock(&front->mutex);
    if (is_ready) {
        front->config.hand_over(front->config.arg, number);
        rpc_front_begin_watch(front);
    } else if (number >= 0) {
        close(number);
    }
    return is_ready;
}

/* Whether gRPC keeps up with what it is given. */
static bool has_way_locked(const struct rpc_front *front) LL_REQUIRES(front->mutex)
{
    return front->on_their_way < ON_THEIR_WAY && front->leaving < LEAVING;
}

/* Whether the connection may go to gRPC now; it counts as on its way then. Else it is held. */
static bool pass_locked(struct rpc_front *front, struct rpc_connection *connection, int64_t now_ns)
    LL_REQUIRES(front->mutex)
{
    int64_t next_ns = LL_CLOCK_NEVER;
    bool passes =
        has_way_locked(front) && rpc_front_pass_locked(front, &connection->host, now_ns, &next_ns);
    set_held_locked(front, connection, !passes);
    front->on_their_way += passes;
    front->release_ns = next_ns < front->release_ns ? next_ns : front->release_ns;
    return passes;
}

/* Hands over, or holds the connection until it is time; false where it cannot go on. */
static bool pass_on(struct rpc_front *front, struct rpc_connection *connection)
{
    ll_mutex_lock(&front->mutex);
    bool passes = pass_locked(front, connection, ll_clock_now_ns());
    ll_mutex_unlock(&front->mutex);
    return !passes || hand_over(front, connection);
}

/* The first bytes: waits for more (true), hands over (true), or gives up (false). */
static bool greet(struct rpc_front *front, struct rpc_connection *connection)
{
    static const char preface[PREFACE_BYTES + 1] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    char bytes[PREFACE_BYTES];
    ssize_t got = recv(connection->fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
    if (got < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    if (got == 0 || memcmp(bytes, preface, (size_t)got) != 0) {
        return false;
    }
    return got < PREFACE_BYTES || pass_on(front, connection);
}

static void serve_connection(struct rpc_front *front, struct rpc_connection *connection,
                             uint32_t events)
{
    if (connection->fd < 0) {
        return;
    }
    bool goes_on = !(events & (EPOLLERR | EPOLLHUP));
    if (goes_on && connection->grpc_fd >= 0) {
        ll_mutex_lock(&front->mutex);
        front->leaving += !connection->is_leaving;
        connection->is_leaving = true;
        ll_mutex_unlock(&front->mutex);
    } else {
        /* Whoever has left keeps nobody waiting behind him, and gRPC from nothing. */
        goes_on =
            goes_on && !(events & EPOLLRDHUP) && (connection->is_held || greet(front, connection));
    }
    if (!goes_on) {
        ll_mutex_lock(&front->mutex);
        retire_locked(front, connection);
        ll_mutex_unlock(&front->mutex);
    }
}

/* Ends connections that have not said what they are in time; all of them where the front stops. */
static void end_silent_locked(struct rpc_front *front, int64_t now_ns) LL_REQUIRES(front->mutex)
{
    front->check_ns = LL_CLOCK_NEVER;
    struct rpc_connection *next = NULL;
    for (struct rpc_connection *at = front->connections.first; at; at = next) {
        next = at->next;
        int64_t deadline_ns = ll_clock_deadline(at->accepted_ns, front->config.greeting_ns);
        if (at->grpc_fd >= 0 || (at->is_held && !front->is_stopping)) {
            continue;
        }
        if (deadline_ns <= now_ns || front->is_stopping) {
            ll_log(LL_LOG_DEBUG, "rpc", "%s has not begun to talk HTTP/2", at->peer);
            retire_locked(front, at);
        } else if (deadline_ns < front->check_ns) {
            front->check_ns = deadline_ns;
        }
    }
}

/* The oldest held connection that may go on, or NULL; release_ns is when to ask again, unless it is
 * once others have arrived. */
static struct rpc_connection *find_released_locked(struct rpc_front *front, int64_t now_ns)
    LL_REQUIRES(front->mutex)
{
    front->release_ns = LL_CLOCK_NEVER;
    for (struct rpc_connection *at = front->held > 0 ? front->connections.first : NULL;
         at && has_way_locked(front); at = at->next) {
        if (at->is_held && pass_locked(front, at, now_ns)) {
            return at;
        }
    }
    return NULL;
}

static void release_held(struct rpc_front *front, int64_t now_ns)
{
    struct rpc_connection *connection = NULL;
    do {
        ll_mutex_lock(&front->mutex);
        connection = find_released_locked(front, now_ns);
        ll_mutex_unlock(&front->mutex);
        if (connection && !hand_over(front, connection)) {
            ll_mutex_lock(&front->mutex);
            retire_locked(front, connection);
            ll_mutex_unlock(&front->mutex);
        }
    } while (connection);
}

/* What is due by time, or by rpc_front_stop. Returns whether the thread goes on. */
static bool keep_house(struct rpc_front *front)
{
    int64_t now_ns = ll_clock_now_ns();
    if (now_ns >= front->resume_ns) {
        front->resume_ns = LL_CLOCK_NEVER;
        watch_listeners(front, EPOLL_CTL_MOD, EPOLLIN);
    }
    ll_mutex_lock(&front->mutex);
    bool stops = front->is_stopping && !front->has_stopped;
    if (stops) {
        rpc_listen_close(&front->listen);
    }
    if (stops || now_ns >= front->check_ns) {
        end_silent_locked(front, now_ns);
    }
    if (stops) {
        front->has_stopped = true;
        ll_cond_broadcast(&front->changed);
    }
    bool goes_on = !front->is_ending;
    ll_mutex_unlock(&front->mutex);
    release_held(front, now_ns);
    rpc_front_watch(front, now_ns);
    return goes_on;
}

static int wait_ms(const struct rpc_front *front)
{
    int64_t next_ns = front->resume_ns < front->check_ns ? front->resume_ns : front->check_ns;
    next_ns = front->watch_ns < next_ns ? front->watch_ns : next_ns;
    next_ns = front->release_ns < next_ns ? front->release_ns : next_ns;
    if (next_ns == LL_CLOCK_NEVER) {
        return -1;
    }
    int64_t left_ns = next_ns - ll_clock_now_ns();
    int64_t left_ms = left_ns > 0 ? left_ns / LL_NS_PER_MS + 1 : 0;
    return left_ms < INT_MAX ? (int)left_ms : INT_MAX;
}

static void front_main(void *arg)
{
    struct rpc_front *front = arg;
    while (keep_house(front)) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(front->epoll, events, EVENTS, wait_ms(front));
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == &front->listen) {
                accept_all(front);
            } else if (events[i].data.ptr == front) {
                uint64_t number = 0;
                ssize_t got = read(front->wake, &number, sizeof(number));
                (void)got;
            } else {
                serve_connection(front, events[i].data.ptr, events[i].events);
            }
        }
        drop_gone(front);
    }
}

/* Tells the thread of a flag that was set. */
static void wake_front(struct rpc_front *front)
{
    uint64_t one = 1;
    ssize_t put = write(front->wake, &one, sizeof(one));
    (void)put;
}

void rpc_front_taken(struct rpc_front *front)
{
    ll_mutex_lock(&front->mutex);
    bool was_full = front->on_their_way == ON_THEIR_WAY;
    front->on_their_way--;
    ll_mutex_unlock(&front->mutex);
    if (was_full) {
        wake_front(front);
    }
}

ll_status rpc_front_create(const struct rpc_front_config *config, struct rpc_front **out_front,
                           struct ll_error *err)
{
    struct rpc_front *front = calloc(1, sizeof(*front));
    if (!front) {
        return ll_fail(err, LL_E_NO_MEMORY, "no memory for a server");
    }
    front->config = *config;
    front->config.connections = rpc_front_most_connections(config->connections);
    front->resume_ns = LL_CLOCK_NEVER;
    front->check_ns = LL_CLOCK_NEVER;
    front->watch_ns = LL_CLOCK_NEVER;
    front->release_ns = LL_CLOCK_NEVER;
    atomic_init(&front->turns_seen, 0);
    ll_mutex_init(&front->mutex);
    ll_cond_init(&front->changed);
    front->epoll = epoll_create1(EPOLL_CLOEXEC);
    front->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = front};
    ll_status status = rpc_listen_open(config->listen, &front->listen, err);
    if (status == LL_OK && (front->epoll < 0 || front->wake < 0 ||
                            epoll_ctl(front->epoll, EPOLL_CTL_ADD, front->wake, &event) != 0)) {
        status = ll_fail(err, LL_E_UNAVAILABLE, "%s: cannot listen there: %s", config->listen,
                         strerrordesc_np(errno));
    }
    if (status != LL_OK) {
        rpc_front_destroy(front);
        return status;
    }
    *out_front = front;
    return LL_OK;
}

int rpc_front_port(const struct rpc_front *front)
{
    return front->listen.port;
}

ll_status rpc_front_start(struct rpc_front *front)
{
    watch_listeners(front, EPOLL_CTL_ADD, EPOLLIN);
    return ll_thread_start(&front->thread, "front", front_main, front);
}

void rpc_front_stop(struct rpc_front *front)
{
    ll_mutex_lock(&front->mutex);
    front->is_stopping = true;
    if (front->thread.started) {
        wake_front(front);
        while (!front->has_stopped) {
            ll_cond_wait(&front->changed, &front->mutex, LL_CLOCK_NEVER);
        }
    }
    ll_mutex_unlock(&front->mutex);
}

void rpc_front_end(struct rpc_front *front)
{
    ll_mutex_lock(&front->mutex);
    front->is_ending = true;
    if (front->thread.started) {
        wake_front(front);
    }
    ll_mutex_unlock(&front->mutex);
    ll_thread_join(&front->thread);
}

LL_NO_ANALYSIS void rpc_front_destroy(struct rpc_front *front)
{
    if (!front) {
        return;
    }
    rpc_front_end(front);
    ll_mutex_lock(&front->mutex);
    while (front->connections.first) {
        retire_locked(front, front->connections.first);
    }
    ll_mutex_unlock(&front->mutex);
    drop_gone(front);
    rpc_listen_close(&front->listen);
    if (front->epoll >= 0) {
        close(front->epoll);
    }
    if (front->wake >= 0) {
        close(front->wake);
    }
    free(front->by_number);
    ll_cond_finish(&front->changed);
    ll_mutex_finish(&front->mutex);
    free(front);
}
