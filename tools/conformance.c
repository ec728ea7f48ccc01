/* Runs the conformance check on every cfg of a folder and prints a table. */
#include <argp.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli_program.h"
#include "core/ll_option_table.h"
#include "core/ll_options.h"
#include "core/ll_sync.h"
#include "core/ll_version.h"
#include "tools/conformance_check.h"

const char *argp_program_version = "conformance (layerlift) " LL_VERSION;

struct options {
    const char *cfg_dir;
    const char *only;
    struct conformance_config check;
};

static const struct ll_option_row rows[] = {
    {
        .name = "cfg-dir",
        .kind = LL_OPTION_TEXT,
        .arg = "D",
        .shown = "those that Darknet ships",
        LL_OPTION_FIELD(struct options, cfg_dir),
        .help = "Folder with the cfgs",
    },
    {
        .name = "only",
        .kind = LL_OPTION_TEXT,
        .arg = "NAME",
        LL_OPTION_FIELD(struct options, only),
        .help = "Only this cfg, with or without .cfg",
    },
    {
        .name = "engine",
        .kind = LL_OPTION_TEXT,
        .arg = "E",
        .preset_text = "darknet",
        LL_OPTION_FIELD(struct options, check.engine.name),
        .help = "Engine to check: darknet or onednn",
    },
    {
        .name = "threads",
        .kind = LL_OPTION_INT,
        .min = 1,
        .max = 256,
        .preset = 1,
        LL_OPTION_FIELD(struct options, check.engine.threads),
        .help = "Compute threads of the engine",
    },
    {
        .name = "seed",
        .kind = LL_OPTION_INT,
        .min = 0,
        .max = INT64_MAX,
        .preset = 1,
        LL_OPTION_FIELD(struct options, check.seed),
        .help = "Seed of weights, inputs and splits",
    },
};

static const struct ll_option_table option_table = LL_OPTION_TABLE(rows, 0x100);

static const char doc[] =
    "Checks that an engine computes what stock Darknet computes, with seeded weights."
    "\vFor each cfg: our whole run equals stock network_predict on every layer's output; then "
    "every group by itself, in memory filled with NaN and fed only with its inputs from the whole "
    "run, gives what the whole run gave (where their operations add up to no more than 20 x 10^9, "
    "every pair of legal cuts); then three random two-way splits. All comparisons are of bits; for "
    "engines other than darknet those with stock are of the network's outputs, within 1e-4 of each "
    "one's largest value.\n\n"
    "Columns: layers, MB of weights (10^6 bytes), largest difference from stock, ranges run by "
    "themselves ('all' where these are all pairs), seconds of one stock run and of the whole "
    "check, verdict. A cfg with recurrent layers or with a file beside it (tree, map) is refused "
    "with the reason, which is no failure.\n\n"
    "Exit status: 0 all passed, 1 something failed, 2 wrong options.";

static char *help(int key, const char *text, void *input)
{
    (void)input;
    return ll_option_help(&option_table, key, text);
}

static void check_engine(struct argp_state *state, const struct options *options)
{
    struct ll_engine *engine = NULL;
    struct ll_error err = {.text = ""};
    if (dkb_engine_create(&options->check.engine, &engine, &err) != LL_OK) {
        argp_error(state, "--engine: %s", err.text);
    }
    ll_engine_destroy(engine);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    if (key == ARGP_KEY_END) {
        check_engine(state, options);
    }
    return ll_option_parse(&option_table, key, arg, state, options);
}

/* Darknet's own cfgs among this program's runfiles; false if they are not there. */
static bool find_shipped_cfgs(const char *program, char *out_path, size_t path_bytes)
{
    const char *runfiles = getenv("RUNFILES_DIR");
    const char *test = getenv("TEST_SRCDIR");
    char beside[4000];
    snprintf(beside, sizeof(beside), "%s.runfiles", program);
    const char *const roots[] = {runfiles, test, beside, ".."};
    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
        if (!roots[i]) {
            continue;
        }
        snprintf(out_path, path_bytes, "%s/darknet/cfg", roots[i]);
        char *real = access(out_path, R_OK) == 0 ? realpath(out_path, NULL) : NULL;
        if (real) {
            snprintf(out_path, path_bytes, "%s", real);
            free(real);
            return true;
        }
    }
    return false;
}

static int is_cfg(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 4 && strcmp(entry->d_name + length - 4, ".cfg") == 0;
}

/* "x.cfg" is what `only` ("x" or "x.cfg") asks for. */
static bool is_wanted(const char *file, const char *only)
{
    size_t stem = strlen(file) - 4;
    return !only || strcmp(file, only) == 0 ||
           (strlen(only) == stem && strncmp(file, only, stem) == 0);
}

/* Prints the table's row; returns whether the cfg is all right. */
static bool check_one(const char *folder, const char *file, const struct conformance_config *config)
{
    char path[8192];
    snprintf(path, sizeof(path), "%s/%s", folder, file);
    struct ll_error err = {.text = ""};
    struct conformance_result result;
    ll_status status = conformance_check(path, config, &result, &err);
    if (result.layers > 0) {
        printf("%-20.*s %6d %7.1f %10.3g %6d %-3s %7.2f %7.2f  ", (int)(strlen(file) - 4), file,
               result.layers, (double)result.weights_bytes / 1e6, result.max_difference,
               result.ranges, result.all_pairs ? "all" : "", result.stock_seconds, result.seconds);
    } else {
        printf("%-20.*s %6s %7s %10s %6s %-3s %7s %7s  ", (int)(strlen(file) - 4), file, "-", "-",
               "-", "-", "", "-", "-");
    }
    if (status == LL_OK) {
        printf("equal\n");
    } else {
        printf("%s: %s\n", result.refused ? "refused" : "FAILED",
               err.text[0] ? err.text : ll_status_text(status));
    }
    fflush(stdout);
    return status == LL_OK || result.refused;
}

static bool check_all(const char *folder, const struct options *options)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_cfg, alphasort);
    if (count < 0) {
        fprintf(stderr, "conformance: %s: cannot be read\n", folder);
        return false;
    }
    printf("%-20s %6s %7s %10s %6s %-3s %7s %7s  %s\n", "cfg", "layers", "MB", "difference",
           "ranges", "", "stock s", "check s", "verdict");
    int checked = 0;
    int failed = 0;
    for (int i = 0; i < count; i++) {
        if (is_wanted(entries[i]->d_name, options->only)) {
            checked++;
            failed += !check_one(folder, entries[i]->d_name, &options->check);
        }
        free(entries[i]);
    }
    free(entries);
    if (checked == 0) {
        fprintf(stderr, "conformance: %s: no %s.cfg\n", folder,
                options->only ? options->only : "*");
        return false;
    }
    printf("%d checked, %d failed\n", checked, failed);
    return failed == 0;
}

int main(int argc, char **argv)
{
    cli_program_begin("conformance");
    struct argp_option entries[LL_OPTION_ENTRIES(sizeof(rows) / sizeof(rows[0]))];
    ll_option_list(&option_table, entries);
    const struct argp argp = {entries, parse_option, NULL, doc, NULL, help, NULL};
    struct options options = {.check = {.pairs_flops = CONFORMANCE_PAIRS_FLOPS}};
    ll_option_set_defaults(&option_table, &options);
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    char shipped[4096];
    if (!options.cfg_dir && !find_shipped_cfgs(argv[0], shipped, sizeof(shipped))) {
        fprintf(stderr, "conformance: Darknet's cfgs are not beside the program; use --cfg-dir\n");
        return EXIT_FAILURE;
    }
    ll_options_enter_caller_folder();
    ll_thread_flush_denormals();
    char folder[] = "/tmp/conformance-XXXXXX";
    if (!mkdtemp(folder)) {
        fprintf(stderr, "conformance: no folder for weights in /tmp\n");
        return EXIT_FAILURE;
    }
    options.check.folder = folder;
    bool ok = check_all(options.cfg_dir ? options.cfg_dir : shipped, &options);
    rmdir(folder);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
