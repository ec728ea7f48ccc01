/* Options and limits as tables: one row says all that is known about one of them, and parsing,
 * range check, default, `--help`, GetServerInfo and the tables of docs/operations.md come from it.
 *
 * To add an option: give the program's struct a field, with unit in its name, and its table a row.
 * To add a limit of the server: the same in struct edge_server_config and edge/edge_limits.c; with
 * `limit` it is in GetServerInfo, without `name` no option changes it. Then
 * `bazel run //tools:options -- --write docs/operations.md` writes the tables anew, and
 * `tests/cli/golden.sh --update` the `--help` in the golden files. Keys of limits and names of
 * options are for ever: an option that gets a better name keeps its old one in `old_name`.
 *
 * Threads: tables are constant; whoever has the struct that is filled calls. */
#ifndef LL_OPTION_TABLE_H
#define LL_OPTION_TABLE_H

#include <argp.h>
#include <stddef.h>
#include <stdint.h>

#include "core/ll_status.h"

typedef enum {
    /* bool; takes no value, and turns the preset round. */
    LL_OPTION_FLAG,
    /* const char *, the value as it stands. */
    LL_OPTION_TEXT,
    /* int or int64_t. */
    LL_OPTION_INT,
    /* int64_t, bytes: a whole number, alone or with K M G Ki Mi Gi. */
    LL_OPTION_SIZE,
    /* float or double. */
    LL_OPTION_NUMBER,
    /* int64_t, nanoseconds, of a number in `unit`: "s" or "ms". */
    LL_OPTION_TIME,
    /* bool or an enum: which one of `choices`. */
    LL_OPTION_CHOICE,
    /* What `take` makes of the value. */
    LL_OPTION_OWN,
    /* A limit that is part of the format: its value is the preset. */
    LL_OPTION_FIXED,
} ll_option_kind;

/* Reads `text` into the row's field; `err` says what is wrong, without the option's name. */
typedef ll_status (*ll_option_take)(const char *text, void *field, struct ll_error *err);

struct ll_option_row {
    /* The long option, and a letter if it has one; NULL: a limit without an option. */
    const char *name;
    char letter;
    /* The key in GetServerInfo; NULL: no limit. */
    const char *limit;
    ll_option_kind kind;
    /* What --help calls the value; NULL: as its kind is called. */
    const char *arg;
    /* "ms", "s", "10^6 bit/s"; NULL: a count, or a LL_OPTION_SIZE. */
    const char *unit;
    /* Of whole numbers and sizes; of numbers and times, in their unit. */
    int64_t min;
    int64_t max;
    double least;
    double most;
    /* The default. `shown` is what to say of it where the value does not (0 that stands for "as
     * many as there are processors", or an own one); "": nothing. */
    int64_t preset;
    double preset_number;
    const char *preset_text;
    const char *shown;
    /* "a|b|c"; NULL: not to be listed. */
    const char *choices;
    ll_option_take take;
    /* LL_OPTION_FIELD. */
    size_t offset;
    size_t bytes;
    /* An earlier name, whose value is a whole number of `old_unit`; NULL: none. */
    const char *old_name;
    int64_t old_unit;
    /* Where --help has it, as argp_option.group. */
    int group;
    /* One sentence without its full stop, unit, range and default, which are added. */
    const char *help;
    /* What the manual says instead of it, as Markdown; NULL: the same. */
    const char *manual;
};

#define LL_OPTION_FIELD(type, member)                                                              \
    .offset = offsetof(type, member), .bytes = sizeof(((type *)NULL)->member)

/* Some rows of a program; keys are from `first_key` on, above all letters. */
struct ll_option_table {
    const struct ll_option_row *rows;
    int count;
    int first_key;
};

#define LL_OPTION_TABLE(list, key)                                                                 \
    {                                                                                              \
        .rows = (list), .count = (int)(sizeof(list) / sizeof((list)[0])), .first_key = (key)       \
    }
/* Entries of argp's list for so many rows, the last one included. */
#define LL_OPTION_ENTRIES(rows) (2 * (rows) + 1)

/* Writes argp's entries for the rows with options, and the zeroed one behind them; returns where
 * that is, for another table's entries. Its strings are the rows'. */
struct argp_option *ll_option_list(const struct ll_option_table *table,
                                   struct argp_option *out_entries);

/* For argp.help_filter: `text` with unit, range and default where `key` is a row's, as a new string
 * that argp frees, else `text` itself. */
char *ll_option_help(const struct ll_option_table *table, int key, const char *text);

/* The row whose option has this key; NULL: none. */
const struct ll_option_row *ll_option_find(const struct ll_option_table *table, int key);

/* Fills the fields of `base` with the defaults; own ones stay. */
void ll_option_set_defaults(const struct ll_option_table *table, void *base);

/* Reads `text` (NULL: a flag) into the row's field of `base`. Errors: LL_E_INVALID and own ones;
 * `err` names value and range. */
LL_MUST_USE ll_status ll_option_set(const struct ll_option_row *row, const char *text, void *base,
                                    struct ll_error *err);
/* The same by the row's old name. */
LL_MUST_USE ll_status ll_option_set_old(const struct ll_option_row *row, const char *text,
                                        void *base, struct ll_error *err);

/* As an argp_parser does it: sets the field that `key` is about; where the value is wrong, the
 * program ends as by argp_error, with the option's name. ARGP_ERR_UNKNOWN: no row's key. */
error_t ll_option_parse(const struct ll_option_table *table, int key, const char *arg,
                        struct argp_state *state, void *base);

/* The value of a limit, a whole number or a size, in `base`; of a fixed one, the preset. */
int64_t ll_option_value(const struct ll_option_row *row, const void *base);

/* `take` of --log-level, whose field is none: acts at once (ll_log_set_level). */
LL_MUST_USE ll_status ll_option_take_log_level(const char *text, void *field, struct ll_error *err);

#endif
