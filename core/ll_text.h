/* Text that came from elsewhere (labels, file names, a peer's words), made fit for a terminal and
 * for JSON.
 *
 * Threads: pure, but for those that write. */
#ifndef LL_TEXT_H
#define LL_TEXT_H

#include <stdio.h>

/* The bytes of the UTF-8 character (RFC 3629) that the terminated text begins with; 0 at its end
 * and where what follows is none. */
int ll_text_character(const char *text);

/* Puts `?` in place of each byte that could steer a terminal or is no text: control characters (C0,
 * DEL, C1) and what is no UTF-8. The length stays. */
void ll_text_tame(char *text);

/* Writes the text as ll_text_tame makes it. */
void ll_text_print(FILE *file, const char *text);

/* "program: sentence" and a line's end on stderr, tamed: how a main says why it fails. */
void ll_text_complain(const char *program, const char *sentence);

/* A copy that is valid UTF-8, with U+FFFD for each byte that is none; free() it. NULL without
 * memory. */
char *ll_text_to_utf8(const char *text);

#endif
