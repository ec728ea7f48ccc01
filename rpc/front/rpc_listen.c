#include "rpc/front/rpc_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpc/rpc_address.h"

/* The port of an address, to read and to write. */
static in_port_t *port_of(struct sockaddr *address)
{
    return address->sa_family == AF_INET6 ? &((struct sockaddr_in6 *)(void *)address)->sin6_port
                                          : &((struct sockaddr_in *)(void *)address)->sin_port;
}

static bool is_wildcard(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET6) {
        return IN6_IS_ADDR_UNSPECIFIED(
            &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
    }
    return ((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr == INADDR_ANY;
}

/* Returns 0, or errno. */
static int add_socket(struct rpc_listen *listen_on, struct sockaddr *address, socklen_t bytes)
{
    int one = 1;
    /* An IPv6 wildcard takes IPv4, too; any other address has one kind only. */
    int is_one_kind = is_wildcard(address) ? 0 : 1;
    *port_of(address) = htons((uint16_t)listen_on->port);
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    /* The port of a server that has just ended can be had again; that is no sharing. */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (address->sa_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &is_one_kind, sizeof(is_one_kind));
    }
    struct sockaddr_in6 bound = {.sin6_family = AF_UNSPEC};
    socklen_t bound_bytes = sizeof(bound);
    if (bind(fd, address, bytes) != 0 || listen(fd, SOMAXCONN) != 0 ||
        getsockname(fd, (struct sockaddr *)&bound, &bound_bytes) != 0) {
        int error = errno;
        close(fd);
        return error;
    }
    listen_on->port = ntohs(*port_of((struct sockaddr *)&bound));
    listen_on->sockets[listen_on->count++] = fd;
    return 0;
}

/* All addresses of both kinds by one socket, or of IPv4 where there is no IPv6. */
static int add_wildcard(struct rpc_listen *listen_on)
{
    struct sockaddr_in6 all = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
    int error = add_socket(listen_on, (struct sockaddr *)&all, sizeof(all));
    if (error == EAFNOSUPPORT || error == EADDRNOTAVAIL) {
        error = add_socket(listen_on, (struct sockaddr *)&v4, sizeof(v4));
    }
    return error;
}

static ll_status resolve(const char *address, struct addrinfo **out_list, struct ll_error *err)
{
    char host[RPC_ADDRESS_BYTES + 1];
    const char *colon = strrchr(address, ':');
    const char *start = address[0] == '[' ? address + 1 : address;
    const char *end = address[0] == '[' ? colon - 1 : colon;
    snprintf(host, sizeof(host), "%.*s", (int)(end - start), start);
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    if (getaddrinfo(host, colon + 1, &hints, out_list) != 0) {
        return ll_fail(err, LL_E_UNAVAILABLE, "%s: cannot listen there: unknown host", address);
    }
    return LL_OK;
}

ll_status rpc_listen_open(const char *address, struct rpc_listen *out_listen, struct ll_error *err)
{
    struct addrinfo *list = NULL;
    ll_status status = rpc_address_check(address, 0, err);
    if (status == LL_OK) {
        status = resolve(address, &list, err);
    }
    if (status != LL_OK) {
        return status;
    }
    struct rpc_listen opened = {.port = ntohs(*port_of(list->ai_addr))};
    int error = EADDRNOTAVAIL;
    for (struct addrinfo *at = list; at && opened.count < RPC_LISTEN_SOCKETS; at = at->ai_next) {
        if (is_wildcard(at->ai_addr)) {
            error = add_wildcard(&opened);
            break;
        }
        error = add_socket(&opened, at->ai_addr, at->ai_addrlen);
    }
    freeaddrinfo(list);
    if (opened.count == 0) {
        return ll_fail(err, LL_E_UNAVAILABLE, "%s: cannot listen there: %s", address,
                       strerrordesc_np(error));
    }
    *out_listen = opened;
    return LL_OK;
}

void rpc_listen_close(struct rpc_listen *listen_on)
{
    while (listen_on->count > 0) {
        close(listen_on->sockets[--listen_on->count]);
    }
}
