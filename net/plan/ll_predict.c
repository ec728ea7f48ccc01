#include "net/plan/ll_predict.h"

#include <assert.h>
#include <math.h>

#include "core/ll_limits.h"

ll_status ll_link_check(const struct ll_link *link, struct ll_error *err)
{
    if (!(link->bytes_per_s >= LL_LIMIT_LINK_BYTES_PER_S_MIN &&
          link->bytes_per_s <= LL_LIMIT_LINK_BYTES_PER_S_MAX)) {
        return ll_fail(err, LL_E_INVALID, "a bandwidth of %g bytes/s is not from %g to %g",
                       link->bytes_per_s, LL_LIMIT_LINK_BYTES_PER_S_MIN,
                       LL_LIMIT_LINK_BYTES_PER_S_MAX);
    }
    if (link->round_trip_ns < 0 || link->round_trip_ns > LL_LIMIT_ROUND_TRIP_NS) {
        return ll_fail(err, LL_E_INVALID, "a round trip of %lld ns is not from 0 to %lld",
                       (long long)link->round_trip_ns, (long long)LL_LIMIT_ROUND_TRIP_NS);
    }
    return LL_OK;
}

int64_t ll_link_bytes_ns(const struct ll_link *link, int64_t bytes)
{
    return llround((double)bytes * 1e9 / link->bytes_per_s);
}

int64_t ll_predict_edge_ns(const struct ll_link *link, const struct ll_chain_element *element)
{
    return element->edge_ns + ll_link_bytes_ns(link, element->early_bytes);
}

int64_t ll_predict_up_ns(const struct ll_link *link, const struct ll_chain_element *element)
{
    return ll_link_bytes_ns(link, element->input_bytes) + link->round_trip_ns / 2;
}

int64_t ll_predict_down_ns(const struct ll_link *link, const struct ll_chain_element *element)
{
    return ll_link_bytes_ns(link, element->output_bytes) + link->round_trip_ns / 2;
}

int64_t ll_predict_query_ns(const struct ll_chain *chain, const struct ll_link *link,
                            const bool *on_edge)
{
    int64_t query_ns = 0;
    for (int i = 0; i < chain->count; i++) {
        const struct ll_chain_element *element = &chain->elements[i];
        if (!on_edge[i]) {
            query_ns += element->device_ns;
            continue;
        }
        query_ns += ll_predict_edge_ns(link, element);
        if (i == 0 || !on_edge[i - 1]) {
            query_ns += ll_predict_up_ns(link, element);
        }
        if (i == chain->count - 1 || !on_edge[i + 1]) {
            query_ns += ll_predict_down_ns(link, element);
        }
    }
    return query_ns;
}

struct ll_cut ll_predict_best_cut(const struct ll_chain *chain, const struct ll_link *link,
                                  int prefix)
{
    assert(prefix >= 0 && prefix <= chain->count);
    int64_t all_device_ns = 0;
    for (int i = 0; i < chain->count; i++) {
        all_device_ns += chain->elements[i].device_ns;
    }
    struct ll_cut best = {.query_ns = all_device_ns};
    /* The query so far, with the range on the edge begun at the best place, less what the device
     * alone would have taken so far. */
    int64_t begun_ns = 0;
    int begun = -1;
    for (int i = 0; i < prefix; i++) {
        const struct ll_chain_element *element = &chain->elements[i];
        int64_t up_ns = ll_predict_up_ns(link, element);
        if (begun < 0 || up_ns < begun_ns) {
            begun = i;
            begun_ns = up_ns;
        }
        begun_ns += ll_predict_edge_ns(link, element) - element->device_ns;
        int64_t query_ns = all_device_ns + begun_ns + ll_predict_down_ns(link, element);
        if (query_ns < best.query_ns) {
            best = (struct ll_cut){begun, i + 1, query_ns};
        }
    }
    return best;
}
