/* A profile as text:
 *
 *   layers 78
 *   NS RUNS              for each layer: its time, and of how many runs that is the median
 *   end
 *
 * Whoever reads it believes nothing else.
 *
 * Threads: one at a time. */
#ifndef DEVICE_LAYER_TIMES_TEXT_H
#define DEVICE_LAYER_TIMES_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "device/times/device_layer_times.h"

/* Fills the profile; false, and it is as before, where the text is not exactly one for its layers,
 * or without memory. */
bool device_layer_times_read(struct device_layer_times *profile, const char *text, size_t bytes);

/* False where the file does not take it. */
bool device_layer_times_write(const struct device_layer_times *profile, FILE *file);

#endif
