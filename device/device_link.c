/* One pump sends until nobody has anything, the pacer says later (a timer comes back then), or the
 * stream's queue is full (on_writable comes back then).
 *
 * The timer also watches over an upload that has used its room and hears nothing. */
#include "device/device_link.h"

#include <stdbool.h>
#include <stdlib.h>

#include "core/ll_clock.h"
#include "core/ll_log.h"
#include "device/device_pacer.h"
#include "device/device_turns.h"

struct device_link {
    struct rpc_timer *timer;
    double limit_bytes_per_s;
    struct device_pacer pacer;
    struct device_turns turns;
    struct ll_window window;
    struct device_link_source sources[DEVICE_LINK_CLASSES];
    bool is_pumping;
    bool is_asked_again;
    int64_t logged_ns;
};

/* A line of debugging in this time. */
#define LINK_LOG_NS (100 * LL_NS_PER_MS)

static void on_timer(void *arg)
{
    device_link_pump(arg);
}

ll_status device_link_create(struct rpc_loop *loop, double limit_bytes_per_s,
                             struct device_link **out_link)
{
    struct device_link *link = calloc(1, sizeof(*link));
    if (!link) {
        return LL_E_NO_MEMORY;
    }
    link->limit_bytes_per_s = limit_bytes_per_s;
    device_pacer_init(&link->pacer, limit_bytes_per_s, ll_clock_now_ns());
    device_link_reset(link);
    ll_status status = rpc_timer_create(loop, on_timer, link, &link->timer);
    if (status != LL_OK) {
        free(link);
        return status;
    }
    *out_link = link;
    return LL_OK;
}

void device_link_close(struct device_link *link)
{
    rpc_timer_destroy(link->timer);
    link->timer = NULL;
}

void device_link_destroy(struct device_link *link)
{
    if (link) {
        rpc_timer_destroy(link->timer);
        free(link);
    }
}

void device_link_reset(struct device_link *link)
{
    device_turns_init(&link->turns, link->limit_bytes_per_s);
    ll_window_init(&link->window, link->limit_bytes_per_s);
}

void device_link_spend(struct device_link *link, int64_t bytes)
{
    device_pacer_spend(&link->pacer, bytes);
}

struct ll_window *device_link_window(struct device_link *link)
{
    return &link->window;
}

void device_link_set_source(struct device_link *link, enum device_link_class link_class,
                            const struct device_link_source *source)
{
    link->sources[link_class] = source ? *source : (struct device_link_source){0};
}

static int64_t next_of(struct device_link *link, enum device_link_class link_class)
{
    struct device_link_source *source = &link->sources[link_class];
    return source->next ? source->next(source->owner) : 0;
}

/* Sends one message if one may be sent now. */
static bool pump_once(struct device_link *link)
{
    int64_t query = next_of(link, DEVICE_LINK_QUERIES);
    int64_t upload = next_of(link, DEVICE_LINK_UPLOAD);
    int64_t now_ns = ll_clock_now_ns();
    if (query == 0 && upload == 0) {
        int64_t wake_ns = ll_window_wake_ns(&link->window);
        if (link->sources[DEVICE_LINK_UPLOAD].next && wake_ns != LL_CLOCK_NEVER) {
            rpc_timer_set(link->timer, wake_ns);
        }
        return false;
    }
    bool is_upload = query == 0 || (upload > 0 && device_turns_upload_first(&link->turns));
    int64_t bytes = is_upload ? upload : query;
    int64_t ready_ns = device_pacer_ready_ns(&link->pacer, bytes, now_ns);
    if (ready_ns > now_ns) {
        rpc_timer_set(link->timer, ready_ns);
        return false;
    }
    device_pacer_spend(&link->pacer, bytes);
    if (is_upload) {
        device_turns_upload_sent(&link->turns, bytes);
    } else {
        device_turns_query_sent(&link->turns, bytes, upload > 0);
    }
    struct device_link_source *source =
        &link->sources[is_upload ? DEVICE_LINK_UPLOAD : DEVICE_LINK_QUERIES];
    source->send(source->owner);
    return true;
}

/* What the upload waits for, should a link be slower than it could be. */
static void log_window(struct device_link *link, int64_t now_ns)
{
    if (!link->sources[DEVICE_LINK_UPLOAD].next || now_ns - link->logged_ns < LINK_LOG_NS) {
        return;
    }
    struct ll_window_view view;
    ll_window_look(&link->window, now_ns, &view);
    link->logged_ns = now_ns;
    ll_log(LL_LOG_DEBUG, "link",
           "%.2f Mbit/s, round trip %.2f ms; %lld bytes under way, %lld of them missing, of at "
           "most %lld; last heard %.1f ms ago",
           ll_window_bytes_per_s(&link->window) * 8e-6,
           ll_clock_ms(ll_window_rtt_ns(&link->window)), (long long)view.under_way_bytes,
           (long long)view.missing_bytes, (long long)view.bound_bytes, ll_clock_ms(view.silent_ns));
}

void device_link_pump(struct device_link *link)
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
