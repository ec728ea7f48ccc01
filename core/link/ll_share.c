#include "core/link/ll_share.h"

/* Of four bytes that queries and the upload send while both wait, the upload has one; it asks for
 * its share when it is half a second of the link behind. */
enum { TURNS_QUERY_PARTS = 3 };
#define TURNS_PATIENCE_S 0.125

void ll_share_init(struct ll_share *turns, double bytes_per_s)
{
    *turns = (struct ll_share){.patience_bytes = (int64_t)(bytes_per_s * TURNS_PATIENCE_S)};
}

bool ll_share_upload_first(const struct ll_share *turns)
{
    return turns->is_repaying;
}

void ll_share_query_sent(struct ll_share *turns, int64_t bytes, bool is_other_waiting)
{
    if (turns->patience_bytes <= 0 || !is_other_waiting) {
        return;
    }
    turns->owed_bytes += bytes / TURNS_QUERY_PARTS;
    if (turns->owed_bytes >= turns->patience_bytes) {
        turns->is_repaying = true;
    }
}

void ll_share_upload_sent(struct ll_share *turns, int64_t bytes)
{
    turns->owed_bytes -= bytes;
    if (turns->owed_bytes <= 0) {
        turns->owed_bytes = 0;
        turns->is_repaying = false;
    }
}
