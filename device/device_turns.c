#include "device/device_turns.h"

/* Of four bytes that queries and the upload send while both wait, the upload has one; it asks for
 * its share when it is half a second of the link behind. */
enum { TURNS_QUERY_PARTS = 3 };
#define TURNS_PATIENCE_S 0.125

void device_turns_init(struct device_turns *turns, double bytes_per_s)
{
    *turns = (struct device_turns){.patience_bytes = (int64_t)(bytes_per_s * TURNS_PATIENCE_S)};
}

bool device_turns_upload_first(const struct device_turns *turns)
{
    return turns->is_repaying;
}

void device_turns_query_sent(struct device_turns *turns, int64_t bytes, bool is_other_waiting)
{
    if (turns->patience_bytes <= 0 || !is_other_waiting) {
        return;
    }
    turns->owed_bytes += bytes / TURNS_QUERY_PARTS;
    if (turns->owed_bytes >= turns->patience_bytes) {
        turns->is_repaying = true;
    }
}

void device_turns_upload_sent(struct device_turns *turns, int64_t bytes)
{
    turns->owed_bytes -= bytes;
    if (turns->owed_bytes <= 0) {
        turns->owed_bytes = 0;
        turns->is_repaying = false;
    }
}
