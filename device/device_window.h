/* How much of an upload may be under way without being acknowledged.
 *
 * What waits in the kernel and in the network delays every query behind it, what is missing there
 * leaves the link idle. So the bound is the link's bandwidth x its least round trip, plus two
 * chunks (up to twice that where acknowledgements come irregularly). Bandwidth is the largest rate
 * of acknowledged bytes, those of queries included, over windows of at least 50 ms and two round
 * trips in the last second. At the start the bound doubles every round trip until the rate stops
 * growing. A window in which the sender had nothing to send tells only what the link can do at
 * least.
 *
 * All bytes that leave, of the upload and of queries, are counted in the order in which they leave:
 * a position in this order is a mark, and whoever learns that the edge has a byte acknowledges
 * every mark up to it (there is one connection, which keeps the order).
 *
 * Threads: one at a time; the time is given, never read. */
#ifndef DEVICE_WINDOW_H
#define DEVICE_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

enum {
    DEVICE_WINDOW_LEAST_CHUNK = 8 << 10,
    DEVICE_WINDOW_LARGEST_CHUNK = 64 << 10,
    DEVICE_WINDOW_RATES = 32,
    DEVICE_WINDOW_SENT = 2048,
};

/* Upload chunks under way: the upload's bytes and the mark at their ends, and when they left. */
struct device_window_sent {
    uint64_t upload_bytes;
    uint64_t mark;
    int64_t at_ns;
};

struct device_window_rate {
    double bytes_per_s;
    int64_t at_ns;
};

/* Private; here so that it can be embedded. */
struct device_window {
    double limit_bytes_per_s;
    uint64_t sent_mark, acked_mark;
    uint64_t upload_sent, upload_acked;
    struct device_window_sent sent[DEVICE_WINDOW_SENT];
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
    struct device_window_rate rates[DEVICE_WINDOW_RATES];
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
void device_window_init(struct device_window *window, double limit_bytes_per_s);

/* The size of the next chunk: what the link takes 1.7 ms for, a power of two from 8 to 64 KiB. */
int64_t device_window_chunk(const struct device_window *window);

/* Whether `bytes` more of the upload may leave now. */
bool device_window_admits(struct device_window *window, int64_t bytes);

/* The upload has nothing to send although there is room (no credit, or all is sent). */
void device_window_starve(struct device_window *window);

/* Bytes of the upload leave. */
void device_window_send_upload(struct device_window *window, int64_t bytes, int64_t now_ns);
/* Bytes of a query leave; returns the mark at their end. */
uint64_t device_window_send_query(struct device_window *window, int64_t bytes, int64_t now_ns);

/* The edge has `upload_bytes` of the upload (cumulative); a lower count than before, or more than
 * was sent, is ignored. */
void device_window_ack_upload(struct device_window *window, uint64_t upload_bytes, int64_t now_ns);
/* The edge has everything up to `mark`. */
void device_window_ack_mark(struct device_window *window, uint64_t mark, int64_t now_ns);

/* When to call device_window_stall if nothing is heard until then; LL_CLOCK_NEVER where the upload
 * does not wait for room. */
int64_t device_window_stall_ns(const struct device_window *window);
/* Where the upload waits for room and nothing was acknowledged for long, the edge acknowledges less
 * often than the bound expects: the bound grows. */
void device_window_stall(struct device_window *window, int64_t now_ns);

/* Measured; 0 before the first measurement. */
double device_window_bytes_per_s(const struct device_window *window);
int64_t device_window_rtt_ns(const struct device_window *window);

#endif
