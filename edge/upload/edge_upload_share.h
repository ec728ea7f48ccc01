/* One upload for many: which of the devices that upload the same model at once sends which blob.
 *
 * Every blob is dealt to one member, so that all finish at about the same time, as far as their
 * rates are known; each sends its own in the plan's order. What a member is sending stays its own,
 * and what it probably sends next: whatever is under way when it is told otherwise comes for
 * nothing. Beyond that, blobs move from those that would finish last to those that would run dry.
 *
 * Nobody is waited for on trust: a member whose rate is not known yet is dealt little where others'
 * rates are known; one that has stalled is dealt nothing while others go on, and what it has begun
 * goes to another, too, as it does where its end is far later than the other's would be.
 *
 * Threads: a pure function. */
#ifndef EDGE_UPLOAD_SHARE_H
#define EDGE_UPLOAD_SHARE_H

#include <stdbool.h>
#include <stdint.h>

enum { EDGE_UPLOAD_SHARE_NOBODY = -1 };

/* A blob that is missing. */
struct edge_upload_share_blob {
    /* What is to come of it, for whoever goes on with it. */
    int64_t left_bytes;
    /* The same for the member to which it is dealt, which may have got further by itself. */
    int64_t dealt_left_bytes;
    /* The member that is sending it, or nobody. */
    int owner;
    /* The member to which it is dealt; nobody: it is new, or that member has left. */
    int dealt;
};

struct edge_upload_share_member {
    /* Measured; 0: not yet. */
    double bytes_per_s;
    /* It sends nothing of what was dealt to it; or something else. */
    bool is_stalled;
    bool is_elsewhere;
    /* Private. */
    double rate;
    double load_s;
    double ahead_s;
};

/* Deals the blobs, which are in the plan's order, to members, of which there is at least one: sets
 * every blob's `dealt`. */
void edge_upload_share_deal(struct edge_upload_share_blob *blobs, int blob_count,
                            struct edge_upload_share_member *members, int member_count);

#endif
