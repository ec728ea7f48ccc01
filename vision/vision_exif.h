/* The one thing of EXIF (CIPA DC-008) that changes a picture: how the camera was held.
 *
 * Threads: pure. */
#ifndef VISION_EXIF_H
#define VISION_EXIF_H

#include <stddef.h>
#include <stdint.h>

/* The orientation that EXIF data (a TIFF header and what it leads to, without "Exif\0\0") states: 1
 * to 8, where 1 is upright and 6, the most frequent other one, wants a quarter turn clockwise. 1
 * where there is none, and for anything that is no valid EXIF. */
int vision_exif_orientation(const uint8_t *bytes, size_t count);

/* The same of a whole JPEG file: of its first APP1 segment that is EXIF. */
int vision_exif_of_jpeg(const uint8_t *bytes, size_t count);

#endif
