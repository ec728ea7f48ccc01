/* whole, layer and mb:N cut a row of units, the smallest parts that a plan may have: the groups of
 * a table or the elements of a chain. The others have modules of their own. */
#include "net/plan/ll_plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "net/plan/ll_efficiency.h"
#include "net/plan/ll_ionn.h"

static const char megabytes_prefix[] = "mb:";

/* Reads the N of "mb:N" as bytes. */
static ll_status parse_megabytes(const char *partitioner, int64_t *out_bytes)
{
    if (strncmp(partitioner, megabytes_prefix, sizeof(megabytes_prefix) - 1) != 0) {
        return LL_E_INVALID;
    }
    const char *number = partitioner + sizeof(megabytes_prefix) - 1;
    char *rest = NULL;
    double megabytes = strtod(number, &rest);
    if (rest == number || *rest != '\0' || !isfinite(megabytes) || megabytes <= 0 ||
        megabytes > 1e6) {
        return LL_E_INVALID;
    }
    *out_bytes = (int64_t)(megabytes * 1e6);
    return LL_OK;
}

static bool needs_times(const char *partitioner)
{
    return strcmp(partitioner, "efficiency") == 0 || strcmp(partitioner, "ionn") == 0;
}

ll_status ll_plan_check_name(const char *partitioner, bool has_times, struct ll_error *err)
{
    int64_t bytes = 0;
    if ((has_times && needs_times(partitioner)) || strcmp(partitioner, "whole") == 0 ||
        strcmp(partitioner, "layer") == 0 || parse_megabytes(partitioner, &bytes) == LL_OK) {
        return LL_OK;
    }
    return ll_fail(err, LL_E_INVALID,
                   "%s partitioner '%.100s': take %swhole, layer, or mb:N with N > 0 megabytes",
                   needs_times(partitioner) ? "no times are known for" : "unknown", partitioner,
                   has_times ? "efficiency, ionn, " : "");
}

int64_t ll_plan_partition_bytes(const struct ll_table *table, const struct ll_partition *partition)
{
    int64_t bytes = 0;
    for (int i = partition->first; i < partition->end; i++) {
        bytes += table->layers[i].blob_bytes;
    }
    return bytes;
}

/* The end of the group that begins at `first`. */
static int group_end(const struct ll_table *table, int first)
{
    int end = first;
    while (end < table->layer_count - 1 && !table->layers[end].ends_group) {
        end++;
    }
    return end + 1;
}

/* A part of the network that no plan divides; it begins where the one before ends. */
struct unit {
    int end;
    int64_t bytes;
};

/* How many bytes fill a partition. */
static int64_t least_bytes_of(const char *partitioner)
{
    int64_t bytes = 1;
    if (strcmp(partitioner, "whole") == 0) {
        return INT64_MAX;
    }
    return parse_megabytes(partitioner, &bytes) == LL_OK && bytes > 1 ? bytes : 1;
}

static ll_status plan_init(struct ll_plan *plan, int capacity, struct ll_error *err)
{
    size_t partitions = capacity > 0 ? (size_t)capacity : 1;
    *plan = (struct ll_plan){0, calloc(partitions, sizeof(*plan->partitions))};
    return plan->partitions ? LL_OK : ll_fail(err, LL_E_NO_MEMORY, "out of memory");
}

/* Fills partitions unit by unit until they have at least `least_bytes` of weights; units without
 * weights that follow belong to them. */
static ll_status cut_units(const struct unit *units, int count, int64_t least_bytes,
                           struct ll_plan *out_plan, struct ll_error *err)
{
    struct ll_plan plan;
    ll_status status = plan_init(&plan, count, err);
    if (status != LL_OK) {
        return status;
    }
    int first = 0;
    int64_t bytes = 0;
    for (int i = 0; i < count; i++) {
        bytes += units[i].bytes;
        bool is_last = i == count - 1;
        if (is_last || (bytes >= least_bytes && units[i + 1].bytes > 0)) {
            plan.partitions[plan.count++] = (struct ll_partition){first, units[i].end};
            first = units[i].end;
            bytes = 0;
        }
    }
    *out_plan = plan;
    return LL_OK;
}

ll_status ll_plan_make(const struct ll_table *table, const char *partitioner,
                       struct ll_plan *out_plan, struct ll_error *err)
{
    ll_status status = ll_plan_check_name(partitioner, false, err);
    if (status != LL_OK) {
        return status;
    }
    struct unit *units = calloc((size_t)table->layer_count, sizeof(*units));
    if (!units) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    int count = 0;
    for (int first = 0; first < table->layer_count; first = units[count - 1].end) {
        struct ll_partition group = {first, group_end(table, first)};
        units[count++] = (struct unit){group.end, ll_plan_partition_bytes(table, &group)};
    }
    status = cut_units(units, count, least_bytes_of(partitioner), out_plan, err);
    free(units);
    return status;
}

static ll_status cut_elements(const struct ll_chain *chain, const char *partitioner,
                              struct ll_plan *out_plan, struct ll_error *err)
{
    struct unit *units = calloc((size_t)chain->count, sizeof(*units));
    if (!units) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    for (int i = 0; i < chain->count; i++) {
        units[i] = (struct unit){chain->elements[i].end, chain->elements[i].weight_bytes};
    }
    ll_status status = cut_units(units, chain->count, least_bytes_of(partitioner), out_plan, err);
    free(units);
    return status;
}

static int compare_partitions(const void *a, const void *b)
{
    const struct ll_partition *left = a;
    const struct ll_partition *right = b;
    return (left->first > right->first) - (left->first < right->first);
}

/* Puts spans of elements in order, as layers. Returns whether they were not. */
static bool sort_spans(const struct ll_chain *chain, const struct ll_span *spans,
                       struct ll_plan *plan)
{
    bool was_sorted = false;
    for (int i = 0; i < plan->count; i++) {
        plan->partitions[i].first = chain->elements[spans[i].first].first;
        plan->partitions[i].end = chain->elements[spans[i].end - 1].end;
        was_sorted = was_sorted || (i > 0 && spans[i].first < spans[i - 1].first);
    }
    qsort(plan->partitions, (size_t)plan->count, sizeof(*plan->partitions), compare_partitions);
    return was_sorted;
}

static ll_status plan_by_times(const struct ll_chain *chain, const char *partitioner,
                               const struct ll_plan_terms *terms, struct ll_plan *out_plan,
                               bool *out_was_sorted, struct ll_error *err)
{
    struct ll_plan plan;
    ll_status status = plan_init(&plan, chain->count, err);
    if (status != LL_OK) {
        return status;
    }
    struct ll_span *spans = calloc((size_t)chain->count, sizeof(*spans));
    if (!spans) {
        status = LL_E_NO_MEMORY;
    } else if (strcmp(partitioner, "ionn") == 0) {
        status = ll_ionn_partition(chain, &terms->link, terms->penalty, spans, &plan.count);
    } else {
        status = ll_efficiency_partition(chain, &terms->link, spans, &plan.count);
    }
    if (status == LL_OK) {
        *out_was_sorted = sort_spans(chain, spans, &plan);
        *out_plan = plan;
    } else {
        status = ll_fail(err, status, "%s", ll_status_text(status));
        ll_plan_finish(&plan);
    }
    free(spans);
    return status;
}

static ll_status check_terms(const struct ll_plan_terms *terms, struct ll_error *err)
{
    if (!(terms->penalty >= 0 && terms->penalty <= LL_IONN_PENALTY_MAX)) {
        return ll_fail(err, LL_E_INVALID, "a penalty factor of %g is not from 0 to %g",
                       terms->penalty, LL_IONN_PENALTY_MAX);
    }
    return ll_link_check(&terms->link, err);
}

ll_status ll_plan_from_chain(const struct ll_chain *chain, const char *partitioner,
                             const struct ll_plan_terms *terms, struct ll_plan *out_plan,
                             bool *out_was_sorted, struct ll_error *err)
{
    ll_status status = ll_plan_check_name(partitioner, true, err);
    if (status == LL_OK) {
        status = ll_chain_check(chain, err);
    }
    if (status == LL_OK) {
        status = check_terms(terms, err);
    }
    if (status != LL_OK) {
        return status;
    }
    if (needs_times(partitioner)) {
        return plan_by_times(chain, partitioner, terms, out_plan, out_was_sorted, err);
    }
    status = cut_elements(chain, partitioner, out_plan, err);
    if (status == LL_OK) {
        *out_was_sorted = false;
    }
    return status;
}

ll_status ll_plan_check(const struct ll_table *table, const struct ll_plan *plan,
                        struct ll_error *err)
{
    int covered = 0;
    for (int i = 0; i < plan->count; i++) {
        const struct ll_partition *partition = &plan->partitions[i];
        if (partition->first != covered) {
            return ll_fail(err, LL_E_INVALID, "partition %d begins at layer %d: %s, expected %d", i,
                           partition->first, partition->first > covered ? "a hole" : "an overlap",
                           covered);
        }
        if (partition->end <= partition->first || partition->end > table->layer_count) {
            return ll_fail(err, LL_E_INVALID, "partition %d is [%d, %d), the model has %d layers",
                           i, partition->first, partition->end, table->layer_count);
        }
        if (!ll_table_is_legal_cut(table, partition->end)) {
            return ll_fail(
                err, LL_E_INVALID,
                "partition %d ends before layer %d, inside a group of layers that run as "
                "one step",
                i, partition->end);
        }
        covered = partition->end;
    }
    if (covered != table->layer_count) {
        return ll_fail(err, LL_E_INVALID, "the plan ends at layer %d of %d", covered,
                       table->layer_count);
    }
    return LL_OK;
}

void ll_plan_finish(struct ll_plan *plan)
{
    free(plan->partitions);
    *plan = (struct ll_plan){0};
}
