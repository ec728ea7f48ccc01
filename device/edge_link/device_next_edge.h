/* Which of several edges to try next, and when.
 *
 * After a failure the next address is tried at once; when all have failed, a pause comes that grows
 * from 100 ms to half a second, so that an edge that returns is found within about that time. An
 * edge that refuses (it answers, but does not take the model) is left alone for five seconds, one
 * that answers wrongly for a minute, one that is busy for as long as it says.
 *
 * Threads: one at a time; the time is given, never read. */
#ifndef DEVICE_NEXT_EDGE_H
#define DEVICE_NEXT_EDGE_H

#include <stdbool.h>
#include <stdint.h>

enum { DEVICE_NEXT_EDGE_EDGES = 64 };

struct device_next_edge {
    int edge_count;
    int current;
    /* Failures since an edge was reached. */
    int failures;
    int64_t pause_ns;
    /* When the edge may be tried; and whether it has refused since it was last reached or busy. */
    int64_t left_until_ns[DEVICE_NEXT_EDGE_EDGES];
    bool is_refused[DEVICE_NEXT_EDGE_EDGES];
};

/* 1 to DEVICE_NEXT_EDGE_EDGES edges; the first one is current. */
void device_next_edge_init(struct device_next_edge *next, int edge_count);

/* The current edge is reached: pauses begin short again. */
void device_next_edge_reached(struct device_next_edge *next);

/* The current edge failed or, with `is_refusal`, refused. Makes the next one current and returns
 * when to try it. */
int64_t device_next_edge_failed(struct device_next_edge *next, bool is_refusal, int64_t now_ns);

/* The same where the current edge is busy and is to be asked again after `wait_ns`. */
int64_t device_next_edge_busy(struct device_next_edge *next, int64_t wait_ns, int64_t now_ns);

/* The current edge is not to be believed: call it right before device_next_edge_failed. */
void device_next_edge_distrust(struct device_next_edge *next, int64_t now_ns);

/* How long to wait for an edge that says `retry_ms`: at least that, within 0.1 and 60 s, and up to
 * half of it more, as `random` says, so that those who were refused together do not come back
 * together. */
int64_t device_next_edge_wait_ns(int64_t retry_ms, uint32_t random);

/* Every edge has refused, or is not to be believed. */
bool device_next_edge_is_refused(const struct device_next_edge *next);

#endif
