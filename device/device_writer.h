/* Writes text to a file on a thread of its own, in order, so that whoever has something to say
 * never waits for a pager that does not read or a disk that is full.
 *
 * What waits to be written is bounded by those who can wait: they call device_writer_await_room
 * first. Those who cannot (the loop's thread) say little.
 *
 * Threads: any, but for create and destroy. */
#ifndef DEVICE_WRITER_H
#define DEVICE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/ll_status.h"

struct device_writer;

/* `file` outlives the writer and is nobody else's until then. Beyond `room_bytes` of waiting text
 * there is no room. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_writer_create(FILE *file, size_t room_bytes,
                                           struct device_writer **out_writer);
/* Waits until everything is written. NULL is allowed. */
void device_writer_destroy(struct device_writer *writer);

/* Takes a copy of `text`; it is written and flushed soon, in order. Never waits. After a failed
 * write the text is dropped. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_writer_put(struct device_writer *writer, const char *text,
                                        size_t bytes);

/* Waits until there is room, or until device_writer_hurry. */
void device_writer_await_room(struct device_writer *writer);
/* Nobody waits for room any more. */
void device_writer_hurry(struct device_writer *writer);

/* Everything is written. */
bool device_writer_is_idle(struct device_writer *writer);
/* Waits until everything is written. Errors: LL_E_IO where a write has failed; LL_E_DEADLINE. */
LL_MUST_USE ll_status device_writer_drain(struct device_writer *writer, int64_t deadline_ns);

#endif
