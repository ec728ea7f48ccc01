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
 * for STALLS looks, although at each of them a lot had been read from some socket, those that a lot
 * was read from go: all of them, or each would have its time. Nobody else's bytes are read that
 * fast meanwhile, since windows open only as the loop takes what came. A loop that is busy with
 * work of our own does not read; a process that was stopped did not look either. Another loop of
 * the process is not watched. */

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

/* Looks how much was read of each connection since the last look; whether of some it was a lot. */
static bool measure_all_locked(struct rpc_front *front) LL_REQUIRES(front->mutex)
{
    bool reads_much = false;
    for (struct rpc_connection *at = front->connections.first; at; at = at->next) {
        if (at->grpc_fd < 0) {
            continue;
        }
        int64_t read_bytes = measure(at->fd);
        at->reads_much = read_bytes - at->read_bytes >= READ_BYTES && !at->is_flooding;
        at->read_bytes = read_bytes;
        reads_much = reads_much || at->reads_much;
    }
    return reads_much;
}

static void cut_off_readers_locked(struct rpc_front *front) LL_REQUIRES(front->mutex)
{
    for (struct rpc_connection *at = front->connections.first; at; at = at->next) {
        if (at->reads_much) {
            rpc_front_cut_off_locked(front, at, "keeps the server from serving anybody else");
        }
    }
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
    bool reads_much = measure_all_locked(front);
    bool has_turned = atomic_load(&front->turns_seen) == front->turns_asked;
    bool asks = reads_much && has_turned;
    front->stalls = reads_much && !has_turned ? front->stalls + 1 : 0;
    bool cuts_off = front->stalls >= STALLS;
    if (cuts_off) {
        front->stalls = 0;
        cut_off_readers_locked(front);
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
