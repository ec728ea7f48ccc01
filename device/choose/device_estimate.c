#include "device/choose/device_estimate.h"

#include <math.h>
#include <stdbool.h>

#include "core/ll_clock.h"

#define ESTIMATE_UNKNOWN_NS LL_NS_PER_S
#define ESTIMATE_LEAST_NS (200 * LL_NS_PER_MS)
#define ESTIMATE_LONGEST_NS (600 * LL_NS_PER_S)
#define ESTIMATE_TIMES 3.0
#define ESTIMATE_LATENESS 2.0

/* What is left of the mean when a sample comes right after the last one. */
#define ESTIMATE_KEEP 0.75
/* Transfers of so many bytes teach as much about the rate as about the fixed time; and where the
 * rate is only assumed. */
#define ESTIMATE_EVEN_BYTES 65536.0
#define ESTIMATE_FIRST_EVEN_BYTES 4096.0
#define ESTIMATE_SHORT_BYTES 16384
/* A part of the network that takes this long counts half for a factor. */
#define ESTIMATE_EVEN_NS ((double)LL_NS_PER_MS)
/* Whatever an edge or a clock says, means stay within this: 1 kB/s to 1 TB/s, a thousand times as
 * fast or slow. */
#define ESTIMATE_LEAST_RATE 1e-3
#define ESTIMATE_MOST_RATE 1e6
#define ESTIMATE_MOST_FACTOR 1e3
/* How many times slower than it was taken to be one missed deadline may make a link look, unless
 * much was sent by then. */
#define ESTIMATE_MISS_TIMES 10.0

static double clamp(double value, double least, double most)
{
    return value > least ? fmin(value, most) : least;
}

static double weight(const struct device_mean *mean, int64_t now_ns)
{
    if (mean->at_ns == 0) {
        return 1;
    }
    double age_s = (double)(now_ns - mean->at_ns) / (double)LL_NS_PER_S;
    return 1 - pow(ESTIMATE_KEEP, 1 + fmax(age_s, 0));
}

/* A sample of a time, of which this `part` counts. */
static void add_time(struct device_mean *mean, double sample, double part, int64_t now_ns)
{
    mean->value += part * weight(mean, now_ns) * (sample - mean->value);
    mean->at_ns = now_ns;
}

/* A sample of a rate or factor; both are above 0. */
static void add_ratio(struct device_mean *mean, double sample, double part, int64_t now_ns)
{
    mean->value *= pow(sample / mean->value, part * weight(mean, now_ns));
    mean->at_ns = now_ns;
}

void device_estimate_init(struct device_estimate *estimate, double limit_bytes_per_s)
{
    double ns_per_byte = (double)LL_NS_PER_S / DEVICE_ESTIMATE_BYTES_PER_S;
    *estimate = (struct device_estimate){
        .limit_bytes_per_s = limit_bytes_per_s,
        .up_ns_per_byte = {.value = ns_per_byte},
        .down_ns_per_byte = {.value = ns_per_byte},
        .edge_factor = {.value = 1},
        .device_factor = {.value = 1},
    };
    if (limit_bytes_per_s > 0) {
        estimate->up_ns_per_byte.value = (double)LL_NS_PER_S / limit_bytes_per_s;
    }
}

/* ---- Learning ---- */

/* The upload's acknowledgements tell the round trip; while there are none (the edge may have the
 * whole model), all that is known is how long it took to accept, and queries show that it is less.
 */
static double round_trip_ns(const struct device_estimate *estimate,
                            const struct device_link_state *link)
{
    bool is_shorter = estimate->least_up_ns > 0 && estimate->least_up_ns < link->rtt_ns;
    return (double)(is_shorter ? estimate->least_up_ns : link->rtt_ns);
}

static void learn_round_trip(struct device_estimate *estimate, int64_t bytes, int64_t up_ns)
{
    /* Half of a longer transfer's time is the bytes', or more. */
    int64_t most_ns = bytes > ESTIMATE_SHORT_BYTES ? up_ns / 2 : up_ns;
    if (estimate->least_up_ns == 0 || most_ns < estimate->least_up_ns) {
        estimate->least_up_ns = most_ns;
    }
}

/* How much of a transfer's deviation is its rate's. */
static double rate_part(const struct device_mean *rate, int64_t bytes)
{
    double even = rate->at_ns == 0 ? ESTIMATE_FIRST_EVEN_BYTES : ESTIMATE_EVEN_BYTES;
    return (double)bytes / ((double)bytes + even);
}

static double up_ns(const struct device_estimate *estimate, const struct device_link_state *link)
{
    double ns_per_byte = estimate->up_ns_per_byte.value;
    if (estimate->up_ns_per_byte.at_ns == 0 && link->bytes_per_s > 0) {
        ns_per_byte = (double)LL_NS_PER_S / link->bytes_per_s;
    }
    double least = estimate->limit_bytes_per_s > 0
                       ? (double)LL_NS_PER_S / estimate->limit_bytes_per_s
                       : ESTIMATE_LEAST_RATE;
    return fmax(ns_per_byte, least);
}

static void learn_up(struct device_estimate *estimate, int64_t bytes, int64_t took_ns,
                     const struct device_link_state *link, int64_t now_ns)
{
    if (took_ns <= 0) {
        return;
    }
    learn_round_trip(estimate, bytes, took_ns);
    estimate->up_ns_per_byte.value = up_ns(estimate, link);
    double over_ns = fmax((double)took_ns - round_trip_ns(estimate, link), 0);
    double known_ns = (double)bytes * estimate->up_ns_per_byte.value;
    double part = rate_part(&estimate->up_ns_per_byte, bytes);
    double carried_ns = over_ns - estimate->extra_ns.value;
    add_time(&estimate->extra_ns, clamp(over_ns - known_ns, 0, (double)ESTIMATE_LONGEST_NS),
             1 - part, now_ns);
    if (bytes > 0 && carried_ns > 0) {
        add_ratio(&estimate->up_ns_per_byte,
                  clamp(carried_ns / (double)bytes, ESTIMATE_LEAST_RATE, ESTIMATE_MOST_RATE), part,
                  now_ns);
    }
}

static void learn_down(struct device_estimate *estimate, int64_t bytes, int64_t down_ns,
                       int64_t now_ns)
{
    if (bytes > 0 && down_ns > 0) {
        add_ratio(&estimate->down_ns_per_byte,
                  clamp((double)down_ns / (double)bytes, ESTIMATE_LEAST_RATE, ESTIMATE_MOST_RATE),
                  rate_part(&estimate->down_ns_per_byte, bytes), now_ns);
    }
}

static void learn_factor(struct device_mean *factor, double known_ns, int64_t took_ns,
                         int64_t now_ns)
{
    if (known_ns > 0 && took_ns > 0) {
        add_ratio(factor,
                  clamp((double)took_ns / known_ns, 1 / ESTIMATE_MOST_FACTOR, ESTIMATE_MOST_FACTOR),
                  known_ns / (known_ns + ESTIMATE_EVEN_NS), now_ns);
    }
}

void device_estimate_answered(struct device_estimate *estimate, const struct device_effort *effort,
                              const struct device_spent *spent,
                              const struct device_link_state *link, int64_t now_ns)
{
    learn_up(estimate, effort->up_bytes, spent->up_ns, link, now_ns);
    learn_down(estimate, effort->down_bytes, spent->down_ns, now_ns);
    learn_factor(&estimate->edge_factor, effort->edge_ns, spent->computed_ns, now_ns);
    add_time(&estimate->queue_ns, clamp((double)spent->queued_ns, 0, (double)ESTIMATE_LONGEST_NS),
             1, now_ns);
    estimate->late_ns = 0;
    estimate->answers += estimate->answers < INT32_MAX ? 1 : 0;
}

void device_estimate_failed(struct device_estimate *estimate, int64_t late_ns)
{
    estimate->late_ns = fmax(estimate->late_ns, (double)late_ns);
}

void device_estimate_missed(struct device_estimate *estimate, const struct device_miss *miss,
                            int64_t now_ns)
{
    double known = estimate->up_ns_per_byte.value;
    double ns_per_byte = (double)miss->waited_ns / fmax((double)miss->sent_bytes, 1);
    if (miss->is_sent) {
        device_estimate_failed(estimate, miss->late_ns);
    } else if (ns_per_byte > known) {
        /* Where hardly anything left, this is a link that stalls, not a rate. */
        double most = (double)miss->sent_bytes < ESTIMATE_EVEN_BYTES
                          ? fmin(ESTIMATE_MISS_TIMES * known, ESTIMATE_MOST_RATE)
                          : ESTIMATE_MOST_RATE;
        add_ratio(&estimate->up_ns_per_byte, clamp(ns_per_byte, ESTIMATE_LEAST_RATE, most), 1,
                  now_ns);
    }
}

void device_estimate_computed(struct device_estimate *estimate, double known_ns, int64_t took_ns,
                              int64_t now_ns)
{
    learn_factor(&estimate->device_factor, known_ns, took_ns, now_ns);
}

/* ---- Predicting ---- */

static void forget_edge(struct device_estimate *estimate)
{
    estimate->up_ns_per_byte.at_ns = 0;
    estimate->down_ns_per_byte.at_ns = 0;
    estimate->extra_ns = (struct device_mean){0};
    estimate->queue_ns = (struct device_mean){0};
    estimate->edge_factor = (struct device_mean){.value = 1};
    estimate->least_up_ns = 0;
    estimate->answers = 0;
    estimate->late_ns = 0;
}

void device_estimate_look(struct device_estimate *estimate, uint64_t connection,
                          const struct device_link_state *link, struct device_rates *out_rates)
{
    if (estimate->connection != connection) {
        estimate->connection = connection;
        forget_edge(estimate);
    }
    double lateness_ns = ESTIMATE_LATENESS * estimate->late_ns;
    *out_rates = (struct device_rates){
        .up_ns = up_ns(estimate, link),
        .down_ns = estimate->down_ns_per_byte.value,
        .fixed_ns = round_trip_ns(estimate, link) + estimate->extra_ns.value +
                    estimate->queue_ns.value + lateness_ns,
        .lateness_ns = lateness_ns,
        .device_factor = estimate->device_factor.value,
        .edge_factor = estimate->edge_factor.value,
        .is_unproven = estimate->answers == 0,
    };
}

int64_t device_rates_allowance_ns(const struct device_rates *rates, double remote_ns,
                                  double alone_ns)
{
    /* Lateness counts once here, not as often as in the prediction. */
    double likely_ns = remote_ns - rates->lateness_ns * (1 - 1 / ESTIMATE_LATENESS);
    double allowance = fmax(ESTIMATE_TIMES * likely_ns, (double)ESTIMATE_LEAST_NS);
    if (rates->is_unproven) {
        allowance = fmax(fmax(allowance, alone_ns), (double)ESTIMATE_UNKNOWN_NS);
    }
    return (int64_t)fmin(allowance, (double)ESTIMATE_LONGEST_NS);
}
