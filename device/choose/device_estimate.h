/* What queries have taught about the link and the edge, and how far the layers' known times are
 * off.
 *
 * Everything is smoothed exponentially. A sample counts for a quarter where it follows the one
 * before at once, and for more the older that one is (1 - 0.75^(1 + age in s): 0.44 after one
 * second, 0.96 after ten), since what is old tells less; the first one after a connection counts
 * alone. Rates and factors are averaged by their logarithms, so that half and twice weigh the same
 * and an outlier moves little; times that may be 0 (waiting) as they are.
 *
 *   up, down    ns a byte. A transfer's deviation from what was predicted goes to the rate and to
 *               the fixed time below, as its bytes are to 64 KiB (4 KiB while the rate is assumed)
 *   extra       fixed time of a remote part besides round trip and queue
 *   queue       waiting for an executor on the edge
 *   edge        factor on the edge's layer times, by what answers report as computed
 *   device      factor on the device's layer times, by how long its parts took; for both, a part of
 *               t ms counts t / (t + 1)
 *
 * A deadline that passes while bytes are still to leave tells how slow the link is at least. One
 * that passes later adds its lateness to what is predicted until an answer comes in time.
 *
 * Threads: one at a time; the time is given, never read. */
#ifndef DEVICE_ESTIMATE_H
#define DEVICE_ESTIMATE_H

#include <stdbool.h>
#include <stdint.h>

/* What a link is taken for while nothing is known of it. */
#define DEVICE_ESTIMATE_BYTES_PER_S (80e6 / 8)
/* How much faster than the device an edge is taken to be that tells no layer times. */
#define DEVICE_ESTIMATE_EDGE_SPEED 10.0

struct device_mean {
    double value;
    /* When the last sample came; 0: the value is assumed. */
    int64_t at_ns;
};

struct device_estimate {
    /* 0: no limit. */
    double limit_bytes_per_s;
    struct device_mean up_ns_per_byte;
    struct device_mean down_ns_per_byte;
    struct device_mean extra_ns;
    struct device_mean queue_ns;
    struct device_mean edge_factor;
    struct device_mean device_factor;
    /* The shortest way there and back so far, 0 if unknown. */
    int64_t least_up_ns;
    /* A number, and answers on it. */
    uint64_t connection;
    int answers;
    /* Since deadlines have passed: how late the worst answer was. */
    double late_ns;
};

/* What the upload's acknowledgements tell of the link (ll_window.h); 0 where they do not yet.
 * The rate stands in until a query has shown its own. */
struct device_link_state {
    int64_t rtt_ns;
    double bytes_per_s;
};

/* What a remote part carries, and what it computes as far as layer times tell, without the factor.
 */
struct device_effort {
    int64_t up_bytes;
    int64_t down_bytes;
    double edge_ns;
};

/* Where its time went. `up_ns` is everything from its posting until the answer began that the edge
 * does not account for. */
struct device_spent {
    int64_t up_ns;
    int64_t down_ns;
    int64_t queued_ns;
    int64_t computed_ns;
};

/* A deadline that passed, `late_ns` after the predicted end. */
struct device_miss {
    int64_t waited_ns;
    int64_t late_ns;
    /* What had left by then, and whether that was all: if not, the link was at fault. */
    int64_t sent_bytes;
    bool is_sent;
};

/* `limit_bytes_per_s`: what the sender is held to, 0 for nothing. */
void device_estimate_init(struct device_estimate *estimate, double limit_bytes_per_s);

/* An answer is complete. */
void device_estimate_answered(struct device_estimate *estimate, const struct device_effort *effort,
                              const struct device_spent *spent,
                              const struct device_link_state *link, int64_t now_ns);
/* A deadline passed. */
void device_estimate_missed(struct device_estimate *estimate, const struct device_miss *miss,
                            int64_t now_ns);
/* The edge failed otherwise: answers are taken to be that late. */
void device_estimate_failed(struct device_estimate *estimate, int64_t late_ns);
/* A part on the device took `took_ns`; its layers' times say `known_ns`. */
void device_estimate_computed(struct device_estimate *estimate, double known_ns, int64_t took_ns,
                              int64_t now_ns);

/* All that is predicted now, at one look. */
struct device_rates {
    /* A byte's time. */
    double up_ns;
    double down_ns;
    /* Of every remote part; and what of it stands for late answers. */
    double fixed_ns;
    double lateness_ns;
    /* On layer times. */
    double device_factor;
    double edge_factor;
    /* No answer has come on this connection yet. */
    bool is_unproven;
};

/* Another `connection` than at the last look is perhaps another edge: the link's rates stay as
 * assumptions, what was learnt of the edge is forgotten. */
void device_estimate_look(struct device_estimate *estimate, uint64_t connection,
                          const struct device_link_state *link, struct device_rates *out_rates);

/* The time that a remote part gets: three times what is predicted, 200 ms at least; while no answer
 * has come and the prediction is worth little, a second at least, and what the whole query takes on
 * the device alone. */
int64_t device_rates_allowance_ns(const struct device_rates *rates, double remote_ns,
                                  double alone_ns);

#endif
