/* The inside of a front: for rpc_front*.c alone. */
#ifndef RPC_FRONT_STATE_H
#define RPC_FRONT_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/ll_log.h"
#include "core/ll_sync.h"
#include "rpc/front/rpc_connection.h"
#include "rpc/front/rpc_front.h"
#include "rpc/front/rpc_listen.h"

enum { RPC_FRONT_FLOODERS = 64 };

/* An address that was cut off, until until_ns; the next of its connections goes to gRPC at next_ns,
 * not before. */
struct flooder {
    struct rpc_host host;
    int64_t until_ns;
    int64_t next_ns;
};

struct rpc_front {
    struct rpc_front_config config;
    struct rpc_listen listen;
    int epoll;
    int wake;
    struct ll_thread thread;

    /* The front's thread: what has gone during this round; when to accept again, when to look for
     * silent connections, when to let a held one go on; the next number for gRPC. */
    struct rpc_connection *gone;
    int64_t resume_ns;
    int64_t check_ns;
    int64_t release_ns;
    int next_number;
    /* rpc_front_watch.c: when to look again; turns of the loop that were asked for; how often in a
     * row it gave none while a peer was read from. */
    int64_t watch_ns;
    unsigned turns_asked;
    int stalls;
    bool has_cut_off;
    /* Turns that the loop has given. */
    atomic_uint turns_seen;
    struct ll_log_limit descriptors_log;
    struct ll_log_limit limit_log;

    struct ll_mutex mutex;
    struct ll_cond changed;
    /* Guarded by mutex. */
    struct rpc_connections connections LL_GUARDED_BY(mutex);
    struct rpc_connection **by_number LL_GUARDED_BY(mutex);
    int numbers LL_GUARDED_BY(mutex);
    int calls LL_GUARDED_BY(mutex);
    /* Connections that wait, that are on their way to gRPC, and that gRPC has not closed yet
     * although their peers are gone. */
    int held LL_GUARDED_BY(mutex);
    int on_their_way LL_GUARDED_BY(mutex);
    int leaving LL_GUARDED_BY(mutex);
    struct flooder flooders[RPC_FRONT_FLOODERS] LL_GUARDED_BY(mutex);
    int next_flooder LL_GUARDED_BY(mutex);
    struct ll_log_limit flood_log LL_GUARDED_BY(mutex);
    struct ll_log_limit calls_log LL_GUARDED_BY(mutex);
    bool is_stopping LL_GUARDED_BY(mutex);
    bool has_stopped LL_GUARDED_BY(mutex);
    bool is_ending LL_GUARDED_BY(mutex);
};

void rpc_front_unref_locked(struct rpc_front *front, struct rpc_connection *connection)
    LL_REQUIRES(front->mutex);

/* What is known against `host`; NULL if nothing. */
struct flooder *rpc_front_flooder_locked(struct rpc_front *front, const struct rpc_host *host,
                                         int64_t now_ns) LL_REQUIRES(front->mutex);

/* Whether a connection of `host` may go to gRPC now, and has: those of a flooder do so one at a
 * time. Else *out_next_ns is when to ask again. */
bool rpc_front_pass_locked(struct rpc_front *front, const struct rpc_host *host, int64_t now_ns,
                           int64_t *out_next_ns) LL_REQUIRES(front->mutex);

/* How many streams a connection of `host` may cancel in a row. */
int64_t rpc_front_resets_locked(struct rpc_front *front, const struct rpc_host *host,
                                int64_t now_ns) LL_REQUIRES(front->mutex);

/* Ends the connection from outside, and remembers its host. `why` follows its address in the log.
 */
void rpc_front_cut_off_locked(struct rpc_front *front, struct rpc_connection *connection,
                              const char *why) LL_REQUIRES(front->mutex);

/* There is a connection to watch. The front's thread, as the next. */
void rpc_front_begin_watch(struct rpc_front *front);
/* Looks whether the loop is kept from its work, if it is time (watch_ns). */
void rpc_front_watch(struct rpc_front *front, int64_t now_ns);

#endif
