/* A link's stated rate: how much may be sent by when. A message is earned byte by byte from the
 * moment when it wants to leave, as a link of that rate would carry it, and is sent then: no
 * stretch of time sees more than the rate, but for what a late timer catches up with.
 *
 * Threads: one at a time; the time is given, never read. */
#ifndef LL_PACER_H
#define LL_PACER_H

#include <stdbool.h>
#include <stdint.h>

/* What a late timer may catch up with: this much time's worth of bytes, above the next message. */
#define LL_PACER_BURST_NS ((int64_t)10000000)

struct ll_pacer {
    /* 0: no limit. */
    double bytes_per_s;
    /* Bytes that were earned and not spent, as of `at_ns`. */
    double earned;
    int64_t at_ns;
    /* A message was told to wait. */
    bool is_waiting;
};

/* `bytes_per_s` 0: everything may be sent at once. */
void ll_pacer_init(struct ll_pacer *pacer, double bytes_per_s, int64_t now_ns);

/* When a message of `bytes` may be sent: a time that is not after `now_ns` means now. */
int64_t ll_pacer_ready_ns(struct ll_pacer *pacer, int64_t bytes, int64_t now_ns);

/* A message of `bytes` is sent; ll_pacer_ready_ns has allowed it. */
void ll_pacer_spend(struct ll_pacer *pacer, int64_t bytes);

#endif
