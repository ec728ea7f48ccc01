#include "tools/plan_options.h"

#include <stdbool.h>
#include <string.h>

#include "core/ll_limits.h"
#include "core/ll_version.h"
#include "darknet_backend/dkb_engine.h"
#include "net/plan/ll_ionn.h"

#define BYTES_PER_S_PER_MBPS (1e6 / 8)

static ll_status take_partitioner(const char *text, void *field, struct ll_error *err)
{
    ll_status status = ll_plan_check_name(text, true, err);
    if (status == LL_OK) {
        *(const char **)field = text;
    }
    return status;
}

static const struct ll_option_row rows[] = {
    {
        .name = "profile",
        .kind = LL_OPTION_TEXT,
        .arg = "P",
        LL_OPTION_FIELD(struct plan_options, profile),
        .help = "A profile: a network's elements and their times, as CSV",
        .manual = "A profile, see below; its elements are counted as layers",
    },
    {
        .name = "cfg",
        .kind = LL_OPTION_TEXT,
        .arg = "C",
        LL_OPTION_FIELD(struct plan_options, model.cfg),
        .help = "Instead of a profile: a Darknet cfg file, whose times are measured here",
        .manual = "Instead of a profile: a Darknet cfg file, whose times are measured on this "
                  "machine, which stands for the edge",
    },
    {
        .name = "weights",
        .kind = LL_OPTION_TEXT,
        .arg = "W",
        .shown = "seeded weights",
        LL_OPTION_FIELD(struct plan_options, model.weights),
        .help = "With --cfg: its .weights file",
    },
    {
        .name = "engine",
        .kind = LL_OPTION_TEXT,
        .arg = "E",
        .preset_text = "onednn",
        LL_OPTION_FIELD(struct plan_options, model.engine.name),
        .choices = "onednn|darknet",
        .help = "With --cfg: what computes, onednn, or darknet, the reference",
    },
    {
        .name = "threads",
        .kind = LL_OPTION_INT,
        .min = 1,
        .max = 256,
        .preset = 1,
        LL_OPTION_FIELD(struct plan_options, model.engine.threads),
        .help = "With --cfg: compute threads",
    },
    {
        .name = "compute",
        .kind = LL_OPTION_OWN,
        .arg = "TYPE",
        .shown = "f32",
        .take = ll_compute_take,
        LL_OPTION_FIELD(struct plan_options, model.engine.compute),
        .choices = "f32|bf16",
        .help = "With --cfg: what onednn computes in, f32, or bf16 where the processor has it",
    },
    {
        .name = "slowdown",
        .kind = LL_OPTION_NUMBER,
        .least = 1,
        .most = 1e6,
        .preset_number = 1,
        LL_OPTION_FIELD(struct plan_options, model.slowdown),
        .help = "With --cfg: the device takes X times as long as the edge, which is this machine",
    },
    {
        .name = "repeat",
        .kind = LL_OPTION_INT,
        .arg = "K",
        .min = 1,
        .max = 1000000,
        .preset = 5,
        LL_OPTION_FIELD(struct plan_options, model.repeat),
        .help = "With --cfg: measure K runs; the least times count",
        .manual = "With `--cfg`: measure K runs after the first; each layer's least time counts",
    },
    {
        .name = "bandwidth-mbps",
        .kind = LL_OPTION_NUMBER,
        .arg = "B",
        .unit = "10^6 bit/s",
        .least = LL_LIMIT_LINK_BYTES_PER_S_MIN / BYTES_PER_S_PER_MBPS,
        .most = LL_LIMIT_LINK_BYTES_PER_S_MAX / BYTES_PER_S_PER_MBPS,
        .shown = "",
        LL_OPTION_FIELD(struct plan_options, bandwidth_mbps),
        .help = "The link's rate",
    },
    {
        .name = "partitioner",
        .kind = LL_OPTION_OWN,
        .arg = "P",
        .shown = "efficiency",
        .take = take_partitioner,
        LL_OPTION_FIELD(struct plan_options, partitioner),
        .help = "efficiency, ionn, layer, whole or mb:N (at least N x 10^6 bytes each)",
    },
    {
        .name = "penalty",
        .kind = LL_OPTION_NUMBER,
        .arg = "K",
        .least = 0,
        .most = LL_IONN_PENALTY_MAX,
        .preset_number = LL_IONN_PENALTY,
        LL_OPTION_FIELD(struct plan_options, terms.penalty),
        .help = "ionn's penalty factor",
    },
    {
        .name = "json",
        .kind = LL_OPTION_TEXT,
        .arg = "F",
        LL_OPTION_FIELD(struct plan_options, json),
        .help = "Write the plan as a JSON object to F; - is stdout",
        .manual = "Write the plan as a JSON object to F; `-` is stdout, without the table then",
    },
};

const struct ll_option_table plan_option_table = LL_OPTION_TABLE(rows, 0x100);

static const char doc[] =
    "Plans in which partitions a network's weights are uploaded, and predicts how long one query "
    "takes once each of them is created on the edge."
    "\vA profile has the header name,input_bytes,output_bytes,weight_bytes,device_ms,edge_ms,"
    "create_ms and a line for each element of the network, a chain. Its elements are counted as "
    "layers.\n\n"
    "The table has a line for the device alone, then one for each partition: its layers, its bytes "
    "and those of all up to it, one query's time, and which layers the query runs on the edge for "
    "that. The --json object is {\"event\":\"plan\",\"partitions\":[{\"first\":,\"end\":,"
    "\"bytes\":,\"cumulative_bytes\":,\"query_ms\":,\"edge_first\":,\"edge_end\":},...],"
    "\"elements\":[...],...}.\n\n"
    "Exit status: 0 success, 1 failure, 2 wrong options.";

struct parsing {
    struct plan_options *options;
    /* An option that goes with --cfg alone, or NULL. */
    const char *model_option;
};

static void check(struct argp_state *state, const struct parsing *parsing)
{
    const struct plan_options *options = parsing->options;
    if (!options->profile == !options->model.cfg) {
        argp_error(state, "one of --profile and --cfg is needed, not both");
    }
    if (options->profile && parsing->model_option) {
        argp_error(state, "--%s goes with --cfg, not with --profile", parsing->model_option);
    }
    if (options->bandwidth_mbps == 0) {
        argp_error(state, "--bandwidth-mbps is needed");
    }
    struct ll_error err;
    struct ll_engine *engine = NULL;
    if (dkb_engine_create(&options->model.engine, &engine, &err) == LL_OK) {
        ll_engine_destroy(engine);
    } else {
        bool is_compute = options->model.engine.compute != LL_COMPUTE_F32;
        argp_error(state, "--%s: %s", is_compute ? "compute" : "engine", err.text);
    }
}

static char *help(int key, const char *text, void *input)
{
    (void)input;
    return ll_option_help(&plan_option_table, key, text);
}

/* What says how the model is measured, or with which weights. */
static bool is_model_option(const struct ll_option_row *row)
{
    return row->offset >= offsetof(struct plan_options, model) &&
           row->offset <
               offsetof(struct plan_options, model) + sizeof(struct plan_measure_config) &&
           strcmp(row->name, "cfg") != 0;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct parsing *parsing = state->input;
    const struct ll_option_row *row = ll_option_find(&plan_option_table, key);
    if (row && is_model_option(row)) {
        parsing->model_option = row->name;
    }
    if (key == ARGP_KEY_END) {
        check(state, parsing);
    }
    return ll_option_parse(&plan_option_table, key, arg, state, parsing->options);
}

void plan_options_parse(int argc, char **argv, struct plan_options *out_options)
{
    struct argp_option entries[LL_OPTION_ENTRIES(sizeof(rows) / sizeof(rows[0]))];
    ll_option_list(&plan_option_table, entries);
    const struct argp argp = {entries, parse_option, NULL, doc, NULL, help, NULL};
    struct plan_options options = {.partitioner = "efficiency"};
    ll_option_set_defaults(&plan_option_table, &options);
    struct parsing parsing = {.options = &options};
    argp_program_version = "plan (layerlift) " LL_VERSION;
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &parsing);
    options.terms.link.bytes_per_s = options.bandwidth_mbps * BYTES_PER_S_PER_MBPS;
    *out_options = options;
}
