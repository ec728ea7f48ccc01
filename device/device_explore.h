/* When to try what is predicted to be slower: an edge or a link that was slow once may be fast by
 * now, and so may the device, and only a query tells.
 *
 * Each query that does not try although it could pays a twentieth of its latency into a budget. A
 * try is made once the budget covers what it is predicted to lose, times a price; what it lost
 * indeed is paid from the budget. The price begins at 1, doubles with every try that lost, up to
 * 16, and is 1 again after one that gained. So trying costs a twentieth of the time at most, and
 * near a three-hundredth where it never helps.
 *
 * Threads: one at a time. */
#ifndef DEVICE_EXPLORE_H
#define DEVICE_EXPLORE_H

#include <stdbool.h>

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
/* A try took `latency_ns`; without, the query was predicted to take `best_ns`. */
void device_explore_tried(struct device_explore *explore, double best_ns, double latency_ns);

#endif
