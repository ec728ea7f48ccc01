#include "core/ll_json.h"

#include <stdlib.h>

#include "core/ll_text.h"

struct json_object *ll_json_string(const char *text)
{
    char *valid = ll_text_to_utf8(text);
    struct json_object *string = valid ? json_object_new_string(valid) : NULL;
    free(valid);
    return string;
}
