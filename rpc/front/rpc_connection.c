#include "rpc/front/rpc_connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "core/ll_clock.h"

static const struct in6_addr *v6_address(const struct sockaddr *address)
{
    return &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
}

/* The IPv4 address, also where IPv6 carries it; false for another. */
static bool read_v4(const struct sockaddr *address, struct in_addr *out_v4)
{
    if (address->sa_family == AF_INET) {
        *out_v4 = ((const struct sockaddr_in *)(const void *)address)->sin_addr;
        return true;
    }
    if (address->sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(v6_address(address))) {
        return false;
    }
    memcpy(out_v4, v6_address(address)->s6_addr + 12, sizeof(*out_v4));
    return true;
}

void rpc_host_read(const struct sockaddr *address, struct rpc_host *out_host)
{
    enum { NETWORK_BYTES = 8 };
    struct rpc_host host = {{0}};
    struct in_addr v4;
    if (read_v4(address, &v4)) {
        host.bytes[10] = 0xff;
        host.bytes[11] = 0xff;
        memcpy(host.bytes + 12, &v4, sizeof(v4));
    } else if (address->sa_family == AF_INET6) {
        memcpy(host.bytes, v6_address(address)->s6_addr,
               IN6_IS_ADDR_LOOPBACK(v6_address(address)) ? RPC_HOST_BYTES : NETWORK_BYTES);
    }
    *out_host = host;
}

bool rpc_host_equals(const struct rpc_host *a, const struct rpc_host *b)
{
    return memcmp(a->bytes, b->bytes, RPC_HOST_BYTES) == 0;
}

void rpc_peer_write(const struct sockaddr *address, char *out_peer, size_t bytes)
{
    char text[INET6_ADDRSTRLEN] = "?";
    struct in_addr v4;
    if (read_v4(address, &v4)) {
        inet_ntop(AF_INET, &v4, text, sizeof(text));
        in_port_t port = address->sa_family == AF_INET
                             ? ((const struct sockaddr_in *)(const void *)address)->sin_port
                             : ((const struct sockaddr_in6 *)(const void *)address)->sin6_port;
        snprintf(out_peer, bytes, "ipv4:%s:%d", text, ntohs(port));
    } else if (address->sa_family == AF_INET6) {
        inet_ntop(AF_INET6, v6_address(address), text, sizeof(text));
        snprintf(out_peer, bytes, "ipv6:[%s]:%d", text,
                 ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port));
    } else {
        snprintf(out_peer, bytes, "unknown");
    }
}

void rpc_connections_append(struct rpc_connections *list, struct rpc_connection *connection)
{
    connection->next = NULL;
    connection->prev = list->last;
    if (list->last) {
        list->last->next = connection;
    } else {
        list->first = connection;
    }
    list->last = connection;
    list->count++;
}

void rpc_connections_remove(struct rpc_connections *list, struct rpc_connection *connection)
{
    if (connection->prev) {
        connection->prev->next = connection->next;
    } else {
        list->first = connection->next;
    }
    if (connection->next) {
        connection->next->prev = connection->prev;
    } else {
        list->last = connection->prev;
    }
    connection->next = NULL;
    connection->prev = NULL;
    list->count--;
}

int rpc_connections_of(const struct rpc_connections *list, const struct rpc_host *host)
{
    int count = 0;
    for (const struct rpc_connection *at = list->first; at; at = at->next) {
        count += !at->is_leaving && rpc_host_equals(&at->host, host);
    }
    return count;
}

struct rpc_connection *rpc_connections_victim(const struct rpc_connections *list,
                                              const struct rpc_host *host, int64_t now_ns,
                                              int64_t idle_ns)
{
    struct rpc_connection *idlest = NULL;
    for (struct rpc_connection *at = list->first; at; at = at->next) {
        if (at->is_leaving || (host && !rpc_host_equals(&at->host, host))) {
            continue;
        }
        if (!at->has_answered) {
            return at;
        }
        if (at->calls == 0 && now_ns - at->idle_ns >= idle_ns &&
            (!idlest || at->idle_ns < idlest->idle_ns)) {
            idlest = at;
        }
    }
    return idlest;
}

void rpc_connection_give(struct rpc_connection *connection)
{
    connection->allowance += connection->allowance < connection->most_allowance ? 1 : 0;
}

bool rpc_connection_take(struct rpc_connection *connection, int64_t now_ns, int64_t per_second)
{
    int64_t each_ns = LL_NS_PER_S / per_second;
    int64_t back = (now_ns - connection->refilled_ns) / each_ns;
    connection->refilled_ns += back * each_ns;
    int64_t missing = connection->most_allowance - connection->allowance;
    connection->allowance += back < missing ? back : missing;
    if (connection->allowance <= 0) {
        return false;
    }
    connection->allowance--;
    return true;
}
