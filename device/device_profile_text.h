/* A profile as text:
 *
 *   layers 78
 *   NS RUNS              for each layer: its time, and of how many runs that is the median
 *   end
 *
 * Whoever reads it believes nothing else.
 *
 * Threads: one at a time. */
#ifndef DEVICE_PROFILE_TEXT_H
#define DEVICE_PROFILE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "device/device_profile.h"

/* Fills the profile; false, and it is as before, where the text is not exactly one for its layers,
 * or without memory. */
bool device_profile_read(struct device_profile *profile, const char *text, size_t bytes);

/* False where the file does not take it. */
bool device_profile_write(const struct device_profile *profile, FILE *file);

#endif
