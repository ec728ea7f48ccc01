/* Plans an upload, from a profile or from a model that it measures. */
#include <argp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/ll_buf.h"
#include "core/ll_limits.h"
#include "core/ll_options.h"
#include "core/ll_output.h"
#include "core/ll_sync.h"
#include "core/ll_text.h"
#include "core/ll_version.h"
#include "net/plan/ll_chain_csv.h"
#include "net/plan/ll_ionn.h"
#include "tools/plan_measure.h"
#include "tools/plan_report.h"

const char *argp_program_version = "plan (layerlift) " LL_VERSION;

struct options {
    const char *profile;
    struct plan_measure_config model;
    /* An option that goes with --cfg alone, or NULL. */
    const char *model_option;
    double bandwidth_mbps;
    const char *partitioner;
    struct ll_plan_terms terms;
    const char *json;
};

enum {
    OPT_PROFILE = 1,
    OPT_CFG,
    OPT_WEIGHTS,
    OPT_ENGINE,
    OPT_THREADS,
    OPT_COMPUTE,
    OPT_SLOWDOWN,
    OPT_REPEAT,
    OPT_BANDWIDTH,
    OPT_PARTITIONER,
    OPT_PENALTY,
    OPT_JSON,
    THREADS_MAX = 256,
    REPEAT_MAX = 1000000,
};

static const double bytes_per_s_per_mbps = 1e6 / 8;
static const double slowdown_max = 1e6;

static const struct argp_option option_list[] = {
    {"profile", OPT_PROFILE, "P", 0, "A profile: a network's elements and their times, as CSV", 0},
    {"cfg", OPT_CFG, "C", 0,
     "Instead of a profile: a Darknet cfg file, whose times are measured here", 0},
    {"weights", OPT_WEIGHTS, "W", 0, "Its .weights file (default: seeded weights)", 0},
    {"engine", OPT_ENGINE, "E", 0, "What computes: onednn (default) or darknet, the reference", 0},
    {"threads", OPT_THREADS, "N", 0, "Compute threads, from 1 to 256 (default 1)", 0},
    {"compute", OPT_COMPUTE, "TYPE", 0,
     "What onednn computes in: f32 (default), or bf16 where the processor has it", 0},
    {"slowdown", OPT_SLOWDOWN, "X", 0,
     "The device takes X times as long as the edge, which is this machine (default 1)", 0},
    {"repeat", OPT_REPEAT, "K", 0, "Measure K runs; the least times count (default 5)", 0},
    {"bandwidth-mbps", OPT_BANDWIDTH, "B", 0, "The link's rate, in 10^6 bit/s", 0},
    {"partitioner", OPT_PARTITIONER, "P", 0,
     "efficiency (default), ionn, layer, whole or mb:N (at least N x 10^6 bytes each)", 0},
    {"penalty", OPT_PENALTY, "K", 0, "ionn's penalty factor, from 0 to 0.999 (default 0.8)", 0},
    {"json", OPT_JSON, "F", 0, "Write the plan as a JSON object to F; - is stdout", 0},
    {0},
};

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

static int whole_number(struct argp_state *state, const char *option, const char *text, int max)
{
    struct ll_error err;
    int64_t value = 1;
    if (ll_parse_int(text, 1, max, &value, &err) != LL_OK) {
        argp_error(state, "--%s: %s", option, err.text);
    }
    return (int)value;
}

static double number(struct argp_state *state, const char *option, const char *text, double min,
                     double max)
{
    struct ll_error err;
    double value = min;
    if (ll_parse_double(text, min, max, &value, &err) != LL_OK) {
        argp_error(state, "--%s: %s", option, err.text);
    }
    return value;
}

static void set_compute(struct argp_state *state, struct options *options, const char *text)
{
    struct ll_error err;
    if (ll_compute_parse(text, &options->model.engine.compute, &err) != LL_OK) {
        argp_error(state, "--compute: %s", err.text);
    }
}

static void set_partitioner(struct argp_state *state, struct options *options, const char *name)
{
    struct ll_error err;
    if (ll_plan_check_name(name, true, &err) != LL_OK) {
        argp_error(state, "--partitioner: %s", err.text);
    }
    options->partitioner = name;
}

static void check(struct argp_state *state, const struct options *options)
{
    if (!options->profile == !options->model.cfg) {
        argp_error(state, "one of --profile and --cfg is needed, not both");
    }
    if (options->profile && options->model_option) {
        argp_error(state, "--%s goes with --cfg, not with --profile", options->model_option);
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

/* The options about a model that is measured; false for another key. */
static bool take_model_option(int key, char *arg, struct argp_state *state, struct options *options)
{
    switch (key) {
    case OPT_WEIGHTS:
        options->model.weights = arg;
        options->model_option = "weights";
        return true;
    case OPT_ENGINE:
        options->model.engine.name = arg;
        options->model_option = "engine";
        return true;
    case OPT_THREADS:
        options->model.engine.threads = whole_number(state, "threads", arg, THREADS_MAX);
        options->model_option = "threads";
        return true;
    case OPT_COMPUTE:
        set_compute(state, options, arg);
        options->model_option = "compute";
        return true;
    case OPT_SLOWDOWN:
        options->model.slowdown = number(state, "slowdown", arg, 1, slowdown_max);
        options->model_option = "slowdown";
        return true;
    case OPT_REPEAT:
        options->model.repeat = whole_number(state, "repeat", arg, REPEAT_MAX);
        options->model_option = "repeat";
        return true;
    default:
        return false;
    }
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    if (take_model_option(key, arg, state, options)) {
        return 0;
    }
    switch (key) {
    case OPT_PROFILE:
        options->profile = arg;
        return 0;
    case OPT_CFG:
        options->model.cfg = arg;
        return 0;
    case OPT_BANDWIDTH:
        options->bandwidth_mbps = number(state, "bandwidth-mbps", arg,
                                         LL_LIMIT_LINK_BYTES_PER_S_MIN / bytes_per_s_per_mbps,
                                         LL_LIMIT_LINK_BYTES_PER_S_MAX / bytes_per_s_per_mbps);
        return 0;
    case OPT_PARTITIONER:
        set_partitioner(state, options, arg);
        return 0;
    case OPT_PENALTY:
        options->terms.penalty = number(state, "penalty", arg, 0, LL_IONN_PENALTY_MAX);
        return 0;
    case OPT_JSON:
        options->json = arg;
        return 0;
    case ARGP_KEY_END:
        check(state, options);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static ll_status read_profile(const char *path, struct ll_chain *out_chain, struct ll_error *err)
{
    struct ll_buf *text = NULL;
    ll_status status = ll_buf_map_file(path, LL_LIMIT_PROFILE_BYTES, &text, err);
    if (status != LL_OK) {
        return status;
    }
    status = ll_chain_csv_parse(ll_buf_data(text), ll_buf_bytes(text), out_chain, err);
    ll_buf_unref(text);
    if (status != LL_OK) {
        ll_error_prefix(err, "%s", path);
    }
    return status;
}

static ll_status report(const struct options *options, const struct plan_report *plan_report,
                        struct ll_error *err)
{
    if (!options->json || strcmp(options->json, "-") != 0) {
        plan_report_print(plan_report);
    }
    return options->json ? plan_report_write(plan_report, options->json, err) : LL_OK;
}

static ll_status plan_chain(const struct options *options, const struct ll_chain *chain,
                            const struct plan_machine *machine, struct ll_error *err)
{
    struct ll_plan plan;
    bool was_sorted = false;
    ll_status status =
        ll_plan_from_chain(chain, options->partitioner, &options->terms, &plan, &was_sorted, err);
    if (status != LL_OK) {
        return status;
    }
    const struct plan_report plan_report = {
        .chain = chain,
        .plan = &plan,
        .was_sorted = was_sorted,
        .partitioner = options->partitioner,
        .bandwidth_mbps = options->bandwidth_mbps,
        .terms = &options->terms,
        .source = options->profile ? options->profile : options->model.cfg,
        .machine = machine,
        .slowdown = options->model.slowdown,
        .has_seeded_weights = !options->model.weights,
    };
    status = report(options, &plan_report, err);
    ll_plan_finish(&plan);
    return status;
}

static ll_status plan(const struct options *options, struct ll_error *err)
{
    struct ll_chain chain;
    struct plan_machine machine;
    ll_status status = options->profile ? read_profile(options->profile, &chain, err)
                                        : plan_measure(&options->model, &chain, &machine, err);
    if (status != LL_OK) {
        return status;
    }
    status = plan_chain(options, &chain, options->profile ? NULL : &machine, err);
    ll_chain_finish(&chain);
    return status;
}

/* Also where --help ends the program. */
static void check_stdout(void)
{
    if (!ll_output_end_stdout("plan")) {
        _exit(EXIT_FAILURE);
    }
}

int main(int argc, char **argv)
{
    ll_output_keep_streams();
    atexit(check_stdout);
    static const struct argp argp = {option_list, parse_option, NULL, doc, NULL, NULL, NULL};
    struct options options = {
        .model = {.engine = {.name = "onednn", .threads = 1}, .slowdown = 1, .repeat = 5},
        .partitioner = "efficiency",
        .terms = {.penalty = LL_IONN_PENALTY},
    };
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    options.terms.link.bytes_per_s = options.bandwidth_mbps * bytes_per_s_per_mbps;
    ll_options_enter_caller_folder();
    ll_thread_flush_denormals();

    struct ll_error err = {.text = ""};
    ll_status status = plan(&options, &err);
    if (status != LL_OK) {
        ll_text_complain("plan", err.text[0] ? err.text : ll_status_text(status));
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
