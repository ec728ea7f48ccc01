/* All rows of all programs: what each of them says holds, and the manual says the same. */
#include "tools/options_manual.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/ll_buf.h"
#include "core/ll_option_words.h"
#include "device/device_options.h"
#include "edge/edge_limits.h"
#include "edge/edge_options.h"
#include "tests/support/ll_test.h"
#include "tools/plan_options.h"

const char *const ll_test_suite = "options_manual";

/* More than any program's struct; rows know their places in it. */
static _Alignas(16) char fields[sizeof(struct device_options) + sizeof(struct edge_options) +
                                sizeof(struct plan_options) + sizeof(struct edge_limit_values)];

/* Calls `check` for every row of every program. */
static void for_each_row(void (*check)(const struct ll_option_row *row))
{
    for (int i = 0; i < OPTIONS_MANUAL_TABLES; i++) {
        const struct options_manual_table *table = &options_manual_tables[i];
        for (int part = 0; table->parts[part]; part++) {
            for (int j = 0; j < table->parts[part]->count; j++) {
                check(&table->parts[part]->rows[j]);
            }
        }
    }
}

static void refuses(const struct ll_option_row *row, const char *text)
{
    static char before[sizeof(fields)];
    struct ll_error err = {.text = ""};
    memcpy(before, fields, sizeof(fields));
    CU_ASSERT_EQUAL(ll_option_set(row, text, fields, &err), LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, text));
    CU_ASSERT_EQUAL(memcmp(fields, before, sizeof(fields)), 0);
}

static void check_whole(const struct ll_option_row *row)
{
    const int64_t right[] = {row->min, row->max};
    const int64_t wrong[] = {row->min - 1, row->max < INT64_MAX ? row->max + 1 : -1};
    char text[32];
    for (int i = 0; i < 2; i++) {
        snprintf(text, sizeof(text), "%" PRId64, right[i]);
        CU_ASSERT_EQUAL(ll_option_set(row, text, fields, NULL), LL_OK);
        CU_ASSERT_EQUAL(ll_option_value(row, fields), right[i]);
        snprintf(text, sizeof(text), "%" PRId64, wrong[i]);
        refuses(row, text);
    }
    refuses(row, "some");
    refuses(row, "");
    CU_ASSERT(row->min < row->max);
    CU_ASSERT(row->shown || (row->preset >= row->min && row->preset <= row->max));
    if (row->bytes == sizeof(int)) {
        CU_ASSERT(row->max <= INT32_MAX);
    }
}

static void check_number(const struct ll_option_row *row)
{
    char text[32];
    const double right[] = {row->least, row->most};
    const double wrong[] = {row->least - 1, row->most * 1.01};
    for (int i = 0; i < 2; i++) {
        snprintf(text, sizeof(text), "%.17g", right[i]);
        CU_ASSERT_EQUAL(ll_option_set(row, text, fields, NULL), LL_OK);
        snprintf(text, sizeof(text), "%.6g", wrong[i]);
        refuses(row, text);
    }
    refuses(row, "nan");
    refuses(row, "1,5");
    CU_ASSERT(row->least < row->most);
    CU_ASSERT(row->shown || (row->preset_number >= row->least && row->preset_number <= row->most));
}

static void check_choices(const struct ll_option_row *row)
{
    char all[LL_OPTION_WORDS_BYTES];
    char *rest = NULL;
    snprintf(all, sizeof(all), "%s", row->choices);
    for (char *choice = strtok_r(all, "|", &rest); choice; choice = strtok_r(NULL, "|", &rest)) {
        CU_ASSERT_EQUAL(ll_option_set(row, choice, fields, NULL), LL_OK);
        /* What a choice means, the sentence says. */
        CU_ASSERT_PTR_NOT_NULL(strstr(row->help, choice));
    }
    if (row->kind != LL_OPTION_TEXT) {
        refuses(row, "nonesuch");
    }
}

static void check_range(const struct ll_option_row *row)
{
    if (!row->name) {
        return;
    }
    if (row->kind == LL_OPTION_INT || row->kind == LL_OPTION_SIZE) {
        check_whole(row);
    } else if (row->kind == LL_OPTION_NUMBER || row->kind == LL_OPTION_TIME) {
        check_number(row);
    } else if (row->choices) {
        check_choices(row);
    }
}

static void test_ranges(void)
{
    for_each_row(check_range);
}

static void check_default(const struct ll_option_row *row)
{
    /* What only a configuration sets has a default that an option would take, too. */
    if (row->limit && row->kind != LL_OPTION_FIXED && !row->shown) {
        CU_ASSERT(row->preset >= row->min && row->preset <= row->max);
    }
    if (row->kind == LL_OPTION_FIXED) {
        CU_ASSERT(row->preset > 0);
    }
}

static void test_defaults(void)
{
    for_each_row(check_default);
}

static void check_words(const struct ll_option_row *row)
{
    static struct ll_option_table one;
    char range[LL_OPTION_WORDS_BYTES];
    char preset[LL_OPTION_WORDS_BYTES];
    one = (struct ll_option_table){.rows = row, .count = 1, .first_key = 0x100};
    CU_ASSERT_PTR_NOT_NULL_FATAL(row->help);
    CU_ASSERT_NOT_EQUAL(row->help[strlen(row->help) - 1], '.');
    if (!row->name) {
        return;
    }
    char *help = ll_option_help(&one, row->letter ? row->letter : 0x100, row->help);
    ll_option_range(row, range);
    ll_option_default(row, preset);
    CU_ASSERT_PTR_EQUAL(strstr(help, row->help), help);
    CU_ASSERT(row->choices || strstr(help, range));
    CU_ASSERT_PTR_NOT_NULL(strstr(help, preset));
    CU_ASSERT(!row->unit || strstr(help, row->unit));
    CU_ASSERT(row->kind != LL_OPTION_SIZE || strstr(help, "bytes"));
    if (help != row->help) {
        free(help);
    }
}

static void test_help(void)
{
    for_each_row(check_words);
}

struct names {
    const char *all[256];
    int count;
};

/* NULL is none. */
static void add_name(struct names *names, const char *name)
{
    for (int i = 0; name && i < names->count; i++) {
        CU_ASSERT_STRING_NOT_EQUAL(names->all[i], name);
    }
    CU_ASSERT_FATAL(names->count < 256);
    names->all[names->count] = name;
    names->count += name != NULL;
}

static void test_names_are_unique(void)
{
    for (int i = 0; i < OPTIONS_MANUAL_TABLES; i++) {
        struct names names = {.count = 0};
        const struct options_manual_table *table = &options_manual_tables[i];
        for (int part = 0; table->parts[part]; part++) {
            for (int j = 0; j < table->parts[part]->count; j++) {
                const struct ll_option_row *row = &table->parts[part]->rows[j];
                add_name(&names, table->is_of_limits ? row->limit : row->name);
                add_name(&names, table->is_of_limits ? NULL : row->old_name);
            }
        }
        CU_ASSERT(names.count > 0);
    }
}

/* A limit's name travels in struct ll_error. */
static void test_limits_fit_errors(void)
{
    for (int i = 0; i < edge_limit_table.count; i++) {
        CU_ASSERT_PTR_NOT_NULL_FATAL(edge_limit_table.rows[i].limit);
        CU_ASSERT(strlen(edge_limit_table.rows[i].limit) <
                  sizeof(((struct ll_error *)NULL)->limit));
    }
}

static void parse(int program, char *option)
{
    char name[] = "program";
    char *argv[] = {name, option, NULL};
    static struct edge_options edge;
    static struct device_options device;
    static struct plan_options plan;
    if (program == 0) {
        edge_options_parse(2, argv, &edge);
    } else if (program == 1) {
        device_options_parse(2, argv, &device);
    } else {
        plan_options_parse(2, argv, &plan);
    }
}

/* A program with a bad value for the option ends with status 2 and a line that begins with its
 * name. */
static void ends(int program, const char *name, const char *value)
{
    char option[128];
    char expected[128];
    char said[4096] = "";
    int pipes[2];
    snprintf(option, sizeof(option), "--%s=%s", name, value);
    snprintf(expected, sizeof(expected), "program: --%s: ", name);
    CU_ASSERT_EQUAL_FATAL(pipe(pipes), 0);
    pid_t child = fork();
    CU_ASSERT_FATAL(child >= 0);
    if (child == 0) {
        dup2(pipes[1], STDERR_FILENO);
        close(pipes[0]);
        close(pipes[1]);
        parse(program, option);
        _exit(0);
    }
    close(pipes[1]);
    size_t used = 0;
    for (ssize_t bytes = 0; (bytes = read(pipes[0], said + used, sizeof(said) - 1 - used)) > 0;) {
        used += (size_t)bytes;
    }
    close(pipes[0]);
    int status = 0;
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 2);
    CU_ASSERT_PTR_EQUAL(strstr(said, expected), said);
}

static void test_bad_values_end_programs(void)
{
    static const struct {
        int program;
        const struct ll_option_table *table;
    } programs[] = {
        {0, &edge_option_table}, {0, &edge_limit_table},  {1, &device_option_table},
        {1, &cli_option_table},  {2, &plan_option_table},
    };
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        for (int j = 0; j < programs[i].table->count; j++) {
            const struct ll_option_row *row = &programs[i].table->rows[j];
            bool takes_any = row->kind == LL_OPTION_TEXT || row->kind == LL_OPTION_FLAG;
            if (!row->name || takes_any || strcmp(row->name, "image") == 0 ||
                strcmp(row->name, "store") == 0) {
                continue;
            }
            ends(programs[i].program, row->name, "non,sense");
            if (row->old_name) {
                ends(programs[i].program, row->old_name, "0");
            }
        }
    }
}

static void test_old_names_work(void)
{
    char name[] = "server";
    char store[] = "--store-mb=3";
    char window[] = "--upload-window-kb=512";
    char query[] = "--query-mb=2";
    char all[] = "--all-queries-mb=5";
    char *argv[] = {name, store, window, query, all, NULL};
    struct edge_options options;
    edge_options_parse(5, argv, &options);
    CU_ASSERT_EQUAL(options.server.store_bytes, 3000000);
    CU_ASSERT_EQUAL(options.server.upload_window_bytes, INT64_C(524288));
    CU_ASSERT_EQUAL(options.server.query_bytes, 2000000);
    CU_ASSERT_EQUAL(options.server.server_query_bytes, 5000000);
}

static void test_sizes_take_suffixes(void)
{
    char name[] = "server";
    char store[] = "--store-size=2G";
    char window[] = "--upload-window=1Mi";
    char query[] = "--query-size=1500K";
    char memory[] = "--memory=1Gi";
    char *argv[] = {name, store, window, query, memory, NULL};
    struct edge_options options;
    edge_options_parse(5, argv, &options);
    CU_ASSERT_EQUAL(options.server.store_bytes, INT64_C(2000000000));
    CU_ASSERT_EQUAL(options.server.upload_window_bytes, 1 << 20);
    CU_ASSERT_EQUAL(options.server.query_bytes, 1500000);
    CU_ASSERT_EQUAL(options.server.memory_bytes, 1 << 30);
}

static char *read_manual(void)
{
    struct ll_buf *file = NULL;
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL_FATAL(ll_buf_map_file("docs/operations.md", 1 << 20, &file, &err), LL_OK);
    char *text = strndup(ll_buf_data(file), ll_buf_bytes(file));
    ll_buf_unref(file);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    return text;
}

static ll_status copy(const char *text, char **out_copy, struct ll_error *err)
{
    size_t bytes = 0;
    FILE *stream = open_memstream(out_copy, &bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(stream);
    ll_status status = options_manual_copy(text, stream, err);
    fclose(stream);
    return status;
}

/* Where it does not hold: bazel run //tools:options -- --write docs/operations.md */
static void test_manual_is_up_to_date(void)
{
    char *text = read_manual();
    char *made = NULL;
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(copy(text, &made, &err), LL_OK);
    CU_ASSERT_STRING_EQUAL(made, text);
    free(made);
    free(text);
}

/* Tables that others edited, or took away, do not pass. */
static void test_manual_changes_are_found(void)
{
    char *text = read_manual();
    char *made = NULL;
    struct ll_error err = {.text = ""};
    char *cell = strstr(text, "| `--threads N` | 1 to 256");
    CU_ASSERT_PTR_NOT_NULL_FATAL(cell);
    cell[strlen("| `--threads N` | ")] = '2';
    CU_ASSERT_EQUAL(copy(text, &made, &err), LL_OK);
    CU_ASSERT_STRING_NOT_EQUAL(made, text);
    free(made);
    /* A name that is none, then a mark that is none. */
    char *mark = strstr(text, "<!-- table limits -->");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mark);
    mark[strlen("<!-- table ")] = 'L';
    CU_ASSERT_EQUAL(copy(text, &made, &err), LL_E_INVALID);
    CU_ASSERT_STRING_EQUAL(err.text, "\"<!-- table Limits -->\": no table has this name");
    free(made);
    mark[strlen("<!-- ")] = 'T';
    CU_ASSERT_EQUAL(copy(text, &made, &err), LL_E_INVALID);
    CU_ASSERT_STRING_EQUAL(err.text, "the table limits is there 0 times");
    free(made);
    free(text);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_ranges),
    LL_TEST(test_defaults),
    LL_TEST(test_help),
    LL_TEST(test_names_are_unique),
    LL_TEST(test_limits_fit_errors),
    LL_TEST(test_bad_values_end_programs),
    LL_TEST(test_old_names_work),
    LL_TEST(test_sizes_take_suffixes),
    LL_TEST(test_manual_is_up_to_date),
    LL_TEST(test_manual_changes_are_found),
    {NULL, NULL},
};
