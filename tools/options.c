/* Writes the tables of options and limits in the manual anew, from the programs' own rows. */
#include <argp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/ll_buf.h"
#include "core/ll_option_table.h"
#include "core/ll_options.h"
#include "core/ll_output.h"
#include "core/ll_text.h"
#include "core/ll_version.h"
#include "tools/options_manual.h"

/* Of a manual. */
#define TEXT_BYTES_MAX ((int64_t)1 << 20)

struct options {
    const char *manual;
    const char *write;
};

static const struct ll_option_row rows[] = {
    {
        .name = "manual",
        .kind = LL_OPTION_TEXT,
        .arg = "F",
        .preset_text = "docs/operations.md",
        LL_OPTION_FIELD(struct options, manual),
        .help = "The manual, whose tables stand between marks",
    },
    {
        .name = "write",
        .kind = LL_OPTION_TEXT,
        .arg = "F",
        .shown = "stdout",
        LL_OPTION_FIELD(struct options, write),
        .help = "Where the manual with new tables goes, such as docs/operations.md",
    },
};

static const struct ll_option_table option_table = LL_OPTION_TABLE(rows, 0x100);

static char *help(int key, const char *text, void *input)
{
    (void)input;
    return ll_option_help(&option_table, key, text);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    return ll_option_parse(&option_table, key, arg, state, state->input);
}

/* As a string of its own. */
static ll_status read_text(const char *path, char **out_text, struct ll_error *err)
{
    struct ll_buf *file = NULL;
    ll_status status = ll_buf_map_file(path, TEXT_BYTES_MAX, &file, err);
    if (status != LL_OK) {
        return status;
    }
    *out_text = strndup(ll_buf_data(file), ll_buf_bytes(file));
    ll_buf_unref(file);
    return *out_text ? LL_OK : ll_fail(err, LL_E_NO_MEMORY, "out of memory");
}

static ll_status make_manual(const char *path, char **out_text, size_t *out_bytes,
                             struct ll_error *err)
{
    char *text = NULL;
    ll_status status = read_text(path, &text, err);
    if (status != LL_OK) {
        return status;
    }
    FILE *stream = open_memstream(out_text, out_bytes);
    status = stream ? options_manual_copy(text, stream, err)
                    : ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    if (stream && fclose(stream) != 0 && status == LL_OK) {
        status = ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    free(text);
    if (status != LL_OK) {
        ll_error_prefix(err, "%s", path);
    }
    return status;
}

static ll_status write_manual(const struct options *options, struct ll_error *err)
{
    char *text = NULL;
    size_t bytes = 0;
    ll_status status = make_manual(options->manual, &text, &bytes, err);
    FILE *file = NULL;
    if (status == LL_OK && !options->write) {
        fwrite(text, 1, bytes, stdout);
    } else if (status == LL_OK) {
        file = fopen(options->write, "w");
        bool is_written = file && fwrite(text, 1, bytes, file) == bytes;
        if ((file && fclose(file) != 0) || !is_written) {
            status = ll_fail(err, LL_E_IO, "%s: cannot be written", options->write);
        }
    }
    free(text);
    return status;
}

/* Also where --help ends the program. */
static void check_stdout(void)
{
    if (!ll_output_end_stdout("options")) {
        _exit(EXIT_FAILURE);
    }
}

int main(int argc, char **argv)
{
    ll_output_keep_streams();
    atexit(check_stdout);
    struct argp_option entries[LL_OPTION_ENTRIES(sizeof(rows) / sizeof(rows[0]))];
    ll_option_list(&option_table, entries);
    const struct argp argp = {
        .options = entries,
        .parser = parse_option,
        .doc = "Writes the manual's tables of options and limits anew, from the programs' own.",
        .help_filter = help,
    };
    struct options options = {.manual = NULL};
    ll_option_set_defaults(&option_table, &options);
    argp_program_version = "options (layerlift) " LL_VERSION;
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    ll_options_enter_caller_folder();
    struct ll_error err = {.text = ""};
    ll_status status = write_manual(&options, &err);
    if (status != LL_OK) {
        ll_text_complain("options", err.text[0] ? err.text : ll_status_text(status));
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
