#include "device/device_explore.h"

#include <math.h>

#define EXPLORE_PART 0.05
#define EXPLORE_MOST_PRICE 16.0

void device_explore_init(struct device_explore *explore)
{
    *explore = (struct device_explore){.price = 1};
}

bool device_explore_wants(const struct device_explore *explore, double best_ns, double try_ns)
{
    return explore->budget_ns > explore->price * (try_ns - best_ns);
}

void device_explore_stayed(struct device_explore *explore, double latency_ns)
{
    explore->budget_ns += EXPLORE_PART * fmax(latency_ns, 0);
}

void device_explore_tried(struct device_explore *explore, double best_ns, double latency_ns)
{
    double lost_ns = latency_ns - best_ns;
    /* Nothing is saved up for later: that would be tries one after the other. */
    explore->budget_ns = fmin(explore->budget_ns - fmax(lost_ns, 0), 0);
    explore->price = lost_ns > 0 ? fmin(2 * explore->price, EXPLORE_MOST_PRICE) : 1;
}
