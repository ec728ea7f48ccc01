/* A picture's file without what its pixels do not need: EXIF (where and when it was taken, by whom
 * and with what), comments, colour profiles, thumbnails, second pictures, and whatever stands
 * behind the end. It decodes to the same pixels, lying as the camera held it: the orientation goes
 * with the EXIF, and has to be told beside it.
 *
 *   JPEG  Tables, frame and scans stay, Adobe's marker (which says what the colours are) and JFIF's
 *         as far as they are defined; of the rest nothing.
 *   PNG   The critical chunks stay.
 *   BMP   What stands behind the pixels goes.
 *
 * Threads: pure. */
#ifndef VISION_STRIP_H
#define VISION_STRIP_H

#include <stddef.h>
#include <stdint.h>

#include "core/ll_buf.h"
#include "core/ll_status.h"

/* Makes a file that is no larger than the `count` bytes. What is not known is refused, not kept:
 * whether the picture can be decoded is not looked at.
 *
 * Errors: LL_E_INVALID for a file that ends early or has no sense, LL_E_UNSUPPORTED for parts that
 * are not known, LL_E_NO_MEMORY; `err` says which and where. */
LL_MUST_USE ll_status vision_strip(const uint8_t *bytes, size_t count, struct ll_buf **out_file,
                                   struct ll_error *err);

#endif
