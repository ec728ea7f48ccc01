/* When to try what is predicted to be slower, because only a query tells whether that is so.
 *
 * Whether the device alone is faster by now costs the query that finds out. Each query that could
 * try and does not pays a twentieth of its latency into a budget. A try is made once the budget
 * covers what it is predicted to lose, times a price; what it lost indeed is paid from the budget.
 * The price begins at 1, doubles with every try that lost what was predicted, up to 16, stays with
 * one that lost clearly less, and is 1 again after one that gained. So trying costs a twentieth of
 * the time at most, and near a three-hundredth where it never helps.
 *
 * Whether an edge or a link has become faster is found out for nothing: the edge is asked as well
 * while the query runs on the device, and its answer is only timed. What that takes of the link is
 * bounded by a pause between two tries: a second at first, twice as long after each that did not
 * help, up to a minute. So a change is noticed after about as long as things were bad before.
 *
 * Threads: one at a time; the time is given, never read. */
#ifndef DEVICE_EXPLORE_H
#define DEVICE_EXPLORE_H

#include <stdbool.h>
#include <stdint.h>

/* What is tried beside what is predicted to be fastest. */
typedef enum {
    DEVICE_TRY_NOTHING,
    /* The whole query runs on the device; the edge is asked as well, and its answer only timed. */
    DEVICE_TRY_EDGE,
    /* The device alone, although the edge is predicted to be faster. */
    DEVICE_TRY_DEVICE,
} device_try;

/* ---- The device alone ---- */

struct device_explore {
    double budget_ns;
    double price;
};

void device_explore_init(struct device_explore *explore);

/* Whether to try now. `best_ns` and `try_ns`: what a query is predicted to take, without and with
 * the try. */
bool device_explore_wants(const struct device_explore *explore, double best_ns, double try_ns);

/* A query did not try and took `latency_ns`. */
void device_explore_stayed(struct device_explore *explore, double latency_ns);
/* A try took `latency_ns` and was predicted to take `try_ns`; without it, the query was predicted
 * to take `best_ns`. */
void device_explore_tried(struct device_explore *explore, double best_ns, double try_ns,
                          double latency_ns);

/* ---- The edge ---- */

struct device_pause {
    uint64_t connection;
    int64_t until_ns;
    int64_t length_ns;
};

void device_pause_init(struct device_pause *pause);
/* Over another `connection` than the last one's, perhaps to another edge, pauses begin anew. */
bool device_pause_is_over(struct device_pause *pause, uint64_t connection, int64_t now_ns);
/* Pauses do not become longer any more. */
bool device_pause_is_longest(const struct device_pause *pause);
/* A try begins, or there is nothing to try: the next one is not before a pause. */
void device_pause_begin(struct device_pause *pause, int64_t now_ns);
/* Queries go to the edge, perhaps because a try helped: the next pause is short again. */
void device_pause_shorten(struct device_pause *pause);

/* ---- Both ---- */

/* What a query may try. */
struct device_chance {
    /* It goes to the edge otherwise. */
    bool is_remote;
    /* The edge runs some layers; `hopes`: it would be faster with them, were it and the link as
     * good as may be hoped. */
    bool has_edge;
    bool hopes;
    /* As the edge came up, a number; and now. */
    uint64_t connection;
    int64_t now_ns;
    /* What it is predicted to take without a try, and on the device alone. */
    double best_ns;
    double alone_ns;
};

/* Whether and what to try.
 *
 * While queries stay on the device, the edge is tried with what might be hoped of it. Where even
 * that would not be faster, nothing, but after the longest pause everything that the edge can run:
 * an estimate may be so wrong that no hope reaches beyond it, and only an answer mends it. While
 * they do not, the device: its own times may be too long, since its first runs are cold, or
 * something else ran as well. `*out_could_try`: the device alone could be tried, and is not. */
device_try device_explore_choose(const struct device_explore *explore, struct device_pause *pause,
                                 const struct device_chance *chance, bool *out_could_try);

#endif
