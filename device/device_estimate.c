#include "device/device_estimate.h"

#include <math.h>

#include "core/ll_clock.h"

#define ESTIMATE_UNKNOWN_NS (10 * LL_NS_PER_S)
#define ESTIMATE_LEAST_NS (200 * LL_NS_PER_MS)
#define ESTIMATE_LONGEST_NS (600 * LL_NS_PER_S)
#define ESTIMATE_TIMES 3.0
/* How much of a smaller sample goes into the estimate. */
#define ESTIMATE_FALL 0.2
#define ESTIMATE_MOST_CAUTION 16.0

void device_estimate_init(struct device_estimate *estimate)
{
    *estimate = (struct device_estimate){.caution = 1};
}

int64_t device_estimate_allowance_ns(const struct device_estimate *estimate,
                                     const struct device_effort *effort, int64_t rtt_ns)
{
    double allowance = (double)ESTIMATE_UNKNOWN_NS;
    if (estimate->samples > 0) {
        double predicted = (double)rtt_ns + estimate->queue_ns +
                           estimate->up_ns_per_byte * (double)effort->up_bytes +
                           estimate->down_ns_per_byte * (double)effort->down_bytes +
                           estimate->edge_ns_per_flop * (double)effort->flops;
        allowance = fmax(ESTIMATE_TIMES * predicted, (double)ESTIMATE_LEAST_NS);
    }
    return (int64_t)fmin(allowance * estimate->caution, (double)ESTIMATE_LONGEST_NS);
}

static double moved(double before, double sample)
{
    return sample >= before ? sample : before + ESTIMATE_FALL * (sample - before);
}

static double rate(int64_t ns, int64_t amount)
{
    return amount > 0 && ns > 0 ? (double)ns / (double)amount : 0;
}

void device_estimate_answered(struct device_estimate *estimate, const struct device_effort *effort,
                              const struct device_spent *spent)
{
    estimate->up_ns_per_byte =
        moved(estimate->up_ns_per_byte, rate(spent->up_ns, effort->up_bytes));
    estimate->down_ns_per_byte =
        moved(estimate->down_ns_per_byte, rate(spent->down_ns, effort->down_bytes));
    estimate->edge_ns_per_flop =
        moved(estimate->edge_ns_per_flop, rate(spent->computed_ns, effort->flops));
    estimate->queue_ns = moved(estimate->queue_ns, (double)spent->queued_ns);
    estimate->caution = fmax(1, estimate->caution / 2);
    estimate->samples++;
}

void device_estimate_missed(struct device_estimate *estimate)
{
    estimate->caution = fmin(2 * estimate->caution, ESTIMATE_MOST_CAUTION);
}
