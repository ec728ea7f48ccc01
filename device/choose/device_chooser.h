/* Which way a query goes: the only place that decides. In front of the layers' times on the device
 * (device_layer_times.h), what is known of the edge and the link (device_estimate.h), where coding
 * tensors pays (device_coding.h), what each range of layers costs (device_choice.h), and when it is
 * worth trying something else (device_explore.h).
 *
 * A query asks once, before it begins (device_chooser_choose), and reports once, when it is over
 * (device_chooser_learn).
 *
 * The edge tells layer times with each creation, if its engine measures them. Where it does not,
 * its layers are taken to be ten times as fast as the device's. What it tells is believed between a
 * thousandth and a thousand times of the device's, and corrected by what answers report.
 *
 * Threads: one at a time; the time is given, never read. */
#ifndef DEVICE_CHOOSER_H
#define DEVICE_CHOOSER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_status.h"
#include "device/choose/device_coding.h"
#include "device/choose/device_estimate.h"
#include "device/choose/device_explore.h"
#include "device/times/device_layer_times.h"
#include "net/ll_dtype.h"

struct device_chooser;

struct device_chooser_config {
    /* Outlives the chooser. */
    struct device_layer_times *times;
    /* Layers on the device take this many times as long as `times` says; at least 1. */
    double slowdown;
    /* What the sender is held to; 0: nothing. */
    double limit_bytes_per_s;
};

/* Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_chooser_create(const struct device_chooser_config *config,
                                            struct device_chooser **out_chooser);
/* NULL is allowed. */
void device_chooser_destroy(struct device_chooser *chooser);

/* ---- Before a query ---- */

typedef enum {
    /* The range with the least predicted latency, perhaps none. */
    DEVICE_CHOOSE_FASTEST,
    /* Everything from layer 0, as far as the edge is ready: what is measured against. */
    DEVICE_CHOOSE_FURTHEST,
} device_choose;

/* In which form the network's input is to leave. All but the first and F32 are had where the edge
 * takes them and the input can be written so; else it is as if nothing was wished for. */
typedef enum {
    /* Whichever is fastest. */
    DEVICE_WANT_ANY,
    /* Floats, even where bytes would say the same. */
    DEVICE_WANT_F32,
    DEVICE_WANT_U8,
    DEVICE_WANT_FILE,
    DEVICE_WANT_WEBP,
    DEVICE_WANT_PLANES,
} device_input_want;

/* What queries are to do. */
struct device_wish {
    /* A fixed range for the edge, legal cuts, which queries wait for; or `cut_end` -1: by `choose`.
     */
    int cut_first;
    int cut_end;
    device_choose choose;
    device_input_want input;
    /* LL_F32; or LL_F16 or LL_U8_CHANNEL for tensors that cross a cut (the input too, where it does
     * not go as bytes): answers are no longer exact then. */
    ll_dtype cut_dtype;
    /* Tensors are coded where the edge takes that, whether it pays or not: for tests and
     * measurements. */
    bool codes_always;
    /* The remote part's time; 0: by prediction. */
    int64_t deadline_ns;
};

/* A form that the network's input may leave in: its bytes, and the time that coding it takes here
 * and there. */
struct device_offer {
    int64_t bytes;
    int64_t coding_ns;
};

/* The edge as a query finds it. */
struct device_prospect {
    bool is_up;
    /* Layers [0, prefix) run there. */
    int prefix;
    /* What it takes besides floats; `takes_u8` only where bytes hold the input's values. */
    bool takes_u8;
    bool takes_f16;
    bool takes_u8_channel;
    /* It takes and gives coded tensors. */
    bool takes_planes;
    /* The forms of the input that come into question; none: as `takes_u8` has it. */
    const struct device_offer *offers;
    int offer_count;
    struct device_link_state link;
    /* Counts the times that an edge came up; another number: what was learnt of the edge is
     * forgotten. */
    uint64_t connection;
    /* layer_count layer times, 0 where the edge told none, and a number that changes with them. */
    const int64_t *times_ns;
    uint64_t times_version;
};

/* The way that a query takes. */
struct device_decision {
    /* What to ask of the edge: [first, end), nothing where they are equal; the edge is to wait for
     * `least_prefix`. */
    int first;
    int end;
    int least_prefix;
    device_try tries;
    /* Which of the offers the input leaves in. */
    int offer;
    /* How tensors are written. */
    ll_dtype input_dtype;
    ll_dtype cut_dtype;
    /* Which of them are coded: tensors upward but for the input, tensors downward. */
    bool codes_up;
    bool codes_down;
    /* What the query is predicted to take, and of it the edge's part, from first to end. */
    double predicted_ns;
    double remote_ns;
    /* What it would take without a try, and on the device alone. */
    double best_ns;
    double alone_ns;
    /* Where the query stays on the device although the edge has the whole model: what it would take
     * with all layers there; else 0. */
    double there_ns;
    /* The time that the edge's part gets. */
    int64_t allowance_ns;

    /* Private, for device_chooser_learn. */
    struct device_link_state link;
    /* `remote_ns` without what stands for late answers. */
    double punctual_ns;
    /* The device alone could be tried, and is not. */
    bool could_try;
    /* Tensors might be coded. */
    bool may_code;
};

/* Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_chooser_choose(struct device_chooser *chooser,
                                            const struct device_wish *wish,
                                            const struct device_prospect *prospect, int64_t now_ns,
                                            struct device_decision *out_decision);

/* What a query is predicted to take on the device alone, in ns. */
double device_chooser_alone_ns(struct device_chooser *chooser);

/* ---- After it ---- */

/* Layers [first, end) ran on the device in `took_ns`, slowdown included; it was over at `at_ns`. */
struct device_part {
    int first;
    int end;
    int64_t took_ns;
    int64_t at_ns;
};

typedef enum {
    /* The edge was not asked, or there was none. */
    DEVICE_ASKED_NOBODY,
    DEVICE_ANSWERED,
    /* The deadline passed. */
    DEVICE_MISSED,
    /* The edge did not do its part although it is there; only a try will tell when it does again.
     */
    DEVICE_FAILED,
} device_asked;

/* Before the edge's part, that part once more to check it, and behind it. */
enum { DEVICE_OUTCOME_PARTS = 3 };

/* How a query went. */
struct device_outcome {
    struct device_part parts[DEVICE_OUTCOME_PARTS];
    int part_count;
    device_asked asked;
    /* When the edge's part was over. */
    int64_t asked_until_ns;
    /* An answer: the edge ran [decision.first, reached); the bytes are those of its tensors. */
    int reached;
    int64_t up_bytes;
    int64_t down_bytes;
    struct device_spent spent;
    /* What was coded: tensors upward but for the input, the answer's; and what the edge said that
     * these took, 0: it did not. */
    struct device_coded coded_up;
    struct device_coded coded_down;
    int64_t edge_coding_ns;
    /* A deadline that passed; how late the edge was is found out here. */
    struct device_miss miss;
    int64_t latency_ns;
};

void device_chooser_learn(struct device_chooser *chooser, const struct device_decision *decision,
                          const struct device_outcome *outcome);

#endif
