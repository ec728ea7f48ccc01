/* Layer times are kept as sums from the beginning, so that a range's time is a difference. They are
 * made anew where device or edge have told something since; a group's time, whatever engine
 * measured it, stands at its last layer then, since nobody cuts inside. */
#include "device/choose/device_chooser.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/ll_clock.h"
#include "device/choose/device_choice.h"

/* What an edge tells is believed within this factor of the device's. */
#define CHOOSER_MOST_FACTOR 1e3
/* A try is for an edge and a link that have become this much better than they are taken for. */
#define CHOOSER_HOPE 100.0
/* As an int64_t has it. */
#define CHOOSER_MOST_NS 9e18

/* Sums of layer times from the beginning, layer_count + 1 each. */
struct sums {
    /* Without the estimate's factors. */
    double *device_ns;
    double *edge_ns;
    /* With them, as costs want them; `hoped_ns`: the edge's, were it as good as may be hoped. */
    double *corrected_device_ns;
    double *corrected_edge_ns;
    double *hoped_edge_ns;
};

struct device_chooser {
    struct device_chooser_config config;
    const struct ll_table *table;
    struct device_choice *choice;
    struct device_estimate estimate;
    struct device_coding coding;
    /* When to try the device, and the edge. */
    struct device_explore explore;
    struct device_pause pause;
    /* As the edge told them, a group's time at its last layer; 0: it did not. */
    double *told_ns;
    uint64_t times_version;
    struct sums sums;
    /* What the sums were made from; 0: anew. */
    uint64_t sums_version;
};

ll_status device_chooser_create(const struct device_chooser_config *config,
                                struct device_chooser **out_chooser)
{
    struct device_chooser *chooser = calloc(1, sizeof(*chooser));
    if (!chooser) {
        return LL_E_NO_MEMORY;
    }
    chooser->config = *config;
    chooser->table = device_layer_times_table(config->times);
    size_t count = (size_t)chooser->table->layer_count + 1;
    struct sums *sums = &chooser->sums;
    chooser->told_ns = calloc(count, sizeof(double));
    sums->device_ns = calloc(count, sizeof(double));
    sums->edge_ns = calloc(count, sizeof(double));
    sums->corrected_device_ns = calloc(count, sizeof(double));
    sums->corrected_edge_ns = calloc(count, sizeof(double));
    sums->hoped_edge_ns = calloc(count, sizeof(double));
    ll_status status = device_choice_create(chooser->table, &chooser->choice);
    if (status == LL_OK) {
        status = device_coding_init(&chooser->coding, chooser->table->layer_count);
    }
    if (status != LL_OK || !chooser->told_ns || !sums->device_ns || !sums->edge_ns ||
        !sums->corrected_device_ns || !sums->corrected_edge_ns || !sums->hoped_edge_ns) {
        device_chooser_destroy(chooser);
        return LL_E_NO_MEMORY;
    }
    device_estimate_init(&chooser->estimate, config->limit_bytes_per_s);
    device_explore_init(&chooser->explore);
    device_pause_init(&chooser->pause);
    *out_chooser = chooser;
    return LL_OK;
}

void device_chooser_destroy(struct device_chooser *chooser)
{
    if (chooser) {
        device_choice_destroy(chooser->choice);
        device_coding_finish(&chooser->coding);
        free(chooser->told_ns);
        free(chooser->sums.device_ns);
        free(chooser->sums.edge_ns);
        free(chooser->sums.corrected_device_ns);
        free(chooser->sums.corrected_edge_ns);
        free(chooser->sums.hoped_edge_ns);
        free(chooser);
    }
}

/* ---- What is known ---- */

/* The edge told layer times, or is another one: a group's time is what it tells of its last layer
 * and, if that, of the others. */
static void follow_edge(struct device_chooser *chooser, const struct device_prospect *prospect)
{
    if (!prospect->times_ns || prospect->times_version == chooser->times_version) {
        return;
    }
    double group_ns = 0;
    for (int i = 0; i < chooser->table->layer_count; i++) {
        group_ns += fmax((double)prospect->times_ns[i], 0);
        if (chooser->table->layers[i].ends_group) {
            chooser->told_ns[i] = prospect->times_ns[i] > 0 ? group_ns : 0;
            group_ns = 0;
        }
    }
    chooser->times_version = prospect->times_version;
    chooser->sums_version = 0;
}

static void refresh_sums(struct device_chooser *chooser)
{
    struct sums *sums = &chooser->sums;
    const struct device_layer_times *times = chooser->config.times;
    uint64_t version = device_layer_times_version(times);
    if (chooser->sums_version == version) {
        return;
    }
    chooser->sums_version = version;
    int group = 0;
    double group_ns = 0;
    for (int i = 0; i < chooser->table->layer_count; i++) {
        int samples = 0;
        group_ns += (double)device_layer_times_ns(times, i, &samples);
        sums->device_ns[i + 1] = sums->device_ns[group];
        sums->edge_ns[i + 1] = sums->edge_ns[group];
        if (chooser->table->layers[i].ends_group) {
            double device_ns = group_ns * chooser->config.slowdown;
            double told_ns = fmin(fmax(chooser->told_ns[i], device_ns / CHOOSER_MOST_FACTOR),
                                  device_ns * CHOOSER_MOST_FACTOR);
            sums->device_ns[i + 1] += device_ns;
            sums->edge_ns[i + 1] +=
                chooser->told_ns[i] > 0 ? told_ns : device_ns / DEVICE_ESTIMATE_EDGE_SPEED;
            group = i + 1;
            group_ns = 0;
        }
    }
}

/* ---- Before a query ---- */

/* Bytes where they are exact, else what cut tensors are, unless the input is to stay as it is; and
 * nothing that the edge does not take. */
static void choose_dtypes(const struct device_wish *wish, const struct device_prospect *prospect,
                          struct device_decision *decision)
{
    bool takes_wish = wish->cut_dtype == LL_F16          ? prospect->takes_f16
                      : wish->cut_dtype == LL_U8_CHANNEL ? prospect->takes_u8_channel
                                                         : true;
    decision->cut_dtype = takes_wish ? wish->cut_dtype : LL_F32;
    decision->input_dtype = LL_F32;
    if (wish->input != DEVICE_WANT_F32) {
        decision->input_dtype = prospect->takes_u8 ? LL_U8 : decision->cut_dtype;
    }
    decision->may_code = prospect->takes_planes;
}

/* Bytes of a value, as the decision has it sent. */
struct widths {
    int input;
    int cut;
};

/* What ranges cost as things are, and as they may be hoped to have become. */
struct costs {
    struct device_costs known;
    struct device_costs hoped;
};

/* The link's part of the costs, as it is taken for and as good as may be hoped (but never above the
 * limit). What coding takes and brings is part of it. */
static void put_link_costs(const struct device_rates *rates, const struct widths *widths,
                           const struct device_coding *coding, double limit_bytes_per_s,
                           struct costs *costs)
{
    double least = limit_bytes_per_s > 0 ? (double)LL_NS_PER_S / limit_bytes_per_s : 0;
    for (int i = 0; i < 2; i++) {
        struct device_costs *out = i == 0 ? &costs->known : &costs->hoped;
        double hope = i == 0 ? 1 : CHOOSER_HOPE;
        double up_ns = fmax(rates->up_ns / hope, least);
        double down_ns = rates->down_ns / hope;
        out->input_ns = up_ns * widths->input;
        out->up_ns = up_ns * widths->cut;
        out->down_ns = down_ns * widths->cut;
        out->output_ns = down_ns * (double)sizeof(float);
        out->up_factors = coding->up_factors;
        out->down_factors = coding->down_factors;
        out->fixed_ns = rates->fixed_ns / hope;
    }
}

static void make_costs(struct device_chooser *chooser, const struct device_rates *rates,
                       const struct widths *widths, struct costs *out_costs)
{
    struct sums *sums = &chooser->sums;
    for (int i = 0; i <= chooser->table->layer_count; i++) {
        sums->corrected_device_ns[i] = sums->device_ns[i] * rates->device_factor;
        sums->corrected_edge_ns[i] = sums->edge_ns[i] * rates->edge_factor;
        sums->hoped_edge_ns[i] = sums->corrected_edge_ns[i] / CHOOSER_HOPE;
    }
    out_costs->known = (struct device_costs){.device_ns = sums->corrected_device_ns,
                                             .edge_ns = sums->corrected_edge_ns};
    out_costs->hoped = (struct device_costs){.device_ns = sums->corrected_device_ns,
                                             .edge_ns = sums->hoped_edge_ns};
    put_link_costs(rates, widths, &chooser->coding, chooser->config.limit_bytes_per_s, out_costs);
}

/* The form that takes the input there in the least time, at the rate that the link is taken for. */
static void choose_offer(const struct device_chooser *chooser,
                         const struct device_prospect *prospect, const struct device_rates *rates,
                         struct costs *costs, int *out_offer)
{
    double limit = chooser->config.limit_bytes_per_s;
    double least = limit > 0 ? (double)LL_NS_PER_S / limit : 0;
    double floats = (double)chooser->table->in_floats;
    double best_ns = INFINITY;
    for (int i = 0; i < prospect->offer_count; i++) {
        const struct device_offer *offer = &prospect->offers[i];
        double coding_ns = (double)offer->coding_ns;
        double took_ns = (double)offer->bytes * fmax(rates->up_ns, least) + coding_ns;
        if (took_ns < best_ns) {
            double hoped_ns =
                (double)offer->bytes * fmax(rates->up_ns / CHOOSER_HOPE, least) + coding_ns;
            best_ns = took_ns;
            costs->known.input_ns = took_ns / floats;
            costs->hoped.input_ns = hoped_ns / floats;
            *out_offer = i;
        }
    }
}

/* The ranges that come into question. */
struct ranges {
    struct device_range best;
    /* Where the best is none: the best if link and edge were as much better as anybody may hope
     * for, perhaps none, and everything that the edge can run; with what they are predicted to take
     * as things are. */
    struct device_range hoped;
    struct device_range all;
};

/* The best range, or the one that is wished for. Errors: LL_E_NO_MEMORY. */
static ll_status find_ranges(const struct device_choice *choice, const struct device_wish *wish,
                             const struct costs *costs, bool is_up, int prefix,
                             struct ranges *out_ranges)
{
    struct ranges ranges = {.best.end = prefix, .all.end = prefix};
    bool is_fixed = wish->cut_end >= 0;
    bool is_fastest = !is_fixed && wish->choose == DEVICE_CHOOSE_FASTEST;
    ll_status status = LL_OK;
    if (is_fastest) {
        device_choice_best(choice, &costs->known, prefix, &ranges.best);
        bool stays = ranges.best.first == ranges.best.end;
        device_choice_best(choice, &costs->hoped, stays ? prefix : 0, &ranges.hoped);
    } else if (is_fixed) {
        ranges.best = (struct device_range){.first = wish->cut_first,
                                            .end = is_up ? wish->cut_end : wish->cut_first};
    }
    struct device_range *guesses[] = {&ranges.best, &ranges.hoped, &ranges.all};
    for (int i = is_fastest ? 1 : 0; status == LL_OK && i < (is_fastest ? 3 : 1); i++) {
        status = device_choice_predict(choice, &costs->known, guesses[i]->first, guesses[i]->end,
                                       guesses[i]);
    }
    *out_ranges = ranges;
    return status;
}

/* Which of the tensors that the decision has cross are coded. Errors: LL_E_NO_MEMORY. */
static ll_status choose_coding(const struct device_chooser *chooser, const struct device_wish *wish,
                               int prefix, const struct widths *widths,
                               struct device_decision *decision)
{
    const struct device_coding *coding = &chooser->coding;
    struct device_crossing crossing = {0};
    int first = decision->first;
    /* The furthest range ends where the edge is ready. */
    int end = decision->least_prefix == 0 && prefix < decision->end ? prefix : decision->end;
    if (!decision->may_code || first >= end) {
        return LL_OK;
    }
    ll_status status = device_choice_crossing(chooser->choice, first, end, &crossing);
    int64_t down_bytes = crossing.down * widths->cut + crossing.outputs * (int64_t)sizeof(float);
    decision->codes_up =
        wish->codes_always || device_coding_pays_up(coding, first, crossing.up * widths->cut);
    decision->codes_down = wish->codes_always || device_coding_pays_down(coding, end, down_bytes);
    return status;
}

ll_status device_chooser_choose(struct device_chooser *chooser, const struct device_wish *wish,
                                const struct device_prospect *prospect, int64_t now_ns,
                                struct device_decision *out_decision)
{
    struct device_decision decision = {.link = prospect->link};
    struct device_rates rates;
    struct costs costs;
    struct ranges ranges;
    int layers = chooser->table->layer_count;
    int prefix = prospect->is_up ? prospect->prefix : 0;
    choose_dtypes(wish, prospect, &decision);
    follow_edge(chooser, prospect);
    refresh_sums(chooser);
    struct widths widths = {.input = ll_dtype_bytes(decision.input_dtype),
                            .cut = ll_dtype_bytes(decision.cut_dtype)};
    device_estimate_look(&chooser->estimate, prospect->connection, &prospect->link, &rates);
    device_coding_follow_edge(&chooser->coding, prospect->connection);
    device_coding_look(&chooser->coding, decision.may_code, decision.cut_dtype, rates.up_ns,
                       rates.down_ns);
    make_costs(chooser, &rates, &widths, &costs);
    choose_offer(chooser, prospect, &rates, &costs, &decision.offer);
    ll_status status = find_ranges(chooser->choice, wish, &costs, prospect->is_up, prefix, &ranges);
    decision.alone_ns = costs.known.device_ns[layers];
    decision.best_ns = decision.predicted_ns = ranges.best.latency_ns;
    decision.first = ranges.best.first;
    decision.end = ranges.best.end;
    decision.remote_ns = ranges.best.remote_ns;
    if (wish->cut_end >= 0) {
        decision.least_prefix = decision.first < decision.end ? decision.end : 0;
    } else if (wish->choose == DEVICE_CHOOSE_FURTHEST) {
        /* As far as the edge is ready when the query arrives there. */
        decision.end = prefix > 0 ? layers : 0;
    } else {
        bool could_be_there = decision.first == decision.end && prefix == layers;
        decision.there_ns = could_be_there ? ranges.all.latency_ns : 0;
        bool hopes = ranges.hoped.first < ranges.hoped.end;
        struct device_chance chance = {
            .is_remote = decision.first<decision.end, .has_edge = prefix> 0,
            .hopes = hopes,
            .connection = prospect->connection,
            .now_ns = now_ns,
            .best_ns = decision.best_ns,
            .alone_ns = decision.alone_ns,
        };
        decision.tries =
            device_explore_choose(&chooser->explore, &chooser->pause, &chance, &decision.could_try);
        if (decision.tries == DEVICE_TRY_DEVICE) {
            decision.predicted_ns = decision.alone_ns;
            decision.first = decision.end = 0;
            decision.remote_ns = 0;
        } else if (decision.tries == DEVICE_TRY_EDGE) {
            const struct device_range *tried = hopes ? &ranges.hoped : &ranges.all;
            decision.first = tried->first;
            decision.end = tried->end;
            decision.remote_ns = tried->remote_ns;
        }
    }
    if (status == LL_OK) {
        status = choose_coding(chooser, wish, prefix, &widths, &decision);
    }
    decision.punctual_ns = decision.remote_ns - rates.lateness_ns;
    decision.allowance_ns =
        device_rates_allowance_ns(&rates, decision.remote_ns, decision.alone_ns);
    *out_decision = decision;
    return status;
}

double device_chooser_alone_ns(struct device_chooser *chooser)
{
    refresh_sums(chooser);
    return chooser->sums.device_ns[chooser->table->layer_count] *
           chooser->estimate.device_factor.value;
}

/* ---- After it ---- */

/* How late it was, against what the part itself was predicted to take: with earlier lateness
 * counted in, misses one after the other would hardly add up. */
static struct device_miss miss_of(const struct device_decision *decision,
                                  const struct device_outcome *outcome)
{
    struct device_miss miss = outcome->miss;
    double late_ns = (double)miss.waited_ns - decision->punctual_ns;
    miss.late_ns = late_ns > 0 ? (int64_t)fmin(late_ns, CHOOSER_MOST_NS) : 0;
    return miss;
}

static void learn_times(struct device_chooser *chooser, const struct device_decision *decision,
                        const struct device_outcome *outcome)
{
    struct device_estimate *estimate = &chooser->estimate;
    const double *device_ns = chooser->sums.device_ns;
    const double *edge_ns = chooser->sums.edge_ns;
    struct device_effort effort = {.up_bytes = outcome->up_bytes,
                                   .down_bytes = outcome->down_bytes};
    struct device_miss miss = miss_of(decision, outcome);
    refresh_sums(chooser);
    for (int i = 0; i < outcome->part_count; i++) {
        const struct device_part *part = &outcome->parts[i];
        device_estimate_computed(estimate, device_ns[part->end] - device_ns[part->first],
                                 part->took_ns, part->at_ns);
    }
    switch (outcome->asked) {
    case DEVICE_ANSWERED:
        effort.edge_ns = edge_ns[outcome->reached] - edge_ns[decision->first];
        device_estimate_answered(estimate, &effort, &outcome->spent, &decision->link,
                                 outcome->asked_until_ns);
        break;
    case DEVICE_MISSED:
        device_estimate_missed(estimate, &miss, outcome->asked_until_ns);
        break;
    case DEVICE_FAILED:
        device_estimate_failed(estimate, (int64_t)fmin(decision->alone_ns, CHOOSER_MOST_NS));
        break;
    case DEVICE_ASKED_NOBODY:
        break;
    }
}

static void learn_coding(struct device_chooser *chooser, const struct device_decision *decision,
                         const struct device_outcome *outcome)
{
    struct device_coding *coding = &chooser->coding;
    bool has_run = outcome->reached > decision->first;
    int64_t edge_bytes = outcome->coded_up.plain_bytes + outcome->coded_down.plain_bytes;
    if (!decision->may_code || outcome->asked != DEVICE_ANSWERED || !has_run) {
        return;
    }
    device_coding_encoded(coding, decision->first, &outcome->coded_up);
    device_coding_decoded(coding, outcome->reached, &outcome->coded_down);
    if (outcome->edge_coding_ns > 0) {
        device_coding_told(coding, edge_bytes, outcome->edge_coding_ns);
    }
    if (!decision->codes_up) {
        device_coding_went_plain(coding, decision->first);
    }
    if (!decision->codes_down) {
        device_coding_went_plain(coding, outcome->reached);
    }
}

void device_chooser_learn(struct device_chooser *chooser, const struct device_decision *decision,
                          const struct device_outcome *outcome)
{
    learn_times(chooser, decision, outcome);
    learn_coding(chooser, decision, outcome);
    if (decision->could_try) {
        device_explore_stayed(&chooser->explore, (double)outcome->latency_ns);
    } else if (decision->tries == DEVICE_TRY_DEVICE) {
        device_explore_tried(&chooser->explore, decision->best_ns, decision->alone_ns,
                             (double)outcome->latency_ns);
    }
}
