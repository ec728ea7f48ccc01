#include "device/choose/device_plan.h"

#include <math.h>
#include <stdlib.h>

#include "core/ll_limits.h"
#include "device/choose/device_estimate.h"
#include "net/plan/ll_ionn.h"

/* ---- The chain ---- */

/* Layer times of device and edge, as planning wants them: within its limits. Where they are not,
 * all are scaled, since only their relation counts then. */
static void fill_times(const struct device_layer_times *times, double slowdown, int64_t *device_ns,
                       int64_t *edge_ns)
{
    int layers = device_layer_times_table(times)->layer_count;
    double sum_ns = 0;
    for (int i = 0; i < layers; i++) {
        int samples = 0;
        device_ns[i] = device_layer_times_ns(times, i, &samples);
        sum_ns += (double)device_ns[i] * slowdown;
    }
    double scale = slowdown * fmin(1, 0.5 * (double)LL_LIMIT_CHAIN_NS / fmax(sum_ns, 1));
    for (int i = 0; i < layers; i++) {
        double ns = (double)device_ns[i] * scale;
        device_ns[i] = (int64_t)ns;
        edge_ns[i] = (int64_t)(ns / DEVICE_ESTIMATE_EDGE_SPEED);
    }
}

/* What crosses counts as it is sent: between elements there is one tensor, and early outputs always
 * come as floats. */
static void encode(struct ll_chain *chain, const struct device_plan_terms *terms)
{
    const int64_t whole = sizeof(float);
    for (int i = 0; i < chain->count; i++) {
        struct ll_chain_element *element = &chain->elements[i];
        bool is_last = i == chain->count - 1;
        element->input_bytes =
            element->input_bytes / whole * (i == 0 ? terms->input_width : terms->cut_width);
        if (i == 0 && terms->input_bytes > 0 && terms->input_bytes < element->input_bytes) {
            element->input_bytes = terms->input_bytes;
        }
        element->output_bytes =
            element->output_bytes / whole * (is_last ? whole : terms->cut_width);
    }
}

static ll_status make_chain(const struct device_layer_times *times,
                            const struct device_plan_terms *terms, struct ll_chain *out_chain,
                            struct ll_error *err)
{
    const struct ll_table *table = device_layer_times_table(times);
    size_t layers = (size_t)table->layer_count;
    int64_t *device_ns = calloc(layers, sizeof(*device_ns));
    int64_t *edge_ns = calloc(layers, sizeof(*edge_ns));
    ll_status status = LL_E_NO_MEMORY;
    if (device_ns && edge_ns) {
        fill_times(times, terms->slowdown, device_ns, edge_ns);
        const struct ll_layer_times both = {.device_ns = device_ns, .edge_ns = edge_ns};
        status = ll_chain_make(table, &both, out_chain, err);
    } else {
        (void)ll_fail(err, status, "out of memory");
    }
    if (status == LL_OK) {
        encode(out_chain, terms);
    }
    free(device_ns);
    free(edge_ns);
    return status;
}

/* ---- The plan ---- */

/* The pieces of a partition: each takes as many groups as fit into `most_bytes`, one with weights
 * at least. Returns how many there are and, where `out_pieces` is not NULL, fills them in. */
static int divide(const struct ll_table *table, const struct ll_partition *whole,
                  int64_t most_bytes, struct ll_partition *out_pieces)
{
    int count = 0;
    struct ll_partition piece = {whole->first, whole->first};
    for (int cut = whole->first + 1; cut <= whole->end; cut++) {
        if (!ll_table_is_legal_cut(table, cut)) {
            continue;
        }
        struct ll_partition group = {piece.end, cut};
        int64_t bytes = ll_plan_partition_bytes(table, &piece);
        int64_t more = ll_plan_partition_bytes(table, &group);
        if (bytes > 0 && more > 0 && bytes + more > most_bytes) {
            if (out_pieces) {
                out_pieces[count] = piece;
            }
            count++;
            piece.first = piece.end;
        }
        piece.end = cut;
    }
    if (out_pieces) {
        out_pieces[count] = piece;
    }
    return count + 1;
}

/* How large a partition's pieces may be: where no query is predicted to gain from it, the
 * prediction says nothing about where to cut it. */
static int64_t most_bytes_of(const struct ll_chain *chain, const struct ll_link *link,
                             const struct ll_partition *partition)
{
    int before = 0;
    int after = 0;
    for (int i = 0; i < chain->count; i++) {
        before += chain->elements[i].end <= partition->first ? 1 : 0;
        after += chain->elements[i].end <= partition->end ? 1 : 0;
    }
    bool gains = ll_predict_best_cut(chain, link, after).query_ns <
                 ll_predict_best_cut(chain, link, before).query_ns;
    return gains ? DEVICE_PLAN_MOST_BYTES : 0;
}

static ll_status divide_all(const struct ll_table *table, const struct ll_chain *chain,
                            const struct ll_link *link, struct ll_plan *plan)
{
    int count = 0;
    for (int i = 0; i < plan->count; i++) {
        count += divide(table, &plan->partitions[i],
                        most_bytes_of(chain, link, &plan->partitions[i]), NULL);
    }
    struct ll_plan divided = {0, calloc((size_t)count + 1, sizeof(*divided.partitions))};
    if (!divided.partitions) {
        return LL_E_NO_MEMORY;
    }
    for (int i = 0; i < plan->count; i++) {
        divided.count +=
            divide(table, &plan->partitions[i], most_bytes_of(chain, link, &plan->partitions[i]),
                   divided.partitions + divided.count);
    }
    ll_plan_finish(plan);
    *plan = divided;
    return LL_OK;
}

static ll_status plan_chain(const struct ll_table *table, const struct ll_chain *chain,
                            const struct device_plan_terms *terms, struct ll_plan *out_plan,
                            struct ll_error *err)
{
    double bytes_per_s =
        terms->limit_bytes_per_s > 0 ? terms->limit_bytes_per_s : DEVICE_ESTIMATE_BYTES_PER_S;
    bytes_per_s =
        fmin(fmax(bytes_per_s, LL_LIMIT_LINK_BYTES_PER_S_MIN), LL_LIMIT_LINK_BYTES_PER_S_MAX);
    struct ll_plan_terms how = {.link = {.bytes_per_s = bytes_per_s}, .penalty = LL_IONN_PENALTY};
    struct ll_plan plan = {0};
    bool was_sorted = false;
    ll_status status = ll_plan_from_chain(chain, terms->partitioner, &how, &plan, &was_sorted, err);
    if (status != LL_OK) {
        return status;
    }
    status = divide_all(table, chain, &how.link, &plan);
    if (status != LL_OK) {
        ll_plan_finish(&plan);
        return ll_fail(err, status, "out of memory");
    }
    *out_plan = plan;
    return LL_OK;
}

ll_status device_plan_make(const struct device_layer_times *times,
                           const struct device_plan_terms *terms, struct ll_plan *out_plan,
                           struct ll_error *err)
{
    /* What needs no times is made from the layers themselves, whose borders are closer. */
    if (ll_plan_check_name(terms->partitioner, false, NULL) == LL_OK) {
        return ll_plan_make(device_layer_times_table(times), terms->partitioner, out_plan, err);
    }
    struct ll_chain chain = {0};
    const struct ll_table *table = device_layer_times_table(times);
    ll_status status = make_chain(times, terms, &chain, err);
    if (status == LL_OK) {
        status = chain.count <= DEVICE_PLAN_ELEMENTS
                     ? plan_chain(table, &chain, terms, out_plan, err)
                     : ll_plan_make(table, "layer", out_plan, err);
    }
    ll_chain_finish(&chain);
    return status;
}
