/* What a front knows of its connections, and which of them have to go: inside rpc/ only.
 *
 * Threads: whoever holds the front's lock. */
#ifndef RPC_CONNECTION_H
#define RPC_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { RPC_HOST_BYTES = 16 };

/* What counts as one peer: an IPv4 address, or the 64-bit network of an IPv6 address, all of whose
 * addresses one machine may have. */
struct rpc_host {
    uint8_t bytes[RPC_HOST_BYTES];
};

struct rpc_connection {
    /* Ours; -1 once closed. gRPC has a descriptor of its own for the same socket, of this number,
     * -1 before it was handed over. */
    int fd;
    int grpc_fd;
    struct rpc_host host;
    char peer[64];
    int64_t accepted_ns;
    /* Since when it has no call. */
    int64_t idle_ns;
    /* Its calls that have not ended. */
    int calls;
    bool has_answered;
    bool is_flooding;
    /* It talks HTTP/2 and waits for its turn to go to gRPC. */
    bool is_held;
    /* Its peer is gone, and gRPC, which has it, has not closed it yet. */
    bool is_leaving;
    /* How many calls it may still begin; each one that the server ends gives one back, each second
     * gives some. */
    int64_t allowance;
    int64_t most_allowance;
    int64_t refilled_ns;
    /* What gRPC had read of it at the last look, and whether that was a lot more than before. */
    int64_t read_bytes;
    bool reads_much;
    /* Its list, while fd is open, and its calls hold it. */
    int refs;
    struct rpc_connection *next;
    struct rpc_connection *prev;
};

/* Connections by age. */
struct rpc_connections {
    struct rpc_connection *first;
    struct rpc_connection *last;
    int count;
};

void rpc_host_read(const struct sockaddr *address, struct rpc_host *out_host);
bool rpc_host_equals(const struct rpc_host *a, const struct rpc_host *b);

/* Writes the address as gRPC would: "ipv4:10.0.0.2:50051", "ipv6:[::1]:50051". */
void rpc_peer_write(const struct sockaddr *address, char *out_peer, size_t bytes);

void rpc_connections_append(struct rpc_connections *list, struct rpc_connection *connection);
void rpc_connections_remove(struct rpc_connections *list, struct rpc_connection *connection);
/* Those of `host`, without those that are leaving. */
int rpc_connections_of(const struct rpc_connections *list, const struct rpc_host *host);

/* The connection that has to make room, of `host` alone unless it is NULL: the oldest that has
 * never been answered; else the one without calls for longest, if it has been for `idle_ns`; else
 * NULL. None that is leaving: it would only be forgotten. */
struct rpc_connection *rpc_connections_victim(const struct rpc_connections *list,
                                              const struct rpc_host *host, int64_t now_ns,
                                              int64_t idle_ns);

/* Takes one call from the allowance, to which `per_second` come back by themselves; false where
 * nothing is left. */
bool rpc_connection_take(struct rpc_connection *connection, int64_t now_ns, int64_t per_second);
void rpc_connection_give(struct rpc_connection *connection);

#endif
