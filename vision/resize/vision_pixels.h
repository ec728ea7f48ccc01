/* A picture as what resizing reads: bytes that somebody else owns. */
#ifndef VISION_PIXELS_H
#define VISION_PIXELS_H

#include <stdint.h>

/* `height` rows of `width` pixels of `channels` bytes, 1 to 4. */
struct vision_pixels {
    const uint8_t *data;
    int width;
    int height;
    int channels;
};

#endif
