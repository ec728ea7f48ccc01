/* Layer times as text:
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

/* Fills in the times; false, and they are as before, where the text is not exactly one for its
 * layers, or without memory. */
bool device_layer_times_read(struct device_layer_times *layer_times, const char *text,
                             size_t bytes);

/* False where the file does not take it. */
bool device_layer_times_write(const struct device_layer_times *layer_times, FILE *file);

#endif
