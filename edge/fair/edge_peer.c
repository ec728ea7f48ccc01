#include "edge/fair/edge_peer.h"

#include <arpa/inet.h>
#include <string.h>

enum {
    KIND_OTHER = 1,
    KIND_IPV4,
    KIND_IPV6,
    /* This machine, where the address has no place for it. */
    KIND_LOCAL,
    ADDRESS_TEXT_BYTES = 64,
};

/* The address between `prefix` and the port; false where the text has another form. */
static bool take_address(const char *text, const char *prefix, char out_address[ADDRESS_TEXT_BYTES])
{
    size_t prefix_bytes = strlen(prefix);
    const char *colon = strrchr(text, ':');
    if (strncmp(text, prefix, prefix_bytes) != 0 || colon < text + prefix_bytes) {
        return false;
    }
    const char *first = text + prefix_bytes;
    const char *end = colon;
    if (*first == '[' && end > first && end[-1] == ']') {
        first++;
        end--;
    }
    /* A zone ("fe80::1%eth0") is where the address is, not which one. */
    const char *zone = memchr(first, '%', (size_t)(end - first));
    end = zone ? zone : end;
    size_t bytes = (size_t)(end - first);
    if (bytes >= ADDRESS_TEXT_BYTES) {
        return false;
    }
    memcpy(out_address, first, bytes);
    out_address[bytes] = '\0';
    return true;
}

static void set(struct edge_peer *peer, uint8_t kind, const void *bytes, size_t count)
{
    peer->bytes[0] = kind;
    memcpy(peer->bytes + 1, bytes, count);
}

static void set_ipv6(struct edge_peer *peer, const struct in6_addr *address)
{
    enum { NETWORK_BYTES = 8, IPV4_AT = 12, IPV4_BYTES = 4 };
    if (IN6_IS_ADDR_V4MAPPED(address)) {
        set(peer, KIND_IPV4, address->s6_addr + IPV4_AT, IPV4_BYTES);
    } else if (IN6_IS_ADDR_LOOPBACK(address)) {
        peer->bytes[0] = KIND_LOCAL;
    } else {
        set(peer, KIND_IPV6, address->s6_addr, NETWORK_BYTES);
    }
}

static void set_other(struct edge_peer *peer, const char *text)
{
    /* FNV-1a. */
    uint64_t hash = 14695981039346656037U;
    for (const char *at = text; *at; at++) {
        hash = (hash ^ (uint8_t)*at) * 1099511628211U;
    }
    set(peer, KIND_OTHER, &hash, sizeof(hash));
}

void edge_peer_parse(const char *text, struct edge_peer *out_peer)
{
    char address[ADDRESS_TEXT_BYTES];
    struct in_addr ipv4;
    struct in6_addr ipv6;
    *out_peer = (struct edge_peer){{0}};
    if (take_address(text, "ipv4:", address) && inet_pton(AF_INET, address, &ipv4) == 1) {
        set(out_peer, KIND_IPV4, &ipv4, sizeof(ipv4));
    } else if (take_address(text, "ipv6:", address) && inet_pton(AF_INET6, address, &ipv6) == 1) {
        set_ipv6(out_peer, &ipv6);
    } else if (strncmp(text, "unix:", strlen("unix:")) == 0) {
        out_peer->bytes[0] = KIND_LOCAL;
    } else {
        set_other(out_peer, text);
    }
}

bool edge_peer_equal(const struct edge_peer *a, const struct edge_peer *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool edge_peer_is_loopback(const struct edge_peer *peer)
{
    enum { LOOPBACK_NETWORK = 127 };
    return peer->bytes[0] == KIND_LOCAL ||
           (peer->bytes[0] == KIND_IPV4 && peer->bytes[1] == LOOPBACK_NETWORK);
}
