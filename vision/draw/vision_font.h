/* DejaVu Sans Mono Bold, a TrueType font (Bitstream Vera's licence), so that a program that writes
 * on pictures finds it on every machine. */
#ifndef VISION_FONT_H
#define VISION_FONT_H

#include <stddef.h>

extern const unsigned char vision_font[];
extern const size_t vision_font_bytes;

#endif
