#include "cli/cli_model_options.h"

#include <stdlib.h>
#include <unistd.h>

#include "core/ll_log.h"
#include "core/ll_options.h"
#include "core/ll_startup.h"
#include "vision/vision_boxes.h"

/* Keys above those that a program's own options use as letters; a program starts its own at 1. */
enum {
    OPT_CFG = 0x1000,
    OPT_WEIGHTS,
    OPT_IMAGE,
    OPT_INPUT_F32,
    OPT_FIT,
    OPT_OUTPUT_F32,
    OPT_ENGINE,
    OPT_THREADS,
    OPT_COMPUTE,
    OPT_NAMES,
    OPT_TOP,
    OPT_THRESH,
    OPT_NMS,
    OPT_DRAW,
    OPT_JSON,
    OPT_LOG_LEVEL,
};

enum { THREADS_MAX = 256, TOP_MAX = 1000 };

static const struct argp_option option_list[] = {
    {"cfg", OPT_CFG, "C", 0, "The network, as a Darknet cfg file", 0},
    {"weights", OPT_WEIGHTS, "W", 0, "Its .weights file", 0},
    {"image", OPT_IMAGE, "I", 0,
     "Input: a JPEG, PNG or BMP picture, a folder of them, a pipe, or - for standard input; may be "
     "given several times, and further names may follow it",
     0},
    {"input-f32", OPT_INPUT_F32, "F", 0, "Input: raw little-endian f32, channels x height x width",
     0},
    {"fit", OPT_FIT, "HOW", 0,
     "How a picture fits the network: letterbox (the whole, between grey bars), stretch (the "
     "whole, "
     "in the network's shape, as YOLO v1 and popular forks of Darknet) or crop (shorter side to "
     "size / 0.875, then the middle); default letterbox",
     0},
    {"output-f32", OPT_OUTPUT_F32, "F", 0,
     "Write the network's outputs in layer order, raw little-endian f32", 0},
    {"engine", OPT_ENGINE, "E", 0, "What computes: onednn (default) or darknet, the reference", 0},
    {"threads", OPT_THREADS, "N", 0, "Compute threads, from 1 to 256 (default 1)", 0},
    {"compute", OPT_COMPUTE, "TYPE", 0,
     "What onednn computes in: f32 (default), or bf16 where the processor has it", 0},
    {"names", OPT_NAMES, "N", 0, "Names of the classes, one a line", 0},
    {"top", OPT_TOP, "K", 0, "How many of the best classes to print, from 0 to 1000 (default 5)",
     0},
    {"thresh", OPT_THRESH, "P", 0,
     "For networks that find boxes: tell of those that are more probable than P, from 0 to 1 "
     "(default 0.5)",
     0},
    {"nms", OPT_NMS, "P", 0,
     "Of two boxes of a class whose intersection is more than P of their union, drop the less "
     "probable one; from 0 to 1 (default 0.45)",
     0},
    {"draw", OPT_DRAW, "F", 0, "Write the picture with the boxes drawn on it to F, as PNG", 0},
    {"json", OPT_JSON, "F", 0, "Write results as JSON lines to F; - is stdout", 0},
    {"log-level", OPT_LOG_LEVEL, "L", 0, "error, warn, info or debug (default info)", 0},
    {0},
};

static int parse_number(struct argp_state *state, const char *option, const char *text, int min,
                        int max)
{
    struct ll_error err;
    int64_t value = min;
    if (ll_parse_int(text, min, max, &value, &err) != LL_OK) {
        argp_error(state, "--%s: %s", option, err.text);
    }
    return (int)value;
}

static float parse_part(struct argp_state *state, const char *option, const char *text)
{
    struct ll_error err;
    double value = 0;
    if (ll_parse_double(text, 0, 1, &value, &err) != LL_OK) {
        argp_error(state, "--%s: %s", option, err.text);
    }
    return (float)value;
}

static void parse_fit(struct argp_state *state, const char *text, vision_fit *out_fit)
{
    struct ll_error err;
    if (vision_fit_parse(text, out_fit, &err) != LL_OK) {
        argp_error(state, "--fit: %s", err.text);
    }
}

static void parse_compute(struct argp_state *state, const char *text, ll_compute *out_compute)
{
    struct ll_error err;
    if (ll_compute_parse(text, out_compute, &err) != LL_OK) {
        argp_error(state, "--compute: %s", err.text);
    }
}

static void parse_log_level(struct argp_state *state, const char *text)
{
    ll_log_level level = LL_LOG_INFO;
    if (ll_log_parse_level(text, &level) != LL_OK) {
        argp_error(state, "--log-level: '%.100s' is not one of error, warn, info, debug", text);
    }
    ll_log_set_level(level);
}

static void add_image(struct argp_state *state, struct cli_model_options *options, const char *name)
{
    if (options->image_count == CLI_OPTIONS_IMAGES) {
        argp_error(state, "--image: more than %d names; a folder's pictures need only one",
                   CLI_OPTIONS_IMAGES);
    }
    options->images[options->image_count++] = name;
    options->input.image = options->images[0];
}

/* The values that stand for themselves; false for another key. */
static bool take_text(int key, const char *arg, struct cli_model_options *options)
{
    switch (key) {
    case OPT_CFG:
        options->cfg = arg;
        return true;
    case OPT_WEIGHTS:
        options->weights = arg;
        return true;
    case OPT_INPUT_F32:
        options->input.input_f32 = arg;
        return true;
    case OPT_OUTPUT_F32:
        options->output_f32 = arg;
        return true;
    case OPT_ENGINE:
        options->engine.name = arg;
        return true;
    case OPT_NAMES:
        options->names = arg;
        return true;
    case OPT_DRAW:
        options->draw = arg;
        return true;
    case OPT_JSON:
        options->json = arg;
        return true;
    default:
        return false;
    }
}

/* Compute threads and the ones that keep them, before a library ends the program for want of one.
 */
static void check_threads(struct argp_state *state, const struct cli_model_options *options)
{
    struct ll_error err = {.text = ""};
    int threads = options->engine.threads;
    /* libgomp has a team of the processors besides. */
    int team = (int)sysconf(_SC_NPROCESSORS_ONLN) + 2;
    if (threads > 1 && ll_startup_threads(threads + team, &err) != LL_OK) {
        argp_failure(state, EXIT_FAILURE, 0, "--threads: %s", err.text);
    }
}

static void check_engine(struct argp_state *state, const struct cli_model_options *options)
{
    struct ll_error err = {.text = ""};
    struct ll_engine *engine = NULL;
    ll_status status = dkb_engine_create(&options->engine, &engine, &err);
    ll_engine_destroy(engine);
    if (status == LL_OK) {
        return;
    }
    bool is_compute = options->engine.compute != LL_COMPUTE_F32 &&
                      dkb_engine_check_name(options->engine.name, NULL) == LL_OK;
    const char *option = is_compute ? "compute" : "engine";
    if (status == LL_E_INVALID || status == LL_E_UNSUPPORTED) {
        argp_error(state, "--%s: %s", option, err.text);
    }
    /* The option is right, the machine is not. */
    argp_failure(state, EXIT_FAILURE, 0, "--%s: %s", option,
                 err.text[0] ? err.text : ll_status_text(status));
}

static void check(struct argp_state *state, const struct cli_model_options *options)
{
    if (!options->cfg || !options->weights) {
        argp_error(state, "--cfg and --weights are needed");
    }
    if (!options->input.image == !options->input.input_f32) {
        argp_error(state, "one of --image and --input-f32 is needed, not both");
    }
    if (options->draw && !options->input.image) {
        argp_error(state, "--draw: raw input is no picture to draw on: give --image");
    }
    check_threads(state, options);
    check_engine(state, options);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct cli_model_options *options = state->input;
    if (take_text(key, arg, options)) {
        return 0;
    }
    switch (key) {
    case ARGP_KEY_INIT:
        *options = (struct cli_model_options){
            .engine = {.name = "onednn", .threads = 1},
            .top = 5,
            .thresh = VISION_BOXES_THRESH,
            .nms = VISION_BOXES_NMS,
        };
        return 0;
    case OPT_IMAGE:
        add_image(state, options, arg);
        return 0;
    case ARGP_KEY_ARG:
        /* `--image *.jpg`, as the shell hands it over. */
        if (options->image_count == 0) {
            return ARGP_ERR_UNKNOWN;
        }
        add_image(state, options, arg);
        return 0;
    case OPT_FIT:
        parse_fit(state, arg, &options->input.fit);
        return 0;
    case OPT_THREADS:
        options->engine.threads = parse_number(state, "threads", arg, 1, THREADS_MAX);
        return 0;
    case OPT_COMPUTE:
        parse_compute(state, arg, &options->engine.compute);
        return 0;
    case OPT_TOP:
        options->top = parse_number(state, "top", arg, 0, TOP_MAX);
        return 0;
    case OPT_THRESH:
        options->thresh = parse_part(state, "thresh", arg);
        return 0;
    case OPT_NMS:
        options->nms = parse_part(state, "nms", arg);
        return 0;
    case OPT_LOG_LEVEL:
        parse_log_level(state, arg);
        return 0;
    case ARGP_KEY_END:
        check(state, options);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp cli_options_argp = {option_list, parse_option, NULL, NULL, NULL, NULL, NULL};
