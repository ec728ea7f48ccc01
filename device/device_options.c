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

/* Where --help has an option. */
enum { GROUP_EDGES = 1, GROUP_UNTIL, GROUP_QUERY, GROUP_SLOW, GROUP_MODEL };

/* Fields of these two are the whole struct. */
static ll_status take_edge(const char *text, void *field, struct ll_error *err)
{
    struct device_options *options = field;
    ll_status status = rpc_address_check(text, 1, err);
    if (status != LL_OK) {
        return status;
    }
    if (options->edge_count == DEVICE_OPTIONS_EDGES) {
        return ll_fail(err, LL_E_INVALID, "more than %d edges", DEVICE_OPTIONS_EDGES);
    }
    options->edges[options->edge_count++] = text;
    return LL_OK;
}

static ll_status take_cut(const char *text, void *field, struct ll_error *err)
{
    struct device_options *options = field;
    int64_t first = 0;
    int64_t end = 0;
    char first_text[16] = "";
    const char *colon = strchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof(first_text)) {
        return ll_fail(err, LL_E_INVALID, "'%.100s' is not FIRST:END", text);
    }
    memcpy(first_text, text, (size_t)(colon - text));
    ll_status status = ll_parse_int(first_text, 0, LL_LIMIT_LAYERS, &first, err);
    if (status == LL_OK) {
        status = ll_parse_int(colon + 1, 0, LL_LIMIT_LAYERS, &end, err);
    }
    if (status == LL_OK && first > end) {
        return ll_fail(err, LL_E_INVALID, "%d is behind %d", (int)first, (int)end);
    }
    if (status == LL_OK) {
        options->cut_first = (int)first;
        options->cut_end = (int)end;
    }
    return status;
}

static ll_status take_cut_encoding(const char *text, void *field, struct ll_error *err)
{
    static const struct {
        const char *name;
        ll_dtype dtype;
    } names[] = {{"f32", LL_F32}, {"f16", LL_F16}, {"u8", LL_U8_CHANNEL}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i].name) == 0) {
            *(ll_dtype *)field = names[i].dtype;
            return LL_OK;
        }
    }
    return ll_fail(err, LL_E_INVALID, "'%.100s' is not one of f32, f16, u8", text);
}

static ll_status take_partitioner(const char *text, void *field, struct ll_error *err)
{
    ll_status status = ll_plan_check_name(text, true, err);
    if (status == LL_OK) {
        *(const char **)field = text;
    }
    return status;
}

#define FIELD(member) LL_OPTION_FIELD(struct device_options, member)

/* Choices are in the order of their enums. */
_Static_assert(DEVICE_WANT_ANY == 0 && DEVICE_WANT_F32 == 1 && DEVICE_WANT_U8 == 2 &&
                   DEVICE_WANT_FILE == 3 && DEVICE_WANT_WEBP == 4 && DEVICE_WANT_PLANES == 5,
               "as --input-encoding has them");
_Static_assert(DEVICE_PRECISION_EXACT == 0 && DEVICE_PRECISION_DRAFT == 1,
               "as --precision has them");
_Static_assert(DEVICE_WEIGHTS_FRAMES == 0 && DEVICE_WEIGHTS_RAW == 1,
               "as --weight-encoding has them");
_Static_assert(DEVICE_DRAFT_BF16 == 0 && DEVICE_DRAFT_M4 == 1, "as --draft has them");
_Static_assert(DEVICE_CHOOSE_FASTEST == 0 && DEVICE_CHOOSE_FURTHEST == 1, "as --choose has them");

static const struct ll_option_row rows[] = {
    {
        .name = "edge",
        .group = GROUP_EDGES,
        .kind = LL_OPTION_OWN,
        .arg = "HOST:PORT",
        .take = take_edge,
        .shown = "none: everything runs on this device",
        .help = "Edge server; may be given several times: the next one is taken where one fails",
    },
    {
        .name = "repeat",
        .group = GROUP_UNTIL,
        .kind = LL_OPTION_INT,
        .arg = "K",
        .min = 1,
        .max = INT32_MAX,
        .preset = OPTIONS_DEFAULT_EXTRA,
        .shown = "",
        FIELD(count),
        .help = "Run K queries; with several pictures, K rounds through them",
    },
    {
        .name = "until-uploaded",
        .group = GROUP_UNTIL,
        .kind = LL_OPTION_INT,
        .arg = "EXTRA",
        .min = 0,
        .max = INT32_MAX,
        .preset = OPTIONS_DEFAULT_EXTRA,
        .shown = "10, or those alone where no edge is there for 10 s",
        FIELD(count),
        .help = "Run queries until the edge has the whole model, then EXTRA more",
        .manual = "Run queries until the edge has the whole model, then EXTRA more; with several "
                  "pictures and none of these options, `--repeat 1`",
    },
    {
        .name = "duration",
        .group = GROUP_UNTIL,
        .kind = LL_OPTION_TIME,
        .unit = "s",
        .least = 0,
        .most = OPTIONS_MOST_S,
        .shown = "",
        FIELD(duration_ns),
        .help = "Run queries for S seconds",
    },
    {
        .name = "interval",
        .group = GROUP_UNTIL,
        .kind = LL_OPTION_TIME,
        .unit = "ms",
        .least = 0,
        .most = OPTIONS_MOST_MS,
        FIELD(interval_ns),
        .help = "Time from one query's issue to the next one's; 0: back to back",
    },
    {
        .name = "cut",
        .group = GROUP_QUERY,
        .kind = LL_OPTION_OWN,
        .arg = "FIRST:END",
        .take = take_cut,
        .shown = "chosen for each query",
        .help = "Run layers [FIRST, END) on the edge, and wait until it can",
        .manual = "Run layers [FIRST, END) on the edge, and wait until it can; both must be legal "
                  "cuts (`infer` and `plan --cfg` say how many layers a network has)",
    },
    {
        .name = "choose",
        .group = GROUP_QUERY,
        .kind = LL_OPTION_CHOICE,
        .arg = "HOW",
        .choices = "fastest|furthest",
        FIELD(choose),
        .help = "Which layers a query runs on the edge: fastest (the range that is predicted to "
                "take the least time, perhaps none) or furthest (from layer 0, as far as the edge "
                "is ready)",
    },
    {
        .name = "input-encoding",
        .group = GROUP_QUERY,
        .kind = LL_OPTION_CHOICE,
        .arg = "E",
        .choices = "auto|f32|u8|file|webp|planes",
        FIELD(input_encoding),
        .help = "How the network's input is sent: auto (whichever of the exact ways is fastest on "
                "this link), f32, u8 (made exact first, for the layers here too), file (the "
                "picture's own, without its metadata), webp (lossless, of inputs that bytes hold) "
                "or planes (lossless); where one cannot be had, auto",
    },
    {
        .name = "input-quality",
        .group = GROUP_QUERY,
        .kind = LL_OPTION_INT,
        .arg = "Q",
        .min = 1,
        .max = 100,
        .shown = "the picture as it is",
        FIELD(input_quality),
        .help = "Make a JPEG of quality Q of the network's input, and compute with what is left of "
                "it, here as there: not the picture's own answer any more (at 95 the best class "
                "of one photo in fifteen is another one, at 90 of one in ten)",
    },
    {
        .name = "cut-encoding",
        .group = GROUP_QUERY,
        .kind = LL_OPTION_OWN,
        .arg = "E",
        .take = take_cut_encoding,
        .shown = "f32",
        FIELD(cut_dtype),
        .choices = "f32|f16|u8",
        .help = "How other tensors are sent and come back: f32; f16, with half the bytes and "
                "rounded to 11 bits; or u8, with a quarter, rounded to 256 steps in each channel. "
                "All are packed losslessly where that pays at the link's rate",
    },
    {
        .name = "weight-encoding",
        .group = GROUP_QUERY,
        .kind = LL_OPTION_CHOICE,
        .arg = "E",
        .choices = "frames|raw",
        FIELD(weight_encoding),
        .help = "How weights are uploaded: frames (losslessly encoded, where the edge takes that), "
                "or raw, as they are; not with --precision draft or --delta-from",
    },
    {
        .name = "precision",
        .group = GROUP_QUERY,
        .kind = LL_OPTION_CHOICE,
        .arg = "P",
        .choices = "exact|draft",
        FIELD(precision),
        .help = "The least that an answer may have: exact, or draft (rounded weights are uploaded "
                "first, and answer until the rest is there)",
        .manual = "The least that an answer may have: exact, or draft (rounded weights are "
                  "uploaded first, and answer until the rest is there; [below](#drafts))",
    },
    {
        .name = "draft",
        .group = GROUP_QUERY,
        .kind = LL_OPTION_CHOICE,
        .arg = "D",
        .choices = "bf16|m4",
        FIELD(draft),
        .help =
            "With --precision draft: how its weights are rounded, bf16 (to 8 bits of significand; "
            "a third of the model's bytes) or m4 (to 5; a quarter, for links below a few Mbit/s)",
    },
    {
        .name = "delta-from",
        .group = GROUP_QUERY,
        .kind = LL_OPTION_TEXT,
        .arg = "WEIGHTS",
        .shown = "none",
        FIELD(delta_from),
        .help = "Weights of an earlier model with the same cfg, which the edge may have: what "
                "differs from them is sent; not with --precision draft",
    },
    {
        .name = "deadline",
        .group = GROUP_QUERY,
        .kind = LL_OPTION_TIME,
        .unit = "ms",
        .least = 1e-3,
        .most = OPTIONS_MOST_DEADLINE_MS,
        .shown = "three times the predicted time, at least 200",
        FIELD(deadline_ns),
        .help = "Time that a query waits for the edge before the device finishes it",
    },
    {
        .name = "wait-edge",
        .group = GROUP_QUERY,
        .kind = LL_OPTION_TIME,
        .unit = "ms",
        .least = 0,
        .most = OPTIONS_MOST_MS,
        .shown = "200 or a tenth of what the device alone is predicted to take, the longer, but "
                 "half of that at most",
        FIELD(wait_edge_ns),
        .help = "Time that the first query waits for the connection to an edge; 0: it starts at "
                "once, on this device",
    },
    {
        .name = "verify",
        .group = GROUP_QUERY,
        .kind = LL_OPTION_INT,
        .min = 1,
        .max = INT32_MAX,
        .shown = "never",
        FIELD(verify_every),
        .help = "Compute one query in N here as well, and leave an edge whose values differ: at "
                "all where it computes as this device does, else by more than 1e-4 of the largest",
        .manual = "Compute one query in N here as well, and leave an edge whose values differ "
                  "([below](#when-the-edge-fails))",
    },
    {
        .name = "max-upload",
        .group = GROUP_QUERY,
        .kind = LL_OPTION_SIZE,
        .min = 1,
        .max = OPTIONS_MOST_BYTES,
        .shown = "no limit",
        FIELD(most_upload_bytes),
        .help = "Upload so many bytes of weights at most, such as 50M or 1Gi; queries are not "
                "counted",
        .manual = "Upload so many bytes of weights at most, such as `50M` or `1Gi`, for metered "
                  "links; queries use the layers that are there by then, and are not counted",
    },
    {
        .name = "partitioner",
        .group = GROUP_QUERY,
        .kind = LL_OPTION_OWN,
        .arg = "NAME",
        .take = take_partitioner,
        FIELD(partitioner),
        .shown = "efficiency",
        .help = "How the upload is cut: efficiency or ionn, by the device's layer times; layer, "
                "whole, or mb:N for partitions of about N x 10^6 bytes",
        .manual = "How the upload is cut ([design.md](design.md#planning)): `efficiency` or "
                  "`ionn`, by the device's layer times; `layer`, `whole`, or `mb:N` for partitions "
                  "of about N x 10^6 bytes",
    },
    {
        .name = "no-profile",
        .group = GROUP_QUERY,
        .kind = LL_OPTION_FLAG,
        .preset = true,
        .shown = "",
        FIELD(keeps_profile),
        .help = "Do not read or keep this device's layer times, which else are beside the weights, "
                "or in ~/.cache/layerlift/profiles",
        .manual = "Do not read or keep this device's layer times ([below](#layer-times))",
    },
    {
        .name = "slowdown",
        .group = GROUP_SLOW,
        .kind = LL_OPTION_NUMBER,
        .least = 1,
        .most = 1e6,
        .preset_number = 1,
        FIELD(terms.slowdown),
        .help = "Layers on this device take X times as long, by waiting",
    },
    {
        .name = "limit-mbps",
        .group = GROUP_SLOW,
        .kind = LL_OPTION_NUMBER,
        .arg = "R",
        .unit = "10^6 bit/s",
        .least = 1e-3,
        .most = 1e6,
        .shown = "no limit",
        FIELD(terms.limit_mbps),
        .help = "Never send faster than R, uploads and queries together",
    },
};

const struct ll_option_table device_option_table = LL_OPTION_TABLE(rows, 0x100);

struct parsing {
    struct device_options *options;
    const char *until_option;
    bool has_draft;
};

static void set_until(struct argp_state *state, struct parsing *parsing, const char *option)
{
    if (parsing->until_option && strcmp(parsing->until_option, option) != 0) {
        argp_error(state, "--%s and --%s exclude each other", parsing->until_option, option);
    }
    parsing->until_option = option;
    parsing->options->until = strcmp(option, "repeat") == 0     ? DEVICE_UNTIL_COUNT
                              : strcmp(option, "duration") == 0 ? DEVICE_UNTIL_TIME
                                                                : DEVICE_UNTIL_UPLOADED;
}

static char *help(int key, const char *text, void *input)
{
    (void)input;
    return ll_option_help(&device_option_table, key, text);
}

/* What only all options together tell. */
static void check_together(struct argp_state *state, const struct parsing *parsing)
{
    const struct device_options *options = parsing->options;
    bool wants_draft = options->precision == DEVICE_PRECISION_DRAFT;
    if (options->weight_encoding == DEVICE_WEIGHTS_RAW && (options->delta_from || wants_draft)) {
        argp_error(state, "--weight-encoding raw and %s exclude each other",
                   options->delta_from ? "--delta-from" : "--precision draft");
    } else if (options->delta_from && wants_draft) {
        argp_error(state, "--delta-from and --precision draft exclude each other");
    } else if (parsing->has_draft && !wants_draft) {
        argp_error(state, "--draft needs --precision draft");
    }
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct parsing *parsing = state->input;
    if (key == ARGP_KEY_INIT) {
        state->child_inputs[0] = &parsing->options->model;
        return 0;
    }
    if (key == ARGP_KEY_END) {
        check_together(state, parsing);
    }
    const struct ll_option_row *row = ll_option_find(&device_option_table, key);
    if (row && row->group == GROUP_UNTIL && strcmp(row->name, "interval") != 0) {
        set_until(state, parsing, row->name);
    }
    parsing->has_draft = parsing->has_draft || (row && strcmp(row->name, "draft") == 0);
    return ll_option_parse(&device_option_table, key, arg, state, parsing->options);
}

void device_options_parse(int argc, char **argv, struct device_options *out_options)
{
    struct argp_option entries[LL_OPTION_ENTRIES(sizeof(rows) / sizeof(rows[0]))];
    ll_option_list(&device_option_table, entries);
    const struct argp_child children[] = {
        {cli_options_argp(), 0, "Model, input and output:", GROUP_MODEL},
        {0},
    };
    const struct argp argp = {
        .options = entries,
        .parser = parse_option,
        .doc = "Runs a Darknet network's queries on an edge server as far as that can, and uploads "
               "the network to it meanwhile; the rest runs on this device.",
        .children = children,
        .help_filter = help,
    };
    struct device_options options = {.partitioner = "efficiency"};
    ll_option_set_defaults(&device_option_table, &options);
    options.until = DEVICE_UNTIL_UPLOADED;
    options.cut_end = -1;
    options.wait_edge_ns = DEVICE_WAIT_PREDICTED;
    struct parsing parsing = {.options = &options};
    argp_program_version = "agent (layerlift) " LL_VERSION;
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &parsing);
    options.has_until = parsing.until_option != NULL;
    options.patience_ns = parsing.until_option ? 0 : OPTIONS_DEFAULT_PATIENCE_NS;
    *out_options = options;
}
