/* Text of others, before a person or a parser of ours sees it.
 *
 * Threads: any. */
#ifndef LL_TEXT_H
#define LL_TEXT_H

#include <stddef.h>

/* Replaces by '?' each byte of text[0, bytes) that does not belong to a printable character in
 * UTF-8: controls (so that nobody forges lines or drives a terminal), line and paragraph
 * separators, marks that turn the direction of writing, and what is no UTF-8 at all, a character
 * cut short at the end included. */
void ll_text_clean(char *text, size_t bytes);

#endif
