/* Makes a .weights file of trained-like scale for any cfg, and can show what it does. */
#include <argp.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli_program.h"
#include "core/ll_buf.h"
#include "core/ll_limits.h"
#include "core/ll_option_table.h"
#include "core/ll_options.h"
#include "core/ll_sync.h"
#include "core/ll_text.h"
#include "core/ll_version.h"
#include "darknet_backend/dkb_engine.h"
#include "darknet_backend/network/dkb_network.h"
#include "darknet_backend/network/dkb_weights.h"
#include "engine/ll_engine.h"
#include "engine/ll_probe.h"
#include "tools/lab/lab_seed.h"

const char *argp_program_version = "make_weights (layerlift) " LL_VERSION;

struct options {
    const char *cfg;
    const char *out;
    uint64_t seed;
    bool check;
};

static const struct ll_option_row rows[] = {
    {
        .name = "cfg",
        .kind = LL_OPTION_TEXT,
        .arg = "C",
        LL_OPTION_FIELD(struct options, cfg),
        .help = "The network, as a Darknet cfg file",
    },
    {
        .name = "out",
        .kind = LL_OPTION_TEXT,
        .arg = "W",
        LL_OPTION_FIELD(struct options, out),
        .help = "The .weights file to write",
    },
    {
        .name = "seed",
        .kind = LL_OPTION_INT,
        .min = 0,
        .max = INT64_MAX,
        .preset = 1,
        LL_OPTION_FIELD(struct options, seed),
        .help = "Another number, other weights",
    },
    {
        .name = "check",
        .kind = LL_OPTION_FLAG,
        LL_OPTION_FIELD(struct options, check),
        .help =
            "Run the network on a seeded input and print each layer's mean and standard deviation; "
            "fail where a layer gives NaN, infinity, or a root mean square outside 0.001 to 1000",
    },
};

static const struct ll_option_table option_table = LL_OPTION_TABLE(rows, 0x100);

static const char doc[] =
    "Makes weights of trained-like scale from a seed: no trained model, but activations neither "
    "vanish nor explode, so that speed and exactness can be measured with any cfg."
    "\vThe same cfg and seed give the same file on every machine.\n\n"
    "Exit status: 0 success, 1 failure, 2 wrong options.";

static char *help(int key, const char *text, void *input)
{
    (void)input;
    return ll_option_help(&option_table, key, text);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    if (key == ARGP_KEY_END && (!options->cfg || (!options->out && !options->check))) {
        argp_error(state, "--cfg and --out (or --check) are needed");
    }
    return ll_option_parse(&option_table, key, arg, state, options);
}

/* What --check holds; finish takes it half-built. */
struct checker {
    const struct ll_table *table;
    struct ll_engine *engine;
    struct ll_engine_model *model;
    struct ll_engine_context *context;
    float *input;
    int bad_layers;
};

static bool makes_numbers(const char *type)
{
    /* A cost is 0 in inference, a softmax's values say nothing about scale. */
    return strcmp(type, "cost") != 0 && strcmp(type, "softmax") != 0;
}

/* ll_probe.made */
static void print_layer(void *arg, int name, const float *data, int64_t floats)
{
    struct checker *checker = arg;
    double sum = 0;
    double squares = 0;
    for (int64_t i = 0; i < floats; i++) {
        sum += (double)data[i];
        squares += (double)data[i] * (double)data[i];
    }
    double mean = sum / (double)floats;
    double square = squares / (double)floats;
    bool bad =
        makes_numbers(checker->table->layers[name].type) && !(square >= 1e-6 && square <= 1e6);
    checker->bad_layers += bad;
    printf("%4d %-16s mean %10.4g  std %10.4g%s\n", name, checker->table->layers[name].type, mean,
           sqrt(fmax(square - mean * mean, 0)), bad ? "  BAD" : "");
}

static ll_status check_create(struct checker *checker, struct ll_network *network,
                              struct ll_buf *const *blobs, struct ll_error *err)
{
    const struct ll_engine_config config = {.name = "darknet", .threads = 1};
    checker->table = &network->table;
    ll_status status = dkb_engine_create(&config, &checker->engine, err);
    if (status == LL_OK) {
        status = ll_engine_model_create(checker->engine, network, &checker->model, err);
    }
    if (status == LL_OK) {
        status = ll_engine_model_extend(checker->model, network->table.layer_count, blobs, err);
    }
    if (status == LL_OK) {
        status = ll_engine_context_create(checker->model, &checker->context, err);
    }
    return status;
}

static ll_status check_run(struct checker *checker, uint64_t seed, struct ll_error *err)
{
    checker->input = calloc((size_t)checker->table->in_floats, sizeof(float));
    if (!checker->input) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    lab_seed_input(checker->table, seed, checker->input);
    const struct ll_probe probe = {.made = print_layer, .arg = checker};
    ll_probe_set(checker->context, &probe);
    const struct ll_tensor_in input = {LL_TENSOR_INPUT, checker->table->in_floats, checker->input};
    const struct ll_run run = {
        .end = checker->table->layer_count,
        .inputs = &input,
        .input_count = 1,
    };
    ll_status status = ll_engine_run(checker->context, &run, err);
    if (status == LL_OK && checker->bad_layers > 0) {
        status = ll_fail(err, LL_E_INTERNAL, "%d layers are out of scale", checker->bad_layers);
    }
    return status;
}

static ll_status check(struct ll_network *network, struct ll_buf *const *blobs, uint64_t seed,
                       struct ll_error *err)
{
    struct checker checker = {0};
    ll_status status = check_create(&checker, network, blobs, err);
    if (status == LL_OK) {
        status = check_run(&checker, seed, err);
    }
    ll_engine_context_destroy(checker.context);
    ll_engine_model_destroy(checker.model);
    ll_engine_destroy(checker.engine);
    free(checker.input);
    return status;
}

static ll_status parse_cfg(const char *path, struct ll_network **out_network, struct ll_error *err)
{
    struct ll_buf *cfg = NULL;
    ll_status status = ll_buf_map_file(path, LL_LIMIT_CFG_BYTES, &cfg, err);
    if (status != LL_OK) {
        return status;
    }
    status = dkb_network_parse(ll_buf_data(cfg), ll_buf_bytes(cfg), out_network, err);
    ll_buf_unref(cfg);
    if (status != LL_OK) {
        ll_error_prefix(err, "%s", path);
    }
    return status;
}

static ll_status make_weights(const struct options *options, struct ll_error *err)
{
    struct ll_network *network = NULL;
    ll_status status = parse_cfg(options->cfg, &network, err);
    if (status != LL_OK) {
        return status;
    }
    int count = network->table.layer_count;
    struct ll_buf **blobs = calloc((size_t)count, sizeof(struct ll_buf *));
    status = blobs ? lab_seed_blobs(network, options->seed, blobs, err)
                   : ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    if (status == LL_OK && options->out) {
        status = dkb_weights_write(network, blobs, options->out, err);
    }
    if (status == LL_OK && options->check) {
        status = check(network, blobs, options->seed, err);
    }
    if (blobs) {
        dkb_weights_unref(blobs, count);
    }
    free(blobs);
    ll_network_unref(network);
    return status;
}

int main(int argc, char **argv)
{
    cli_program_begin("make_weights");
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
    ll_status status = make_weights(&options, &err);
    if (status != LL_OK) {
        ll_text_complain("make_weights", err.text[0] ? err.text : ll_status_text(status));
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
