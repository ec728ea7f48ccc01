/* Pictures from files: JPEG (vision_jpeg.h), PNG (vision_png.h) and BMP (vision_bmp.h).
 *
 * Threads: any. */
#ifndef VISION_PICTURE_H
#define VISION_PICTURE_H

#include <stddef.h>
#include <stdint.h>

#include "core/ll_status.h"

/* 8-bit pixels, rows from the top, `channels` values a pixel: red, green, blue, or luminance. */
struct vision_picture {
    int w;
    int h;
    int channels;
    uint8_t *pixels;
};

/* Reads a file, or a pipe or standard input ("-") to its end, into a picture of 3 channels, upright
 * as its EXIF orientation says (Darknet without OpenCV leaves it lying). Transparency is dropped,
 * not blended, and colours are not corrected, as in Darknet. Sizes are checked from the file's
 * header, before anything is decoded or allocated for it.
 *
 * Errors: LL_E_NOT_FOUND, LL_E_IO, LL_E_INVALID for what cannot be decoded, LL_E_EXHAUSTED above
 * the limits on file size and pixels, LL_E_NO_MEMORY; `err` names the file. */
LL_MUST_USE ll_status vision_picture_load(const char *path, struct vision_picture *out_picture,
                                          struct ll_error *err);
/* The same of a file's bytes; `err` does not name it. */
LL_MUST_USE ll_status vision_picture_decode(const uint8_t *bytes, size_t count,
                                            struct vision_picture *out_picture,
                                            struct ll_error *err);
/* For decoders: whether a picture may have that size. Errors: LL_E_INVALID for an empty one,
 * LL_E_EXHAUSTED above the limits; `err` has the size. */
LL_MUST_USE ll_status vision_picture_check_size(int64_t w, int64_t h, struct ll_error *err);
/* For decoders: a new picture of that size with 3 channels, whose pixels are not set.
 *
 * Errors: those of vision_picture_check_size, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status vision_picture_allocate(struct vision_picture *picture, int64_t w, int64_t h,
                                              struct ll_error *err);
/* Takes zeroed pictures too. */
void vision_picture_finish(struct vision_picture *picture);

/* Another picture of the same size: its luminance, ITU-R BT.601 in 256ths, as Darknet's image
 * reader computes it. `picture` has 3 channels. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status vision_picture_luminance(const struct vision_picture *picture,
                                               struct vision_picture *out_luminance);

/* Writes a picture of 3 channels as PNG to `path`, wholly or not at all (ll_output_open).
 *
 * Errors: LL_E_IO; `err` names the file. */
LL_MUST_USE ll_status vision_picture_write(const struct vision_picture *picture, const char *path,
                                           struct ll_error *err);

#endif
