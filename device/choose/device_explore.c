#include "device/choose/device_explore.h"

#include <math.h>

#include "core/ll_clock.h"

#define EXPLORE_PART 0.05
#define EXPLORE_MOST_PRICE 16.0
#define EXPLORE_BETTER 0.75
/* A try of the device is for layers that have become this much faster than they are taken for. */
#define EXPLORE_DEVICE_HOPE 2.0
#define EXPLORE_FIRST_PAUSE_NS LL_NS_PER_S
#define EXPLORE_LONGEST_PAUSE_NS (60 * LL_NS_PER_S)

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

void device_explore_tried(struct device_explore *explore, double best_ns, double try_ns,
                          double latency_ns)
{
    double lost_ns = latency_ns - best_ns;
    /* Nothing is saved up for later: that would be tries one after the other. */
    explore->budget_ns = fmin(explore->budget_ns - fmax(lost_ns, 0), 0);
    if (lost_ns <= 0) {
        explore->price = 1;
    } else if (lost_ns > EXPLORE_BETTER * (try_ns - best_ns)) {
        explore->price = fmin(2 * explore->price, EXPLORE_MOST_PRICE);
    }
}

void device_pause_init(struct device_pause *pause)
{
    *pause = (struct device_pause){.length_ns = EXPLORE_FIRST_PAUSE_NS};
}

bool device_pause_is_over(struct device_pause *pause, uint64_t connection, int64_t now_ns)
{
    if (pause->connection != connection) {
        device_pause_init(pause);
        pause->connection = connection;
    }
    return now_ns >= pause->until_ns;
}

bool device_pause_is_longest(const struct device_pause *pause)
{
    return pause->length_ns >= EXPLORE_LONGEST_PAUSE_NS;
}

void device_pause_begin(struct device_pause *pause, int64_t now_ns)
{
    pause->until_ns = now_ns + pause->length_ns;
    pause->length_ns = 2 * pause->length_ns < EXPLORE_LONGEST_PAUSE_NS ? 2 * pause->length_ns
                                                                       : EXPLORE_LONGEST_PAUSE_NS;
}

void device_pause_shorten(struct device_pause *pause)
{
    pause->length_ns = EXPLORE_FIRST_PAUSE_NS;
}

device_try device_explore_choose(const struct device_explore *explore, struct device_pause *pause,
                                 const struct device_chance *chance, bool *out_could_try)
{
    device_try tries = DEVICE_TRY_NOTHING;
    bool could_try = false;
    bool is_pause_over = device_pause_is_over(pause, chance->connection, chance->now_ns);
    if (chance->is_remote) {
        device_pause_shorten(pause);
        could_try = chance->alone_ns < EXPLORE_DEVICE_HOPE * chance->best_ns;
        if (could_try && device_explore_wants(explore, chance->best_ns, chance->alone_ns)) {
            could_try = false;
            tries = DEVICE_TRY_DEVICE;
        }
    } else if (chance->has_edge && is_pause_over) {
        if (chance->hopes || device_pause_is_longest(pause)) {
            tries = DEVICE_TRY_EDGE;
        }
        device_pause_begin(pause, chance->now_ns);
    }
    *out_could_try = could_try;
    return tries;
}
