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
    struct ll_share turns;
    struct ll_window window;
    struct device_send_scheduler_source sources[DEVICE_SEND_SCHEDULER_CLASSES];
    bool is_pumping;
    bool is_asked_again;
    int64_t logged_ns;
};

/* A line of debugging in this time. */
#define LINK_LOG_NS (100 * LL_NS_PER_MS)

static void on_timer(void *arg)
{
    device_send_scheduler_pump(arg);
}

ll_status device_send_scheduler_create(struct rpc_loop *loop, double limit_bytes_per_s,
                                       const struct ll_log_sink *log,
                                       struct device_send_scheduler **out_link)
{
    struct device_send_scheduler *link = calloc(1, sizeof(*link));
    if (!link) {
        return LL_E_NO_MEMORY;
    }
    link->limit_bytes_per_s = limit_bytes_per_s;
    link->log = log;
    ll_pacer_init(&link->pacer, limit_bytes_per_s, ll_clock_now_ns());
    device_send_scheduler_reset(link);
    ll_status status = rpc_timer_create(loop, on_timer, link, &link->timer);
    if (status != LL_OK) {
        free(link);
        return status;
    }
    *out_link = link;
    return LL_OK;
}

void device_send_scheduler_close(struct device_send_scheduler *link)
{
    rpc_timer_destroy(link->timer);
    link->timer = NULL;
}

void device_send_scheduler_destroy(struct device_send_scheduler *link)
{
    if (link) {
        rpc_timer_destroy(link->timer);
        free(link);
    }
}

void device_send_scheduler_reset(struct device_send_scheduler *link)
{
    ll_share_init(&link->turns, link->limit_bytes_per_s);
    ll_window_init(&link->window, link->limit_bytes_per_s);
}

void device_send_scheduler_spend(struct device_send_scheduler *link, int64_t bytes)
{
    ll_pacer_spend(&link->pacer, bytes);
}

struct ll_window *device_send_scheduler_window(struct device_send_scheduler *link)
{
    return &link->window;
}

void device_send_scheduler_set_source(struct device_send_scheduler *link,
                                      enum device_send_scheduler_class link_class,
                                      const struct device_send_scheduler_source *source)
{
    link->sources[link_class] = source ? *source : (struct device_send_scheduler_source){0};
}

static int64_t next_of(struct device_send_scheduler *link,
                       enum device_send_scheduler_class link_class)
{
    struct device_send_scheduler_source *source = &link->sources[link_class];
    return source->next ? source->next(source->owner) : 0;
}

/* Sends one message if one may be sent now. */
static bool pump_once(struct device_send_scheduler *link)
{
    int64_t query = next_of(link, DEVICE_SEND_SCHEDULER_QUERIES);
    int64_t upload = next_of(link, DEVICE_SEND_SCHEDULER_UPLOAD);
    int64_t now_ns = ll_clock_now_ns();
    if (query == 0 && upload == 0) {
        int64_t wake_ns = ll_window_wake_ns(&link->window);
        if (link->sources[DEVICE_SEND_SCHEDULER_UPLOAD].next && wake_ns != LL_CLOCK_NEVER) {
            rpc_timer_set(link->timer, wake_ns);
        }
        return false;
    }
    bool is_upload = query == 0 || (upload > 0 && ll_share_upload_first(&link->turns));
    int64_t bytes = is_upload ? upload : query;
    int64_t ready_ns = ll_pacer_ready_ns(&link->pacer, bytes, now_ns);
    if (ready_ns > now_ns) {
        rpc_timer_set(link->timer, ready_ns);
        return false;
    }
    ll_pacer_spend(&link->pacer, bytes);
    if (is_upload) {
        ll_share_upload_sent(&link->turns, bytes);
    } else {
        ll_share_query_sent(&link->turns, bytes, upload > 0);
    }
    struct device_send_scheduler_source *source =
        &link->sources[is_upload ? DEVICE_SEND_SCHEDULER_UPLOAD : DEVICE_SEND_SCHEDULER_QUERIES];
    source->send(source->owner);
    return true;
}

/* What the upload waits for, should a link be slower than it could be. */
static void log_window(struct device_send_scheduler *link, int64_t now_ns)
{
    if (!link->sources[DEVICE_SEND_SCHEDULER_UPLOAD].next ||
        now_ns - link->logged_ns < LINK_LOG_NS) {
        return;
    }
    struct ll_window_view view;
    ll_window_look(&link->window, now_ns, &view);
    link->logged_ns = now_ns;
    ll_log_to(link->log, LL_LOG_DEBUG, "link",
              "%.2f Mbit/s, round trip %.2f ms; %lld bytes under way, %lld of them missing, of at "
              "most %lld; last heard %.1f ms ago",
              ll_window_bytes_per_s(&link->window) * 8e-6,
              ll_clock_ms(ll_window_rtt_ns(&link->window)), (long long)view.under_way_bytes,
              (long long)view.missing_bytes, (long long)view.bound_bytes,
              ll_clock_ms(view.silent_ns));
}

void device_send_scheduler_pump(struct device_send_scheduler *link)
{
    link->is_asked_again = true;
    if (link->is_pumping || !link->timer) {
        return;
    }
    link->is_pumping = true;
    int64_t now_ns = ll_clock_now_ns();
    ll_window_wake(&link->window, now_ns);
    log_window(link, now_ns);
    while (link->is_asked_again) {
        link->is_asked_again = false;
        while (pump_once(link)) {
        }
    }
    link->is_pumping = false;
}
