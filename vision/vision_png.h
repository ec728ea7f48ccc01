/* PNG files by libpng.
 *
 * Samples are taken as they are: no gamma, no colour profile, of 16 bits the higher 8. That is what
 * Darknet's own reader and the libraries that networks are trained with give; libpng's simplified
 * interface would correct for gamma and take 16 bits for linear light.
 *
 * Threads: any. */
#ifndef VISION_PNG_H
#define VISION_PNG_H

#include <stddef.h>
#include <stdint.h>

#include "core/ll_status.h"
#include "vision/vision_picture.h"

/* Decodes `count` bytes into a zeroed picture: every colour type, depth and interlacing; alpha and
 * transparent colours are dropped. The whole file is read, so that every checksum has been checked.
 * `out_orientation` is EXIF's, from 1 to 8.
 *
 * Errors: LL_E_INVALID, LL_E_EXHAUSTED, LL_E_NO_MEMORY. On failure the picture may hold pixels,
 * which its owner frees. */
LL_MUST_USE ll_status vision_png_decode(const uint8_t *bytes, size_t count,
                                        struct vision_picture *picture, int *out_orientation,
                                        struct ll_error *err);

/* A picture's size from its header. Errors: as vision_png_decode. */
LL_MUST_USE ll_status vision_png_measure(const uint8_t *bytes, size_t count, int *out_w, int *out_h,
                                         struct ll_error *err);

/* Writes a picture of 3 channels as PNG to `path`, wholly or not at all (ll_output_open).
 *
 * Errors: LL_E_IO; `err` names the file. */
LL_MUST_USE ll_status vision_png_write_file(const struct vision_picture *picture, const char *path,
                                            struct ll_error *err);

#endif
