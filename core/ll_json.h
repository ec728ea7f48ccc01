/* JSON that stays valid, whatever comes in.
 *
 * Threads: pure. */
#ifndef LL_JSON_H
#define LL_JSON_H

#include <json-c/json.h>
#include <stdint.h>

/* A string; bytes that are no UTF-8, which JSON must be, become U+FFFD. json-c escapes the rest.
 * NULL without memory. */
struct json_object *ll_json_string(const char *text);

/* A number in nine digits, which tell every float from its neighbours: the same value is written
 * alike by every program. NULL, which is JSON's null, for infinities and NaN, and without memory.
 */
struct json_object *ll_json_number(double value);
/* A time of `ns` in ms, to the microsecond. NULL without memory. */
struct json_object *ll_json_ms(int64_t ns);

#endif
