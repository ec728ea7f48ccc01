/* Whose turn it is on a link: queries first, but the upload keeps five sixths of the bytes while
 * both have something to send for long.
 *
 * What queries send they mostly send at once, and then wait for answers while the upload has the
 * link. So a query now and then is never held up; only queries without a pause between them are,
 * whose pictures would otherwise take the link from the weights: the sooner these are there, the
 * sooner all queries are fast.
 *
 * Threads: one at a time. */
#ifndef LL_SHARE_H
#define LL_SHARE_H

#include <stdbool.h>
#include <stdint.h>

struct ll_share {
    /* What the upload is owed, and how much of it queries may take at a stretch; 0: they always go
     * first. */
    int64_t owed_bytes;
    int64_t patience_bytes;
};

/* Nothing is owed, and the link's rate is not known. */
void ll_share_init(struct ll_share *share);

/* `bytes_per_s`: the link's rate, 0 where it is not known and queries always go first. */
void ll_share_set_rate(struct ll_share *share, double bytes_per_s);

/* Whether the upload goes next although a query waits. */
bool ll_share_upload_first(const struct ll_share *share);

/* A message was sent. `is_other_waiting`: the other side had one too. */
void ll_share_query_sent(struct ll_share *share, int64_t bytes, bool is_other_waiting);
void ll_share_upload_sent(struct ll_share *share, int64_t bytes);

#endif
