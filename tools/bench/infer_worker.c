/* Runs one subject of bench_infer whenever it is told to. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/ll_clock.h"
#include "core/ll_options.h"
#include "core/ll_output.h"
#include "core/ll_sync.h"
#include "core/ll_text.h"
#include "core/ll_version.h"
#include "tools/bench/bench_subject.h"
#include "vision/vision_output.h"

const char *argp_program_version = "infer_worker (layerlift) " LL_VERSION;

struct options {
    struct bench_subject_config subject;
    const char *output;
};

enum {
    OPT_KIND = 1,
    OPT_CFG,
    OPT_WEIGHTS,
    OPT_THREADS,
    OPT_COMPUTE,
    OPT_END,
    OPT_INPUT,
    OPT_OUTPUT
};

static const struct argp_option option_list[] = {
    {"kind", OPT_KIND, "K", 0,
     "What runs: an engine (onednn, darknet), stock (Darknet's network_predict), bare or "
     "bare-winograd (oneDNN's convolutions alone)",
     0},
    {"cfg", OPT_CFG, "C", 0, "The network, as a Darknet cfg file", 0},
    {"weights", OPT_WEIGHTS, "W", 0, "Its .weights file (not for bare convolutions)", 0},
    {"threads", OPT_THREADS, "N", 0, "Compute threads (default 1)", 0},
    {"compute", OPT_COMPUTE, "TYPE", 0, "f32 (default) or bf16, of onednn and bare", 0},
    {"end", OPT_END, "N", 0, "Engines: run the first N layers only", 0},
    {"input-f32", OPT_INPUT, "F", 0, "Input: raw little-endian f32 (default: seeded values)", 0},
    {"output-f32", OPT_OUTPUT, "F", 0, "Write what the first run gives, raw little-endian f32", 0},
    {0},
};

static const char doc[] =
    "Loads a network once and runs it on demand, for tools/bench/bench_infer.py."
    "\vPrints \"ready\" once loaded and run. Then, for each line on stdin: \"run\" runs once and "
    "prints the nanoseconds; \"profile\" runs once and prints KIND:GROUPS:FLOPS:NS for each kind "
    "of layers, separated by spaces. Ends with stdin.\n\n"
    "Exit status: 0 success, 1 failure, 2 wrong options.";

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

static void parse_compute(struct argp_state *state, const char *text, ll_compute *out_compute)
{
    struct ll_error err;
    if (ll_compute_parse(text, out_compute, &err) != LL_OK) {
        argp_error(state, "--compute: %s", err.text);
    }
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case OPT_KIND:
        options->subject.kind = arg;
        return 0;
    case OPT_CFG:
        options->subject.cfg = arg;
        return 0;
    case OPT_WEIGHTS:
        options->subject.weights = arg;
        return 0;
    case OPT_THREADS:
        options->subject.threads = parse_number(state, "threads", arg, 1, 256);
        return 0;
    case OPT_COMPUTE:
        parse_compute(state, arg, &options->subject.compute);
        return 0;
    case OPT_END:
        options->subject.end = parse_number(state, "end", arg, 1, 1 << 20);
        return 0;
    case OPT_INPUT:
        options->subject.input = arg;
        return 0;
    case OPT_OUTPUT:
        options->output = arg;
        return 0;
    case ARGP_KEY_END:
        if (!options->subject.kind || !options->subject.cfg) {
            argp_error(state, "--kind and --cfg are needed");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static ll_status write_output(const struct bench_subject *subject, const char *path,
                              struct ll_error *err)
{
    int64_t floats = 0;
    const float *values = bench_subject_output(subject, &floats);
    return values ? vision_output_write(path, values, floats, err)
                  : ll_fail(err, LL_E_INVALID, "bare convolutions give no output");
}

static ll_status answer_run(struct bench_subject *subject, struct ll_error *err)
{
    int64_t start_ns = ll_clock_now_ns();
    ll_status status = bench_subject_run(subject, err);
    int64_t end_ns = ll_clock_now_ns();
    if (status == LL_OK) {
        printf("%lld\n", (long long)(end_ns - start_ns));
    }
    return status;
}

static ll_status answer_profile(struct bench_subject *subject, struct ll_error *err)
{
    struct bench_layer_sum sums[LAB_KIND_COUNT];
    ll_status status = bench_subject_profile(subject, sums, err);
    for (int i = 0; status == LL_OK && i < LAB_KIND_COUNT; i++) {
        printf("%s%s:%d:%lld:%lld", i > 0 ? " " : "", lab_kind_name(i), sums[i].groups,
               (long long)sums[i].flops, (long long)sums[i].ns);
    }
    if (status == LL_OK) {
        printf("\n");
    }
    return status;
}

static ll_status answer(struct bench_subject *subject, struct ll_error *err)
{
    char line[64];
    ll_status status = LL_OK;
    printf("ready\n");
    fflush(stdout);
    while (status == LL_OK && fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (strcmp(line, "run") == 0) {
            status = answer_run(subject, err);
        } else if (strcmp(line, "profile") == 0) {
            status = answer_profile(subject, err);
        } else {
            status = ll_fail(err, LL_E_INVALID, "'%.60s' is neither run nor profile", line);
        }
        fflush(stdout);
    }
    return status;
}

/* Also where --help ends the program. */
static void check_stdout(void)
{
    if (!ll_output_end_stdout("infer_worker")) {
        _exit(EXIT_FAILURE);
    }
}

int main(int argc, char **argv)
{
    ll_output_keep_streams();
    atexit(check_stdout);
    static const struct argp argp = {option_list, parse_option, NULL, doc, NULL, NULL, NULL};
    struct options options = {.subject = {.threads = 1}};
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    ll_options_enter_caller_folder();
    ll_thread_flush_denormals();
    struct bench_subject *subject = NULL;
    struct ll_error err = {.text = ""};
    ll_status status = bench_subject_create(&options.subject, &subject, &err);
    if (status == LL_OK && options.output) {
        status = write_output(subject, options.output, &err);
    }
    if (status == LL_OK) {
        status = answer(subject, &err);
    }
    bench_subject_destroy(subject);
    if (status != LL_OK) {
        ll_text_complain("infer_worker", err.text[0] ? err.text : ll_status_text(status));
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
