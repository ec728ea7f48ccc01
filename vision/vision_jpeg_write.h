/* Pictures written as JPEG, which changes them: every sample of colour, at a quality.
 *
 * Threads: pure. */
#ifndef VISION_JPEG_WRITE_H
#define VISION_JPEG_WRITE_H

#include "core/ll_buf.h"
#include "core/ll_status.h"
#include "vision/vision_picture.h"

/* Writes a picture of 3 channels (4:4:4) or 1 (grey) with libjpeg's `quality`, 1 to 100.
 *
 * Errors: LL_E_NO_MEMORY, LL_E_INTERNAL where the encoder fails, LL_E_EXHAUSTED above a JPEG's
 * 65500 pixels a side. */
LL_MUST_USE ll_status vision_jpeg_write(const struct vision_picture *picture, int quality,
                                        struct ll_buf **out_file, struct ll_error *err);

#endif
