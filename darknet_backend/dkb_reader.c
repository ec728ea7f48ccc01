#include "darknet_backend/dkb_reader.h"

#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_limits.h"

enum { SHOWN_CHARS = 40 };

/* The beginning of a peer's text, fit for a log line or a terminal. */
static void make_printable(const char *text, char out_text[SHOWN_CHARS + 4])
{
    size_t length = strnlen(text, SHOWN_CHARS + 1);
    size_t shown = length > SHOWN_CHARS ? SHOWN_CHARS : length;
    for (size_t i = 0; i < shown; i++) {
        out_text[i] = text[i];
        if (text[i] < ' ' || text[i] > '~') {
            out_text[i] = '?';
        }
    }
    memcpy(out_text + shown, length > shown ? "..." : "", length > shown ? 4 : 1);
}

/* Puts the place in front of the sentence. */
static void add_place(struct dkb_reader *reader, const char *key)
{
    if (!reader->err) {
        return;
    }
    char name[SHOWN_CHARS + 4];
    make_printable(reader->section->name, name);
    const struct dkb_cfg_option *option = key ? dkb_cfg_find(reader->section, key) : NULL;
    if (option && option->value) {
        char value[SHOWN_CHARS + 4];
        make_printable(option->value, value);
        ll_error_prefix(reader->err, "line %d, %s %s=%s", option->line, name, key, value);
    } else if (key) {
        ll_error_prefix(reader->err, "line %d, %s %s", reader->section->line, name, key);
    } else {
        ll_error_prefix(reader->err, "line %d, %s", reader->section->line, name);
    }
}

void dkb_refuse(struct dkb_reader *reader, const char *key, ll_status status, const char *format,
                ...)
{
    struct ll_error err;
    va_list args;
    va_start(args, format);
    vsnprintf(err.text, sizeof(err.text), format, args);
    va_end(args);
    if (reader->status == LL_OK) {
        reader->status = ll_fail(reader->err, status, "%s", err.text);
        add_place(reader, key);
    }
}

void dkb_refuse_limit(struct dkb_reader *reader, const char *limit, int64_t value,
                      const char *format, ...)
{
    struct ll_error err;
    va_list args;
    va_start(args, format);
    vsnprintf(err.text, sizeof(err.text), format, args);
    va_end(args);
    if (reader->status == LL_OK) {
        reader->status = ll_fail_limit(reader->err, limit, value, 0, "%s", err.text);
        add_place(reader, NULL);
    }
}

const char *dkb_read_text(struct dkb_reader *reader, const char *key, const char *fallback)
{
    const struct dkb_cfg_option *option = dkb_cfg_find(reader->section, key);
    return option && option->value ? option->value : fallback;
}

/* Whether a number may end here: the value does, or what follows is a comment. */
static bool is_end(char character)
{
    return character == '\0' || character == '#' || character == ';';
}

static size_t count_digits(const char *text)
{
    return strspn(text, "0123456789");
}

/* Reads a whole number at `*text` and moves behind it. */
static bool scan_int(const char **text, long long *out_value)
{
    const char *digits = *text + (**text == '+' || **text == '-');
    size_t count = count_digits(digits);
    if (count == 0) {
        return false;
    }
    /* Above the range of long long strtoll gives its end, which every limit refuses. */
    *out_value = strtoll(*text, NULL, 10);
    *text = digits + count;
    return true;
}

/* Reads a decimal number with optional fraction and exponent at `*text` and moves behind it. */
static bool scan_float(const char **text, double *out_value)
{
    const char *next = *text + (**text == '+' || **text == '-');
    size_t digits = count_digits(next);
    next += digits;
    if (*next == '.') {
        size_t fraction = count_digits(next + 1);
        next += 1 + fraction;
        digits += fraction;
    }
    if (digits == 0) {
        return false;
    }
    if (*next == 'e' || *next == 'E') {
        const char *exponent = next + 1 + (next[1] == '+' || next[1] == '-');
        size_t count = count_digits(exponent);
        if (count == 0) {
            return false;
        }
        next = exponent + count;
    }
    /* The application's locale may have another decimal point. */
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain) {
        return false;
    }
    *out_value = strtod_l(*text, NULL, plain);
    freelocale(plain);
    *text = next;
    return true;
}

static void refuse_int_range(struct dkb_reader *reader, const char *key, int min, int max)
{
    dkb_refuse(reader, key, LL_E_INVALID, "must be from %d to %d", min, max);
}

int dkb_read_int(struct dkb_reader *reader, const char *key, int fallback, int min, int max)
{
    const char *text = dkb_read_text(reader, key, NULL);
    if (!text) {
        return fallback;
    }
    long long value = 0;
    if (!scan_int(&text, &value) || !is_end(*text)) {
        dkb_refuse(reader, key, LL_E_INVALID, "not a whole number");
        return min;
    }
    if (value < min || value > max) {
        refuse_int_range(reader, key, min, max);
        return min;
    }
    return (int)value;
}

bool dkb_read_flag(struct dkb_reader *reader, const char *key)
{
    return dkb_read_int(reader, key, 0, INT_MIN, INT_MAX) != 0;
}

float dkb_read_float(struct dkb_reader *reader, const char *key, float fallback)
{
    const char *text = dkb_read_text(reader, key, NULL);
    if (!text) {
        return fallback;
    }
    double value = 0;
    if (!scan_float(&text, &value) || !is_end(*text)) {
        dkb_refuse(reader, key, LL_E_INVALID, "not a number");
        return fallback;
    }
    if (!isfinite((float)value)) {
        dkb_refuse(reader, key, LL_E_INVALID, "too large");
        return fallback;
    }
    return (float)value;
}

static const struct {
    const char *name;
    ACTIVATION activation;
} activations[] = {
    {"logistic", LOGISTIC}, {"loggy", LOGGY},   {"relu", RELU}, {"elu", ELU},
    {"selu", SELU},         {"relie", RELIE},   {"plse", PLSE}, {"hardtan", HARDTAN},
    {"lhtan", LHTAN},       {"linear", LINEAR}, {"ramp", RAMP}, {"leaky", LEAKY},
    {"tanh", TANH},         {"stair", STAIR},
};

ACTIVATION dkb_read_activation(struct dkb_reader *reader, ACTIVATION fallback)
{
    const char *name = dkb_read_text(reader, "activation", NULL);
    if (!name) {
        return fallback;
    }
    for (size_t i = 0; i < sizeof(activations) / sizeof(activations[0]); i++) {
        if (strcmp(name, activations[i].name) == 0) {
            return activations[i].activation;
        }
    }
    dkb_refuse(reader, "activation", LL_E_UNSUPPORTED, "an activation that Darknet does not have");
    return fallback;
}

/* How many items a comma-separated value has; 0 after a refusal. */
static int count_items(struct dkb_reader *reader, const char *key, const char *text, int max_count)
{
    int count = 1;
    for (const char *next = text; *next; next++) {
        count += *next == ',';
    }
    if (count > max_count) {
        dkb_refuse(reader, key, LL_E_INVALID, "%d items, the limit is %d", count, max_count);
        return 0;
    }
    return count;
}

/* Moves behind the separator of item `index`; false where something else stands there. */
static bool skip_separator(const char **text, int index, int count)
{
    if (index == count - 1) {
        return is_end(**text);
    }
    return *(*text)++ == ',';
}

int dkb_read_ints(struct dkb_reader *reader, const char *key, int max_count, int **out_values)
{
    *out_values = NULL;
    const char *text = dkb_read_text(reader, key, NULL);
    int count = text ? count_items(reader, key, text, max_count) : 0;
    if (count == 0) {
        return 0;
    }
    int *values = calloc((size_t)count, sizeof(*values));
    if (!values) {
        dkb_refuse(reader, key, LL_E_NO_MEMORY, "out of memory");
        return 0;
    }
    for (int i = 0; i < count; i++) {
        long long value = 0;
        if (!scan_int(&text, &value) || value < INT_MIN || value > INT_MAX ||
            !skip_separator(&text, i, count)) {
            dkb_refuse(reader, key, LL_E_INVALID, "item %d is not a whole number", i + 1);
            free(values);
            return 0;
        }
        values[i] = (int)value;
    }
    *out_values = values;
    return count;
}

int dkb_read_floats(struct dkb_reader *reader, const char *key, int max_count, float **out_values)
{
    *out_values = NULL;
    const char *text = dkb_read_text(reader, key, NULL);
    int count = text ? count_items(reader, key, text, max_count) : 0;
    if (count == 0) {
        return 0;
    }
    float *values = calloc((size_t)count, sizeof(*values));
    if (!values) {
        dkb_refuse(reader, key, LL_E_NO_MEMORY, "out of memory");
        return 0;
    }
    for (int i = 0; i < count; i++) {
        double value = 0;
        if (!scan_float(&text, &value) || !isfinite((float)value) ||
            !skip_separator(&text, i, count)) {
            dkb_refuse(reader, key, LL_E_INVALID, "item %d is not a number", i + 1);
            free(values);
            return 0;
        }
        values[i] = (float)value;
    }
    *out_values = values;
    return count;
}
