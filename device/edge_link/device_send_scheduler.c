/* One pump sends until nobody has anything, the pacer says later (a timer comes back then), or the
 * stream's queue is full (on_writable comes back then).
 *
 * The timer also watches over an upload that has used its room and hears nothing. */
#include "device/edge_link/device_send_scheduler.h"

#include <stdbool.h>
#include <stdlib.h>

#include "core/link/ll_pacer.h"
#include "core/link/ll_share.h"
#include "core/ll_clock.h"

struct device_send_scheduler {
    struct rpc_timer *timer;
    double limit_bytes_per_s;
    const struct ll_log_sink *log;
    struct ll_pacer pacer;
    struct ll_share share;
    struct ll_window window;
    struct device_send_scheduler_source sources[DEVICE_SEND_SCHEDULER_CLASSES];
    bool is_pumping;
    bool is_asked_again;
    int64_t logged_ns;
};

/* A line of debugging in this time. */
#define SCHEDULER_LOG_NS (100 * LL_NS_PER_MS)

static void on_timer(void *arg)
{
    device_send_scheduler_pump(arg);
}

ll_status device_send_scheduler_create(struct rpc_loop *loop, double limit_bytes_per_s,
                                       const struct ll_log_sink *log,
                                       struct device_send_scheduler **out_scheduler)
{
    struct device_send_scheduler *scheduler = calloc(1, sizeof(*scheduler));
    if (!scheduler) {
        return LL_E_NO_MEMORY;
    }
    scheduler->limit_bytes_per_s = limit_bytes_per_s;
    scheduler->log = log;
    ll_pacer_init(&scheduler->pacer, limit_bytes_per_s, ll_clock_now_ns());
    device_send_scheduler_reset(scheduler);
    ll_status status = rpc_timer_create(loop, on_timer, scheduler, &scheduler->timer);
    if (status != LL_OK) {
        free(scheduler);
        return status;
    }
    *out_scheduler = scheduler;
    return LL_OK;
}

void device_send_scheduler_close(struct device_send_scheduler *scheduler)
{
    rpc_timer_destroy(scheduler->timer);
    scheduler->timer = NULL;
}

void device_send_scheduler_destroy(struct device_send_scheduler *scheduler)
{
    if (scheduler) {
        rpc_timer_destroy(scheduler->timer);
        free(scheduler);
    }
}

void device_send_scheduler_reset(struct device_send_scheduler *scheduler)
{
    ll_share_init(&scheduler->share);
    ll_window_init(&scheduler->window, scheduler->limit_bytes_per_s);
}

void device_send_scheduler_spend(struct device_send_scheduler *scheduler, int64_t bytes)
{
    ll_pacer_spend(&scheduler->pacer, bytes);
}

struct ll_window *device_send_scheduler_window(struct device_send_scheduler *scheduler)
{
    return &scheduler->window;
}

void device_send_scheduler_set_source(struct device_send_scheduler *scheduler,
                                      enum device_send_scheduler_class source_class,
                                      const struct device_send_scheduler_source *source)
{
    scheduler->sources[source_class] = source ? *source : (struct device_send_scheduler_source){0};
}

static int64_t next_of(struct device_send_scheduler *scheduler,
                       enum device_send_scheduler_class source_class)
{
    struct device_send_scheduler_source *source = &scheduler->sources[source_class];
    return source->next ? source->next(source->owner) : 0;
}

static bool waits_of(struct device_send_scheduler *scheduler,
                     enum device_send_scheduler_class source_class)
{
    struct device_send_scheduler_source *source = &scheduler->sources[source_class];
    return source->waits && source->waits(source->owner);
}

/* What the sender is held to, or what the link has shown; 0 before. */
static double link_bytes_per_s(struct device_send_scheduler *scheduler)
{
    double measured = ll_window_bytes_per_s(&scheduler->window);
    double limit = scheduler->limit_bytes_per_s;
    return limit > 0 && (measured <= 0 || limit < measured) ? limit : measured;
}

/* Comes back should the upload hear nothing of what it has sent. */
static void watch(struct device_send_scheduler *scheduler)
{
    int64_t wake_ns = ll_window_wake_ns(&scheduler->window);
    if (scheduler->sources[DEVICE_SEND_SCHEDULER_UPLOAD].next && wake_ns != LL_CLOCK_NEVER) {
        rpc_timer_set(scheduler->timer, wake_ns);
    }
}

/* Sends one message if one may be sent now. */
static bool pump_once(struct device_send_scheduler *scheduler)
{
    int64_t query = next_of(scheduler, DEVICE_SEND_SCHEDULER_QUERIES);
    int64_t upload = next_of(scheduler, DEVICE_SEND_SCHEDULER_UPLOAD);
    int64_t now_ns = ll_clock_now_ns();
    ll_share_set_rate(&scheduler->share, link_bytes_per_s(scheduler));
    bool is_upload_first = ll_share_upload_first(&scheduler->share);
    bool upload_waits = upload > 0 || waits_of(scheduler, DEVICE_SEND_SCHEDULER_UPLOAD);
    if (upload == 0 && (query == 0 || (upload_waits && is_upload_first))) {
        watch(scheduler);
        return false;
    }
    bool is_upload = query == 0 || (upload > 0 && is_upload_first);
    int64_t bytes = is_upload ? upload : query;
    int64_t ready_ns = ll_pacer_ready_ns(&scheduler->pacer, bytes, now_ns);
    if (ready_ns > now_ns) {
        rpc_timer_set(scheduler->timer, ready_ns);
        return false;
    }
    ll_pacer_spend(&scheduler->pacer, bytes);
    if (is_upload) {
        ll_share_upload_sent(&scheduler->share, bytes);
    } else {
        ll_share_query_sent(&scheduler->share, bytes, upload_waits);
    }
    struct device_send_scheduler_source *source =
        &scheduler
             ->sources[is_upload ? DEVICE_SEND_SCHEDULER_UPLOAD : DEVICE_SEND_SCHEDULER_QUERIES];
    source->send(source->owner);
    return true;
}

/* What the upload waits for, should a link be slower than it could be. */
static void log_window(struct device_send_scheduler *scheduler, int64_t now_ns)
{
    if (!scheduler->sources[DEVICE_SEND_SCHEDULER_UPLOAD].next ||
        now_ns - scheduler->logged_ns < SCHEDULER_LOG_NS) {
        return;
    }
    struct ll_window_view view;
    ll_window_look(&scheduler->window, now_ns, &view);
    scheduler->logged_ns = now_ns;
    ll_log_to(scheduler->log, LL_LOG_DEBUG, "link",
              "%.2f Mbit/s, round trip %.2f ms; %lld bytes under way, %lld of them missing, of at "
              "most %lld; last heard %.1f ms ago",
              ll_window_bytes_per_s(&scheduler->window) * 8e-6,
              ll_clock_ms(ll_window_rtt_ns(&scheduler->window)), (long long)view.under_way_bytes,
              (long long)view.missing_bytes, (long long)view.bound_bytes,
              ll_clock_ms(view.silent_ns));
}

void device_send_scheduler_pump(struct device_send_scheduler *scheduler)
{
    scheduler->is_asked_again = true;
    if (scheduler->is_pumping || !scheduler->timer) {
        return;
    }
    scheduler->is_pumping = true;
    int64_t now_ns = ll_clock_now_ns();
    ll_window_wake(&scheduler->window, now_ns);
    log_window(scheduler, now_ns);
    while (scheduler->is_asked_again) {
        scheduler->is_asked_again = false;
        while (pump_once(scheduler)) {
        }
    }
    scheduler->is_pumping = false;
}
