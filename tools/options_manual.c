#include "tools/options_manual.h"

#include <string.h>

#include "cli/cli_model_options.h"
#include "core/ll_option_words.h"
#include "device/device_options.h"
#include "edge/edge_limits.h"
#include "edge/edge_options.h"
#include "tools/plan_options.h"

static const char table_begin[] = "<!-- table ";
static const char table_end[] = "<!-- end of table -->\n";

const struct options_manual_table options_manual_tables[OPTIONS_MANUAL_TABLES] = {
    {.name = "server", .parts = {&edge_option_table, &edge_limit_table}},
    {.name = "limits", .is_of_limits = true, .parts = {&edge_limit_table}},
    {.name = "agent", .parts = {&device_option_table, &cli_option_table}},
    {.name = "plan", .parts = {&plan_option_table}},
};

/* A cell's text: a bar would end it. */
static void write_text(const char *text, FILE *out)
{
    for (const char *c = text; *c; c++) {
        fprintf(out, *c == '|' ? "\\%c" : "%c", *c);
    }
}

static bool is_small(char c)
{
    return c >= 'a' && c <= 'z';
}

/* The same for a sentence, which begins small there unless with a name. */
static void write_sentence(const char *text, FILE *out)
{
    bool is_word = text[0] >= 'A' && text[0] <= 'Z' && (is_small(text[1]) || text[1] == ' ');
    if (is_word) {
        fputc(text[0] - 'A' + 'a', out);
    }
    write_text(text + is_word, out);
}

static const char *unit_of(const struct ll_option_row *row)
{
    bool is_size = row->unit && strcmp(row->unit, "bytes") == 0;
    return row->unit && !is_size ? row->unit : "";
}

static void write_default(const struct ll_option_row *row, FILE *out)
{
    char preset[LL_OPTION_WORDS_BYTES];
    ll_option_default(row, preset);
    write_text(preset, out);
    if (preset[0] != '\0' && unit_of(row)[0] != '\0' &&
        (!row->shown || row->kind == LL_OPTION_FIXED)) {
        fprintf(out, " %s", unit_of(row));
    }
}

static void write_option(const struct ll_option_row *row, FILE *out)
{
    char range[LL_OPTION_WORDS_BYTES];
    ll_option_range(row, range);
    const char *arg = ll_option_arg(row);
    fprintf(out, "| `--%s%s%s` | %s%s%s | ", row->name, arg ? " " : "", arg ? arg : "", range,
            range[0] && unit_of(row)[0] ? " " : "", unit_of(row));
    write_default(row, out);
    fprintf(out, " | ");
    /* A limit's own words stand in the table of limits. */
    write_sentence(row->manual && !row->limit ? row->manual : row->help, out);
    if (row->old_name) {
        fprintf(out, "; also `--%s N`, in %s", row->old_name,
                row->old_unit == 1024 ? "KiB" : "10^6 bytes");
    }
    fprintf(out, " |\n");
}

static void write_limit(const struct ll_option_row *row, FILE *out)
{
    fprintf(out, "| `%s` | ", row->limit);
    write_default(row, out);
    if (row->name) {
        fprintf(out, " | `--%s` | ", row->name);
    } else {
        fprintf(out, " | | ");
    }
    write_sentence(row->manual ? row->manual : row->help, out);
    fprintf(out, " |\n");
}

static void write_table(const struct options_manual_table *table, FILE *out)
{
    fprintf(out, table->is_of_limits ? "| limit | default | option | |\n"
                                     : "| option | range | default | |\n");
    fprintf(out, "|---|---|---|---|\n");
    for (int part = 0; table->parts[part]; part++) {
        for (int i = 0; i < table->parts[part]->count; i++) {
            const struct ll_option_row *row = &table->parts[part]->rows[i];
            if (table->is_of_limits && row->limit) {
                write_limit(row, out);
            } else if (!table->is_of_limits && row->name) {
                write_option(row, out);
            }
        }
    }
}

/* `text` is behind the mark that begins a table; the place of the table's name, or -1. */
static int find_table(const char *text)
{
    for (int i = 0; i < OPTIONS_MANUAL_TABLES; i++) {
        size_t bytes = strlen(options_manual_tables[i].name);
        if (strncmp(text, options_manual_tables[i].name, bytes) == 0 &&
            strncmp(text + bytes, " -->\n", 5) == 0) {
            return i;
        }
    }
    return -1;
}

ll_status options_manual_copy(const char *text, FILE *out, struct ll_error *err)
{
    int seen[OPTIONS_MANUAL_TABLES] = {0};
    const char *rest = text;
    for (const char *mark = NULL; (mark = strstr(rest, table_begin));) {
        const char *name = mark + strlen(table_begin);
        int index = find_table(name);
        const char *end = strstr(name, table_end);
        if (index < 0 || !end) {
            return ll_fail(err, LL_E_INVALID, "\"%.*s\": %s", (int)strcspn(mark, "\n"), mark,
                           index < 0 ? "no table has this name" : "its end is missing");
        }
        seen[index]++;
        const char *line_end = strchr(name, '\n') + 1;
        fwrite(rest, 1, (size_t)(line_end - rest), out);
        write_table(&options_manual_tables[index], out);
        rest = end;
    }
    fputs(rest, out);
    for (int i = 0; i < OPTIONS_MANUAL_TABLES; i++) {
        if (seen[i] != 1) {
            return ll_fail(err, LL_E_INVALID, "the table %s is there %d times",
                           options_manual_tables[i].name, seen[i]);
        }
    }
    return LL_OK;
}
