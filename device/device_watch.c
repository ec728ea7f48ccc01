#include "device/device_watch.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "device/device_wire.h"
#include "layerlift/v1/offload.pb-c.h"

#define WATCH_PATH "/layerlift.v1.EdgeOffload/WatchModel"

/* An event is an id, numbers and a sentence. */
enum { WATCH_EVENT_BYTES = 4096 };

struct device_watch {
    struct device_watch_config config;
    struct rpc_stream *stream;
    int prefix;
    /* What the edge did wrong; NULL while nothing. */
    const char *fault;
};

static void fault(struct device_watch *watch, const char *sentence)
{
    watch->fault = watch->fault ? watch->fault : sentence;
    rpc_stream_cancel(watch->stream);
}

static void take_event(struct device_watch *watch, const Layerlift__V1__ModelEvent *event)
{
    const struct ll_table *table = watch->config.model->table;
    if (strcmp(event->model_id, watch->config.model->id) != 0) {
        fault(watch, "the edge told of another model");
        return;
    }
    if (event->prefix > (uint32_t)table->layer_count ||
        !ll_table_is_legal_cut(table, (int)event->prefix) || (int)event->prefix < watch->prefix) {
        fault(watch, "the edge told of a prefix that cannot be");
        return;
    }
    watch->prefix = (int)event->prefix;
    struct device_watched watched = {.prefix = watch->prefix, .received_bytes = table->blob_bytes};
    if (event->received_bytes < (uint64_t)table->blob_bytes) {
        watched.received_bytes = (int64_t)event->received_bytes;
    }
    watch->config.changed(watch->config.owner, &watched);
}

static void on_message(void *owner, struct rpc_stream *stream, const uint8_t *data, size_t bytes)
{
    (void)stream;
    struct device_watch *watch = owner;
    if (watch->fault) {
        return;
    }
    Layerlift__V1__ModelEvent *event = NULL;
    if (bytes <= WATCH_EVENT_BYTES) {
        event = layerlift__v1__model_event__unpack(NULL, bytes, data);
    }
    if (!event) {
        fault(watch, "the edge sent a model's state that cannot be read");
        return;
    }
    take_event(watch, event);
    layerlift__v1__model_event__free_unpacked(event, NULL);
}

static void on_closed(void *owner, struct rpc_stream *stream, ll_status status, const char *message)
{
    (void)stream;
    struct device_watch *watch = owner;
    if (watch->fault) {
        status = LL_E_INVALID;
        message = watch->fault;
    } else if (status == LL_OK) {
        status = LL_E_INVALID;
        message = "the edge ended the watch";
    }
    watch->config.closed(watch->config.owner, status, message ? message : "");
}

static const struct rpc_stream_handler watch_handler = {
    .on_message = on_message,
    .on_closed = on_closed,
};

/* The one request, and the half-close behind it. */
static ll_status ask(struct device_watch *watch)
{
    Layerlift__V1__WatchModelRequest request = LAYERLIFT__V1__WATCH_MODEL_REQUEST__INIT;
    uint8_t *data = NULL;
    size_t bytes = 0;
    request.model_id = (char *)watch->config.model->id;
    ll_status status = device_wire_pack(&request.base, &data, &bytes);
    if (status == LL_OK) {
        status = rpc_stream_send(watch->stream, data, bytes, NULL);
    }
    free(data);
    if (status == LL_OK) {
        rpc_stream_finish(watch->stream, LL_OK, NULL);
    }
    return status;
}

ll_status device_watch_create(const struct device_watch_config *config,
                              struct device_watch **out_watch)
{
    struct device_watch *watch = calloc(1, sizeof(*watch));
    if (!watch) {
        return LL_E_NO_MEMORY;
    }
    watch->config = *config;
    ll_status status = rpc_channel_open(config->channel, WATCH_PATH, LL_CLOCK_NEVER, &watch_handler,
                                        watch, &watch->stream);
    if (status != LL_OK) {
        free(watch);
        return status;
    }
    if (ask(watch) != LL_OK) {
        /* `closed` tells. */
        fault(watch, "out of memory");
    }
    *out_watch = watch;
    return LL_OK;
}

void device_watch_destroy(struct device_watch *watch)
{
    if (watch) {
        rpc_stream_unref(watch->stream);
        free(watch);
    }
}

void device_watch_cancel(struct device_watch *watch)
{
    rpc_stream_cancel(watch->stream);
}
