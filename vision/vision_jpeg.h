/* JPEG files by libjpeg-turbo, upright.
 *
 * Which damage is none: bytes that nobody reads (before a marker), restart markers with wrong
 * numbers, and a missing end marker, as long as every pixel has its data; cameras and collections
 * are full of such files, and every other reader takes them. Data that ends early or cannot be
 * decoded is refused, though the decoder would fill up with grey.
 *
 * Threads: any. */
#ifndef VISION_JPEG_H
#define VISION_JPEG_H

#include <stddef.h>
#include <stdint.h>

#include "core/ll_status.h"
#include "vision/vision_picture.h"

/* Decodes `count` bytes into a zeroed picture: baseline and progressive, Huffman and arithmetic
 * coding, any sampling; grey, YCbCr and RGB, and CMYK and YCCK by the plain formula (inverted where
 * Adobe's marker says so, as all programs write them). `out_orientation` is EXIF's, from 1 to 8.
 * Samples are taken as they are, colour profiles are not looked at.
 *
 * Errors: LL_E_INVALID, LL_E_UNSUPPORTED for other colours, LL_E_EXHAUSTED, LL_E_NO_MEMORY. On
 * failure the picture may hold pixels, which its owner frees. */
LL_MUST_USE ll_status vision_jpeg_decode(const uint8_t *bytes, size_t count,
                                         struct vision_picture *picture, int *out_orientation,
                                         struct ll_error *err);

/* A picture's size, and the memory that its coefficients take where they must all be there before
 * the first pixel is (progressive and like files); from its header. Errors: as vision_jpeg_decode.
 */
LL_MUST_USE ll_status vision_jpeg_measure(const uint8_t *bytes, size_t count, int *out_w,
                                          int *out_h, int64_t *out_bytes, struct ll_error *err);

#endif
