/* How much of a flow (an upload, answers) may be under way.
 *
 * What waits in the kernel and in the network delays everything behind it, what is missing there
 * leaves the link idle. So the bound is the link's bandwidth x its least round trip, plus two
 * chunks. Bandwidth is the largest rate of acknowledged bytes, those that pass beside the flow
 * included, over windows of at least 50 ms and two round trips in the last second. At the start the
 * bound doubles every round trip until the rate stops growing. A window in which the sender had
 * nothing to send tells only what the link can do at least.
 *
 * Acknowledgements may come late: an answer comes down the link while an upload goes up, or a
 * processor is busy. A sender that waited for them would leave the link idle and then burst, which
 * makes the peer's acknowledgements late in turn. So the bound is on what the peer cannot have got
 * yet: from the last byte that is known to have arrived, and when it did (ll_ack_delay.h takes out
 * how late the news came), the window predicts at the link's rate when the rest arrives. Every
 * acknowledgement corrects the prediction, and it never runs ahead of them by more than 250 ms.
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

#include "core/link/ll_ack_delay.h"

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
    struct ll_ack_delay way;
    /* When the last acknowledgement came, when it would have come undelayed, and when that of the
     * last byte sent is going to come, undelayed. */
    int64_t last_ack_ns, acked_ns, due_ns;
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
    /* The start: the largest rate so far, and for how many rounds it has not grown. */
    bool is_starting;
    double start_rate;
    int flat_rounds;
    /* The last question whether more may leave was answered no; when it is worth asking again. */
    bool is_full;
    int64_t room_ns;
};

/* `limit_bytes_per_s`: what the sender is held to anyway, 0 for nothing. */
void ll_window_init(struct ll_window *window, double limit_bytes_per_s);

/* The size of the next chunk: what the link takes 1.7 ms for, a power of two from 8 to 64 KiB. */
int64_t ll_window_chunk(const struct ll_window *window);

/* Whether `bytes` more of the flow may leave now. */
bool ll_window_admits(struct ll_window *window, int64_t bytes, int64_t now_ns);

/* The flow has nothing to send although there is room (no credit, or all is sent). */
void ll_window_starve(struct ll_window *window);

/* Bytes of the flow leave, not before `now_ns`: a time that is taken after they have left makes
 * round trips too short where the processor is busy. */
void ll_window_send(struct ll_window *window, int64_t bytes, int64_t now_ns);
/* Bytes beside the flow leave; returns the mark at their end. */
uint64_t ll_window_send_beside(struct ll_window *window, int64_t bytes, int64_t now_ns);

/* The peer had `bytes` of the flow (cumulative) when its own clock said `peer_ns` (0: not told). A
 * lower count than before, or more than was sent, is ignored. */
void ll_window_ack(struct ll_window *window, uint64_t bytes, uint64_t peer_ns, int64_t now_ns);
/* The peer has everything up to `mark`. */
void ll_window_ack_mark(struct ll_window *window, uint64_t mark, int64_t now_ns);

/* When to call ll_window_wake and ask again whether more may leave, if nothing is acknowledged
 * until then; LL_CLOCK_NEVER where the flow does not wait for room. */
int64_t ll_window_wake_ns(const struct ll_window *window);
/* Where the flow waits for room and nothing was acknowledged for very long, the peer acknowledges
 * less often than the bound expects: the bound grows. */
void ll_window_wake(struct ll_window *window, int64_t now_ns);

/* For logs: the flow's bytes under way, those of them that the peer cannot have got yet, and how
 * long ago something was acknowledged. */
struct ll_window_view {
    int64_t bound_bytes, under_way_bytes, missing_bytes;
    int64_t silent_ns;
};
void ll_window_look(const struct ll_window *window, int64_t now_ns,
                    struct ll_window_view *out_view);

/* Measured; 0 before the first measurement. */
double ll_window_bytes_per_s(const struct ll_window *window);
int64_t ll_window_rtt_ns(const struct ll_window *window);

#endif
