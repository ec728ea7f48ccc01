#include "net/plan/ll_chain_csv.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_limits.h"
#include "core/ll_options.h"

static const char header[] =
    "name,input_bytes,output_bytes,weight_bytes,device_ms,edge_ms,create_ms";
static const char *const columns[] = {"name",      "input_bytes", "output_bytes", "weight_bytes",
                                      "device_ms", "edge_ms",     "create_ms"};

enum { COLUMN_COUNT = sizeof(columns) / sizeof(columns[0]) };

/* What is still to be read. */
struct reader {
    const char *next;
    const char *end;
    int line;
};

/* One line, or one field of it, without its end. */
struct text {
    const char *data;
    size_t bytes;
};

static struct text next_line(struct reader *reader)
{
    size_t left = (size_t)(reader->end - reader->next);
    const char *line_end = memchr(reader->next, '\n', left);
    struct text line = {reader->next, line_end ? (size_t)(line_end - reader->next) : left};
    reader->next = line_end ? line_end + 1 : reader->end;
    reader->line++;
    if (line.bytes > 0 && line.data[line.bytes - 1] == '\r') {
        line.bytes--;
    }
    return line;
}

/* Takes the next field off the line. Returns whether a comma follows it. */
static bool take_field(struct text *line, struct text *out_field)
{
    const char *comma = memchr(line->data, ',', line->bytes);
    size_t bytes = comma ? (size_t)(comma - line->data) : line->bytes;
    *out_field = (struct text){line->data, bytes};
    line->data += comma ? bytes + 1 : bytes;
    line->bytes -= comma ? bytes + 1 : bytes;
    return comma != NULL;
}

/* Copies a field as a string. */
static ll_status copy_field(struct text field, char *out_text, struct ll_error *err)
{
    if (field.bytes == 0) {
        return ll_fail(err, LL_E_INVALID, "empty");
    }
    if (field.bytes >= LL_CHAIN_NAME_BYTES) {
        return ll_fail(err, LL_E_INVALID, "longer than %d characters", LL_CHAIN_NAME_BYTES - 1);
    }
    for (size_t i = 0; i < field.bytes; i++) {
        if (field.data[i] < ' ' || field.data[i] > '~' || field.data[i] == '"') {
            return ll_fail(err, LL_E_INVALID,
                           "a quote, or a character that is not printable ASCII");
        }
        out_text[i] = field.data[i];
    }
    out_text[field.bytes] = '\0';
    return LL_OK;
}

static ll_status parse_ms(const char *text, int64_t *out_ns, struct ll_error *err)
{
    double ms = 0;
    ll_status status = ll_parse_double(text, 0, (double)LL_LIMIT_CHAIN_NS / 1e6, &ms, err);
    if (status == LL_OK) {
        *out_ns = llround(ms * 1e6);
    }
    return status;
}

static ll_status parse_column(int column, struct text field, struct ll_chain_element *element,
                              struct ll_error *err)
{
    char text[LL_CHAIN_NAME_BYTES] = "";
    ll_status status = copy_field(field, text, err);
    if (status != LL_OK) {
        return status;
    }
    switch (column) {
    case 0:
        memcpy(element->name, text, sizeof(text));
        return LL_OK;
    case 1:
        return ll_parse_int(text, 0, LL_LIMIT_TENSOR_BYTES, &element->input_bytes, err);
    case 2:
        return ll_parse_int(text, 0, LL_LIMIT_TENSOR_BYTES, &element->output_bytes, err);
    case 3:
        return ll_parse_int(text, 0, LL_LIMIT_MODEL_BYTES, &element->weight_bytes, err);
    case 4:
        return parse_ms(text, &element->device_ns, err);
    case 5:
        return parse_ms(text, &element->edge_ns, err);
    default:
        return parse_ms(text, &element->create_ns, err);
    }
}

static ll_status parse_line(struct text line, struct ll_chain_element *element,
                            struct ll_error *err)
{
    if (line.bytes == 0) {
        return ll_fail(err, LL_E_INVALID, "a blank line");
    }
    for (int i = 0; i < COLUMN_COUNT; i++) {
        struct text field;
        bool goes_on = take_field(&line, &field);
        bool is_last = i == COLUMN_COUNT - 1;
        if (!goes_on && !is_last) {
            return ll_fail(err, LL_E_INVALID, "column %s is missing", columns[i + 1]);
        }
        if (goes_on && is_last) {
            return ll_fail(err, LL_E_INVALID, "more than %d columns", COLUMN_COUNT);
        }
        ll_status status = parse_column(i, field, element, err);
        if (status != LL_OK) {
            ll_error_prefix(err, "%s", columns[i]);
            return status;
        }
    }
    return LL_OK;
}

/* The lines behind the header. `chain` has room for as many as may be. */
static ll_status parse_elements(struct reader *reader, struct ll_chain *chain, struct ll_error *err)
{
    struct ll_chain_element sum = {.end = 0};
    chain->count = 0;
    while (reader->next < reader->end) {
        struct text line = next_line(reader);
        if (chain->count == LL_LIMIT_LAYERS) {
            return ll_fail(err, LL_E_EXHAUSTED, "line %d: more than %d elements", reader->line,
                           LL_LIMIT_LAYERS);
        }
        struct ll_chain_element *element = &chain->elements[chain->count];
        element->first = chain->count++;
        element->end = chain->count;
        ll_status status = parse_line(line, element, err);
        if (status == LL_OK) {
            status = ll_chain_check_next(element, &sum, err);
        }
        if (status != LL_OK) {
            ll_error_prefix(err, "line %d", reader->line);
            return status;
        }
    }
    if (chain->count == 0) {
        return ll_fail(err, LL_E_INVALID, "line %d: no element behind the header", reader->line);
    }
    return LL_OK;
}

ll_status ll_chain_csv_parse(const char *text, size_t bytes, struct ll_chain *out_chain,
                             struct ll_error *err)
{
    if (bytes > LL_LIMIT_PROFILE_BYTES) {
        return ll_fail(err, LL_E_EXHAUSTED, "%zu bytes, the limit is %u", bytes,
                       LL_LIMIT_PROFILE_BYTES);
    }
    if (bytes == 0) {
        return ll_fail(err, LL_E_INVALID, "empty; a profile begins with '%s'", header);
    }
    struct reader reader = {text, text + bytes, 0};
    struct text first = next_line(&reader);
    if (first.bytes != sizeof(header) - 1 || memcmp(first.data, header, first.bytes) != 0) {
        return ll_fail(err, LL_E_INVALID, "line 1: not the header of a profile, which is '%s'",
                       header);
    }
    struct ll_chain chain;
    ll_status status = ll_chain_init(&chain, LL_LIMIT_LAYERS);
    if (status != LL_OK) {
        return ll_fail(err, status, "out of memory");
    }
    status = parse_elements(&reader, &chain, err);
    if (status == LL_OK) {
        *out_chain = chain;
    } else {
        ll_chain_finish(&chain);
    }
    return status;
}
