#include "edge/fair/edge_places.h"

#include <stddef.h>

#include "core/ll_clock.h"

void edge_places_init(struct edge_places *places, int most, int64_t idle_ns, int64_t patience_ns)
{
    *places = (struct edge_places){.most = most, .idle_ns = idle_ns, .patience_ns = patience_ns};
}

bool edge_places_is_full(const struct edge_places *places)
{
    return places->count >= places->most;
}

static void append(struct edge_places *places, struct edge_place *place)
{
    place->older = places->newest;
    place->newer = NULL;
    if (places->newest) {
        places->newest->newer = place;
    } else {
        places->oldest = place;
    }
    places->newest = place;
}

static void take_out(struct edge_places *places, struct edge_place *place)
{
    if (place->older) {
        place->older->newer = place->newer;
    } else {
        places->oldest = place->newer;
    }
    if (place->newer) {
        place->newer->older = place->older;
    } else {
        places->newest = place->older;
    }
}

void edge_places_take(struct edge_places *places, struct edge_place *place,
                      const struct edge_peer *peer, int64_t now_ns)
{
    *place = (struct edge_place){.peer = *peer, .progress_ns = now_ns, .is_held = true};
    append(places, place);
    places->count++;
}

void edge_places_leave(struct edge_places *places, struct edge_place *place)
{
    if (place->is_held) {
        take_out(places, place);
        places->count--;
        *place = (struct edge_place){.is_held = false};
    }
}

void edge_places_progress(struct edge_places *places, struct edge_place *place, int64_t bytes,
                          int64_t now_ns)
{
    if (!place->is_held) {
        return;
    }
    place->step_bytes += bytes;
    if (place->step_bytes >= EDGE_PLACES_STEP_BYTES) {
        place->step_bytes = 0;
        place->progress_ns = now_ns;
        take_out(places, place);
        append(places, place);
    }
}

/* The peer that holds more than half of all places, as its oldest place; NULL where there is none.
 * Boyer and Moore's majority vote, then a count. */
static struct edge_place *majority(const struct edge_places *places)
{
    struct edge_place *candidate = NULL;
    int votes = 0;
    for (struct edge_place *at = places->oldest; at; at = at->newer) {
        if (votes == 0) {
            candidate = at;
        }
        votes += edge_peer_equal(&at->peer, &candidate->peer) ? 1 : -1;
    }
    int held = 0;
    struct edge_place *first = NULL;
    for (struct edge_place *at = places->oldest; at; at = at->newer) {
        if (edge_peer_equal(&at->peer, &candidate->peer)) {
            held++;
            first = first ? first : at;
        }
    }
    return 2 * held > places->most ? first : NULL;
}

struct edge_place *edge_places_giving_way(const struct edge_places *places,
                                          const struct edge_peer *newcomer, int64_t now_ns)
{
    struct edge_place *oldest = places->oldest;
    if (oldest && now_ns - oldest->progress_ns >= places->patience_ns) {
        return oldest;
    }
    struct edge_place *greedy = majority(places);
    return greedy && !edge_peer_equal(&greedy->peer, newcomer) ? greedy : NULL;
}

struct edge_place *edge_places_expired(const struct edge_places *places, int64_t now_ns)
{
    return edge_places_next_ns(places) <= now_ns ? places->oldest : NULL;
}

int64_t edge_places_next_ns(const struct edge_places *places)
{
    return places->oldest ? ll_clock_deadline(places->oldest->progress_ns, places->idle_ns)
                          : LL_CLOCK_NEVER;
}
