/* Cutting UTF-8 text without leaving part of a character behind: a string field of protobuf with
 * such a part is refused by its reader.
 *
 * Threads: pure. */
#ifndef LL_UTF8_H
#define LL_UTF8_H

#include <stddef.h>

/* How many of the text's bytes, `most` at the most, are whole characters. */
size_t ll_utf8_cut(const char *text, size_t most);

#endif
