#include "device/device_options.h"

#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_limits.h"
#include "core/ll_options.h"
#include "core/ll_version.h"
#include "net/plan/ll_plan.h"
#include "rpc/rpc_address.h"

/* Queries after the upload where nothing else is asked for. */
enum { OPTIONS_DEFAULT_EXTRA = 10 };
/* And how long to wait for an edge then. */
#define OPTIONS_DEFAULT_PATIENCE_NS (10 * LL_NS_PER_S)
/* About a year; and what the wire holds of a deadline. */
#define OPTIONS_MOST_S 3e7
#define OPTIONS_MOST_MS (OPTIONS_MOST_S * 1e3)
#define OPTIONS_MOST_DEADLINE_MS 4e9
#define OPTIONS_MOST_BYTES INT64_C(1000000000000000)

enum {
    OPT_EDGE = 1,
    OPT_REPEAT,
    OPT_UNTIL_UPLOADED,
    OPT_DURATION,
    OPT_CUT,
    OPT_CHOOSE,
    OPT_INPUT_ENCODING,
    OPT_CUT_ENCODING,
    OPT_DEADLINE,
    OPT_WAIT_EDGE,
    OPT_VERIFY,
    OPT_MAX_UPLOAD,
    OPT_INTERVAL,
    OPT_PARTITIONER,
    OPT_NO_PROFILE,
    OPT_SLOWDOWN,
    OPT_LIMIT_MBPS,
};

static const struct argp_option option_list[] = {
    {"edge", OPT_EDGE, "HOST:PORT", 0,
     "Edge server; may be given several times: the next one is taken where one fails (default: "
     "none, everything runs on this device)",
     1},
    {"repeat", OPT_REPEAT, "K", 0,
     "Run K queries; with several pictures, K rounds through them (their default is 1)", 2},
    {"until-uploaded", OPT_UNTIL_UPLOADED, "EXTRA", 0,
     "Run queries until the edge has the whole model, then EXTRA more (default: 10, or those alone "
     "where no edge is there for 10 s)",
     2},
    {"duration", OPT_DURATION, "S", 0, "Run queries for S seconds", 2},
    {"interval", OPT_INTERVAL, "MS", 0,
     "Milliseconds from one query's issue to the next one's (default: 0, back to back)", 2},
    {"cut", OPT_CUT, "FIRST:END", 0,
     "Run layers [FIRST, END) on the edge, and wait until it can (default: chosen for each query)",
     3},
    {"choose", OPT_CHOOSE, "HOW", 0,
     "Which layers a query runs on the edge: fastest (the range that is predicted to take the "
     "least "
     "time, perhaps none) or furthest (from layer 0, as far as the edge is ready); default fastest",
     3},
    {"input-encoding", OPT_INPUT_ENCODING, "E", 0,
     "How the network's input is sent: auto (a byte a value where that is exact, as for a cropped "
     "picture; else f32), f32, or u8 (made exact first, for the layers here too); default auto",
     3},
    {"cut-encoding", OPT_CUT_ENCODING, "E", 0,
     "How other tensors are sent and come back: f32 (default), or f16, with half the bytes and "
     "rounded to 11 bits",
     3},
    {"deadline", OPT_DEADLINE, "MS", 0,
     "Milliseconds that a query waits for the edge before the device finishes it (default: three "
     "times the predicted time, at least 200)",
     3},
    {"wait-edge", OPT_WAIT_EDGE, "MS", 0,
     "Milliseconds that the first query waits for the connection to an edge (default: 200 or a "
     "tenth of what the device alone is predicted to take, the longer, but half of that at most); "
     "0: it starts at once, on this device",
     3},
    {"verify", OPT_VERIFY, "N", 0,
     "Compute one query in N here as well, and leave an edge whose values differ: at all where it "
     "computes as this device does, else by more than 1e-4 of the largest (default: never)",
     3},
    {"max-upload", OPT_MAX_UPLOAD, "SIZE", 0,
     "Upload SIZE bytes of weights at most, such as 50M or 1Gi; queries are not counted (default: "
     "no limit)",
     3},
    {"partitioner", OPT_PARTITIONER, "NAME", 0,
     "How the upload is cut: efficiency (default) or ionn, by the device's layer times; layer, "
     "whole, or mb:N for partitions of about N x 10^6 bytes",
     3},
    {"no-profile", OPT_NO_PROFILE, NULL, 0,
     "Do not read or keep this device's layer times (default: beside the weights, or in "
     "~/.cache/layerlift/profiles)",
     3},
    {"slowdown", OPT_SLOWDOWN, "X", 0,
     "Layers on this device take X times as long, by waiting (default: 1)", 4},
    {"limit-mbps", OPT_LIMIT_MBPS, "R", 0,
     "Never send faster than R x 10^6 bit/s, uploads and queries together (default: no limit)", 4},
    {0},
};

struct parsing {
    struct device_options *options;
    const char *until_option;
};

static int64_t whole_number(struct argp_state *state, const char *option, const char *text,
                            int64_t least, int64_t most)
{
    struct ll_error err;
    int64_t value = least;
    if (ll_parse_int(text, least, most, &value, &err) != LL_OK) {
        argp_error(state, "%s: %s", option, err.text);
    }
    return value;
}

static double number(struct argp_state *state, const char *option, const char *text, double least,
                     double most)
{
    struct ll_error err;
    double value = least;
    if (ll_parse_double(text, least, most, &value, &err) != LL_OK) {
        argp_error(state, "%s: %s", option, err.text);
    }
    return value;
}

static int64_t size(struct argp_state *state, const char *option, const char *text)
{
    struct ll_error err;
    int64_t bytes = 0;
    if (ll_parse_size(text, 1, OPTIONS_MOST_BYTES, &bytes, &err) != LL_OK) {
        argp_error(state, "%s: %s", option, err.text);
    }
    return bytes;
}

/* Times in ns; each option has a most that its unit's ns hold. */
static int64_t time_ns(struct argp_state *state, const char *option, const char *text, double least,
                       double most, double unit_ns)
{
    return (int64_t)(number(state, option, text, least, most) * unit_ns);
}

static void set_until(struct argp_state *state, struct parsing *parsing, const char *option,
                      device_until until)
{
    if (parsing->until_option && strcmp(parsing->until_option, option) != 0) {
        argp_error(state, "%s and %s exclude each other", parsing->until_option, option);
    }
    parsing->until_option = option;
    parsing->options->until = until;
}

static void add_edge(struct argp_state *state, struct device_options *options, const char *address)
{
    struct ll_error err;
    if (rpc_address_check(address, 1, &err) != LL_OK) {
        argp_error(state, "--edge: %s", err.text);
    }
    if (options->edge_count == DEVICE_OPTIONS_EDGES) {
        argp_error(state, "--edge: more than %d edges", DEVICE_OPTIONS_EDGES);
    }
    options->edges[options->edge_count++] = address;
}

static void set_cut(struct argp_state *state, struct device_options *options, const char *text)
{
    char first[16] = "";
    const char *colon = strchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof(first)) {
        argp_error(state, "--cut: '%.100s' is not FIRST:END", text);
        return;
    }
    memcpy(first, text, (size_t)(colon - text));
    options->cut_first = (int)whole_number(state, "--cut", first, 0, LL_LIMIT_LAYERS);
    options->cut_end = (int)whole_number(state, "--cut", colon + 1, 0, LL_LIMIT_LAYERS);
    if (options->cut_first > options->cut_end) {
        argp_error(state, "--cut: %d is behind %d", options->cut_first, options->cut_end);
    }
}

static void set_choose(struct argp_state *state, struct device_options *options, const char *how)
{
    if (strcmp(how, "fastest") == 0) {
        options->choose = DEVICE_CHOOSE_FASTEST;
    } else if (strcmp(how, "furthest") == 0) {
        options->choose = DEVICE_CHOOSE_FURTHEST;
    } else {
        argp_error(state, "--choose: '%.100s' is not one of fastest, furthest", how);
    }
}

static void set_input_encoding(struct argp_state *state, struct device_options *options,
                               const char *name)
{
    if (strcmp(name, "auto") == 0) {
        options->input_encoding = DEVICE_INPUT_AUTO;
    } else if (strcmp(name, "f32") == 0) {
        options->input_encoding = DEVICE_INPUT_F32;
    } else if (strcmp(name, "u8") == 0) {
        options->input_encoding = DEVICE_INPUT_U8;
    } else {
        argp_error(state, "--input-encoding: '%.100s' is not one of auto, f32, u8", name);
    }
}

static void set_cut_encoding(struct argp_state *state, struct device_options *options,
                             const char *name)
{
    if (strcmp(name, "f32") == 0) {
        options->cut_dtype = LL_F32;
    } else if (strcmp(name, "f16") == 0) {
        options->cut_dtype = LL_F16;
    } else {
        argp_error(state, "--cut-encoding: '%.100s' is not one of f32, f16", name);
    }
}

static void set_partitioner(struct argp_state *state, struct device_options *options,
                            const char *name)
{
    struct ll_error err;
    if (ll_plan_check_name(name, true, &err) != LL_OK) {
        argp_error(state, "--partitioner: %s", err.text);
    }
    options->partitioner = name;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct parsing *parsing = state->input;
    struct device_options *options = parsing->options;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &options->model;
        return 0;
    case OPT_EDGE:
        add_edge(state, options, arg);
        return 0;
    case OPT_REPEAT:
        set_until(state, parsing, "--repeat", DEVICE_UNTIL_COUNT);
        options->count = whole_number(state, "--repeat", arg, 1, INT32_MAX);
        return 0;
    case OPT_UNTIL_UPLOADED:
        set_until(state, parsing, "--until-uploaded", DEVICE_UNTIL_UPLOADED);
        options->count = whole_number(state, "--until-uploaded", arg, 0, INT32_MAX);
        return 0;
    case OPT_DURATION:
        set_until(state, parsing, "--duration", DEVICE_UNTIL_TIME);
        options->duration_ns =
            time_ns(state, "--duration", arg, 0, OPTIONS_MOST_S, (double)LL_NS_PER_S);
        return 0;
    case OPT_CUT:
        set_cut(state, options, arg);
        return 0;
    case OPT_CHOOSE:
        set_choose(state, options, arg);
        return 0;
    case OPT_INPUT_ENCODING:
        set_input_encoding(state, options, arg);
        return 0;
    case OPT_CUT_ENCODING:
        set_cut_encoding(state, options, arg);
        return 0;
    case OPT_NO_PROFILE:
        options->keeps_profile = false;
        return 0;
    case OPT_DEADLINE:
        options->deadline_ns =
            time_ns(state, "--deadline", arg, 1e-3, OPTIONS_MOST_DEADLINE_MS, (double)LL_NS_PER_MS);
        return 0;
    case OPT_VERIFY:
        options->verify_every = whole_number(state, "--verify", arg, 1, INT32_MAX);
        return 0;
    case OPT_MAX_UPLOAD:
        options->most_upload_bytes = size(state, "--max-upload", arg);
        return 0;
    case OPT_WAIT_EDGE:
        options->wait_edge_ns =
            time_ns(state, "--wait-edge", arg, 0, OPTIONS_MOST_MS, (double)LL_NS_PER_MS);
        return 0;
    case OPT_INTERVAL:
        options->interval_ns =
            time_ns(state, "--interval", arg, 0, OPTIONS_MOST_MS, (double)LL_NS_PER_MS);
        return 0;
    case OPT_PARTITIONER:
        set_partitioner(state, options, arg);
        return 0;
    case OPT_SLOWDOWN:
        options->terms.slowdown = number(state, "--slowdown", arg, 1, 1e6);
        return 0;
    case OPT_LIMIT_MBPS:
        options->terms.limit_mbps = number(state, "--limit-mbps", arg, 1e-3, 1e6);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child option_children[] = {
    {&cli_options_argp, 0, "Model, input and output:", 5},
    {0},
};

static const struct argp agent_argp = {
    .options = option_list,
    .parser = parse_option,
    .doc = "Runs a Darknet network's queries on an edge server as far as that can, and uploads the "
           "network to it meanwhile; the rest runs on this device.",
    .children = option_children,
};

const char *argp_program_version = "agent (layerlift) " LL_VERSION;

void device_options_parse(int argc, char **argv, struct device_options *out_options)
{
    struct device_options options = {
        .until = DEVICE_UNTIL_UPLOADED,
        .count = OPTIONS_DEFAULT_EXTRA,
        .cut_end = -1,
        .wait_edge_ns = DEVICE_WAIT_PREDICTED,
        .keeps_profile = true,
        .partitioner = "efficiency",
        .terms = {.slowdown = 1},
    };
    struct parsing parsing = {.options = &options};
    argp_err_exit_status = 2;
    argp_parse(&agent_argp, argc, argv, 0, NULL, &parsing);
    options.has_until = parsing.until_option != NULL;
    options.patience_ns = parsing.until_option ? 0 : OPTIONS_DEFAULT_PATIENCE_NS;
    *out_options = options;
}
