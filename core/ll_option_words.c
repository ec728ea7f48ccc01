#include "core/ll_option_words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *ll_option_arg(const struct ll_option_row *row)
{
    if (row->kind == LL_OPTION_FLAG || row->arg) {
        return row->arg;
    }
    switch (row->kind) {
    case LL_OPTION_INT:
        return "N";
    case LL_OPTION_SIZE:
        return "SIZE";
    case LL_OPTION_NUMBER:
        return "X";
    case LL_OPTION_TIME:
        return strcmp(row->unit, "s") == 0 ? "S" : "MS";
    default:
        return "TEXT";
    }
}

const char *ll_option_next_choice(const char **choices, size_t *out_bytes)
{
    const char *choice = *choices;
    if (*choice == '\0') {
        return NULL;
    }
    *out_bytes = strcspn(choice, "|");
    *choices = choice + *out_bytes + (choice[*out_bytes] == '|');
    return choice;
}

void ll_option_choices(const struct ll_option_row *row, char out_text[static LL_OPTION_WORDS_BYTES])
{
    size_t used = 0;
    const char *rest = row->choices ? row->choices : "";
    size_t choice_bytes = 0;
    out_text[0] = '\0';
    for (const char *choice = NULL;
         (choice = ll_option_next_choice(&rest, &choice_bytes)) && used < LL_OPTION_WORDS_BYTES;) {
        used += (size_t)snprintf(out_text + used, LL_OPTION_WORDS_BYTES - used, "%s%.*s",
                                 used > 0 ? ", " : "", (int)choice_bytes, choice);
    }
}

/* As --memory and its like take it, with the largest unit that leaves a whole number. */
static void size_text(int64_t bytes, char *out_text, size_t text_bytes)
{
    static const struct {
        const char *name;
        int64_t bytes;
    } units[] = {{"Gi", 1 << 30}, {"G", 1000000000}, {"Mi", 1 << 20},
                 {"M", 1000000},  {"Ki", 1 << 10},   {"K", 1000}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (bytes > 0 && bytes % units[i].bytes == 0) {
            snprintf(out_text, text_bytes, "%" PRId64 "%s", bytes / units[i].bytes, units[i].name);
            return;
        }
    }
    snprintf(out_text, text_bytes, "%" PRId64, bytes);
}

void ll_option_range(const struct ll_option_row *row, char out_text[static LL_OPTION_WORDS_BYTES])
{
    char least[32];
    char most[32];
    out_text[0] = '\0';
    switch (row->kind) {
    case LL_OPTION_INT:
        /* What nobody reaches is no news. */
        snprintf(out_text, LL_OPTION_WORDS_BYTES,
                 row->max >= INT32_MAX ? "from %" PRId64 : "%" PRId64 " to %" PRId64, row->min,
                 row->max);
        break;
    case LL_OPTION_SIZE:
        size_text(row->min, least, sizeof(least));
        size_text(row->max, most, sizeof(most));
        snprintf(out_text, LL_OPTION_WORDS_BYTES, "%s to %s", least, most);
        break;
    case LL_OPTION_NUMBER:
    case LL_OPTION_TIME:
        snprintf(out_text, LL_OPTION_WORDS_BYTES, "%.12g to %.12g", row->least, row->most);
        break;
    default:
        if (row->choices) {
            ll_option_choices(row, out_text);
        }
        break;
    }
}

void ll_option_default(const struct ll_option_row *row, char out_text[static LL_OPTION_WORDS_BYTES])
{
    const char *rest = row->choices ? row->choices : "";
    const char *choice = NULL;
    size_t bytes = 0;
    out_text[0] = '\0';
    if (row->shown) {
        snprintf(out_text, LL_OPTION_WORDS_BYTES, "%s", row->shown);
        return;
    }
    switch (row->kind) {
    case LL_OPTION_TEXT:
        snprintf(out_text, LL_OPTION_WORDS_BYTES, "%s", row->preset_text ? row->preset_text : "");
        break;
    case LL_OPTION_INT:
        snprintf(out_text, LL_OPTION_WORDS_BYTES, "%" PRId64, row->preset);
        break;
    case LL_OPTION_SIZE:
        size_text(row->preset, out_text, LL_OPTION_WORDS_BYTES);
        break;
    case LL_OPTION_FIXED:
        if (row->unit && strcmp(row->unit, "bytes") == 0) {
            size_text(row->preset, out_text, LL_OPTION_WORDS_BYTES);
        } else {
            snprintf(out_text, LL_OPTION_WORDS_BYTES, "%" PRId64, row->preset);
        }
        break;
    case LL_OPTION_NUMBER:
    case LL_OPTION_TIME:
        snprintf(out_text, LL_OPTION_WORDS_BYTES, "%.12g", row->preset_number);
        break;
    case LL_OPTION_CHOICE:
        for (int64_t i = 0; i <= row->preset; i++) {
            choice = ll_option_next_choice(&rest, &bytes);
        }
        snprintf(out_text, LL_OPTION_WORDS_BYTES, "%.*s", (int)bytes, choice);
        break;
    default:
        break;
    }
}

void ll_option_tail(const struct ll_option_row *row, char out_text[static LL_OPTION_TAIL_BYTES])
{
    char range[LL_OPTION_WORDS_BYTES];
    char preset[LL_OPTION_WORDS_BYTES];
    ll_option_range(row, range);
    ll_option_default(row, preset);
    if (row->choices) {
        /* The sentence says what each of them means. */
        range[0] = '\0';
    }
    const char *unit = row->kind == LL_OPTION_SIZE ? "bytes" : row->unit;
    const struct {
        const char *before;
        const char *text;
    } parts[] = {{"", unit ? unit : ""}, {"", range}, {"default ", preset}};
    size_t used = 0;
    out_text[0] = '\0';
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (parts[i].text[0] != '\0' && used < LL_OPTION_TAIL_BYTES) {
            used += (size_t)snprintf(out_text + used, LL_OPTION_TAIL_BYTES - used, "%s%s%s",
                                     used > 0 ? ", " : " (", parts[i].before, parts[i].text);
        }
    }
    if (used > 0 && used < LL_OPTION_TAIL_BYTES) {
        snprintf(out_text + used, LL_OPTION_TAIL_BYTES - used, ")");
    }
}
