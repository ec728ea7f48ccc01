#include <linux/sockios.h>
#include <linux/tcp.h>
#include <malloc.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "core/ll_clock.h"
#include "rpc/front/rpc_front_state.h"

/* Whether a peer keeps the server from everything else.
 *
 * gRPC 1.51 goes on reading from a connection while the next bytes are there already, on whatever
 * thread it happens to be: the loop's or the gate's, which do not come back from it meanwhile.
 * Frames that no window holds back (PRIORITY, WINDOW_UPDATE, unknown ones) can come like that for
 * ever, and nobody else is served. So: while some connection's bytes are being read fast, both are
 * asked for a turn now and then, which they give within microseconds. Where they have given none
 * for STALLS looks, although at each of them a lot had been read from the same socket, the one that
 * most was read from goes. A loop that is busy with work of our own does not read; a process that
 * was stopped did not look either. Another loop of the process is not watched. */

enum {
    WATCH_MS = 250,
    READ_BYTES = 1 << 20,
    STALLS = 2,
};

/* The bytes that gRPC has read of the connection, all together. */
static int64_t measure(int fd)
{
    struct tcp_info info = {0};
    socklen_t bytes = sizeof(info);
    int unread = 0;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes) != 0 ||
        bytes < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof(info.tcpi_bytes_received) ||
        ioctl(fd, SIOCINQ, &unread) != 0) {
        return 0;
    }
    return (int64_t)info.tcpi_bytes_received - unread;
}

/* The connection that most was read from since the last look, if that was a lot. */
static struct rpc_connection *find_busiest_locked(struct rpc_front *front) LL_REQUIRES(front->mutex)
{
    struct rpc_connection *busiest = NULL;
    int64_t most = READ_BYTES - 1;
    for (struct rpc_connection *at = front->connections.first; at; at = at->next) {
        if (at->grpc_fd < 0) {
            continue;
        }
        int64_t read_bytes = measure(at->fd);
        int64_t more = read_bytes - at->read_bytes;
        at->read_bytes = read_bytes;
        if (more > most && !at->is_flooding) {
            most = more;
            busiest = at;
        }
    }
    return busiest;
}

void rpc_front_begin_watch(struct rpc_front *front)
{
    if (front->watch_ns == LL_CLOCK_NEVER) {
        front->watch_ns = ll_clock_now_ns() + WATCH_MS * LL_NS_PER_MS;
    }
}

void rpc_front_watch(struct rpc_front *front, int64_t now_ns)
{
    if (now_ns < front->watch_ns) {
        return;
    }
    ll_mutex_lock(&front->mutex);
    struct rpc_connection *busiest = find_busiest_locked(front);
    bool has_turned = atomic_load(&front->turns_seen) == front->turns_asked;
    bool asks = busiest && has_turned;
    front->stalls = busiest && !has_turned ? front->stalls + 1 : 0;
    bool cuts_off = front->stalls >= STALLS;
    if (cuts_off) {
        front->stalls = 0;
        rpc_front_cut_off_locked(front, busiest, "keeps the server from serving anybody else");
    }
    bool is_empty = front->connections.count == 0;
    ll_mutex_unlock(&front->mutex);
    if (asks) {
        front->turns_asked++;
        front->config.ask_turn(front->config.arg);
    }
    if (front->has_cut_off && !cuts_off) {
        /* What such a connection had piled up is free by now. */
        malloc_trim(0);
    }
    front->has_cut_off = cuts_off;
    front->watch_ns = is_empty && !cuts_off ? LL_CLOCK_NEVER : now_ns + WATCH_MS * LL_NS_PER_MS;
}

void rpc_front_turn(struct rpc_front *front)
{
    atomic_fetch_add(&front->turns_seen, 1);
}
