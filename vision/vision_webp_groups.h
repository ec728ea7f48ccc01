/* How much memory libwebp takes for a lossless file besides its pixels: a file may divide its
 * picture into tiles of 4 x 4 pixels and more, with codes of its own for each, whose tables are
 * 20 KB. libwebp allocates them without a limit; so who decodes others' files looks here first.
 *
 * Threads: pure. */
#ifndef VISION_WEBP_GROUPS_H
#define VISION_WEBP_GROUPS_H

#include <stddef.h>
#include <stdint.h>

#include "core/ll_status.h"

/* What the tables of one group take at most. */
enum { VISION_WEBP_GROUP_BYTES = 21 << 10 };

/* `*out_groups`: how many groups of codes the file may have, from 1.
 *
 * Errors: LL_E_INVALID where the file is no RIFF file of a lossless picture alone, or is damaged
 *         before its codes. */
LL_MUST_USE ll_status vision_webp_groups(const uint8_t *bytes, size_t count, int *out_groups,
                                         struct ll_error *err);

#endif
