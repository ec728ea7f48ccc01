#include "core/ll_plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

ll_status ll_plan_check_name(const char *partitioner, struct ll_error *err)
{
    int64_t bytes = 0;
    if (strcmp(partitioner, "whole") == 0 || strcmp(partitioner, "layer") == 0 ||
        parse_megabytes(partitioner, &bytes) == LL_OK) {
        return LL_OK;
    }
    return ll_fail(err, LL_E_INVALID,
                   "unknown partitioner '%.100s': take whole, layer, or mb:N with N > 0 megabytes",
                   partitioner);
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

/* Grows [first, first) group by group until it has at least `least_bytes` of weights, then takes
 * the groups without weights that follow. */
static int partition_end(const struct ll_table *table, int first, int64_t least_bytes)
{
    struct ll_partition partition = {first, first};
    while (partition.end < table->layer_count) {
        struct ll_partition group = {partition.end, group_end(table, partition.end)};
        bool is_full = ll_plan_partition_bytes(table, &partition) >= least_bytes;
        if (is_full && ll_plan_partition_bytes(table, &group) > 0) {
            break;
        }
        partition.end = group.end;
    }
    return partition.end;
}

ll_status ll_plan_make(const struct ll_table *table, const char *partitioner,
                       struct ll_plan *out_plan, struct ll_error *err)
{
    ll_status status = ll_plan_check_name(partitioner, err);
    if (status != LL_OK) {
        return status;
    }
    int64_t least_bytes = 1;
    if (strcmp(partitioner, "whole") == 0) {
        least_bytes = INT64_MAX;
    } else if (parse_megabytes(partitioner, &least_bytes) == LL_OK && least_bytes < 1) {
        least_bytes = 1;
    }
    struct ll_plan plan = {0, calloc((size_t)table->layer_count, sizeof(*plan.partitions))};
    if (!plan.partitions) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    for (int first = 0; first < table->layer_count;) {
        int end = partition_end(table, first, least_bytes);
        plan.partitions[plan.count++] = (struct ll_partition){first, end};
        first = end;
    }
    *out_plan = plan;
    return LL_OK;
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
