/* Who a peer is where it has a share of something: its address without the port. Of an IPv6 address
 * the first 64 bits count, since whoever has one has the other 2^64 as well.
 *
 * Threads: everything here is pure. */
#ifndef EDGE_PEER_H
#define EDGE_PEER_H

#include <stdbool.h>
#include <stdint.h>

struct edge_peer {
    /* The kind of address, then its bytes, then zeros. */
    uint8_t bytes[9];
};

/* `text` as rpc_stream_peer gives it: "ipv4:10.0.0.2:50051", "ipv6:[::1]:50051". An IPv4 address in
 * IPv6's clothes is the IPv4 one. Two texts of another form are the same peer if they are equal. */
void edge_peer_parse(const char *text, struct edge_peer *out_peer);

bool edge_peer_equal(const struct edge_peer *a, const struct edge_peer *b);

/* Whether the peer runs on this machine: 127.0.0.0/8, ::1, or a Unix socket. */
bool edge_peer_is_loopback(const struct edge_peer *peer);

#endif
