#include "core/link/ll_share.h"

/* Of six bytes that queries and the upload send while both wait, the upload has five. Queries may
 * have a tenth of a second of the link before it asks for them. */
enum { SHARE_UPLOAD_PARTS = 5 };
#define SHARE_BURST_S 0.1

void ll_share_init(struct ll_share *share)
{
    *share = (struct ll_share){0};
}

void ll_share_set_rate(struct ll_share *share, double bytes_per_s)
{
    share->patience_bytes = (int64_t)(bytes_per_s * SHARE_BURST_S * SHARE_UPLOAD_PARTS);
}

bool ll_share_upload_first(const struct ll_share *share)
{
    return share->patience_bytes > 0 && share->owed_bytes >= share->patience_bytes;
}

void ll_share_query_sent(struct ll_share *share, int64_t bytes, bool is_other_waiting)
{
    if (is_other_waiting) {
        share->owed_bytes += bytes * SHARE_UPLOAD_PARTS;
    }
}

void ll_share_upload_sent(struct ll_share *share, int64_t bytes)
{
    share->owed_bytes = share->owed_bytes > bytes ? share->owed_bytes - bytes : 0;
}
