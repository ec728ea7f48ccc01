/* The best candidate of each start is kept. Taking a range changes the candidates of two starts'
 * kinds only: those of the same run before it (they reach less far, and may touch it), and the one
 * right behind it (which touches it now). */
#include "net/plan/ll_efficiency.h"

#include <stdlib.h>

#include "net/plan/ll_path.h"

static const double path_share = 0.001;

/* A range [first, end) that could be taken; none where they are equal. */
struct candidate {
    struct ll_span span;
    int64_t gain_ns;
    int64_t bytes;
};

/* What is known about the border before an element, and the element. */
struct place {
    /* Sums over the elements before: device less edge time, bytes of weights. */
    int64_t saved_ns;
    int64_t bytes;
    /* The element's transfers. */
    int64_t up_ns;
    int64_t down_ns;
    /* On the path and not taken; taken. */
    bool is_open;
    bool is_taken;
};

struct efficiency {
    const struct ll_link *link;
    int count;
    /* count + 1: the last has the sums alone. */
    struct place *places;
    /* By start: the most efficient candidate that begins there. */
    struct candidate *best;
    struct ll_span *spans;
    int span_count;
};

static struct candidate candidate_of(const struct efficiency *efficiency, int first, int end)
{
    const struct place *places = efficiency->places;
    struct candidate candidate = {
        .span = {first, end},
        .gain_ns = places[end].saved_ns - places[first].saved_ns,
        .bytes = places[end].bytes - places[first].bytes,
    };
    bool touches_before = first > 0 && places[first - 1].is_taken;
    bool touches_after = places[end].is_taken;
    candidate.gain_ns += touches_before ? places[first - 1].down_ns : -places[first].up_ns;
    candidate.gain_ns += touches_after ? places[end].up_ns : -places[end - 1].down_ns;
    return candidate;
}

static int sign(int64_t value)
{
    return (value > 0) - (value < 0);
}

/* Whether `a` is more efficient than `b`; anything is more efficient than none. Multiplied
 * crosswise, which orders the infinities too as long as the signs are equal; the limits on a chain
 * keep the products within 2^96. */
static bool is_better(const struct candidate *a, const struct candidate *b)
{
    if (b->span.first == b->span.end) {
        return true;
    }
    if (sign(a->gain_ns) != sign(b->gain_ns)) {
        return sign(a->gain_ns) > sign(b->gain_ns);
    }
    return (__int128)a->gain_ns * b->bytes > (__int128)b->gain_ns * a->bytes;
}

/* Finds again what is best from `first` on. */
static void renew_best(struct efficiency *efficiency, int first)
{
    struct candidate best = {.span = {first, first}};
    for (int end = first + 1; efficiency->places[end - 1].is_open; end++) {
        struct candidate candidate = candidate_of(efficiency, first, end);
        if (is_better(&candidate, &best)) {
            best = candidate;
        }
    }
    efficiency->best[first] = best;
}

static void take(struct efficiency *efficiency, struct ll_span span)
{
    efficiency->spans[efficiency->span_count++] = span;
    for (int i = span.first; i < span.end; i++) {
        efficiency->places[i].is_open = false;
        efficiency->places[i].is_taken = true;
        efficiency->best[i] = (struct candidate){.span = {i, i}};
    }
    for (int i = span.first - 1; i >= 0 && efficiency->places[i].is_open; i--) {
        renew_best(efficiency, i);
    }
    renew_best(efficiency, span.end);
}

/* Step 1: the largest gain less the time of the upload. */
static void take_first(struct efficiency *efficiency)
{
    struct ll_span best = {0, 0};
    int64_t best_ns = 0;
    for (int first = 0; first < efficiency->count; first++) {
        for (int end = first + 1; efficiency->places[end - 1].is_open; end++) {
            struct candidate candidate = candidate_of(efficiency, first, end);
            int64_t net_ns =
                candidate.gain_ns - ll_link_bytes_ns(efficiency->link, candidate.bytes);
            if (net_ns > best_ns) {
                best_ns = net_ns;
                best = candidate.span;
            }
        }
    }
    if (best.end > best.first) {
        take(efficiency, best);
    }
}

/* The most efficient range within `whole` that has other bytes and shortens a query; none where
 * there is none. */
static struct candidate best_within(const struct efficiency *efficiency,
                                    const struct candidate *whole)
{
    struct candidate best = {0};
    for (int first = whole->span.first; first < whole->span.end; first++) {
        for (int end = first + 1; end <= whole->span.end; end++) {
            struct candidate candidate = candidate_of(efficiency, first, end);
            if (candidate.bytes != whole->bytes && candidate.gain_ns > 0 &&
                is_better(&candidate, &best)) {
                best = candidate;
            }
        }
    }
    return best;
}

/* Step 2. */
static void take_by_efficiency(struct efficiency *efficiency)
{
    for (;;) {
        struct candidate best = {0};
        for (int first = 0; first < efficiency->count; first++) {
            const struct candidate *candidate = &efficiency->best[first];
            if (candidate->span.end > first && is_better(candidate, &best)) {
                best = *candidate;
            }
        }
        if (best.span.end == best.span.first) {
            return;
        }
        for (struct candidate inner = best; inner.span.end > inner.span.first;
             inner = best_within(efficiency, &best)) {
            best = inner;
        }
        take(efficiency, best.span);
    }
}

/* Step 3. */
static void take_rest(struct efficiency *efficiency)
{
    for (int first = 0; first < efficiency->count; first++) {
        int end = first;
        while (end < efficiency->count && !efficiency->places[end].is_taken) {
            end++;
        }
        if (end > first) {
            take(efficiency, (struct ll_span){first, end});
            first = end;
        }
    }
}

static void fill_places(struct efficiency *efficiency, const struct ll_chain *chain,
                        const bool *on_path)
{
    for (int i = 0; i < chain->count; i++) {
        const struct ll_chain_element *element = &chain->elements[i];
        struct place *place = &efficiency->places[i];
        int64_t saved_ns = element->device_ns - ll_predict_edge_ns(efficiency->link, element);
        place->up_ns = ll_predict_up_ns(efficiency->link, element);
        place->down_ns = ll_predict_down_ns(efficiency->link, element);
        place->is_open = on_path[i];
        place[1].saved_ns = place->saved_ns + saved_ns;
        place[1].bytes = place->bytes + element->weight_bytes;
    }
}

ll_status ll_efficiency_partition(const struct ll_chain *chain, const struct ll_link *link,
                                  struct ll_span *out_spans, int *out_count)
{
    struct efficiency efficiency = {.link = link, .count = chain->count, .spans = out_spans};
    size_t places = (size_t)chain->count + 1;
    bool *on_path = calloc(places, sizeof(bool));
    efficiency.places = calloc(places, sizeof(*efficiency.places));
    efficiency.best = calloc(places, sizeof(*efficiency.best));
    ll_status status = on_path && efficiency.places && efficiency.best ? LL_OK : LL_E_NO_MEMORY;
    if (status == LL_OK) {
        status = ll_path_find(chain, link, path_share, on_path);
    }
    if (status == LL_OK) {
        fill_places(&efficiency, chain, on_path);
        for (int i = 0; i < chain->count; i++) {
            renew_best(&efficiency, i);
        }
        take_first(&efficiency);
        take_by_efficiency(&efficiency);
        take_rest(&efficiency);
        *out_count = efficiency.span_count;
    }
    free(on_path);
    free(efficiency.places);
    free(efficiency.best);
    return status;
}
