#include "device/edge_link/device_next_edge.h"

#include "core/ll_clock.h"

#define NEXT_EDGE_FIRST_PAUSE_NS (100 * LL_NS_PER_MS)
#define NEXT_EDGE_LONGEST_PAUSE_NS (500 * LL_NS_PER_MS)
#define NEXT_EDGE_REFUSAL_PAUSE_NS (5 * LL_NS_PER_S)
#define NEXT_EDGE_DISTRUST_PAUSE_NS (60 * LL_NS_PER_S)
#define NEXT_EDGE_LEAST_WAIT_MS 100
#define NEXT_EDGE_LONGEST_WAIT_MS 60000

void device_next_edge_init(struct device_next_edge *next, int edge_count)
{
    *next =
        (struct device_next_edge){.edge_count = edge_count, .pause_ns = NEXT_EDGE_FIRST_PAUSE_NS};
}

void device_next_edge_reached(struct device_next_edge *next)
{
    next->failures = 0;
    next->pause_ns = NEXT_EDGE_FIRST_PAUSE_NS;
    next->left_until_ns[next->current] = 0;
    next->is_refused[next->current] = false;
}

void device_next_edge_distrust(struct device_next_edge *next, int64_t now_ns)
{
    next->left_until_ns[next->current] = ll_clock_deadline(now_ns, NEXT_EDGE_DISTRUST_PAUSE_NS);
    next->is_refused[next->current] = true;
}

/* The current edge could not be had. */
static int64_t go_on(struct device_next_edge *next, int64_t now_ns)
{
    next->failures++;
    int64_t at_ns = now_ns;
    if (next->failures % next->edge_count == 0) {
        at_ns = ll_clock_deadline(now_ns, next->pause_ns);
        next->pause_ns = 2 * next->pause_ns < NEXT_EDGE_LONGEST_PAUSE_NS
                             ? 2 * next->pause_ns
                             : NEXT_EDGE_LONGEST_PAUSE_NS;
    }
    /* The next one in turn that may be tried then, or else the one that may be tried first. */
    int best = next->current;
    for (int i = next->edge_count; i > 0; i--) {
        int edge = (next->current + i) % next->edge_count;
        bool is_free = next->left_until_ns[edge] <= at_ns;
        bool is_best_free = next->left_until_ns[best] <= at_ns;
        if (is_free || (!is_best_free && next->left_until_ns[edge] < next->left_until_ns[best])) {
            best = edge;
        }
    }
    next->current = best;
    return at_ns > next->left_until_ns[best] ? at_ns : next->left_until_ns[best];
}

int64_t device_next_edge_failed(struct device_next_edge *next, bool is_refusal, int64_t now_ns)
{
    if (is_refusal) {
        next->left_until_ns[next->current] = ll_clock_deadline(now_ns, NEXT_EDGE_REFUSAL_PAUSE_NS);
        next->is_refused[next->current] = true;
    }
    return go_on(next, now_ns);
}

int64_t device_next_edge_busy(struct device_next_edge *next, int64_t wait_ns, int64_t now_ns)
{
    next->left_until_ns[next->current] = ll_clock_deadline(now_ns, wait_ns);
    next->is_refused[next->current] = false;
    return go_on(next, now_ns);
}

int64_t device_next_edge_wait_ns(int64_t retry_ms, uint32_t random)
{
    int64_t ms = retry_ms < NEXT_EDGE_LEAST_WAIT_MS     ? NEXT_EDGE_LEAST_WAIT_MS
                 : retry_ms > NEXT_EDGE_LONGEST_WAIT_MS ? NEXT_EDGE_LONGEST_WAIT_MS
                                                        : retry_ms;
    return ms * LL_NS_PER_MS + ms * (int64_t)(random % 1000) * (LL_NS_PER_MS / 2000);
}

bool device_next_edge_is_refused(const struct device_next_edge *next)
{
    for (int i = 0; i < next->edge_count; i++) {
        if (!next->is_refused[i]) {
            return false;
        }
    }
    return true;
}
