/* A TCP relay between a client and a server, which can cut its connections: a link that fails.
 *
 * Threads: start, cut and stop on the test's thread. */
#ifndef RPC_TEST_RELAY_H
#define RPC_TEST_RELAY_H

#include <stdbool.h>

#include "core/ll_sync.h"

enum { RPC_RELAY_LINKS = 16 };

struct rpc_relay {
    struct ll_thread thread;
    int port;
    int server_port;
    int listener;
    /* The thread reads what start, cut and stop write. */
    int commands[2];

    struct ll_mutex mutex;
    struct ll_cond changed;
    /* Guarded by mutex: commands done. */
    int done;
    int issued;

    /* Relay thread. */
    int links[RPC_RELAY_LINKS][2];
    int link_count;
};

/* Listens on `port` of 127.0.0.1 (0 picks one) and connects to `server_port`. */
bool rpc_relay_start(struct rpc_relay *relay, int port, int server_port);
/* Closes all connections; new ones are relayed again. Returns once they are closed. */
void rpc_relay_cut(struct rpc_relay *relay);
/* Closes everything. */
void rpc_relay_stop(struct rpc_relay *relay);

/* A plain connection to 127.0.0.1; negative on failure. */
int rpc_relay_connect(int port);

#endif
