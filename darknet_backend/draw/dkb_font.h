/* DejaVu Sans Mono Bold, a TrueType font (Bitstream Vera's licence), so that a program that writes
 * on pictures finds it on every machine. */
#ifndef DKB_FONT_H
#define DKB_FONT_H

#include <stddef.h>

extern const unsigned char dkb_font[];
extern const size_t dkb_font_bytes;

#endif
