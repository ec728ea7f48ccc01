/* Whose turn it is on a link of a stated rate: queries first, but the upload keeps a quarter.
 *
 * Threads: one at a time. */
#ifndef DEVICE_TURNS_H
#define DEVICE_TURNS_H

#include <stdbool.h>
#include <stdint.h>

struct device_turns {
    /* What the upload is owed, and how much of it queries may take at a stretch. */
    int64_t owed_bytes;
    int64_t patience_bytes;
    bool is_repaying;
};

/* `bytes_per_s`: the link's rate, 0 where it has none and queries always go first. */
void device_turns_init(struct device_turns *turns, double bytes_per_s);

/* Whether the upload goes next although a query waits. */
bool device_turns_upload_first(const struct device_turns *turns);

/* A message was sent. `is_other_waiting`: the other side had one too. */
void device_turns_query_sent(struct device_turns *turns, int64_t bytes, bool is_other_waiting);
void device_turns_upload_sent(struct device_turns *turns, int64_t bytes);

#endif
