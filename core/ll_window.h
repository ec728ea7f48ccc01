/* How much of a flow (an upload, answers) may be under way without being acknowledged.
 *
 * What waits in the kernel and in the network delays everything behind it, what is missing there
 * leaves the link idle. So the bound is the link's bandwidth x its least round trip, plus two
 * chunks (up to twice that where acknowledgements come irregularly). Bandwidth is the largest rate
 * of acknowledged bytes, those that pass beside the flow included, over windows of at least 50 ms
 * and two round trips in the last second. At the start the bound doubles every round trip until the
 * rate stops growing. A window in which the sender had nothing to send tells only what the link can
 * do at least.
 *
 * All bytes that leave, the flow's and those beside it, are counted in the order in which they
 * leave: a position in this order is a mark, and whoever learns that the peer has a byte
 * acknowledges every mark up to it (there is one connection, which keeps the order).
 *
 * Threads: one at a time; the time is given, never read. */
#ifndef LL_WINDOW_H
#define LL_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

enum {
    LL_WINDOW_LEAST_CHUNK = 8 << 10,
    LL_WINDOW_LARGEST_CHUNK = 64 << 10,
    LL_WINDOW_RATES = 32,
    LL_WINDOW_SENT = 2048,
};

/* Chunks under way: the flow's bytes and the mark at their ends, and when they left. */
struct ll_window_sent {
    uint64_t flow_bytes;
    uint64_t mark;
    int64_t at_ns;
};

struct ll_window_rate {
    double bytes_per_s;
    int64_t at_ns;
};

/* Private; here so that it can be embedded. */
struct ll_window {
    double limit_bytes_per_s;
    uint64_t sent_mark, acked_mark;
    uint64_t sent_bytes, acked_bytes;
    struct ll_window_sent sent[LL_WINDOW_SENT];
    unsigned sent_head, sent_count;
    int64_t least_rtt_ns, last_rtt_ns;
    int64_t bound_bytes;
    /* The measurement under way: since when, from which acknowledged mark, and the mark whose
     * acknowledgement ends it at the earliest. */
    int64_t since_ns;
    uint64_t since_mark, until_mark;
    bool is_starved;
    /* No measurement is under way: the next acknowledgement begins one. */
    bool is_fresh;
    struct ll_window_rate rates[LL_WINDOW_RATES];
    unsigned next_rate;
    double bytes_per_s;
    double mean_rate;
    double slack_factor;
    /* The start: the largest rate so far, and for how many rounds it has not grown. */
    bool is_starting;
    double start_rate;
    int flat_rounds;
    int64_t last_ack_ns;
    /* The last question whether more may leave was answered no. */
    bool is_full;
};

/* `limit_bytes_per_s`: what the sender is held to anyway, 0 for nothing. */
void ll_window_init(struct ll_window *window, double limit_bytes_per_s);

/* The size of the next chunk: what the link takes 1.7 ms for, a power of two from 8 to 64 KiB. */
int64_t ll_window_chunk(const struct ll_window *window);

/* Whether `bytes` more of the flow may leave now. */
bool ll_window_admits(struct ll_window *window, int64_t bytes);

/* The flow has nothing to send although there is room (no credit, or all is sent). */
void ll_window_starve(struct ll_window *window);

/* Bytes of the flow leave. */
void ll_window_send(struct ll_window *window, int64_t bytes, int64_t now_ns);
/* Bytes beside the flow leave; returns the mark at their end. */
uint64_t ll_window_send_beside(struct ll_window *window, int64_t bytes, int64_t now_ns);

/* The peer has `bytes` of the flow (cumulative); a lower count than before, or more than was sent,
 * is ignored. */
void ll_window_ack(struct ll_window *window, uint64_t bytes, int64_t now_ns);
/* The peer has everything up to `mark`. */
void ll_window_ack_mark(struct ll_window *window, uint64_t mark, int64_t now_ns);

/* When to call ll_window_stall if nothing is heard until then; LL_CLOCK_NEVER where the flow
 * does not wait for room. */
int64_t ll_window_stall_ns(const struct ll_window *window);
/* Where the flow waits for room and nothing was acknowledged for long, the peer acknowledges less
 * often than the bound expects: the bound grows. */
void ll_window_stall(struct ll_window *window, int64_t now_ns);

/* Measured; 0 before the first measurement. */
double ll_window_bytes_per_s(const struct ll_window *window);
int64_t ll_window_rtt_ns(const struct ll_window *window);

#endif
