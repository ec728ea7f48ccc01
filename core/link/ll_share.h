/* Whose turn it is on a link of a stated rate: queries first, but the upload keeps a quarter.
 *
 * Threads: one at a time. */
#ifndef LL_SHARE_H
#define LL_SHARE_H

#include <stdbool.h>
#include <stdint.h>

struct ll_share {
    /* What the upload is owed, and how much of it queries may take at a stretch. */
    int64_t owed_bytes;
    int64_t patience_bytes;
    bool is_repaying;
};

/* `bytes_per_s`: the link's rate, 0 where it has none and queries always go first. */
void ll_share_init(struct ll_share *turns, double bytes_per_s);

/* Whether the upload goes next although a query waits. */
bool ll_share_upload_first(const struct ll_share *turns);

/* A message was sent. `is_other_waiting`: the other side had one too. */
void ll_share_query_sent(struct ll_share *turns, int64_t bytes, bool is_other_waiting);
void ll_share_upload_sent(struct ll_share *turns, int64_t bytes);

#endif
