/* Which of several edges to try next, and when.
 *
 * After a failure the next address is tried at once; when all have failed, a pause comes that grows
 * from 100 ms to half a second, so that an edge that returns is found within about that time. An
 * edge that refuses (it answers, but does not take the model) is left alone for five seconds, one
 * that answers wrongly for a minute.
 *
 * Threads: one at a time; the time is given, never read. */
#ifndef DEVICE_ROUTE_H
#define DEVICE_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

enum { DEVICE_ROUTE_EDGES = 64 };

struct device_route {
    int edge_count;
    int current;
    /* Failures since an edge was reached. */
    int failures;
    int64_t pause_ns;
    /* 0: it has not refused since it was last reached. */
    int64_t refused_until_ns[DEVICE_ROUTE_EDGES];
};

/* 1 to DEVICE_ROUTE_EDGES edges; the first one is current. */
void device_route_init(struct device_route *route, int edge_count);

/* The current edge is reached: pauses begin short again. */
void device_route_reached(struct device_route *route);

/* The current edge failed or, with `is_refusal`, refused. Makes the next one current and returns
 * when to try it. */
int64_t device_route_failed(struct device_route *route, bool is_refusal, int64_t now_ns);

/* The current edge is not to be believed: call it right before device_route_failed. */
void device_route_distrust(struct device_route *route, int64_t now_ns);

/* Every edge has refused, or is not to be believed. */
bool device_route_is_refused(const struct device_route *route);

#endif
