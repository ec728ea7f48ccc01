/* A row's key is first_key + 2 * its index, its old name's is one more; a row with a letter has
 * the letter. argp calls the help filter with these keys and the rows' own texts. */
#include "core/ll_option_table.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_log.h"
#include "core/ll_option_words.h"
#include "core/ll_options.h"

static int key_of(const struct ll_option_table *table, int index)
{
    char letter = table->rows[index].letter;
    return letter ? letter : table->first_key + 2 * index;
}

static int old_key_of(const struct ll_option_table *table, int index)
{
    return table->first_key + 2 * index + 1;
}

/* Also of an old name's key, which `out_is_old` tells. */
static const struct ll_option_row *find(const struct ll_option_table *table, int key,
                                        bool *out_is_old)
{
    for (int i = 0; i < table->count; i++) {
        const struct ll_option_row *row = &table->rows[i];
        *out_is_old = row->old_name && key == old_key_of(table, i);
        if (row->name && (key == key_of(table, i) || *out_is_old)) {
            return row;
        }
    }
    return NULL;
}

const struct ll_option_row *ll_option_find(const struct ll_option_table *table, int key)
{
    bool is_old = false;
    return find(table, key, &is_old);
}

struct argp_option *ll_option_list(const struct ll_option_table *table,
                                   struct argp_option *out_entries)
{
    struct argp_option *entry = out_entries;
    for (int i = 0; i < table->count; i++) {
        const struct ll_option_row *row = &table->rows[i];
        if (row->name) {
            *entry++ = (struct argp_option){.name = row->name,
                                            .key = key_of(table, i),
                                            .arg = ll_option_arg(row),
                                            .doc = row->help,
                                            .group = row->group};
        }
        if (row->old_name) {
            *entry++ = (struct argp_option){.name = row->old_name,
                                            .key = old_key_of(table, i),
                                            .arg = "N",
                                            .flags = OPTION_HIDDEN,
                                            .doc = row->help,
                                            .group = row->group};
        }
    }
    *entry = (struct argp_option){0};
    return entry;
}

/* The field of an enum has the size of an int; of a bool, 1. */
static void store_int(const struct ll_option_row *row, void *base, int64_t value)
{
    char *field = (char *)base + row->offset;
    int narrow = (int)value;
    bool is_true = value != 0;
    switch (row->bytes) {
    case sizeof(value):
        memcpy(field, &value, sizeof(value));
        break;
    case sizeof(narrow):
        memcpy(field, &narrow, sizeof(narrow));
        break;
    default:
        assert(row->bytes == sizeof(is_true));
        memcpy(field, &is_true, sizeof(is_true));
    }
}

static void store_number(const struct ll_option_row *row, void *base, double value)
{
    char *field = (char *)base + row->offset;
    float narrow = (float)value;
    if (row->bytes == sizeof(narrow)) {
        memcpy(field, &narrow, sizeof(narrow));
    } else {
        assert(row->bytes == sizeof(value));
        memcpy(field, &value, sizeof(value));
    }
}

static void store_text(const struct ll_option_row *row, void *base, const char *text)
{
    assert(row->bytes == sizeof(text));
    memcpy((char *)base + row->offset, (const void *)&text, sizeof(text));
}

static int64_t to_ns(const struct ll_option_row *row, double value)
{
    int64_t unit_ns = strcmp(row->unit, "s") == 0 ? LL_NS_PER_S : LL_NS_PER_MS;
    return (int64_t)(value * (double)unit_ns);
}

void ll_option_set_defaults(const struct ll_option_table *table, void *base)
{
    for (int i = 0; i < table->count; i++) {
        const struct ll_option_row *row = &table->rows[i];
        switch (row->kind) {
        case LL_OPTION_FLAG:
        case LL_OPTION_INT:
        case LL_OPTION_SIZE:
        case LL_OPTION_CHOICE:
            store_int(row, base, row->preset);
            break;
        case LL_OPTION_NUMBER:
            store_number(row, base, row->preset_number);
            break;
        case LL_OPTION_TIME:
            store_int(row, base, to_ns(row, row->preset_number));
            break;
        case LL_OPTION_TEXT:
            store_text(row, base, row->preset_text);
            break;
        case LL_OPTION_OWN:
        case LL_OPTION_FIXED:
            break;
        }
    }
}

static ll_status set_choice(const struct ll_option_row *row, const char *text, void *base,
                            struct ll_error *err)
{
    const char *rest = row->choices;
    size_t bytes = 0;
    const char *choice = NULL;
    for (int i = 0; (choice = ll_option_next_choice(&rest, &bytes)); i++) {
        if (strlen(text) == bytes && memcmp(text, choice, bytes) == 0) {
            store_int(row, base, i);
            return LL_OK;
        }
    }
    char all[LL_OPTION_WORDS_BYTES];
    ll_option_choices(row, all);
    return ll_fail(err, LL_E_INVALID, "'%.100s' is not one of %s", text, all);
}

ll_status ll_option_set(const struct ll_option_row *row, const char *text, void *base,
                        struct ll_error *err)
{
    ll_status status = LL_OK;
    int64_t whole = 0;
    double number = 0;
    switch (row->kind) {
    case LL_OPTION_FLAG:
        store_int(row, base, !row->preset);
        return LL_OK;
    case LL_OPTION_TEXT:
        store_text(row, base, text);
        return LL_OK;
    case LL_OPTION_INT:
    case LL_OPTION_SIZE:
        status = row->kind == LL_OPTION_SIZE ? ll_parse_size(text, row->min, row->max, &whole, err)
                                             : ll_parse_int(text, row->min, row->max, &whole, err);
        if (status == LL_OK) {
            store_int(row, base, whole);
        }
        return status;
    case LL_OPTION_NUMBER:
    case LL_OPTION_TIME:
        status = ll_parse_double(text, row->least, row->most, &number, err);
        if (status == LL_OK && row->kind == LL_OPTION_TIME) {
            store_int(row, base, to_ns(row, number));
        } else if (status == LL_OK) {
            store_number(row, base, number);
        }
        return status;
    case LL_OPTION_CHOICE:
        return set_choice(row, text, base, err);
    case LL_OPTION_OWN:
        return row->take(text, (char *)base + row->offset, err);
    case LL_OPTION_FIXED:
        break;
    }
    return ll_fail(err, LL_E_INVALID, "part of the format, not to be changed");
}

ll_status ll_option_set_old(const struct ll_option_row *row, const char *text, void *base,
                            struct ll_error *err)
{
    int64_t units = 0;
    int64_t min = (row->min + row->old_unit - 1) / row->old_unit;
    ll_status status = ll_parse_int(text, min, row->max / row->old_unit, &units, err);
    if (status == LL_OK) {
        store_int(row, base, units * row->old_unit);
    }
    return status;
}

error_t ll_option_parse(const struct ll_option_table *table, int key, const char *arg,
                        struct argp_state *state, void *base)
{
    bool is_old = false;
    const struct ll_option_row *row = find(table, key, &is_old);
    if (!row) {
        return ARGP_ERR_UNKNOWN;
    }
    struct ll_error err = {.text = ""};
    ll_status status =
        is_old ? ll_option_set_old(row, arg, base, &err) : ll_option_set(row, arg, base, &err);
    if (status != LL_OK) {
        // NOLINTNEXTLINE(concurrency-mt-unsafe): the main thread
        argp_error(state, "--%s: %s", is_old ? row->old_name : row->name, err.text);
    }
    return 0;
}

int64_t ll_option_value(const struct ll_option_row *row, const void *base)
{
    const char *field = (const char *)base + row->offset;
    int64_t value = row->preset;
    int narrow = 0;
    if (row->kind == LL_OPTION_FIXED) {
        return value;
    }
    if (row->bytes == sizeof(narrow)) {
        memcpy(&narrow, field, sizeof(narrow));
        return narrow;
    }
    assert(row->bytes == sizeof(value));
    memcpy(&value, field, sizeof(value));
    return value;
}

char *ll_option_help(const struct ll_option_table *table, int key, const char *text)
{
    char tail[LL_OPTION_TAIL_BYTES];
    char *help = NULL;
    const struct ll_option_row *row = ll_option_find(table, key);
    if (row) {
        ll_option_tail(row, tail);
    }
    /* argp takes what it gave as no change; for want of memory the sentence has to do. */
    return row && asprintf(&help, "%s%s", row->help, tail) >= 0 ? help : (char *)text;
}

ll_status ll_option_take_log_level(const char *text, void *field, struct ll_error *err)
{
    (void)field;
    ll_log_level level = LL_LOG_INFO;
    if (ll_log_parse_level(text, &level) != LL_OK) {
        return ll_fail(err, LL_E_INVALID, "'%.100s' is not one of error, warn, info, debug", text);
    }
    ll_log_set_level(level);
    return LL_OK;
}
