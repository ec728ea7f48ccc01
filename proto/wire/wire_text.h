/* A peer's bytes in a sentence of ours.
 *
 * Threads: pure functions. */
#ifndef WIRE_TEXT_H
#define WIRE_TEXT_H

/* Replaces what is not printable ASCII: a peer's bytes in a sentence must not make a message that
 * other runtimes refuse as invalid UTF-8. */
void wire_text_clean(char *text);

#endif
