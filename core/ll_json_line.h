/* A JSON object that is filled field by field and written as one line. Once memory runs out it
 * stays invalid, so that only its end has to be checked.
 *
 * Threads: one at a time per line. */
#ifndef LL_JSON_LINE_H
#define LL_JSON_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_json.h"
#include "core/ll_status.h"

struct ll_json_line {
    /* Private. */
    struct json_object *object;
    bool is_ok;
};

/* Every line that is begun is ended, or its object taken. */
struct ll_json_line ll_json_line_begin(void);

/* Adds a value, which it takes; NULL is one that memory did not suffice for. */
void ll_json_line_add(struct ll_json_line *line, const char *key, struct json_object *value);
void ll_json_line_null(struct ll_json_line *line, const char *key);
void ll_json_line_text(struct ll_json_line *line, const char *key, const char *text);
void ll_json_line_int(struct ll_json_line *line, const char *key, int64_t value);
/* As ll_json_number: infinities and NaN, which JSON does not have, become null. */
void ll_json_line_number(struct ll_json_line *line, const char *key, double value);
void ll_json_line_ms(struct ll_json_line *line, const char *key, int64_t ns);

/* The object, which the caller puts; NULL where memory did not suffice. */
struct json_object *ll_json_line_take(struct ll_json_line *line);

/* Ends it as text with a line feed, which the caller frees. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status ll_json_line_end(struct ll_json_line *line, char **out_text);

/* Appends a value, which it takes, to a list, which the caller puts. False, and the value is gone,
 * where either of them or memory is missing. */
bool ll_json_append(struct json_object *list, struct json_object *value);
/* The same of a number; null for infinities and NaN. */
bool ll_json_append_number(struct json_object *list, double value);

#endif
