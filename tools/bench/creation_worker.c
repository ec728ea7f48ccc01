/* Creates a model once and tells what that took. */
#include <argp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli_program.h"
#include "core/ll_buf.h"
#include "core/ll_clock.h"
#include "core/ll_limits.h"
#include "core/ll_option_table.h"
#include "core/ll_options.h"
#include "core/ll_sync.h"
#include "core/ll_text.h"
#include "core/ll_version.h"
#include "darknet_backend/dkb_engine.h"
#include "darknet_backend/network/dkb_model_file.h"
#include "darknet_backend/network/dkb_network.h"
#include "engine/ll_engine.h"
#include "net/plan/ll_plan.h"
#include "tools/bench/bench_memory.h"
#include "tools/bench/bench_store.h"
#include "tools/lab/lab_reference.h"

const char *argp_program_version = "creation_worker (layerlift) " LL_VERSION;

struct options {
    const char *kind;
    const char *cfg;
    const char *weights;
    const char *store;
    const char *borders;
    int partitions;
    int threads;
    ll_compute compute;
    bool split;
    bool copied;
};

static const struct ll_option_row rows[] = {
    {
        .name = "kind",
        .kind = LL_OPTION_TEXT,
        .arg = "K",
        LL_OPTION_FIELD(struct options, kind),
        .help = "An engine (onednn, darknet), or stock (Darknet's load_network)",
    },
    {
        .name = "cfg",
        .kind = LL_OPTION_TEXT,
        .arg = "C",
        LL_OPTION_FIELD(struct options, cfg),
        .help = "The network, as a Darknet cfg file",
    },
    {
        .name = "weights",
        .kind = LL_OPTION_TEXT,
        .arg = "W",
        LL_OPTION_FIELD(struct options, weights),
        .help = "Its .weights file (--split and stock)",
    },
    {
        .name = "store",
        .kind = LL_OPTION_TEXT,
        .arg = "FOLDER",
        LL_OPTION_FIELD(struct options, store),
        .help = "Folder with a file for each layer's weights (engines)",
    },
    {
        .name = "split",
        .kind = LL_OPTION_FLAG,
        LL_OPTION_FIELD(struct options, split),
        .help = "Only write --weights to --store, for later runs",
    },
    {
        .name = "copied",
        .kind = LL_OPTION_FLAG,
        LL_OPTION_FIELD(struct options, copied),
        .help =
            "Weights in private memory from the start, not in mapped files: for measuring memory",
    },
    {
        .name = "partitions",
        .kind = LL_OPTION_INT,
        .min = 1,
        .max = LL_LIMIT_LAYERS,
        .preset = 1,
        LL_OPTION_FIELD(struct options, partitions),
        .help = "So many parts of about equal size",
    },
    {
        .name = "borders",
        .kind = LL_OPTION_TEXT,
        .arg = "N,...",
        LL_OPTION_FIELD(struct options, borders),
        .help = "Instead of --partitions: the layers with which parts begin, after the first",
    },
    {
        .name = "threads",
        .kind = LL_OPTION_INT,
        .min = 1,
        .max = 256,
        .preset = 1,
        LL_OPTION_FIELD(struct options, threads),
        .help = "Threads of creation",
    },
    {
        .name = "compute",
        .kind = LL_OPTION_OWN,
        .arg = "TYPE",
        .shown = "f32",
        .take = ll_compute_take,
        LL_OPTION_FIELD(struct options, compute),
        .help = "What onednn computes in: f32 or bf16",
    },
};

static const struct ll_option_table option_table = LL_OPTION_TABLE(rows, 0x100);

static const char doc[] =
    "Creates a model in a fresh process, for tools/bench/bench_creation.py."
    "\vPrints one JSON object: {\"partitions\":,\"wall_ms\":,\"cpu_ms\":,\"peak_bytes\":,"
    "\"kept_bytes\":,\"weights_bytes\":}. Processor time is that of all threads. `peak` is by how "
    "much resident memory grew at most during creation, `kept` by how much private memory has "
    "grown after it. Engines get each layer's weights as a mapped file of its own, as the edge has "
    "them: in the page cache, not yet touched by this process. Pages that creation touches are "
    "part of `peak` then; with --copied the weights have been there before, and `peak` is private "
    "memory alone. Parsing the cfg is part of stock Darknet's creation and not of an engine's "
    "(which has done it when the first weights arrive).\n\n"
    "Exit status: 0 success, 1 failure, 2 wrong options.";

static char *help(int key, const char *text, void *input)
{
    (void)input;
    return ll_option_help(&option_table, key, text);
}

static void check(struct argp_state *state, const struct options *options)
{
    bool stock = options->kind && strcmp(options->kind, "stock") == 0;
    if (!options->cfg || (!options->split && !options->kind)) {
        argp_error(state, "--cfg and --kind (or --split) are needed");
    }
    if ((options->split || stock) && !options->weights) {
        argp_error(state, "--weights is needed");
    }
    if (!stock && !options->store) {
        argp_error(state, "--store is needed");
    }
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    if (key == ARGP_KEY_END) {
        check(state, options);
    }
    return ll_option_parse(&option_table, key, arg, state, options);
}

struct creation {
    const struct options *options;
    struct ll_buf *cfg;
    struct ll_network *network;
    struct ll_buf **blobs;
    struct ll_plan plan;
    /* What is created. */
    struct ll_engine *engine;
    struct ll_engine_model *model;
    struct lab_reference *reference;
    /* What it took. */
    int64_t wall_ns;
    int64_t cpu_ns;
    struct bench_memory before;
    struct bench_memory after;
};

static void creation_finish(struct creation *creation)
{
    ll_engine_model_destroy(creation->model);
    ll_engine_destroy(creation->engine);
    lab_reference_destroy(creation->reference);
    for (int i = 0; creation->blobs && i < creation->network->table.layer_count; i++) {
        ll_buf_unref(creation->blobs[i]);
    }
    free(creation->blobs);
    ll_plan_finish(&creation->plan);
    ll_network_unref(creation->network);
    ll_buf_unref(creation->cfg);
}

static ll_status split(const struct options *options, struct ll_error *err)
{
    struct dkb_model_file file = {0};
    ll_status status = dkb_model_file_load(options->cfg, options->weights, &file, err);
    if (status != LL_OK) {
        return status;
    }
    status = bench_store_write(options->store, file.blobs, file.network->table.layer_count, err);
    dkb_model_file_finish(&file);
    return status;
}

static ll_status take_blobs(struct creation *creation, struct ll_error *err)
{
    const struct ll_table *table = &creation->network->table;
    creation->blobs = calloc((size_t)table->layer_count, sizeof(struct ll_buf *));
    return creation->blobs ? bench_store_read(creation->options->store, table,
                                              creation->options->copied, creation->blobs, err)
                           : ll_fail(err, LL_E_NO_MEMORY, "out of memory");
}

/* Joins the plan's partitions to `count` of about equal size, each as large as its share of what
 * comes before its end allows. */
static ll_status join(const struct ll_table *table, struct ll_plan *plan, int count,
                      struct ll_error *err)
{
    if (count > plan->count) {
        return ll_fail(err, LL_E_INVALID,
                       "%d partitions are too many: there are %d groups with weights", count,
                       plan->count);
    }
    int64_t bytes = 0;
    int next = 0;
    for (int i = 0; i < count; i++) {
        int first = plan->partitions[next].first;
        int last = next;
        bytes += ll_plan_partition_bytes(table, &plan->partitions[next++]);
        /* Every later one needs a partition too, and the last one takes all that is left. */
        while (next < plan->count - (count - 1 - i) &&
               (i == count - 1 || bytes < table->blob_bytes / count * (i + 1))) {
            last = next;
            bytes += ll_plan_partition_bytes(table, &plan->partitions[next++]);
        }
        plan->partitions[i] = (struct ll_partition){first, plan->partitions[last].end};
    }
    plan->count = count;
    return LL_OK;
}

/* The partitions between the borders that the option names. */
static ll_status plan_borders(struct creation *creation, struct ll_error *err)
{
    const struct ll_table *table = &creation->network->table;
    struct ll_plan *plan = &creation->plan;
    plan->partitions = calloc((size_t)table->layer_count, sizeof(*plan->partitions));
    if (!plan->partitions) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    int first = 0;
    const char *next = creation->options->borders;
    while (next) {
        char *end = NULL;
        long border = strtol(next, &end, 10);
        if (end == next || (*end != ',' && *end != '\0') || border <= first ||
            border >= table->layer_count) {
            return ll_fail(err, LL_E_INVALID,
                           "--borders %s: ascending numbers above 0 and below %d, with commas "
                           "between",
                           creation->options->borders, table->layer_count);
        }
        plan->partitions[plan->count++] = (struct ll_partition){first, (int)border};
        first = (int)border;
        next = *end == ',' ? end + 1 : NULL;
    }
    plan->partitions[plan->count++] = (struct ll_partition){first, table->layer_count};
    return ll_plan_check(table, plan, err);
}

static ll_status plan(struct creation *creation, struct ll_error *err)
{
    const struct options *options = creation->options;
    if (options->borders) {
        return plan_borders(creation, err);
    }
    ll_status status = ll_plan_make(&creation->network->table, "layer", &creation->plan, err);
    return status == LL_OK
               ? join(&creation->network->table, &creation->plan, options->partitions, err)
               : status;
}

static ll_status create_model(struct creation *creation, struct ll_error *err)
{
    ll_status status =
        ll_engine_model_create(creation->engine, creation->network, &creation->model, err);
    for (int i = 0; i < creation->plan.count && status == LL_OK; i++) {
        const struct ll_partition *part = &creation->plan.partitions[i];
        status =
            ll_engine_model_extend(creation->model, part->end, creation->blobs + part->first, err);
    }
    return status;
}

static ll_status create_any(struct creation *creation, struct ll_error *err)
{
    return creation->engine
               ? create_model(creation, err)
               : lab_reference_create(creation->network, ll_buf_data(creation->cfg),
                                      ll_buf_bytes(creation->cfg), creation->options->weights,
                                      &creation->reference, err);
}

static int64_t cpu_now_ns(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * LL_NS_PER_S + now.tv_nsec;
}

static ll_status measure(struct creation *creation, struct ll_error *err)
{
    bench_memory_reset_peak();
    ll_status status = bench_memory_read(&creation->before, err);
    if (status != LL_OK) {
        return status;
    }
    int64_t start_ns = ll_clock_now_ns();
    int64_t start_cpu_ns = cpu_now_ns();
    status = create_any(creation, err);
    creation->cpu_ns = cpu_now_ns() - start_cpu_ns;
    creation->wall_ns = ll_clock_now_ns() - start_ns;
    return status == LL_OK ? bench_memory_read(&creation->after, err) : status;
}

static ll_status prepare(struct creation *creation, struct ll_error *err)
{
    const struct options *options = creation->options;
    ll_status status = ll_buf_map_file(options->cfg, LL_LIMIT_CFG_BYTES, &creation->cfg, err);
    if (status == LL_OK) {
        status = dkb_network_parse(ll_buf_data(creation->cfg), ll_buf_bytes(creation->cfg),
                                   &creation->network, err);
    }
    if (status == LL_OK) {
        status = plan(creation, err);
    }
    if (status != LL_OK || strcmp(options->kind, "stock") == 0) {
        return status;
    }
    status = take_blobs(creation, err);
    if (status == LL_OK) {
        const struct ll_engine_config config = {
            .name = options->kind,
            .threads = options->threads,
            .creation_threads = options->threads,
            .compute = options->compute,
        };
        status = dkb_engine_create(&config, &creation->engine, err);
    }
    return status;
}

static ll_status create_and_tell(const struct options *options, struct ll_error *err)
{
    struct creation creation = {.options = options};
    ll_status status = prepare(&creation, err);
    if (status == LL_OK) {
        status = measure(&creation, err);
    }
    if (status == LL_OK) {
        printf("{\"partitions\":%d,\"wall_ms\":%.3f,\"cpu_ms\":%.3f,\"peak_bytes\":%lld,"
               "\"kept_bytes\":%lld,\"weights_bytes\":%lld}\n",
               creation.plan.count, ll_clock_ms(creation.wall_ns), ll_clock_ms(creation.cpu_ns),
               (long long)(creation.after.peak_bytes - creation.before.resident_bytes),
               (long long)(creation.after.private_bytes - creation.before.private_bytes),
               (long long)creation.network->table.blob_bytes);
    }
    creation_finish(&creation);
    return status;
}

int main(int argc, char **argv)
{
    cli_program_begin("creation_worker");
    struct argp_option entries[LL_OPTION_ENTRIES(sizeof(rows) / sizeof(rows[0]))];
    ll_option_list(&option_table, entries);
    const struct argp argp = {entries, parse_option, NULL, doc, NULL, help, NULL};
    struct options options = {.cfg = NULL};
    ll_option_set_defaults(&option_table, &options);
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    ll_options_enter_caller_folder();
    ll_thread_flush_denormals();
    struct ll_error err = {.text = ""};
    ll_status status = options.split ? split(&options, &err) : create_and_tell(&options, &err);
    if (status != LL_OK) {
        ll_text_complain("creation_worker", err.text[0] ? err.text : ll_status_text(status));
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
