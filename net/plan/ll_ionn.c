#include "net/plan/ll_ionn.h"

#include <stdlib.h>

#include "net/plan/ll_path.h"

/* From this penalty on nothing of the upload counts. */
static const double last_k = 0.999;

/* The partitions so far. */
struct ionn {
    const struct ll_chain *chain;
    bool *taken;
    struct ll_span *spans;
    int count;
};

/* Takes the elements with `wanted` (all where it is NULL) that are not taken yet, a partition for
 * each run of neighbours. */
static void take_new(struct ionn *ionn, const bool *wanted)
{
    bool goes_on = false;
    for (int i = 0; i < ionn->chain->count; i++) {
        bool is_new = !ionn->taken[i] && (!wanted || wanted[i]);
        if (is_new && goes_on) {
            ionn->spans[ionn->count - 1].end = i + 1;
        } else if (is_new) {
            ionn->spans[ionn->count++] = (struct ll_span){i, i + 1};
        }
        ionn->taken[i] = ionn->taken[i] || is_new;
        goes_on = is_new;
    }
}

ll_status ll_ionn_partition(const struct ll_chain *chain, const struct ll_link *link,
                            double penalty, struct ll_span *out_spans, int *out_count)
{
    struct ionn ionn = {.chain = chain, .spans = out_spans};
    bool *on_edge = calloc((size_t)chain->count, sizeof(bool));
    ionn.taken = calloc((size_t)chain->count, sizeof(bool));
    ll_status status = on_edge && ionn.taken ? LL_OK : LL_E_NO_MEMORY;
    bool is_last = false;
    for (double share = 1; status == LL_OK && !is_last; share *= penalty) {
        is_last = 1 - share > last_k;
        status = ll_path_find(chain, link, is_last ? 0 : share, on_edge);
        if (status == LL_OK) {
            take_new(&ionn, on_edge);
        }
    }
    if (status == LL_OK) {
        take_new(&ionn, NULL);
        *out_count = ionn.count;
    }
    free(on_edge);
    free(ionn.taken);
    return status;
}
