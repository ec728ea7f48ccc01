#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/ll_clock.h"
#include "rpc/front/rpc_front_state.h"

/* A front's account of calls, and of those who abuse it. */

enum {
    RESETS_PER_SECOND = 100,
    /* What an address that flooded may cancel in a row, and for how long. */
    FLOODER_RESETS = 100,
    FLOODER_MS = 10000,
    /* Between two of its new connections: each costs what gRPC reads of it before it is cut off
     * again, some hundred streams. */
    FLOODER_PACE_MS = 50,
};

void rpc_front_unref_locked(struct rpc_front *front, struct rpc_connection *connection)
{
    ll_mutex_assert_held(&front->mutex);
    if (--connection->refs == 0) {
        free(connection);
    }
}

struct flooder *rpc_front_flooder_locked(struct rpc_front *front, const struct rpc_host *host,
                                         int64_t now_ns)
{
    for (int i = 0; i < RPC_FRONT_FLOODERS; i++) {
        struct flooder *flooder = &front->flooders[i];
        if (flooder->until_ns > now_ns && rpc_host_equals(&flooder->host, host)) {
            return flooder;
        }
    }
    return NULL;
}

bool rpc_front_pass_locked(struct rpc_front *front, const struct rpc_host *host, int64_t now_ns,
                           int64_t *out_next_ns)
{
    struct flooder *flooder = rpc_front_flooder_locked(front, host, now_ns);
    if (!flooder) {
        return true;
    }
    if (flooder->next_ns > now_ns) {
        *out_next_ns = flooder->next_ns;
        return false;
    }
    flooder->next_ns = now_ns + FLOODER_PACE_MS * LL_NS_PER_MS;
    return true;
}

int64_t rpc_front_resets_locked(struct rpc_front *front, const struct rpc_host *host,
                                int64_t now_ns)
{
    bool has_flooded = rpc_front_flooder_locked(front, host, now_ns);
    return has_flooded && front->config.resets > FLOODER_RESETS ? FLOODER_RESETS
                                                                : front->config.resets;
}

/* Remembers the host; the one that was remembered for longest is forgotten for it. */
static void remember_flooder_locked(struct rpc_front *front, const struct rpc_host *host)
    LL_REQUIRES(front->mutex)
{
    int64_t now_ns = ll_clock_now_ns();
    struct flooder *flooder = rpc_front_flooder_locked(front, host, now_ns);
    if (!flooder) {
        flooder = &front->flooders[front->next_flooder];
        front->next_flooder = (front->next_flooder + 1) % RPC_FRONT_FLOODERS;
        *flooder = (struct flooder){.host = *host, .next_ns = now_ns};
    }
    flooder->until_ns = now_ns + FLOODER_MS * LL_NS_PER_MS;
}

static struct rpc_connection *find_locked(struct rpc_front *front, const char *grpc_peer)
    LL_REQUIRES(front->mutex)
{
    static const char mark[] = "fd:";
    if (strncmp(grpc_peer, mark, strlen(mark)) != 0) {
        return NULL;
    }
    long number = strtol(grpc_peer + strlen(mark), NULL, 10);
    return number >= 0 && number < front->numbers ? front->by_number[number] : NULL;
}

/* Ends the connection from outside: gRPC may be reading from it without a pause. What it has not
 * read is thrown away, or it would read that still. The thread hears of the end and does the rest.
 */
void rpc_front_cut_off_locked(struct rpc_front *front, struct rpc_connection *connection,
                              const char *why)
{
    enum { BLOCK = 65536, BLOCKS = 1024 };
    connection->is_flooding = true;
    remember_flooder_locked(front, &connection->host);
    ll_log_limited(&front->flood_log, LL_LOG_WARN, "rpc", "%s %s: its connection is closed",
                   connection->peer, why);
    /* The last close, ours or gRPC's, then resets the connection at once. */
    const struct linger none_left = {.l_onoff = 1, .l_linger = 0};
    setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &none_left, sizeof(none_left));
    shutdown(connection->fd, SHUT_RDWR);
    /* Not written to: MSG_TRUNC. */
    char none[BLOCK];
    int blocks = 0;
    while (blocks < BLOCKS &&
           recv(connection->fd, none, sizeof(none), MSG_TRUNC | MSG_DONTWAIT) > 0) {
        blocks++;
    }
}

ll_status rpc_front_begin_call(struct rpc_front *front, const char *grpc_peer,
                               struct rpc_connection **out_connection, struct ll_error *err)
{
    ll_status status = LL_OK;
    ll_mutex_lock(&front->mutex);
    struct rpc_connection *connection = find_locked(front, grpc_peer);
    if (!connection) {
        status = LL_E_NOT_FOUND;
    } else if (connection->is_flooding) {
        status = LL_E_STOPPED;
    } else if (!rpc_connection_take(connection, ll_clock_now_ns(), RESETS_PER_SECOND)) {
        struct ll_error why;
        ll_fail_limit(&why, "connection_resets", front->config.resets, 0,
                      "opens and cancels streams without measure (limit connection_resets %d)",
                      front->config.resets);
        rpc_front_cut_off_locked(front, connection, why.text);
        status = LL_E_STOPPED;
    } else if (front->calls >= front->config.calls) {
        rpc_connection_give(connection);
        status =
            ll_fail_limit(err, "calls", front->config.calls, 1000,
                          "limit calls %d: the server has so many calls open", front->config.calls);
        ll_log_limited(&front->calls_log, LL_LOG_WARN, "rpc", "%s: refused: %s", connection->peer,
                       err->text);
    } else {
        connection->refs++;
        connection->calls++;
        front->calls++;
        *out_connection = connection;
    }
    ll_mutex_unlock(&front->mutex);
    return status;
}

void rpc_front_answered(struct rpc_front *front, struct rpc_connection *connection)
{
    ll_mutex_lock(&front->mutex);
    connection->has_answered = true;
    ll_mutex_unlock(&front->mutex);
}

void rpc_front_end_call(struct rpc_front *front, struct rpc_connection *connection, bool was_reset)
{
    ll_mutex_lock(&front->mutex);
    front->calls--;
    connection->calls--;
    connection->idle_ns = ll_clock_now_ns();
    if (!was_reset) {
        rpc_connection_give(connection);
    }
    rpc_front_unref_locked(front, connection);
    ll_mutex_unlock(&front->mutex);
}

const char *rpc_connection_peer(const struct rpc_connection *connection)
{
    return connection->peer;
}
