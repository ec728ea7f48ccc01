/* How much each peer may ask for in a time: a bucket of bytes for each, filled at a rate. Paid
 * afterwards: who has anything left may ask for something of any size, and then waits.
 *
 * The peers seen last are remembered; one that was forgotten begins with a full bucket. Times are
 * ll_clock.h's, given by the caller.
 *
 * Threads: one at a time. */
#ifndef EDGE_RATES_H
#define EDGE_RATES_H

#include <stdbool.h>
#include <stdint.h>

#include "edge/fair/edge_peer.h"

enum { EDGE_RATES_PEERS = 64 };

struct edge_rate {
    struct edge_peer peer;
    /* Below 0 after something large. */
    int64_t left_bytes;
    int64_t filled_ns;
    bool is_used;
};

struct edge_rates {
    int64_t bytes_per_s;
    int64_t most_bytes;
    struct edge_rate peers[EDGE_RATES_PEERS];
};

/* `bytes_per_s` on average, `most_bytes` at once. */
void edge_rates_init(struct edge_rates *rates, int64_t bytes_per_s, int64_t most_bytes);

/* 0 where the peer may ask now; else for how many ms it should wait. */
int64_t edge_rates_wait_ms(struct edge_rates *rates, const struct edge_peer *peer, int64_t now_ns);
/* It was given so much. */
void edge_rates_pay(struct edge_rates *rates, const struct edge_peer *peer, int64_t bytes,
                    int64_t now_ns);

#endif
