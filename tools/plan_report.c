#include "tools/plan_report.h"

#include <stdio.h>
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_json.h"
#include "core/ll_output.h"
#include "core/ll_text.h"

/* One partition, and the query once it and those before it are created. */
struct row {
    struct ll_partition layers;
    int64_t bytes;
    int64_t cumulative_bytes;
    /* The partition's elements. */
    struct ll_span elements;
    /* What the query runs on the edge; nothing where they are equal. */
    struct ll_partition on_edge;
    int64_t query_ns;
};

/* Fills the row of the query, with the first `prefix` elements on the edge. */
static void predict(const struct plan_report *report, int prefix, struct row *row)
{
    const struct ll_chain_element *elements = report->chain->elements;
    struct ll_cut cut = ll_predict_best_cut(report->chain, &report->terms->link, prefix);
    row->query_ns = cut.query_ns;
    row->on_edge = (struct ll_partition){0, 0};
    if (cut.end > cut.first) {
        row->on_edge = (struct ll_partition){elements[cut.first].first, elements[cut.end - 1].end};
    }
}

/* Goes on to the row of partition `index`; the first one follows on zeros. */
static void next_row(const struct plan_report *report, int index, struct row *row)
{
    row->layers = report->plan->partitions[index];
    row->bytes = 0;
    row->elements.first = row->elements.end;
    while (row->elements.end < report->chain->count &&
           report->chain->elements[row->elements.end].end <= row->layers.end) {
        row->bytes += report->chain->elements[row->elements.end].weight_bytes;
        row->elements.end++;
    }
    row->cumulative_bytes += row->bytes;
    predict(report, row->elements.end, row);
}

static int64_t weight_bytes(const struct ll_chain *chain)
{
    int64_t bytes = 0;
    for (int i = 0; i < chain->count; i++) {
        bytes += chain->elements[i].weight_bytes;
    }
    return bytes;
}

static void print_head(const struct plan_report *report)
{
    const struct ll_chain *chain = report->chain;
    ll_text_print(stdout, report->source);
    printf(": %d element%s", chain->count, chain->count == 1 ? "" : "s");
    if (report->machine && chain->count > 0) {
        /* What agent --cut counts in. */
        int layers = chain->elements[chain->count - 1].end;
        printf(", %d layer%s", layers, layers == 1 ? "" : "s");
    }
    printf(", %.1f MB of weights; %s at %g Mbit/s", (double)weight_bytes(report->chain) / 1e6,
           report->partitioner, report->bandwidth_mbps);
    if (strcmp(report->partitioner, "ionn") == 0) {
        printf(", penalty factor %g", report->terms->penalty);
    }
    printf("\n");
    if (report->machine) {
        printf("measured on this machine: %s (%s, %d thread%s)%s; device slowed down %g times\n",
               report->machine->engine, report->machine->instruction_set, report->machine->threads,
               report->machine->threads == 1 ? "" : "s",
               report->has_seeded_weights ? ", seeded weights" : "", report->slowdown);
    }
}

static void print_range(struct ll_partition range)
{
    char text[32] = "-";
    if (range.end > range.first) {
        snprintf(text, sizeof(text), "[%d, %d)", range.first, range.end);
    }
    printf("%-13s", text);
}

static void print_row(const struct row *row)
{
    print_range(row->layers);
    printf("%11lld %12lld %12.3f  ", (long long)row->bytes, (long long)row->cumulative_bytes,
           ll_clock_ms(row->query_ns));
    print_range(row->on_edge);
}

void plan_report_print(const struct plan_report *report)
{
    const struct ll_chain_element *elements = report->chain->elements;
    struct row row = {.bytes = 0};
    print_head(report);
    printf("%-13s%11s %12s %12s  %-13s%s\n", "layers", "bytes", "cumulative", "query ms",
           "on the edge", "elements");
    predict(report, 0, &row);
    print_row(&row);
    printf("the device alone\n");
    for (int i = 0; i < report->plan->count; i++) {
        next_row(report, i, &row);
        print_row(&row);
        ll_text_print(stdout, elements[row.elements.first].name);
        if (row.elements.end - row.elements.first > 1) {
            printf(" to ");
            ll_text_print(stdout, elements[row.elements.end - 1].name);
        }
        printf("\n");
    }
    printf("%d partition%s%s\n", report->plan->count, report->plan->count == 1 ? "" : "s",
           report->was_sorted ? ", sorted by their first layer: the planner's order was another"
                              : "");
}

static void add_int(struct json_object *object, const char *name, int64_t value)
{
    json_object_object_add(object, name, json_object_new_int64(value));
}

static void add_double(struct json_object *object, const char *name, double value)
{
    json_object_object_add(object, name, json_object_new_double(value));
}

static void add_string(struct json_object *object, const char *name, const char *value)
{
    json_object_object_add(object, name, ll_json_string(value));
}

static struct json_object *partition_json(const struct row *row)
{
    struct json_object *object = json_object_new_object();
    add_int(object, "first", row->layers.first);
    add_int(object, "end", row->layers.end);
    add_int(object, "bytes", row->bytes);
    add_int(object, "cumulative_bytes", row->cumulative_bytes);
    add_double(object, "query_ms", ll_clock_ms(row->query_ns));
    add_int(object, "edge_first", row->on_edge.first);
    add_int(object, "edge_end", row->on_edge.end);
    return object;
}

static struct json_object *element_json(const struct ll_chain_element *element)
{
    struct json_object *object = json_object_new_object();
    add_string(object, "name", element->name);
    add_int(object, "first", element->first);
    add_int(object, "end", element->end);
    add_int(object, "input_bytes", element->input_bytes);
    add_int(object, "output_bytes", element->output_bytes);
    add_int(object, "early_bytes", element->early_bytes);
    add_int(object, "weight_bytes", element->weight_bytes);
    add_double(object, "device_ms", ll_clock_ms(element->device_ns));
    add_double(object, "edge_ms", ll_clock_ms(element->edge_ns));
    add_double(object, "create_ms", ll_clock_ms(element->create_ns));
    return object;
}

static struct json_object *to_json(const struct plan_report *report)
{
    struct json_object *object = json_object_new_object();
    add_string(object, "event", "plan");
    add_string(object, "source", report->source);
    if (report->machine) {
        add_string(object, "engine", report->machine->engine);
        add_string(object, "instruction_set", report->machine->instruction_set);
        add_int(object, "threads", report->machine->threads);
        add_double(object, "slowdown", report->slowdown);
        json_object_object_add(object, "seeded_weights",
                               json_object_new_boolean(report->has_seeded_weights));
    }
    add_string(object, "partitioner", report->partitioner);
    if (strcmp(report->partitioner, "ionn") == 0) {
        add_double(object, "penalty", report->terms->penalty);
    }
    add_double(object, "bandwidth_mbps", report->bandwidth_mbps);
    struct row row = {.bytes = 0};
    predict(report, 0, &row);
    add_int(object, "weight_bytes", weight_bytes(report->chain));
    add_double(object, "device_ms", ll_clock_ms(row.query_ns));
    json_object_object_add(object, "sorted", json_object_new_boolean(report->was_sorted));
    struct json_object *partitions = json_object_new_array();
    for (int i = 0; i < report->plan->count; i++) {
        next_row(report, i, &row);
        json_object_array_add(partitions, partition_json(&row));
    }
    json_object_object_add(object, "partitions", partitions);
    struct json_object *elements = json_object_new_array();
    for (int i = 0; i < report->chain->count; i++) {
        json_object_array_add(elements, element_json(&report->chain->elements[i]));
    }
    json_object_object_add(object, "elements", elements);
    return object;
}

ll_status plan_report_write(const struct plan_report *report, const char *path,
                            struct ll_error *err)
{
    struct ll_output output;
    ll_status status = ll_output_open(path, LL_OUTPUT_WHOLE, &output, err);
    if (status != LL_OK) {
        return status;
    }
    struct json_object *object = to_json(report);
    int flags = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;
    const char *text = json_object_to_json_string_ext(object, flags);
    if (text) {
        ll_output_write(&output, text, strlen(text));
        ll_output_write(&output, "\n", 1);
    }
    json_object_put(object);
    if (!text) {
        ll_output_drop(&output);
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    return ll_output_finish(&output, err);
}
