/* Runs one subject of bench_infer whenever it is told to. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli_program.h"
#include "core/ll_clock.h"
#include "core/ll_option_table.h"
#include "core/ll_options.h"
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

static const struct ll_option_row rows[] = {
    {
        .name = "kind",
        .kind = LL_OPTION_TEXT,
        .arg = "K",
        LL_OPTION_FIELD(struct options, subject.kind),
        .help = "What runs: an engine (onednn, darknet), stock (Darknet's network_predict), bare "
                "or bare-winograd (oneDNN's convolutions alone)",
    },
    {
        .name = "cfg",
        .kind = LL_OPTION_TEXT,
        .arg = "C",
        LL_OPTION_FIELD(struct options, subject.cfg),
        .help = "The network, as a Darknet cfg file",
    },
    {
        .name = "weights",
        .kind = LL_OPTION_TEXT,
        .arg = "W",
        LL_OPTION_FIELD(struct options, subject.weights),
        .help = "Its .weights file (not for bare convolutions)",
    },
    {
        .name = "threads",
        .kind = LL_OPTION_INT,
        .min = 1,
        .max = 256,
        .preset = 1,
        LL_OPTION_FIELD(struct options, subject.threads),
        .help = "Compute threads",
    },
    {
        .name = "compute",
        .kind = LL_OPTION_OWN,
        .arg = "TYPE",
        .shown = "f32",
        .take = ll_compute_take,
        LL_OPTION_FIELD(struct options, subject.compute),
        .help = "What onednn and bare compute in: f32 or bf16",
    },
    {
        .name = "end",
        .kind = LL_OPTION_INT,
        .min = 1,
        .max = 1 << 20,
        .shown = "all",
        LL_OPTION_FIELD(struct options, subject.end),
        .help = "Engines: run the first N layers only",
    },
    {
        .name = "input-f32",
        .kind = LL_OPTION_TEXT,
        .arg = "F",
        .shown = "seeded values",
        LL_OPTION_FIELD(struct options, subject.input),
        .help = "Input: raw little-endian f32",
    },
    {
        .name = "output-f32",
        .kind = LL_OPTION_TEXT,
        .arg = "F",
        LL_OPTION_FIELD(struct options, output),
        .help = "Write what the first run gives, raw little-endian f32",
    },
};

static const struct ll_option_table option_table = LL_OPTION_TABLE(rows, 0x100);

static const char doc[] =
    "Loads a network once and runs it on demand, for tools/bench/bench_infer.py."
    "\vPrints \"ready\" once loaded and run. Then, for each line on stdin: \"run\" runs once and "
    "prints the nanoseconds; \"profile\" runs once and prints KIND:GROUPS:FLOPS:NS for each kind "
    "of layers, separated by spaces. Ends with stdin.\n\n"
    "Exit status: 0 success, 1 failure, 2 wrong options.";

static char *help(int key, const char *text, void *input)
{
    (void)input;
    return ll_option_help(&option_table, key, text);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    if (key == ARGP_KEY_END && (!options->subject.kind || !options->subject.cfg)) {
        argp_error(state, "--kind and --cfg are needed");
    }
    return ll_option_parse(&option_table, key, arg, state, options);
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

int main(int argc, char **argv)
{
    cli_program_begin("infer_worker");
    struct argp_option entries[LL_OPTION_ENTRIES(sizeof(rows) / sizeof(rows[0]))];
    ll_option_list(&option_table, entries);
    const struct argp argp = {entries, parse_option, NULL, doc, NULL, help, NULL};
    struct options options = {.output = NULL};
    ll_option_set_defaults(&option_table, &options);
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
