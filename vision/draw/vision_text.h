/* Writing on pictures, by FreeType.
 *
 * Threads: one at a time. */
#ifndef VISION_TEXT_H
#define VISION_TEXT_H

#include <stdint.h>

#include "core/ll_status.h"
#include "vision/vision_picture.h"

struct vision_colour {
    uint8_t r, g, b;
};

struct vision_text;

/* A font whose lines are about `height` pixels high (vision_text_height has the exact number).
 *
 * Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status vision_text_create(int height, struct vision_text **out_text);
/* NULL is allowed. */
void vision_text_destroy(struct vision_text *text);

int vision_text_height(const struct vision_text *text);

/* Pixels that a line of UTF-8 takes, counted no further than `most`. What is no UTF-8, and what the
 * font does not have, shows as a box or a question mark. */
int vision_text_width(struct vision_text *text, const char *line, int most);

/* Writes the line with (x, y) as its left upper corner on a picture of 3 channels, as far as it is
 * inside. */
void vision_text_write(struct vision_text *text, struct vision_picture *picture, int x, int y,
                       const char *line, struct vision_colour colour);

#endif
