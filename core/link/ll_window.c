#include "core/link/ll_window.h"

#include <math.h>

#include "core/ll_clock.h"

/* The first bound; a round at the start lasts at least this long, a measurement later this long. */
#define WINDOW_FIRST_BOUND ((int64_t)32 << 10)
#define WINDOW_LARGEST_BOUND ((int64_t)64 << 20)
#define WINDOW_START_ROUND_NS (4 * LL_NS_PER_MS)
#define WINDOW_ROUND_NS (50 * LL_NS_PER_MS)
#define WINDOW_MEMORY_NS LL_NS_PER_S
#define WINDOW_CHUNK_S 0.0017
/* Whatever the rate: no chunk is expected to take longer. */
#define WINDOW_LONGEST_NS (3600 * LL_NS_PER_S)
/* How far predictions run ahead of acknowledgements. */
#define WINDOW_AHEAD_NS (250 * LL_NS_PER_MS)
/* Nothing under way for longer than this is a pause. */
#define WINDOW_LULL_NS (10 * LL_NS_PER_MS)
#define WINDOW_STALL_NS (100 * LL_NS_PER_MS)

/* The start ends when the rate has grown by less than a quarter in three rounds. */
enum { WINDOW_FLAT_ROUNDS = 3 };
#define WINDOW_GROWTH 1.25

void ll_window_init(struct ll_window *window, double limit_bytes_per_s)
{
    *window = (struct ll_window){
        .limit_bytes_per_s = limit_bytes_per_s,
        .bound_bytes = WINDOW_FIRST_BOUND,
        .is_starting = true,
        .is_fresh = true,
    };
}

int64_t ll_window_chunk(const struct ll_window *window)
{
    double rate = window->bytes_per_s;
    double limit = window->limit_bytes_per_s;
    if (limit > 0 && (rate <= 0 || rate > limit)) {
        rate = limit;
    }
    if (rate <= 0) {
        return (int64_t)2 * LL_WINDOW_LEAST_CHUNK;
    }
    int64_t chunk = LL_WINDOW_LARGEST_CHUNK;
    while (chunk > LL_WINDOW_LEAST_CHUNK && (double)chunk > rate * WINDOW_CHUNK_S) {
        chunk /= 2;
    }
    return chunk;
}

/* What the link carries in that time. */
static double carried(const struct ll_window *window, int64_t ns)
{
    return window->bytes_per_s * (double)ns / (double)LL_NS_PER_S;
}

static int64_t carrying_ns(const struct ll_window *window, double bytes)
{
    double ns = bytes / window->bytes_per_s * (double)LL_NS_PER_S;
    return ns < (double)WINDOW_LONGEST_NS ? (int64_t)ns : WINDOW_LONGEST_NS;
}

static double under_way_bytes(const struct ll_window *window)
{
    return (double)(window->sent_bytes - window->acked_bytes);
}

/* What the peer cannot have got yet. */
static double missing_bytes(const struct ll_window *window, int64_t now_ns)
{
    if (window->bytes_per_s <= 0) {
        return under_way_bytes(window);
    }
    double predicted = fmax(0, carried(window, window->due_ns - now_ns));
    return fmin(predicted, under_way_bytes(window));
}

bool ll_window_admits(struct ll_window *window, int64_t bytes, int64_t now_ns)
{
    double under_way = under_way_bytes(window);
    double bound = (double)window->bound_bytes;
    double most = bound + carried(window, WINDOW_AHEAD_NS);
    window->is_full = under_way > 0 && (missing_bytes(window, now_ns) + (double)bytes > bound ||
                                        under_way + (double)bytes > most);
    window->room_ns = LL_CLOCK_NEVER;
    if (window->is_full && window->bytes_per_s > 0 && under_way + (double)bytes <= most) {
        window->room_ns = window->due_ns - carrying_ns(window, fmax(0, bound - (double)bytes));
    }
    return !window->is_full;
}

void ll_window_starve(struct ll_window *window)
{
    window->is_starved = true;
    window->is_full = false;
}

static void begin_round(struct ll_window *window, int64_t now_ns)
{
    window->since_ns = now_ns;
    window->since_mark = window->acked_mark;
    window->until_mark = window->sent_mark;
    window->is_starved = false;
}

/* When `bytes` that leave at `at_ns` behind others are going to be acknowledged; `due_ns`: when
 * those are. */
static int64_t next_due_ns(const struct ll_window *window, int64_t due_ns, double bytes,
                           int64_t at_ns)
{
    int64_t behind_ns = due_ns + carrying_ns(window, bytes);
    int64_t alone_ns = at_ns + window->least_rtt_ns;
    return behind_ns > alone_ns ? behind_ns : alone_ns;
}

/* From what is known to have arrived to the last byte sent. */
static void predict(struct ll_window *window)
{
    if (window->bytes_per_s <= 0) {
        return;
    }
    int64_t due_ns = window->acked_ns;
    uint64_t mark = window->acked_mark;
    for (unsigned i = 0; i < window->sent_count; i++) {
        const struct ll_window_sent *sent = &window->sent[(window->sent_head + i) % LL_WINDOW_SENT];
        if (sent->mark > mark) {
            due_ns = next_due_ns(window, due_ns, (double)(sent->mark - mark), sent->at_ns);
            mark = sent->mark;
        }
    }
    window->due_ns = due_ns + carrying_ns(window, (double)(window->sent_mark - mark));
}

static void advance_mark(struct ll_window *window, int64_t bytes, int64_t now_ns)
{
    if (window->sent_mark == window->acked_mark && now_ns - window->last_ack_ns > WINDOW_LULL_NS) {
        /* Time without anything to do is not measured: the first acknowledgement begins anew. */
        window->is_fresh = true;
        window->last_ack_ns = now_ns;
    }
    window->sent_mark += (uint64_t)bytes;
    if (window->bytes_per_s > 0) {
        window->due_ns = next_due_ns(window, window->due_ns, (double)bytes, now_ns);
    }
}

void ll_window_send(struct ll_window *window, int64_t bytes, int64_t now_ns)
{
    advance_mark(window, bytes, now_ns);
    window->sent_bytes += (uint64_t)bytes;
    if (window->sent_count < LL_WINDOW_SENT) {
        unsigned at = (window->sent_head + window->sent_count++) % LL_WINDOW_SENT;
        window->sent[at] = (struct ll_window_sent){
            .flow_bytes = window->sent_bytes, .mark = window->sent_mark, .at_ns = now_ns};
    }
}

uint64_t ll_window_send_beside(struct ll_window *window, int64_t bytes, int64_t now_ns)
{
    advance_mark(window, bytes, now_ns);
    return window->sent_mark;
}

static void set_bound(struct ll_window *window)
{
    double slack =
        fmax(2 * (double)ll_window_chunk(window), 2 * WINDOW_CHUNK_S * window->bytes_per_s);
    double bound = carried(window, window->least_rtt_ns) + slack;
    window->bound_bytes =
        bound < (double)WINDOW_LARGEST_BOUND ? (int64_t)bound : WINDOW_LARGEST_BOUND;
}

/* The largest rate of the last second becomes the bandwidth. */
static void note_rate(struct ll_window *window, double rate, int64_t now_ns)
{
    window->rates[window->next_rate++ % LL_WINDOW_RATES] =
        (struct ll_window_rate){.bytes_per_s = rate, .at_ns = now_ns};
    double largest = rate;
    for (int i = 0; i < LL_WINDOW_RATES; i++) {
        const struct ll_window_rate *old = &window->rates[i];
        if (old->bytes_per_s > largest && now_ns - old->at_ns <= WINDOW_MEMORY_NS) {
            largest = old->bytes_per_s;
        }
    }
    window->bytes_per_s = largest;
}

/* The bound doubles while that makes the link faster. It no longer does where the rate stays; at
 * once where round trips have become longer as well, after some rounds where they have not (TCP and
 * HTTP/2 open their own windows step by step meanwhile). */
static void end_start_round(struct ll_window *window, double rate, int64_t now_ns)
{
    if (!window->is_starved) {
        bool has_grown = rate > WINDOW_GROWTH * window->start_rate;
        bool is_queueing = window->last_rtt_ns > 2 * window->least_rtt_ns + WINDOW_START_ROUND_NS;
        window->flat_rounds = has_grown     ? 0
                              : is_queueing ? WINDOW_FLAT_ROUNDS
                                            : window->flat_rounds + 1;
        if (has_grown && window->bound_bytes < WINDOW_LARGEST_BOUND / 2) {
            window->bound_bytes *= 2;
        }
    }
    window->start_rate = fmax(window->start_rate, rate);
    window->bytes_per_s = window->start_rate;
    if (window->bound_bytes < 2 * ll_window_chunk(window)) {
        window->bound_bytes = 2 * ll_window_chunk(window);
    }
    if (window->flat_rounds >= WINDOW_FLAT_ROUNDS) {
        window->is_starting = false;
        note_rate(window, window->start_rate, now_ns);
        set_bound(window);
    }
}

/* Ends the measurement under way if it has lasted long enough. */
static void measure(struct ll_window *window, int64_t now_ns)
{
    if (window->is_fresh) {
        window->is_fresh = false;
        begin_round(window, now_ns);
        return;
    }
    int64_t round_ns = window->is_starting ? WINDOW_START_ROUND_NS : WINDOW_ROUND_NS;
    if (!window->is_starting && round_ns < 2 * window->least_rtt_ns) {
        round_ns = 2 * window->least_rtt_ns;
    }
    int64_t took_ns = now_ns - window->since_ns;
    if (took_ns < round_ns || window->acked_mark < window->until_mark) {
        return;
    }
    double rate =
        (double)(window->acked_mark - window->since_mark) * (double)LL_NS_PER_S / (double)took_ns;
    if (window->is_starting) {
        end_start_round(window, rate, now_ns);
    } else if (!window->is_starved || rate > window->bytes_per_s) {
        note_rate(window, rate, now_ns);
        set_bound(window);
    }
    begin_round(window, now_ns);
}

/* Everything up to `mark` arrived; undelayed, that would have been heard of at `then_ns`. */
static void take_mark(struct ll_window *window, uint64_t mark, int64_t then_ns)
{
    window->acked_mark = mark;
    window->acked_ns = then_ns > window->acked_ns ? then_ns : window->acked_ns;
    measure(window, window->acked_ns);
    predict(window);
}

void ll_window_ack_mark(struct ll_window *window, uint64_t mark, int64_t now_ns)
{
    if (mark > window->acked_mark && mark <= window->sent_mark) {
        window->last_ack_ns = now_ns;
        take_mark(window, mark, now_ns);
    }
}

void ll_window_ack(struct ll_window *window, uint64_t bytes, uint64_t peer_ns, int64_t now_ns)
{
    if (bytes <= window->acked_bytes || bytes > window->sent_bytes) {
        return;
    }
    int64_t then_ns = now_ns - ll_ack_delay_late_ns(&window->way, peer_ns, now_ns);
    window->acked_bytes = bytes;
    window->last_ack_ns = now_ns;
    uint64_t mark = 0;
    int64_t sent_ns = 0;
    while (window->sent_count > 0 && window->sent[window->sent_head].flow_bytes <= bytes) {
        mark = window->sent[window->sent_head].mark;
        sent_ns = window->sent[window->sent_head].at_ns;
        window->sent_head = (window->sent_head + 1) % LL_WINDOW_SENT;
        window->sent_count--;
    }
    if (mark == 0) {
        return;
    }
    window->last_rtt_ns = then_ns - sent_ns;
    /* The least is not corrected: should the clocks drift, it would be too small for ever. */
    int64_t rtt_ns = now_ns - sent_ns;
    if (rtt_ns > 0 && (window->least_rtt_ns == 0 || rtt_ns < window->least_rtt_ns)) {
        window->least_rtt_ns = rtt_ns;
    }
    if (mark > window->acked_mark) {
        take_mark(window, mark, then_ns);
    }
}

static int64_t stall_ns(const struct ll_window *window)
{
    int64_t wait_ns = 4 * window->least_rtt_ns;
    wait_ns = wait_ns > WINDOW_STALL_NS ? wait_ns : WINDOW_STALL_NS;
    return ll_clock_deadline(window->last_ack_ns,
                             window->bytes_per_s > 0 ? wait_ns + WINDOW_AHEAD_NS : wait_ns);
}

int64_t ll_window_wake_ns(const struct ll_window *window)
{
    if (!window->is_full) {
        return LL_CLOCK_NEVER;
    }
    return window->room_ns < stall_ns(window) ? window->room_ns : stall_ns(window);
}

void ll_window_wake(struct ll_window *window, int64_t now_ns)
{
    if (!window->is_full || stall_ns(window) > now_ns) {
        return;
    }
    if (window->bound_bytes < WINDOW_LARGEST_BOUND / 2) {
        window->bound_bytes *= 2;
    }
    window->last_ack_ns = now_ns;
}

void ll_window_look(const struct ll_window *window, int64_t now_ns, struct ll_window_view *out_view)
{
    *out_view = (struct ll_window_view){
        .bound_bytes = window->bound_bytes,
        .under_way_bytes = (int64_t)under_way_bytes(window),
        .missing_bytes = (int64_t)missing_bytes(window, now_ns),
        .silent_ns = now_ns - window->last_ack_ns,
    };
}

double ll_window_bytes_per_s(const struct ll_window *window)
{
    return window->bytes_per_s;
}

int64_t ll_window_rtt_ns(const struct ll_window *window)
{
    return window->least_rtt_ns;
}
