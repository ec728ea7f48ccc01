#include "darknet_backend/network/dkb_reader.h"

#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_limits.h"
#include "darknet_backend/network/dkb_near.h"

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

/* Notes `status`; whether a sentence is wanted. */
static bool begin_refusal(struct dkb_reader *reader, ll_status status)
{
    if (reader->status != LL_OK) {
        return false;
    }
    reader->status = status;
    return reader->err != NULL;
}

/* Puts "line N, [section] key=value: " before the reason. `key` NULL: the section itself is at
 * fault; `value` NULL: the key has none. */
static void locate_refusal(struct dkb_reader *reader, int line, const char *key, const char *value)
{
    char name[SHOWN_CHARS + 4];
    char shown_key[SHOWN_CHARS + 4];
    char shown_value[SHOWN_CHARS + 4];
    make_printable(reader->section->name, name);
    make_printable(key ? key : "", shown_key);
    make_printable(value ? value : "", shown_value);
    ll_error_prefix(reader->err, "line %d, %s%s%s%s%s", line, name, key ? " " : "", shown_key,
                    value ? "=" : "", shown_value);
}

void dkb_refuse(struct dkb_reader *reader, const char *key, ll_status status, const char *format,
                ...)
{
    if (!begin_refusal(reader, status)) {
        return;
    }
    va_list args;
    va_start(args, format);
    (void)ll_vfail(reader->err, status, format, args);
    va_end(args);
    const struct dkb_cfg_option *option = key ? dkb_cfg_find(reader->section, key) : NULL;
    bool has_value = option && option->value;
    locate_refusal(reader, has_value ? option->line : reader->section->line, key,
                   has_value ? option->value : NULL);
}

void dkb_refuse_option(struct dkb_reader *reader, const struct dkb_cfg_option *option,
                       ll_status status, const char *format, ...)
{
    if (!begin_refusal(reader, status)) {
        return;
    }
    va_list args;
    va_start(args, format);
    (void)ll_vfail(reader->err, status, format, args);
    va_end(args);
    locate_refusal(reader, option->line, option->key, option->value);
}

void dkb_refuse_limit(struct dkb_reader *reader, const char *limit, int64_t value,
                      const char *format, ...)
{
    if (!begin_refusal(reader, LL_E_EXHAUSTED)) {
        return;
    }
    va_list args;
    va_start(args, format);
    (void)ll_vfail_limit(reader->err, limit, value, 0, format, args);
    va_end(args);
    locate_refusal(reader, reader->section->line, NULL, NULL);
}

const char *dkb_read_text(const struct dkb_reader *reader, const char *key, const char *fallback)
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

bool dkb_same_value(const char *a, const char *b)
{
    const char *end_a = a;
    const char *end_b = b;
    double number_a = 0;
    double number_b = 0;
    if (scan_float(&end_a, &number_a) && is_end(*end_a) && scan_float(&end_b, &number_b) &&
        is_end(*end_b)) {
        return number_a == number_b;
    }
    return strcmp(a, b) == 0;
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
    ll_activation activation;
} activations[] = {
    {"logistic", LL_ACTIVATION_LOGISTIC}, {"loggy", LL_ACTIVATION_LOGGY},
    {"relu", LL_ACTIVATION_RELU},         {"elu", LL_ACTIVATION_ELU},
    {"selu", LL_ACTIVATION_SELU},         {"relie", LL_ACTIVATION_RELIE},
    {"plse", LL_ACTIVATION_PLSE},         {"hardtan", LL_ACTIVATION_HARDTAN},
    {"lhtan", LL_ACTIVATION_LHTAN},       {"linear", LL_ACTIVATION_LINEAR},
    {"ramp", LL_ACTIVATION_RAMP},         {"leaky", LL_ACTIVATION_LEAKY},
    {"tanh", LL_ACTIVATION_TANH},         {"stair", LL_ACTIVATION_STAIR},
};

/* Of the dialects that followed Darknet of 2018. */
static const char *const foreign_activations[] = {
    "mish",
    "hard_mish",
    "swish",
    "hard_swish",
    "h_swish",
    "relu6",
    "gelu",
    "prelu",
    "revleaky",
    "normalize_channels",
    "normalize_channels_softmax",
    "normalize_channels_softmax_maxval",
};

enum {
    ACTIVATION_COUNT = sizeof(activations) / sizeof(activations[0]),
    FOREIGN_ACTIVATION_COUNT = sizeof(foreign_activations) / sizeof(foreign_activations[0]),
};

static void refuse_activation(struct dkb_reader *reader, const char *name)
{
    struct dkb_near near;
    dkb_near_init(&near, name);
    for (size_t i = 0; i < FOREIGN_ACTIVATION_COUNT; i++) {
        if (strcmp(name, foreign_activations[i]) == 0) {
            dkb_refuse(reader, "activation", LL_E_UNSUPPORTED,
                       "not supported: an activation of another dialect of Darknet");
            return;
        }
        dkb_near_try(&near, foreign_activations[i]);
    }
    for (size_t i = 0; i < ACTIVATION_COUNT; i++) {
        dkb_near_try(&near, activations[i].name);
    }
    dkb_refuse(reader, "activation", LL_E_INVALID, "not an activation%s%s%s",
               near.best ? "; did you mean " : "", near.best ? near.best : "",
               near.best ? "?" : "");
}

ll_activation dkb_read_activation(struct dkb_reader *reader, ll_activation fallback)
{
    const char *name = dkb_read_text(reader, "activation", NULL);
    if (!name) {
        return fallback;
    }
    for (size_t i = 0; i < ACTIVATION_COUNT; i++) {
        if (strcmp(name, activations[i].name) == 0) {
            return activations[i].activation;
        }
    }
    refuse_activation(reader, name);
    return fallback;
}

/* Whether a list may end here. A ';' is no comment in one: it may stand for a comma. */
static bool is_list_end(char character)
{
    return character == '\0' || character == '#';
}

/* How many items a comma-separated value has; 0 after a refusal. */
static int count_items(struct dkb_reader *reader, const char *key, const char *text, int max_count)
{
    int count = 1;
    for (const char *next = text; !is_list_end(*next); next++) {
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
        return is_list_end(**text);
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
