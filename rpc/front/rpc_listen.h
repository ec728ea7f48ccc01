/* Listening sockets for "HOST:PORT": inside rpc/ only.
 *
 * Threads: any. */
#ifndef RPC_LISTEN_H
#define RPC_LISTEN_H

#include "core/ll_status.h"

enum { RPC_LISTEN_SOCKETS = 16 };

struct rpc_listen {
    int sockets[RPC_LISTEN_SOCKETS];
    int count;
    int port;
};

/* Listens on every address of the host at one port, which the system picks where it is 0. The
 * wildcards 0.0.0.0 and [::] both mean all addresses of both kinds, where the machine has IPv6. A
 * port that another socket has is not shared with it. Sockets do not block.
 *
 * Errors: LL_E_UNAVAILABLE where no address can be listened on; `err` names `address` and why. */
LL_MUST_USE ll_status rpc_listen_open(const char *address, struct rpc_listen *out_listen,
                                      struct ll_error *err);
/* Twice is harmless. */
void rpc_listen_close(struct rpc_listen *listen);

#endif
