/* Pictures from files: JPEG (vision_jpeg.h), PNG (vision_png.h) and BMP (vision_bmp.h).
 *
 * Threads: any. */
#ifndef VISION_DECODE_H
#define VISION_DECODE_H

#include <stddef.h>
#include <stdint.h>

#include "core/ll_buf.h"
#include "core/ll_status.h"
#include "vision/vision_picture.h"

typedef enum { VISION_JPEG, VISION_PNG, VISION_BMP } vision_format;

/* What the bytes begin as. Errors: LL_E_INVALID where that is neither. */
LL_MUST_USE ll_status vision_format_of(const uint8_t *bytes, size_t count,
                                       vision_format *out_format, struct ll_error *err);

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

/* The file's bytes alone, in the same way. Errors: LL_E_NOT_FOUND, LL_E_IO, LL_E_EXHAUSTED,
 * LL_E_NO_MEMORY; `err` names the file. */
LL_MUST_USE ll_status vision_read_file(const char *path, struct ll_buf **out_file,
                                       struct ll_error *err);

/* vision_decode, told by `*orientation` how the camera was held: EXIF's 1 to 8, whatever the file
 * says; or 0, for what the file says, which is then put there. */
LL_MUST_USE ll_status vision_decode_held(const uint8_t *bytes, size_t count, int *orientation,
                                         struct vision_picture *out_picture, struct ll_error *err);

/* A picture's size and the most memory that decoding it takes, pixels included: from its header
 * alone, by the decoder that will read it. */
struct vision_measure {
    int w;
    int h;
    int64_t bytes;
};

/* Errors: as vision_decode, for what the header shows. */
LL_MUST_USE ll_status vision_measure(const uint8_t *bytes, size_t count,
                                     struct vision_measure *out_measure, struct ll_error *err);

#endif
