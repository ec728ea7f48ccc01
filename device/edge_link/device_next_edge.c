#include "device/edge_link/device_next_edge.h"

#include "core/ll_clock.h"

#define ROUTE_FIRST_PAUSE_NS (100 * LL_NS_PER_MS)
#define ROUTE_LONGEST_PAUSE_NS (500 * LL_NS_PER_MS)
#define ROUTE_REFUSAL_PAUSE_NS (5 * LL_NS_PER_S)
#define ROUTE_DISTRUST_PAUSE_NS (60 * LL_NS_PER_S)
#define ROUTE_LEAST_WAIT_MS 100
#define ROUTE_LONGEST_WAIT_MS 60000

void device_next_edge_init(struct device_next_edge *route, int edge_count)
{
    *route = (struct device_next_edge){.edge_count = edge_count, .pause_ns = ROUTE_FIRST_PAUSE_NS};
}

void device_next_edge_reached(struct device_next_edge *route)
{
    route->failures = 0;
    route->pause_ns = ROUTE_FIRST_PAUSE_NS;
    route->left_until_ns[route->current] = 0;
    route->is_refused[route->current] = false;
}

void device_next_edge_distrust(struct device_next_edge *route, int64_t now_ns)
{
    route->left_until_ns[route->current] = ll_clock_deadline(now_ns, ROUTE_DISTRUST_PAUSE_NS);
    route->is_refused[route->current] = true;
}

/* The current edge could not be had. */
static int64_t go_on(struct device_next_edge *route, int64_t now_ns)
{
    route->failures++;
    int64_t at_ns = now_ns;
    if (route->failures % route->edge_count == 0) {
        at_ns = ll_clock_deadline(now_ns, route->pause_ns);
        route->pause_ns = 2 * route->pause_ns < ROUTE_LONGEST_PAUSE_NS ? 2 * route->pause_ns
                                                                       : ROUTE_LONGEST_PAUSE_NS;
    }
    /* The next one in turn that may be tried then, or else the one that may be tried first. */
    int best = route->current;
    for (int i = route->edge_count; i > 0; i--) {
        int edge = (route->current + i) % route->edge_count;
        bool is_free = route->left_until_ns[edge] <= at_ns;
        bool is_best_free = route->left_until_ns[best] <= at_ns;
        if (is_free || (!is_best_free && route->left_until_ns[edge] < route->left_until_ns[best])) {
            best = edge;
        }
    }
    route->current = best;
    return at_ns > route->left_until_ns[best] ? at_ns : route->left_until_ns[best];
}

int64_t device_next_edge_failed(struct device_next_edge *route, bool is_refusal, int64_t now_ns)
{
    if (is_refusal) {
        route->left_until_ns[route->current] = ll_clock_deadline(now_ns, ROUTE_REFUSAL_PAUSE_NS);
        route->is_refused[route->current] = true;
    }
    return go_on(route, now_ns);
}

int64_t device_next_edge_busy(struct device_next_edge *route, int64_t wait_ns, int64_t now_ns)
{
    route->left_until_ns[route->current] = ll_clock_deadline(now_ns, wait_ns);
    route->is_refused[route->current] = false;
    return go_on(route, now_ns);
}

int64_t device_next_edge_wait_ns(int64_t retry_ms, uint32_t random)
{
    int64_t ms = retry_ms < ROUTE_LEAST_WAIT_MS     ? ROUTE_LEAST_WAIT_MS
                 : retry_ms > ROUTE_LONGEST_WAIT_MS ? ROUTE_LONGEST_WAIT_MS
                                                    : retry_ms;
    return ms * LL_NS_PER_MS + ms * (int64_t)(random % 1000) * (LL_NS_PER_MS / 2000);
}

bool device_next_edge_is_refused(const struct device_next_edge *route)
{
    for (int i = 0; i < route->edge_count; i++) {
        if (!route->is_refused[i]) {
            return false;
        }
    }
    return true;
}
