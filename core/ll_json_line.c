#include "core/ll_json_line.h"

#include <math.h>
#include <stdio.h>

struct ll_json_line ll_json_line_begin(void)
{
    struct json_object *object = json_object_new_object();
    return (struct ll_json_line){.object = object, .is_ok = object != NULL};
}

void ll_json_line_add(struct ll_json_line *line, const char *key, struct json_object *value)
{
    if (!line->is_ok || !value || json_object_object_add(line->object, key, value) != 0) {
        json_object_put(value);
        line->is_ok = false;
    }
}

void ll_json_line_null(struct ll_json_line *line, const char *key)
{
    line->is_ok = line->is_ok && json_object_object_add(line->object, key, NULL) == 0;
}

void ll_json_line_text(struct ll_json_line *line, const char *key, const char *text)
{
    ll_json_line_add(line, key, ll_json_string(text));
}

void ll_json_line_int(struct ll_json_line *line, const char *key, int64_t value)
{
    ll_json_line_add(line, key, json_object_new_int64(value));
}

void ll_json_line_number(struct ll_json_line *line, const char *key, double value)
{
    if (isfinite(value)) {
        ll_json_line_add(line, key, ll_json_number(value));
    } else {
        ll_json_line_null(line, key);
    }
}

void ll_json_line_ms(struct ll_json_line *line, const char *key, int64_t ns)
{
    ll_json_line_add(line, key, ll_json_ms(ns));
}

struct json_object *ll_json_line_take(struct ll_json_line *line)
{
    struct json_object *object = line->object;
    if (!line->is_ok) {
        json_object_put(object);
        object = NULL;
    }
    *line = (struct ll_json_line){0};
    return object;
}

ll_status ll_json_line_end(struct ll_json_line *line, char **out_text)
{
    struct json_object *object = ll_json_line_take(line);
    const char *json = object ? json_object_to_json_string_ext(
                                    object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
                              : NULL;
    char *text = NULL;
    bool is_ok = json && asprintf(&text, "%s\n", json) >= 0;
    json_object_put(object);
    if (is_ok) {
        *out_text = text;
    }
    return is_ok ? LL_OK : LL_E_NO_MEMORY;
}

bool ll_json_append(struct json_object *list, struct json_object *value)
{
    if (!list || !value || json_object_array_add(list, value) != 0) {
        json_object_put(value);
        return false;
    }
    return true;
}

bool ll_json_append_number(struct json_object *list, double value)
{
    if (isfinite(value)) {
        return ll_json_append(list, ll_json_number(value));
    }
    return list && json_object_array_add(list, NULL) == 0;
}
