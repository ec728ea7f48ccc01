/* When an edge's silence means that it is gone.
 *
 * Silence counts only while the edge owes something: acknowledgements of an upload, or a query's
 * answer. Half-way through its patience the device asks something that an edge answers at once,
 * whatever it computes; if still nothing at all comes, the edge, or the way there, is dead.
 * Patience is a second, or eight round trips where these are long, and four times what the link
 * needs for the bytes under way, since nothing can come sooner. Each silence on which the device
 * gave up without an answer since doubles it, so that a link that is merely far slower than it was
 * comes through in the end.
 *
 * A look that comes late counts as if it had come in time: then it was the device that slept.
 *
 * Threads: one at a time; the time is given, never read. */
#ifndef DEVICE_WATCH_H
#define DEVICE_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_clock.h"

/* Between two looks while the edge owes something. */
#define DEVICE_WATCH_TICK_NS (100 * LL_NS_PER_MS)
/* No patience is longer, but for the doubling. */
#define DEVICE_WATCH_MOST_NS (10 * LL_NS_PER_S)

struct device_watch {
    int64_t looked_ns;
    int64_t silent_ns;
    bool is_asked;
    int silences;
};

/* What the edge owes, and over which link; 0 for what is not known of it. */
struct device_debt {
    bool is_owed;
    int64_t under_way_bytes;
    int64_t rtt_ns;
    double bytes_per_s;
};

typedef enum {
    DEVICE_WATCH_FINE,
    /* Ask it something now; told once until it is heard. */
    DEVICE_WATCH_ASK,
    DEVICE_WATCH_SILENT,
} device_watch_verdict;

/* A zeroed watch is new. A connection begins, or the edge owes something again. */
void device_watch_begin(struct device_watch *watch, int64_t now_ns);
/* A new connection: what was heard before says nothing of it. */
void device_watch_connect(struct device_watch *watch, int64_t now_ns);
/* Something came. `is_debt`: what it owed. */
void device_watch_heard(struct device_watch *watch, bool is_debt);
device_watch_verdict device_watch_look(struct device_watch *watch, const struct device_debt *debt,
                                       int64_t now_ns);

/* How long this debt's edge may be silent. */
int64_t device_watch_patience_ns(const struct device_watch *watch, const struct device_debt *debt);

#endif
