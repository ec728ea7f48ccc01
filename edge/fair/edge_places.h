/* Places of which there is a bounded number, and who has to leave one: nobody keeps others out by
 * holding places that he does not use.
 *
 * Who makes no progress for `idle_ns` has to leave. When all places are taken, a newcomer gets that
 * of the holder without progress for longest, if that is at least `patience_ns`; or else, where one
 * peer holds more than half of all places and the newcomer is another, that peer's. So a peer has
 * as many as it likes while others do not want them, and half of them when they do.
 *
 * The holder's owner does what leaving takes. Times are ll_clock.h's, given by the caller.
 *
 * Threads: one at a time. */
#ifndef EDGE_PLACES_H
#define EDGE_PLACES_H

#include <stdbool.h>
#include <stdint.h>

#include "edge/fair/edge_peer.h"

/* Progress is so many bytes; fewer do not count, so that a place is not kept by a byte now and
 * then. */
enum { EDGE_PLACES_STEP_BYTES = 8 << 10 };

/* Embedded in its holder; zeroed where it is not held. */
struct edge_place {
    struct edge_peer peer;
    int64_t progress_ns;
    bool is_held;
    /* Private. */
    int64_t step_bytes;
    struct edge_place *older;
    struct edge_place *newer;
};

struct edge_places {
    int most;
    int64_t idle_ns;
    int64_t patience_ns;
    int count;
    /* In order of progress. */
    struct edge_place *oldest;
    struct edge_place *newest;
};

void edge_places_init(struct edge_places *places, int most, int64_t idle_ns, int64_t patience_ns);

bool edge_places_is_full(const struct edge_places *places);
/* Takes a place, whether or not there is room: the caller asks before. */
void edge_places_take(struct edge_places *places, struct edge_place *place,
                      const struct edge_peer *peer, int64_t now_ns);
/* Harmless where it is not held. */
void edge_places_leave(struct edge_places *places, struct edge_place *place);
/* `bytes` came. Harmless where the place is not held. */
void edge_places_progress(struct edge_places *places, struct edge_place *place, int64_t bytes,
                          int64_t now_ns);

/* Who has to leave so that `newcomer` gets a place; NULL where the newcomer has to wait. */
struct edge_place *edge_places_giving_way(const struct edge_places *places,
                                          const struct edge_peer *newcomer, int64_t now_ns);
/* One that has made no progress for too long, or NULL. */
struct edge_place *edge_places_expired(const struct edge_places *places, int64_t now_ns);
/* When there could be one; LL_CLOCK_NEVER where no place is held. */
int64_t edge_places_next_ns(const struct edge_places *places);

#endif
