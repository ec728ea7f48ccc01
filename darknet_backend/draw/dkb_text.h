/* Writing on pictures, by FreeType.
 *
 * Threads: one at a time. */
#ifndef DKB_TEXT_H
#define DKB_TEXT_H

#include <stdint.h>

#include "core/ll_status.h"
#include "darknet_backend/dkb_picture.h"

struct dkb_colour {
    uint8_t r, g, b;
};

struct dkb_text;

/* A font whose lines are about `height` pixels high (dkb_text_height has the exact number).
 *
 * Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status dkb_text_create(int height, struct dkb_text **out_text);
/* NULL is allowed. */
void dkb_text_destroy(struct dkb_text *text);

int dkb_text_height(const struct dkb_text *text);

/* Pixels that a line of UTF-8 takes, counted no further than `most`. What is no UTF-8, and what the
 * font does not have, shows as a box or a question mark. */
int dkb_text_width(struct dkb_text *text, const char *line, int most);

/* Writes the line with (x, y) as its left upper corner on a picture of 3 channels, as far as it is
 * inside. */
void dkb_text_write(struct dkb_text *text, struct dkb_picture *picture, int x, int y,
                    const char *line, struct dkb_colour colour);

#endif
