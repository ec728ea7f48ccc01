#include "edge/fair/edge_rates.h"

#include "core/ll_clock.h"

enum { MS_PER_S = 1000 };

void edge_rates_init(struct edge_rates *rates, int64_t bytes_per_s, int64_t most_bytes)
{
    *rates = (struct edge_rates){.bytes_per_s = bytes_per_s, .most_bytes = most_bytes};
}

static void fill(const struct edge_rates *rates, struct edge_rate *rate, int64_t now_ns)
{
    double passed_s = (double)(now_ns - rate->filled_ns) / (double)LL_NS_PER_S;
    double left_bytes = (double)rate->left_bytes + passed_s * (double)rates->bytes_per_s;
    bool is_full = left_bytes >= (double)rates->most_bytes;
    rate->left_bytes = is_full ? rates->most_bytes : (int64_t)left_bytes;
    rate->filled_ns = now_ns;
}

/* The peer's bucket, filled; that of the peer seen longest ago where it has none. */
static struct edge_rate *bucket_of(struct edge_rates *rates, const struct edge_peer *peer,
                                   int64_t now_ns)
{
    struct edge_rate *found = &rates->peers[0];
    for (int i = 0; i < EDGE_RATES_PEERS; i++) {
        struct edge_rate *rate = &rates->peers[i];
        if (rate->is_used && edge_peer_equal(&rate->peer, peer)) {
            fill(rates, rate, now_ns);
            return rate;
        }
        if (found->is_used && (!rate->is_used || rate->filled_ns < found->filled_ns)) {
            found = rate;
        }
    }
    *found = (struct edge_rate){
        .peer = *peer, .left_bytes = rates->most_bytes, .filled_ns = now_ns, .is_used = true};
    return found;
}

int64_t edge_rates_wait_ms(struct edge_rates *rates, const struct edge_peer *peer, int64_t now_ns)
{
    int64_t left_bytes = bucket_of(rates, peer, now_ns)->left_bytes;
    return left_bytes > 0 ? 0 : -left_bytes * MS_PER_S / rates->bytes_per_s + 1;
}

void edge_rates_pay(struct edge_rates *rates, const struct edge_peer *peer, int64_t bytes,
                    int64_t now_ns)
{
    bucket_of(rates, peer, now_ns)->left_bytes -= bytes;
}
