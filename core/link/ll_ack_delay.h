/* How late acknowledgements come because the way back is busy.
 *
 * The peer says by its own clock when it had the bytes. The difference of the two clocks is not
 * known, but the least difference between "acknowledgement arrives here" and "bytes arrived there"
 * is that of an undelayed way back, and whatever comes with a larger difference was that much
 * longer on its way. The least of the last 5 to 10 s counts, since clocks drift.
 *
 * Threads: one at a time; the time is given, never read. */
#ifndef LL_ACK_DELAY_H
#define LL_ACK_DELAY_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed before the first use. */
struct ll_ack_delay {
    bool is_known;
    /* The least differences of this spell and of the one before, and when this one began. */
    int64_t least_ns, earlier_ns;
    int64_t since_ns;
};

/* By how much later than undelayed an acknowledgement arrives now of bytes that the peer had when
 * its clock said `peer_ns`. 0 where it does not tell (0) or tells nonsense. */
int64_t ll_ack_delay_late_ns(struct ll_ack_delay *way, uint64_t peer_ns, int64_t now_ns);

#endif
