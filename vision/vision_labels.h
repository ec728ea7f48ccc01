/* What a network's classes are called: a list of names from a file.
 *
 * Threads: any. */
#ifndef VISION_LABELS_H
#define VISION_LABELS_H

#include <stdint.h>

#include "core/ll_status.h"

/* Names of classes, one a line of a file; line ends (LF, CR LF, CR) are not part of them, nor is a
 * byte order mark. Valid UTF-8: what the file has of other bytes is U+FFFD here. Control characters
 * stay, so that what shows names tames them (ll_text.h). */
struct vision_labels {
    int64_t count;
    const char **names;
    /* What the names point into. */
    char *text;
};

/* Errors: LL_E_NOT_FOUND, LL_E_IO, LL_E_EXHAUSTED, LL_E_NO_MEMORY, LL_E_INVALID for NUL bytes,
 * UTF-16 and a file without a name; `err` names the file. */
LL_MUST_USE ll_status vision_labels_load(const char *path, struct vision_labels *out_labels,
                                         struct ll_error *err);
/* Takes zeroed labels too. */
void vision_labels_finish(struct vision_labels *labels);

enum { VISION_LABEL_SCRATCH_BYTES = 24 };

/* What to call value `index` of an output of `floats` values: its name where the list covers the
 * whole output, otherwise (a shorter list, as a detector's is; no list, NULL too) the number
 * itself, written to `scratch`. */
const char *vision_label(const struct vision_labels *labels, int64_t floats, int64_t index,
                         char scratch[static VISION_LABEL_SCRATCH_BYTES]);

#endif
