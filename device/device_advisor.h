/* What a query should do, from everything that is known: the device's layer times
 * (device_profile.h), the edge's, link and corrections (device_estimate.h), tries
 * (device_explore.h); and what the query then teaches.
 *
 * The edge tells layer times with each creation, if its engine measures them. Where it does not,
 * its layers are taken to be ten times as fast as the device's. What it tells is believed between a
 * thousandth and a thousand times of the device's, and corrected by what answers report.
 *
 * Threads: one at a time; the time is given, never read. */
#ifndef DEVICE_ADVISOR_H
#define DEVICE_ADVISOR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_status.h"
#include "device/device_choice.h"
#include "device/device_estimate.h"
#include "device/device_explore.h"
#include "device/device_profile.h"

struct device_advisor;

struct device_advisor_config {
    /* Outlives the advisor. */
    struct device_profile *profile;
    /* Layers on the device take this many times as long as the profile says; at least 1. */
    double slowdown;
    /* What the sender is held to; 0: nothing. */
    double limit_bytes_per_s;
};

/* Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_advisor_create(const struct device_advisor_config *config,
                                            struct device_advisor **out_advisor);
/* NULL is allowed. */
void device_advisor_destroy(struct device_advisor *advisor);

/* ---- The edge ---- */

/* A new connection: what was known of the edge is forgotten. */
void device_advisor_connected(struct device_advisor *advisor);
/* The edge's layer times: layer_count of them, 0 where it told none. The caller fills them in, then
 * calls device_advisor_told. */
int64_t *device_advisor_edge_times(struct device_advisor *advisor);
void device_advisor_told(struct device_advisor *advisor);

/* ---- Before a query ---- */

/* How a query finds the edge, and in how many bytes it sends a value of each kind. */
struct device_outlook {
    struct device_link_state link;
    /* 0: there is none. */
    int prefix;
    int input_width;
    int up_width;
    int down_width;
};

/* What is tried beside what is predicted to be fastest. */
typedef enum {
    DEVICE_TRY_NOTHING,
    /* The edge is asked as well, and its answer only timed. */
    DEVICE_TRY_EDGE,
    /* The device alone, although the edge is predicted to be faster. */
    DEVICE_TRY_DEVICE,
} device_try;

struct device_advice {
    /* What the query is to do. Empty: on the device alone. */
    struct device_range range;
    device_try tries;
    /* DEVICE_TRY_EDGE: what to ask the edge for. */
    struct device_range asked;
    /* The device alone could be tried, and is not. */
    bool could_try;
    /* What the query is predicted to take without a try, and on the device alone. */
    double best_ns;
    double alone_ns;
};

/* The best range with end <= prefix, perhaps with a try. */
void device_advisor_choose(struct device_advisor *advisor, const struct device_outlook *outlook,
                           int64_t now_ns, struct device_advice *out_advice);
/* The same for a given range of legal cuts. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_advisor_predict(struct device_advisor *advisor,
                                             const struct device_outlook *outlook, int first,
                                             int end, struct device_advice *out_advice);

/* ---- After it ---- */

/* Layers [first, end) ran on the device in `took_ns`, slowdown included; the profile knows already.
 */
void device_advisor_computed(struct device_advisor *advisor, int first, int end, int64_t took_ns,
                             int64_t now_ns);
/* The edge ran layers [first, end); the bytes are those of its tensors. */
struct device_exchange {
    int first;
    int end;
    int64_t up_bytes;
    int64_t down_bytes;
};
void device_advisor_answered(struct device_advisor *advisor, const struct device_exchange *exchange,
                             const struct device_spent *spent, const struct device_link_state *link,
                             int64_t now_ns);
/* Its deadline passed (`miss->late_ns` is filled in here); or the edge did not do its part although
 * it is there, and only a try will tell when it does again. */
void device_advisor_missed(struct device_advisor *advisor, const struct device_advice *advice,
                           const struct device_miss *miss, int64_t now_ns);
void device_advisor_failed(struct device_advisor *advisor, const struct device_advice *advice);
/* It is over, and took `latency_ns`. */
void device_advisor_ended(struct device_advisor *advisor, const struct device_advice *advice,
                          int64_t latency_ns);

/* What a query is predicted to take on the device alone. */
double device_advisor_alone_ns(struct device_advisor *advisor);

/* The time that the remote part of `advice` gets. */
int64_t device_advisor_allowance_ns(const struct device_advisor *advisor,
                                    const struct device_advice *advice);

#endif
