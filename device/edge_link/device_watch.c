#include "device/edge_link/device_watch.h"

#include <math.h>

#define WATCH_LEAST_NS LL_NS_PER_S
#define WATCH_ROUND_TRIPS 8
#define WATCH_SLOWER 4.0
/* Where no rate is measured yet. */
#define WATCH_ASSUMED_BYTES_PER_S 125e3
/* A patience doubles this often at most. */
enum { WATCH_DOUBLINGS = 3 };

void device_watch_begin(struct device_watch *watch, int64_t now_ns)
{
    watch->looked_ns = now_ns;
}

void device_watch_connect(struct device_watch *watch, int64_t now_ns)
{
    *watch = (struct device_watch){.looked_ns = now_ns, .silences = watch->silences};
}

void device_watch_heard(struct device_watch *watch, bool is_debt)
{
    watch->silent_ns = 0;
    watch->is_asked = false;
    if (is_debt) {
        watch->silences = 0;
    }
}

int64_t device_watch_patience_ns(const struct device_watch *watch, const struct device_debt *debt)
{
    double rate = debt->bytes_per_s > 0 ? debt->bytes_per_s : WATCH_ASSUMED_BYTES_PER_S;
    double least_ns =
        fmax((double)WATCH_LEAST_NS, WATCH_ROUND_TRIPS * fmax((double)debt->rtt_ns, 0));
    double needed_ns =
        fmax((double)debt->under_way_bytes, 0) / rate * WATCH_SLOWER * (double)LL_NS_PER_S;
    int doublings = watch->silences < WATCH_DOUBLINGS ? watch->silences : WATCH_DOUBLINGS;
    return (int64_t)fmin(least_ns + needed_ns, (double)DEVICE_WATCH_MOST_NS) << doublings;
}

device_watch_verdict device_watch_look(struct device_watch *watch, const struct device_debt *debt,
                                       int64_t now_ns)
{
    int64_t passed_ns = now_ns - watch->looked_ns;
    watch->looked_ns = now_ns;
    if (!debt->is_owed) {
        return DEVICE_WATCH_FINE;
    }
    watch->silent_ns += passed_ns < 2 * DEVICE_WATCH_TICK_NS ? passed_ns : 2 * DEVICE_WATCH_TICK_NS;
    int64_t patience_ns = device_watch_patience_ns(watch, debt);
    if (watch->silent_ns >= patience_ns) {
        watch->silences++;
        return DEVICE_WATCH_SILENT;
    }
    if (watch->silent_ns >= patience_ns / 2 && !watch->is_asked) {
        watch->is_asked = true;
        return DEVICE_WATCH_ASK;
    }
    return DEVICE_WATCH_FINE;
}
