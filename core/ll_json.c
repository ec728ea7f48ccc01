#include "core/ll_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/ll_clock.h"
#include "core/ll_text.h"

struct json_object *ll_json_string(const char *text)
{
    char *valid = ll_text_to_utf8(text);
    struct json_object *string = valid ? json_object_new_string(valid) : NULL;
    free(valid);
    return string;
}

enum { JSON_NUMBER_BYTES = 40 };

struct json_object *ll_json_number(double value)
{
    char text[JSON_NUMBER_BYTES];
    snprintf(text, sizeof(text), "%.9g", value);
    return isfinite(value) ? json_object_new_double_s(value, text) : NULL;
}

struct json_object *ll_json_ms(int64_t ns)
{
    char text[JSON_NUMBER_BYTES];
    snprintf(text, sizeof(text), "%.3f", ll_clock_ms(ns));
    return json_object_new_double_s(ll_clock_ms(ns), text);
}
