#include "cli/cli_model_options.h"

#include <stdlib.h>
#include <unistd.h>

#include "core/ll_startup.h"
#include "vision/vision_boxes.h"

enum { THREADS_MAX = 256, TOP_MAX = 1000 };

static ll_status take_fit(const char *text, void *field, struct ll_error *err)
{
    return vision_fit_parse(text, field, err);
}

/* The field is the whole struct. */
static ll_status take_image(const char *text, void *field, struct ll_error *err)
{
    struct cli_model_options *options = field;
    if (options->image_count == CLI_OPTIONS_IMAGES) {
        return ll_fail(err, LL_E_INVALID, "more than %d names; a folder's pictures need only one",
                       CLI_OPTIONS_IMAGES);
    }
    options->images[options->image_count++] = text;
    options->input.image = options->images[0];
    return LL_OK;
}

#define FIELD(member) LL_OPTION_FIELD(struct cli_model_options, member)

static const struct ll_option_row rows[] = {
    {
        .name = "cfg",
        .kind = LL_OPTION_TEXT,
        .arg = "C",
        FIELD(cfg),
        .help = "The network, as a Darknet cfg file",
    },
    {
        .name = "weights",
        .kind = LL_OPTION_TEXT,
        .arg = "W",
        FIELD(weights),
        .help = "Its .weights file",
    },
    {
        .name = "image",
        .kind = LL_OPTION_OWN,
        .arg = "I",
        .take = take_image,
        .help = "Input: a JPEG, PNG or BMP picture, a folder of them, a pipe, or - for standard "
                "input; may be given several times, and further names may follow it",
        .manual = "Input: a picture or several ([below](#pictures))",
    },
    {
        .name = "input-f32",
        .kind = LL_OPTION_TEXT,
        .arg = "F",
        FIELD(input.input_f32),
        .help = "Input: raw little-endian f32, channels x height x width",
    },
    {
        .name = "fit",
        .kind = LL_OPTION_OWN,
        .arg = "HOW",
        .take = take_fit,
        FIELD(input.fit),
        .shown = "letterbox",
        .choices = "letterbox|stretch|crop",
        .help = "How a picture fits the network: letterbox (the whole, between grey bars), stretch "
                "(the whole, in the network's shape, as YOLO v1 and popular forks of Darknet) or "
                "crop (shorter side to size / 0.875, then the middle)",
    },
    {
        .name = "output-f32",
        .kind = LL_OPTION_TEXT,
        .arg = "F",
        FIELD(output_f32),
        .help = "Write the network's outputs in layer order, raw little-endian f32",
    },
    {
        .name = "engine",
        .kind = LL_OPTION_TEXT,
        .arg = "E",
        .preset_text = "onednn",
        FIELD(engine.name),
        .choices = "onednn|darknet",
        .help = "What computes: onednn, or darknet, the reference",
    },
    {
        .name = "threads",
        .kind = LL_OPTION_INT,
        .min = 1,
        .max = THREADS_MAX,
        .preset = 1,
        FIELD(engine.threads),
        .help = "Compute threads",
    },
    {
        .name = "compute",
        .kind = LL_OPTION_OWN,
        .arg = "TYPE",
        .take = ll_compute_take,
        FIELD(engine.compute),
        .shown = "f32",
        .choices = "f32|bf16",
        .help = "What onednn computes in: f32, or bf16 where the processor has it",
    },
    {
        .name = "names",
        .kind = LL_OPTION_TEXT,
        .arg = "N",
        FIELD(names),
        .help = "Names of the classes, one a line",
        .manual = "Names of the classes, one a line in UTF-8; with fewer names than classes, "
                  "numbers are printed and a warning",
    },
    {
        .name = "top",
        .kind = LL_OPTION_INT,
        .arg = "K",
        .min = 0,
        .max = TOP_MAX,
        .preset = 5,
        FIELD(top),
        .help = "How many of the best classes to print",
    },
    {
        .name = "thresh",
        .kind = LL_OPTION_NUMBER,
        .arg = "P",
        .least = 0,
        .most = 1,
        .preset_number = VISION_BOXES_THRESH,
        FIELD(thresh),
        .help = "For networks that find boxes: tell of those that are more probable than P",
        .manual = "For networks that find boxes ([below](#boxes)): tell of those that are more "
                  "probable than P",
    },
    {
        .name = "nms",
        .kind = LL_OPTION_NUMBER,
        .arg = "P",
        .least = 0,
        .most = 1,
        .preset_number = VISION_BOXES_NMS,
        FIELD(nms),
        .help = "Of two boxes of a class whose intersection is more than P of their union, drop "
                "the less probable one",
    },
    {
        .name = "draw",
        .kind = LL_OPTION_TEXT,
        .arg = "F",
        FIELD(draw),
        .help = "Write the picture with the boxes drawn on it to F, as PNG",
        .manual = "Write the picture with the last query's boxes drawn on it to F, as PNG; needs "
                  "`--image` and a network that finds boxes",
    },
    {
        .name = "json",
        .kind = LL_OPTION_TEXT,
        .arg = "F",
        FIELD(json),
        .help = "Write results as JSON lines to F; - is stdout",
        .manual = "Write results as JSON lines to F; `-` is stdout, and text for people goes to "
                  "stderr then",
    },
    {
        .name = "log-level",
        .kind = LL_OPTION_OWN,
        .arg = "L",
        .take = ll_option_take_log_level,
        .shown = "info",
        .choices = "error|warn|info|debug",
        .help = "What is logged on stderr: error, warn, info or debug",
    },
};

/* Keys above those of a program's own options. */
const struct ll_option_table cli_option_table = LL_OPTION_TABLE(rows, 0x10000);

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

static char *help(int key, const char *text, void *input)
{
    (void)input;
    return ll_option_help(&cli_option_table, key, text);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct cli_model_options *options = state->input;
    struct ll_error err = {.text = ""};
    switch (key) {
    case ARGP_KEY_INIT:
        *options = (struct cli_model_options){.cfg = NULL};
        ll_option_set_defaults(&cli_option_table, options);
        return 0;
    case ARGP_KEY_ARG:
        /* `--image *.jpg`, as the shell hands it over. */
        if (options->image_count == 0) {
            return ARGP_ERR_UNKNOWN;
        }
        if (take_image(arg, options, &err) != LL_OK) {
            argp_error(state, "--image: %s", err.text);
        }
        return 0;
    case ARGP_KEY_END:
        check(state, options);
        return 0;
    default:
        return ll_option_parse(&cli_option_table, key, arg, state, options);
    }
}

const struct argp *cli_options_argp(void)
{
    static struct argp_option entries[LL_OPTION_ENTRIES(sizeof(rows) / sizeof(rows[0]))];
    static const struct argp argp = {
        .options = entries, .parser = parse_option, .help_filter = help};
    ll_option_list(&cli_option_table, entries);
    return &argp;
}
