#include "core/link/ll_ack_delay.h"

#include "core/ll_clock.h"

#define WAY_SPELL_NS (5 * LL_NS_PER_S)
/* No clock runs for so long; below it no difference of two times overflows. */
#define WAY_CLOCK_END ((uint64_t)1 << 61)

int64_t ll_ack_delay_late_ns(struct ll_ack_delay *way, uint64_t peer_ns, int64_t now_ns)
{
    if (peer_ns == 0 || peer_ns >= WAY_CLOCK_END) {
        return 0;
    }
    int64_t took_ns = now_ns - (int64_t)peer_ns;
    if (!way->is_known || now_ns - way->since_ns > WAY_SPELL_NS) {
        way->earlier_ns = way->is_known ? way->least_ns : took_ns;
        way->least_ns = took_ns;
        way->since_ns = now_ns;
        way->is_known = true;
    } else if (took_ns < way->least_ns) {
        way->least_ns = took_ns;
    }
    return took_ns - (way->least_ns < way->earlier_ns ? way->least_ns : way->earlier_ns);
}
