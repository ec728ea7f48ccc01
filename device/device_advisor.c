/* Layer times are kept as sums from the beginning, so that a range's time is a difference. They are
 * made anew where profile or edge have told something since; a group's time, whatever engine
 * measured it, stands at its last layer then, since nobody cuts inside. */
#include "device/device_advisor.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/ll_clock.h"

/* What it tells is believed within this factor of the device's. */
#define ADVISOR_MOST_FACTOR 1e3
/* A try is for an edge and a link that have become this much better than they are taken for. */
#define ADVISOR_HOPE 100.0
#define ADVISOR_DEVICE_HOPE 2.0
/* As an int64_t has it. */
#define ADVISOR_MOST_NS 9e18

struct device_advisor {
    struct device_advisor_config config;
    const struct ll_table *table;
    struct device_choice *choice;
    struct device_estimate estimate;
    /* When to try the device, and the edge. */
    struct device_explore explore;
    struct device_pause pause;
    /* That of the last choice. */
    struct device_outlook outlook;
    int64_t *edge_times_ns;
    /* Sums, without the estimate's factors. */
    double *device_sums_ns;
    double *edge_sums_ns;
    /* The same with them, as a choice wants it. */
    double *device_ns;
    double *edge_ns;
    double *hoped_ns;
    /* What the sums were made from; 0: anew. */
    uint64_t version;
};

ll_status device_advisor_create(const struct device_advisor_config *config,
                                struct device_advisor **out_advisor)
{
    struct device_advisor *advisor = calloc(1, sizeof(*advisor));
    if (!advisor) {
        return LL_E_NO_MEMORY;
    }
    advisor->config = *config;
    advisor->table = device_profile_table(config->profile);
    size_t sums = (size_t)advisor->table->layer_count + 1;
    advisor->edge_times_ns = calloc(sums, sizeof(*advisor->edge_times_ns));
    advisor->device_sums_ns = calloc(sums, sizeof(double));
    advisor->edge_sums_ns = calloc(sums, sizeof(double));
    advisor->device_ns = calloc(sums, sizeof(double));
    advisor->edge_ns = calloc(sums, sizeof(double));
    advisor->hoped_ns = calloc(sums, sizeof(double));
    ll_status status = device_choice_create(advisor->table, &advisor->choice);
    if (status != LL_OK || !advisor->edge_times_ns || !advisor->device_sums_ns ||
        !advisor->edge_sums_ns || !advisor->device_ns || !advisor->edge_ns || !advisor->hoped_ns) {
        device_advisor_destroy(advisor);
        return LL_E_NO_MEMORY;
    }
    device_estimate_init(&advisor->estimate, config->limit_bytes_per_s);
    device_explore_init(&advisor->explore);
    device_pause_init(&advisor->pause);
    *out_advisor = advisor;
    return LL_OK;
}

void device_advisor_destroy(struct device_advisor *advisor)
{
    if (advisor) {
        device_choice_destroy(advisor->choice);
        free(advisor->edge_times_ns);
        free(advisor->device_sums_ns);
        free(advisor->edge_sums_ns);
        free(advisor->device_ns);
        free(advisor->edge_ns);
        free(advisor->hoped_ns);
        free(advisor);
    }
}

/* ---- Layer times ---- */

void device_advisor_connected(struct device_advisor *advisor)
{
    device_estimate_connected(&advisor->estimate);
    device_pause_init(&advisor->pause);
    for (int i = 0; i < advisor->table->layer_count; i++) {
        advisor->edge_times_ns[i] = 0;
    }
    advisor->version = 0;
}

int64_t *device_advisor_edge_times(struct device_advisor *advisor)
{
    return advisor->edge_times_ns;
}

void device_advisor_told(struct device_advisor *advisor)
{
    advisor->version = 0;
}

/* A group's time on the edge: what it tells of its last layer and, if that, of the others. */
static double edge_group_ns(const struct device_advisor *advisor, int first, int end,
                            double device_ns)
{
    if (advisor->edge_times_ns[end - 1] <= 0) {
        return device_ns / DEVICE_ESTIMATE_EDGE_SPEED;
    }
    double told_ns = 0;
    for (int i = first; i < end; i++) {
        told_ns += fmax((double)advisor->edge_times_ns[i], 0);
    }
    return fmin(fmax(told_ns, device_ns / ADVISOR_MOST_FACTOR), device_ns * ADVISOR_MOST_FACTOR);
}

static void refresh(struct device_advisor *advisor)
{
    uint64_t version = device_profile_version(advisor->config.profile);
    if (advisor->version == version) {
        return;
    }
    advisor->version = version;
    int group = 0;
    double group_ns = 0;
    for (int i = 0; i < advisor->table->layer_count; i++) {
        int samples = 0;
        group_ns += (double)device_profile_ns(advisor->config.profile, i, &samples);
        advisor->device_sums_ns[i + 1] = advisor->device_sums_ns[group];
        advisor->edge_sums_ns[i + 1] = advisor->edge_sums_ns[group];
        if (advisor->table->layers[i].ends_group) {
            double device_ns = group_ns * advisor->config.slowdown;
            advisor->device_sums_ns[i + 1] += device_ns;
            advisor->edge_sums_ns[i + 1] += edge_group_ns(advisor, group, i + 1, device_ns);
            group = i + 1;
            group_ns = 0;
        }
    }
}

/* ---- Before a query ---- */

/* The link's costs, were it `hope` times as good as it is taken for (but never above the limit). */
static void fill_link_costs(const struct device_advisor *advisor,
                            const struct device_outlook *outlook, double hope,
                            struct device_costs *costs)
{
    const struct device_estimate *estimate = &advisor->estimate;
    double limit = advisor->config.limit_bytes_per_s;
    double up = device_estimate_up(estimate, &outlook->link) / hope;
    double down = device_estimate_down(estimate) / hope;
    up = limit > 0 ? fmax(up, (double)LL_NS_PER_S / limit) : up;
    costs->input_ns = up * outlook->input_width;
    costs->up_ns = up * outlook->up_width;
    costs->down_ns = down * outlook->down_width;
    costs->output_ns = down * (double)sizeof(float);
    costs->fixed_ns = device_estimate_fixed_ns(estimate, &outlook->link) / hope;
}

static void fill_costs(struct device_advisor *advisor, const struct device_outlook *outlook,
                       struct device_costs *out_costs)
{
    const struct device_estimate *estimate = &advisor->estimate;
    refresh(advisor);
    for (int i = 0; i <= advisor->table->layer_count; i++) {
        advisor->device_ns[i] = advisor->device_sums_ns[i] * estimate->device_factor.value;
        advisor->edge_ns[i] = advisor->edge_sums_ns[i] * estimate->edge_factor.value;
        advisor->hoped_ns[i] = advisor->edge_ns[i] / ADVISOR_HOPE;
    }
    *out_costs =
        (struct device_costs){.device_ns = advisor->device_ns, .edge_ns = advisor->edge_ns};
    fill_link_costs(advisor, outlook, 1, out_costs);
}

/* What would be worth a try: the best range if link and edge were as much better as anybody may
 * hope for, with what it is predicted to take as they are. Where even that would not be faster,
 * nothing, but after the longest pause everything that the edge can run: an estimate may be so
 * wrong that no hope reaches beyond it, and only an answer mends it. */
static void choose_asked(struct device_advisor *advisor, const struct device_outlook *outlook,
                         const struct device_costs *costs, struct device_range *out_range)
{
    struct device_costs hoped = {.device_ns = costs->device_ns, .edge_ns = advisor->hoped_ns};
    struct device_range range;
    fill_link_costs(advisor, outlook, ADVISOR_HOPE, &hoped);
    device_choice_best(advisor->choice, &hoped, outlook->prefix, &range);
    if (range.first == range.end && device_pause_is_longest(&advisor->pause)) {
        range = (struct device_range){.end = outlook->prefix};
    }
    if (range.first == range.end ||
        device_choice_predict(advisor->choice, costs, range.first, range.end, &range) != LL_OK) {
        range = (struct device_range){0};
    }
    *out_range = range;
}

static void add_try(struct device_advisor *advisor, const struct device_costs *costs,
                    int64_t now_ns, struct device_advice *advice)
{
    if (advice->range.first == advice->range.end) {
        if (advisor->outlook.prefix > 0 && device_pause_is_over(&advisor->pause, now_ns)) {
            choose_asked(advisor, &advisor->outlook, costs, &advice->asked);
            device_pause_begin(&advisor->pause, now_ns);
        }
        if (advice->asked.first < advice->asked.end) {
            advice->tries = DEVICE_TRY_EDGE;
        }
        return;
    }
    /* The device's own times may be too long: its first runs are cold, or something else ran as
     * well. */
    advice->could_try = advice->alone_ns < ADVISOR_DEVICE_HOPE * advice->best_ns;
    if (advice->could_try &&
        device_explore_wants(&advisor->explore, advice->best_ns, advice->alone_ns)) {
        advice->could_try = false;
        advice->tries = DEVICE_TRY_DEVICE;
        advice->range = (struct device_range){.latency_ns = advice->alone_ns};
    }
}

void device_advisor_choose(struct device_advisor *advisor, const struct device_outlook *outlook,
                           int64_t now_ns, struct device_advice *out_advice)
{
    struct device_costs costs;
    struct device_advice advice = {0};
    fill_costs(advisor, outlook, &costs);
    advisor->outlook = *outlook;
    device_choice_best(advisor->choice, &costs, outlook->prefix, &advice.range);
    advice.best_ns = advice.range.latency_ns;
    advice.alone_ns = costs.device_ns[advisor->table->layer_count];
    add_try(advisor, &costs, now_ns, &advice);
    *out_advice = advice;
}

ll_status device_advisor_predict(struct device_advisor *advisor,
                                 const struct device_outlook *outlook, int first, int end,
                                 struct device_advice *out_advice)
{
    struct device_costs costs;
    struct device_advice advice = {0};
    fill_costs(advisor, outlook, &costs);
    advice.alone_ns = costs.device_ns[advisor->table->layer_count];
    ll_status status = device_choice_predict(advisor->choice, &costs, first, end, &advice.range);
    if (status == LL_OK) {
        advice.best_ns = advice.range.latency_ns;
        *out_advice = advice;
    }
    return status;
}

double device_advisor_alone_ns(struct device_advisor *advisor)
{
    refresh(advisor);
    return advisor->device_sums_ns[advisor->table->layer_count] *
           advisor->estimate.device_factor.value;
}

int64_t device_advisor_allowance_ns(const struct device_advisor *advisor,
                                    const struct device_advice *advice)
{
    return device_estimate_allowance_ns(&advisor->estimate, advice->range.remote_ns,
                                        advice->alone_ns);
}

/* ---- After it ---- */

void device_advisor_computed(struct device_advisor *advisor, int first, int end, int64_t took_ns,
                             int64_t now_ns)
{
    refresh(advisor);
    device_estimate_computed(&advisor->estimate,
                             advisor->device_sums_ns[end] - advisor->device_sums_ns[first], took_ns,
                             now_ns);
}

void device_advisor_answered(struct device_advisor *advisor, const struct device_exchange *exchange,
                             const struct device_spent *spent, const struct device_link_state *link,
                             int64_t now_ns)
{
    refresh(advisor);
    struct device_effort effort = {
        .up_bytes = exchange->up_bytes,
        .down_bytes = exchange->down_bytes,
        .edge_ns = advisor->edge_sums_ns[exchange->end] - advisor->edge_sums_ns[exchange->first],
    };
    device_estimate_answered(&advisor->estimate, &effort, spent, link, now_ns);
}

void device_advisor_missed(struct device_advisor *advisor, const struct device_advice *advice,
                           const struct device_miss *miss, int64_t now_ns)
{
    struct device_miss whole = *miss;
    bool is_try = advice->tries == DEVICE_TRY_EDGE;
    /* Against what the part itself was predicted to take: with earlier lateness counted in, misses
     * one after the other would hardly add up. */
    double remote_ns = (is_try ? advice->asked.remote_ns : advice->range.remote_ns) -
                       device_estimate_lateness_ns(&advisor->estimate);
    double late_ns = (double)miss->waited_ns - remote_ns;
    whole.late_ns = late_ns > 0 ? (int64_t)fmin(late_ns, ADVISOR_MOST_NS) : 0;
    device_estimate_missed(&advisor->estimate, &whole, now_ns);
}

void device_advisor_failed(struct device_advisor *advisor, const struct device_advice *advice)
{
    device_estimate_failed(&advisor->estimate, (int64_t)fmin(advice->alone_ns, ADVISOR_MOST_NS));
}

/* Whether what was asked for only to time it would be faster than the device alone now. */
static bool has_helped(struct device_advisor *advisor, const struct device_advice *advice)
{
    struct device_advice again;
    return device_advisor_predict(advisor, &advisor->outlook, advice->asked.first,
                                  advice->asked.end, &again) == LL_OK &&
           again.range.latency_ns < again.alone_ns;
}

void device_advisor_ended(struct device_advisor *advisor, const struct device_advice *advice,
                          int64_t latency_ns)
{
    if (advice->could_try) {
        device_explore_stayed(&advisor->explore, (double)latency_ns);
    } else if (advice->tries == DEVICE_TRY_DEVICE) {
        device_explore_tried(&advisor->explore, advice->best_ns, advice->alone_ns,
                             (double)latency_ns);
    } else if (advice->tries == DEVICE_TRY_EDGE && has_helped(advisor, advice)) {
        device_pause_shorten(&advisor->pause);
    }
}
