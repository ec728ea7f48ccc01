#include "net/plan/ll_path.h"

#include <math.h>
#include <stdlib.h>

/* How the shortest way to the two nodes at a border comes there. */
struct arrival {
    /* To the device: from the edge, at the same border. */
    bool device_by_down;
    /* To the edge: from the device, at the same border. */
    bool edge_by_up;
};

static int64_t edge_ns(const struct ll_link *link, const struct ll_chain_element *element,
                       double share)
{
    int64_t upload_ns = ll_link_bytes_ns(link, element->weight_bytes) + element->create_ns;
    return ll_predict_edge_ns(link, element) + llround(share * (double)upload_ns);
}

/* Goes back from the last device node and marks what ran on the edge. */
static void trace(const struct arrival *arrivals, int count, bool *out_on_edge)
{
    bool on_edge = false;
    for (int i = count; i > 0; i--) {
        if (on_edge) {
            on_edge = !arrivals[i].edge_by_up;
        } else {
            on_edge = arrivals[i].device_by_down;
        }
        out_on_edge[i - 1] = on_edge;
    }
}

ll_status ll_path_find(const struct ll_chain *chain, const struct ll_link *link, double share,
                       bool *out_on_edge)
{
    int count = chain->count;
    struct arrival *arrivals = calloc((size_t)count + 1, sizeof(*arrivals));
    if (!arrivals) {
        return LL_E_NO_MEMORY;
    }
    /* The shortest ways to the two nodes at border i. */
    int64_t device_way_ns = 0;
    int64_t edge_way_ns = ll_predict_up_ns(link, &chain->elements[0]);
    for (int i = 0; i < count; i++) {
        const struct ll_chain_element *element = &chain->elements[i];
        int64_t run_device_ns = device_way_ns + element->device_ns;
        int64_t run_edge_ns = edge_way_ns + edge_ns(link, element, share);
        int64_t down_ns = run_edge_ns + ll_predict_down_ns(link, element);
        arrivals[i + 1].device_by_down = down_ns < run_device_ns;
        device_way_ns = down_ns < run_device_ns ? down_ns : run_device_ns;
        edge_way_ns = run_edge_ns;
        if (i < count - 1) {
            int64_t up_ns = run_device_ns + ll_predict_up_ns(link, element + 1);
            arrivals[i + 1].edge_by_up = up_ns <= run_edge_ns;
            edge_way_ns = up_ns <= run_edge_ns ? up_ns : run_edge_ns;
        }
    }
    trace(arrivals, count, out_on_edge);
    free(arrivals);
    return LL_OK;
}
