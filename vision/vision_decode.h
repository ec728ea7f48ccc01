/* Pictures from files: JPEG (vision_jpeg.h), PNG (vision_png.h) and BMP (vision_bmp.h).
 *
 * Threads: any. */
#ifndef VISION_DECODE_H
#define VISION_DECODE_H

#include <stddef.h>
#include <stdint.h>

#include "core/ll_status.h"
#include "vision/vision_picture.h"

/* Reads a file, or a pipe or standard input ("-") to its end, into a picture of 3 channels, upright
 * as its EXIF orientation says (Darknet without OpenCV leaves it lying). Transparency is dropped,
 * not blended, and colours are not corrected, as in Darknet. Sizes are checked from the file's
 * header, before anything is decoded or allocated for it.
 *
 * Errors: LL_E_NOT_FOUND, LL_E_IO, LL_E_INVALID for what cannot be decoded, LL_E_EXHAUSTED above
 * the limits on file size and pixels, LL_E_NO_MEMORY; `err` names the file. */
LL_MUST_USE ll_status vision_decode_file(const char *path, struct vision_picture *out_picture,
                                         struct ll_error *err);
/* The same of a file's bytes; `err` does not name it. */
LL_MUST_USE ll_status vision_decode(const uint8_t *bytes, size_t count,
                                    struct vision_picture *out_picture, struct ll_error *err);

#endif
