#include "device/edge_link/device_silence.h"

#include <stdlib.h>

#include "core/ll_clock.h"
#include "device/edge_link/device_watch.h"
#include "proto/wire/wire_unpack.h"

#define SILENCE_PATH "/layerlift.v1.EdgeOffload/GetServerInfo"

struct device_silence {
    struct device_silence_config config;
    struct rpc_timer *timer;
    struct device_watch watch;
    /* NULL while no connection is watched. */
    struct rpc_channel *channel;
    bool is_uploading;
    bool is_ticking;
    /* What the edge had been heard at the last look, and the least of the upload's bytes under way
     * since: what went on leaving in the silence is no reason to wait for longer. */
    int64_t heard_ns;
    int64_t under_way_bytes;
    /* The question under way. */
    struct rpc_stream *stream;
};

/* ---- The question ---- */

static void on_message(void *owner, struct rpc_stream *stream, const uint8_t *data, size_t bytes)
{
    (void)stream;
    struct device_silence *silence = owner;
    ProtobufCMessage *info = NULL;
    device_watch_heard(&silence->watch, false);
    /* What cannot be read is an answer, but tells nothing. */
    if (silence->channel &&
        wire_unpack(&layerlift__v1__server_info__descriptor, data, bytes, &info, NULL) == LL_OK) {
        silence->config.informed(silence->config.owner, (const Layerlift__V1__ServerInfo *)info);
        protobuf_c_message_free_unpacked(info, NULL);
    }
}

static void on_closed(void *owner, struct rpc_stream *stream, ll_status status, const char *message)
{
    (void)message;
    struct device_silence *silence = owner;
    if (status != LL_E_UNAVAILABLE && status != LL_E_CANCELLED && silence->channel) {
        /* An edge that does not know the question has answered, too. */
        device_watch_heard(&silence->watch, false);
    }
    rpc_stream_unref(stream);
    silence->stream = NULL;
    silence->config.closed(silence->config.owner);
}

static const struct rpc_stream_handler question_handler = {
    .on_message = on_message,
    .on_closed = on_closed,
};

static void ask(struct device_silence *silence)
{
    if (silence->stream ||
        rpc_channel_open(silence->channel, SILENCE_PATH, LL_CLOCK_NEVER, &question_handler, silence,
                         &silence->stream) != LL_OK) {
        return;
    }
    /* A request without fields. */
    if (rpc_stream_send(silence->stream, "", 0, NULL) == LL_OK) {
        rpc_stream_finish(silence->stream, LL_OK, NULL);
    }
}

/* ---- Looks ---- */

static void tick(struct device_silence *silence, int64_t now_ns)
{
    silence->is_ticking = true;
    rpc_timer_set(silence->timer, ll_clock_deadline(now_ns, DEVICE_WATCH_TICK_NS));
}

static void look(void *arg)
{
    struct device_silence *silence = arg;
    silence->is_ticking = false;
    if (!silence->channel) {
        return;
    }
    int64_t now_ns = ll_clock_now_ns();
    const struct ll_window *window = device_send_scheduler_window(silence->config.scheduler);
    struct ll_window_view view;
    struct device_requests_debt owed;
    int64_t heard_ns = device_edge_state_heard_ns(silence->config.edge);
    ll_window_look(window, now_ns, &view);
    device_requests_debt(silence->config.requests, &owed);
    if (heard_ns > silence->heard_ns) {
        silence->heard_ns = heard_ns;
        silence->under_way_bytes = view.under_way_bytes;
        device_watch_heard(&silence->watch, true);
    } else if (view.under_way_bytes < silence->under_way_bytes) {
        silence->under_way_bytes = view.under_way_bytes;
    }
    struct device_debt debt = {
        .is_owed = silence->is_uploading || owed.queries > 0,
        .under_way_bytes = silence->under_way_bytes + owed.sent_bytes,
        .rtt_ns = ll_window_rtt_ns(window),
        .bytes_per_s = ll_window_bytes_per_s(window),
    };
    device_watch_verdict verdict = device_watch_look(&silence->watch, &debt, now_ns);
    if (debt.is_owed) {
        tick(silence, now_ns);
    }
    if (verdict == DEVICE_WATCH_ASK) {
        ask(silence);
    } else if (verdict == DEVICE_WATCH_SILENT) {
        silence->config.silent(silence->config.owner);
    }
}

void device_silence_kick(struct device_silence *silence)
{
    if (silence->channel && !silence->is_ticking) {
        int64_t now_ns = ll_clock_now_ns();
        device_watch_begin(&silence->watch, now_ns);
        tick(silence, now_ns);
    }
}

void device_silence_set_uploading(struct device_silence *silence, bool is_uploading)
{
    silence->is_uploading = is_uploading;
    device_silence_kick(silence);
}

/* ---- Connections ---- */

void device_silence_begin(struct device_silence *silence, struct rpc_channel *channel)
{
    silence->channel = channel;
    silence->is_uploading = true;
    silence->heard_ns = ll_clock_now_ns();
    silence->under_way_bytes = 0;
    device_watch_connect(&silence->watch, silence->heard_ns);
    device_silence_kick(silence);
    ask(silence);
}

void device_silence_end(struct device_silence *silence)
{
    silence->channel = NULL;
    if (silence->is_ticking) {
        silence->is_ticking = false;
        rpc_timer_cancel(silence->timer);
    }
    if (silence->stream) {
        rpc_stream_cancel(silence->stream);
    }
}

bool device_silence_is_open(const struct device_silence *silence)
{
    return silence->stream != NULL;
}

/* ---- Lifetime ---- */

ll_status device_silence_create(const struct device_silence_config *config,
                                struct device_silence **out_silence)
{
    struct device_silence *silence = calloc(1, sizeof(*silence));
    if (!silence) {
        return LL_E_NO_MEMORY;
    }
    silence->config = *config;
    ll_status status = rpc_timer_create(config->loop, look, silence, &silence->timer);
    if (status != LL_OK) {
        free(silence);
        return status;
    }
    *out_silence = silence;
    return LL_OK;
}

void device_silence_destroy(struct device_silence *silence)
{
    if (silence) {
        rpc_timer_destroy(silence->timer);
        free(silence);
    }
}
