/* JSON that stays valid, whatever comes in.
 *
 * Threads: pure. */
#ifndef LL_JSON_H
#define LL_JSON_H

#include <json-c/json.h>

/* A string; bytes that are no UTF-8, which JSON must be, become U+FFFD. json-c escapes the rest.
 * NULL without memory. */
struct json_object *ll_json_string(const char *text);

#endif
