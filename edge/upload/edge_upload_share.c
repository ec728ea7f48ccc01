/* Blobs that are new go, the largest first, to whoever finishes them first. Then, one by one, that
 * blob moves whose move helps most: the time by which both ends of it finish earlier.
 *
 * Times are in seconds from now, with every member sending what is dealt to it and nothing else. */
#include "edge/upload/edge_upload_share.h"

#include <stdlib.h>

/* The rate where none is known: any will do, since all are equal then. */
static const double guess_bytes_per_s = 1e6;
/* How long a stalled member takes for anything. */
static const double stalled_s = 1e9;
/* What a member begins so soon may be under way to us already. */
static const double soon_s = 0.1;
/* A member whose rate is not known does not get what one begins so soon whose rate is. */
static const double sure_s = 1.0;
/* Nor does it get more than this. */
static const double trial_s = 0.5;
/* Members whose ends are so close, or by so small a part of the later one, are left as they are:
 * rates are measured no better. */
static const double least_apart_s = 0.05;
static const double least_apart_part = 0.1;
/* A move has to help so much. */
static const double least_gain_s = 0.005;
/* Who sends something else will send this in his own time: he counts as so much slower. */
static const double elsewhere_factor = 4;
/* Whose end is later than `crawl_factor` times another's would be, and this time, crawls. */
static const double crawl_factor = 2;
static const double crawl_s = 1.0;

/* In one deal: each looks at all blobs, and other devices wait for the deal. */
enum { MOVES_MOST = 256 };

struct deal {
    struct edge_upload_share_blob *blobs;
    int blob_count;
    struct edge_upload_share_member *members;
    int member_count;
};

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static bool is_proven(const struct edge_upload_share_member *member)
{
    return member->bytes_per_s > 0 && !member->is_stalled;
}

static double seconds(const struct edge_upload_share_member *member, int64_t bytes)
{
    return member->is_stalled ? stalled_s : (double)bytes / member->rate;
}

/* How long the member to which it is dealt takes for a blob. */
static double dealt_seconds(const struct deal *deal, const struct edge_upload_share_blob *blob)
{
    return seconds(&deal->members[blob->dealt], blob->dealt_left_bytes);
}

/* Members of unknown rate count as the others on average. */
static void guess_rates(struct deal *deal)
{
    double sum = 0;
    int proven = 0;
    for (int i = 0; i < deal->member_count; i++) {
        if (is_proven(&deal->members[i])) {
            sum += deal->members[i].bytes_per_s;
            proven++;
        }
    }
    for (int i = 0; i < deal->member_count; i++) {
        struct edge_upload_share_member *member = &deal->members[i];
        double guess = proven > 0 ? sum / proven : guess_bytes_per_s;
        member->rate = member->bytes_per_s > 0 ? member->bytes_per_s : guess;
        member->rate /= member->is_elsewhere ? elsewhere_factor : 1;
    }
}

/* The member that finishes first what it has, those that have stalled last. */
static int earliest(const struct deal *deal)
{
    int best = 0;
    for (int i = 1; i < deal->member_count; i++) {
        const struct edge_upload_share_member *member = &deal->members[i];
        const struct edge_upload_share_member *other = &deal->members[best];
        bool is_better = member->is_stalled != other->is_stalled ? other->is_stalled
                                                                 : member->load_s < other->load_s;
        best = is_better ? i : best;
    }
    return best;
}

static void give(struct deal *deal, struct edge_upload_share_blob *blob, int to)
{
    if (blob->dealt != EDGE_UPLOAD_SHARE_NOBODY) {
        deal->members[blob->dealt].load_s -= dealt_seconds(deal, blob);
    }
    blob->dealt = to;
    blob->dealt_left_bytes = blob->left_bytes;
    deal->members[to].load_s += dealt_seconds(deal, blob);
}

/* Who sends a blob keeps it, unless it was taken away from him and is still better off so. */
static void keep_owners(struct deal *deal)
{
    for (int i = 0; i < deal->member_count; i++) {
        deal->members[i].load_s = 0;
    }
    for (int i = 0; i < deal->blob_count; i++) {
        struct edge_upload_share_blob *blob = &deal->blobs[i];
        bool is_owned = blob->owner != EDGE_UPLOAD_SHARE_NOBODY;
        if (is_owned && blob->dealt == EDGE_UPLOAD_SHARE_NOBODY) {
            blob->dealt = blob->owner;
            blob->dealt_left_bytes = blob->left_bytes;
        } else if (is_owned && blob->dealt != blob->owner) {
            const struct edge_upload_share_member *owner = &deal->members[blob->owner];
            if (is_proven(owner) && seconds(owner, blob->left_bytes) <= dealt_seconds(deal, blob)) {
                blob->dealt = blob->owner;
                blob->dealt_left_bytes = blob->left_bytes;
            }
        }
        if (blob->dealt != EDGE_UPLOAD_SHARE_NOBODY) {
            deal->members[blob->dealt].load_s += dealt_seconds(deal, blob);
        }
    }
}

/* The member that has a new blob first. */
static int first_to_finish(const struct deal *deal, int64_t bytes)
{
    int best = 0;
    double best_s = 0;
    for (int i = 0; i < deal->member_count; i++) {
        double end_s = deal->members[i].load_s + seconds(&deal->members[i], bytes);
        if (i == 0 || end_s < best_s) {
            best = i;
            best_s = end_s;
        }
    }
    return best;
}

/* The largest first; of equals the one that is sent first. */
static int by_size(const void *a, const void *b)
{
    const struct edge_upload_share_blob *first = *(struct edge_upload_share_blob *const *)a;
    const struct edge_upload_share_blob *second = *(struct edge_upload_share_blob *const *)b;
    if (first->left_bytes != second->left_bytes) {
        return first->left_bytes > second->left_bytes ? -1 : 1;
    }
    return first < second ? -1 : 1;
}

static void deal_new(struct deal *deal)
{
    int count = 0;
    struct edge_upload_share_blob **fresh =
        calloc((size_t)deal->blob_count + 1, sizeof(struct edge_upload_share_blob *));
    for (int i = 0; i < deal->blob_count; i++) {
        struct edge_upload_share_blob *blob = &deal->blobs[i];
        if (blob->dealt == EDGE_UPLOAD_SHARE_NOBODY && fresh) {
            fresh[count++] = blob;
        } else if (blob->dealt == EDGE_UPLOAD_SHARE_NOBODY) {
            /* Without memory they come as they are. */
            give(deal, blob, first_to_finish(deal, blob->left_bytes));
        }
    }
    if (fresh) {
        qsort(fresh, (size_t)count, sizeof(struct edge_upload_share_blob *), by_size);
    }
    for (int i = 0; i < count; i++) {
        give(deal, fresh[i], first_to_finish(deal, fresh[i]->left_bytes));
    }
    free(fresh);
}

/* How soon `from` must begin a blob to keep it from `to`. */
static double grace_s(const struct edge_upload_share_member *from,
                      const struct edge_upload_share_member *to)
{
    if (from->is_stalled || from->is_elsewhere || (is_proven(to) && !is_proven(from))) {
        return 0;
    }
    return is_proven(from) && !is_proven(to) ? sure_s : soon_s;
}

/* By how much moving a blob to `to` helps, 0 or less where it may not be; `ahead_s`: when it begins
 * where it is. */
static double gain_s(const struct deal *deal, const struct edge_upload_share_blob *blob, int to,
                     double ahead_s, bool is_any_proven)
{
    const struct edge_upload_share_member *from = &deal->members[blob->dealt];
    const struct edge_upload_share_member *thief = &deal->members[to];
    double taken_s = seconds(thief, blob->left_bytes);
    if (blob->dealt == to || blob->owner == blob->dealt || ahead_s < grace_s(from, thief) ||
        (is_any_proven && !is_proven(thief) && thief->load_s > 0 &&
         thief->load_s + taken_s > trial_s)) {
        return 0;
    }
    double apart_s = from->load_s - thief->load_s;
    if (apart_s <= larger(least_apart_s, least_apart_part * from->load_s)) {
        return 0;
    }
    double after_s = larger(from->load_s - dealt_seconds(deal, blob), thief->load_s + taken_s);
    double gain = from->load_s - after_s;
    return gain > least_gain_s ? gain : 0;
}

/* Moves one blob that is not begun; false when no move helps. */
static bool move_one(struct deal *deal, bool is_any_proven)
{
    int to = earliest(deal);
    struct edge_upload_share_blob *best = NULL;
    double best_s = 0;
    for (int i = 0; i < deal->member_count; i++) {
        deal->members[i].ahead_s = 0;
    }
    for (int i = 0; i < deal->blob_count && !deal->members[to].is_stalled; i++) {
        struct edge_upload_share_blob *blob = &deal->blobs[i];
        double *ahead_s = &deal->members[blob->dealt].ahead_s;
        double gain = gain_s(deal, blob, to, *ahead_s, is_any_proven);
        *ahead_s += dealt_seconds(deal, blob);
        /* Of equals the last: it is furthest from being sent. */
        if (gain > 0 && gain >= best_s) {
            best = blob;
            best_s = gain;
        }
    }
    if (best) {
        give(deal, best, to);
    }
    return best != NULL;
}

static void balance(struct deal *deal)
{
    bool is_any_proven = false;
    for (int i = 0; i < deal->member_count; i++) {
        is_any_proven = is_any_proven || is_proven(&deal->members[i]);
    }
    /* Every move shortens the time of the later of two members; this many are enough, and the next
     * deal goes on. */
    for (int i = 0; i < MOVES_MOST && move_one(deal, is_any_proven); i++) {
    }
}

/* What is begun goes to another where its owner crawls. */
static void relieve_crawlers(struct deal *deal)
{
    for (int i = 0; i < deal->blob_count; i++) {
        struct edge_upload_share_blob *blob = &deal->blobs[i];
        if (blob->owner == EDGE_UPLOAD_SHARE_NOBODY || blob->dealt != blob->owner) {
            continue;
        }
        int to = earliest(deal);
        const struct edge_upload_share_member *thief = &deal->members[to];
        double end_s = thief->load_s + seconds(thief, blob->left_bytes);
        if (to != blob->owner && !thief->is_stalled &&
            dealt_seconds(deal, blob) > crawl_factor * end_s + crawl_s) {
            give(deal, blob, to);
        }
    }
}

void edge_upload_share_deal(struct edge_upload_share_blob *blobs, int blob_count,
                            struct edge_upload_share_member *members, int member_count)
{
    struct deal deal = {
        .blobs = blobs, .blob_count = blob_count, .members = members, .member_count = member_count};
    guess_rates(&deal);
    keep_owners(&deal);
    deal_new(&deal);
    balance(&deal);
    relieve_crawlers(&deal);
}
