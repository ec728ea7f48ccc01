#include "core/link/ll_pacer.h"

#include <math.h>

#include "core/ll_clock.h"

/* What passes between two messages of a sender that has more. */
#define PACER_PAUSE_NS (LL_NS_PER_MS / 2)

void ll_pacer_init(struct ll_pacer *pacer, double bytes_per_s, int64_t now_ns)
{
    *pacer = (struct ll_pacer){.bytes_per_s = bytes_per_s, .at_ns = now_ns};
}

int64_t ll_pacer_ready_ns(struct ll_pacer *pacer, int64_t bytes, int64_t now_ns)
{
    if (pacer->bytes_per_s <= 0) {
        return now_ns;
    }
    if (!pacer->is_waiting && now_ns - pacer->at_ns > PACER_PAUSE_NS) {
        /* Nobody wanted to send: a pause earns nothing. */
        pacer->earned = fmin(pacer->earned, 0);
        pacer->at_ns = now_ns;
    }
    if (now_ns > pacer->at_ns) {
        double seconds = (double)(now_ns - pacer->at_ns) / (double)LL_NS_PER_S;
        double most =
            (double)bytes + pacer->bytes_per_s * (double)LL_PACER_BURST_NS / (double)LL_NS_PER_S;
        pacer->earned = fmin(pacer->earned + seconds * pacer->bytes_per_s, most);
        pacer->at_ns = now_ns;
    }
    double missing = (double)bytes - pacer->earned;
    pacer->is_waiting = missing > 0;
    if (!pacer->is_waiting) {
        return now_ns;
    }
    double wait_ns = ceil(missing / pacer->bytes_per_s * (double)LL_NS_PER_S);
    return wait_ns < 9e18 ? ll_clock_deadline(now_ns, (int64_t)wait_ns) : LL_CLOCK_NEVER;
}

void ll_pacer_spend(struct ll_pacer *pacer, int64_t bytes)
{
    if (pacer->bytes_per_s > 0) {
        pacer->earned -= (double)bytes;
    }
}
