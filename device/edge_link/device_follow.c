#include "device/edge_link/device_follow.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "layerlift/v1/offload.pb-c.h"
#include "proto/wire/wire_pack.h"

#define WATCH_PATH "/layerlift.v1.EdgeOffload/WatchModel"

/* An event is an id, numbers and a sentence. */
enum { FOLLOW_EVENT_BYTES = 4096 };

struct device_follow {
    struct device_follow_config config;
    struct rpc_stream *stream;
    int prefix;
    /* What the edge did wrong; NULL while nothing. */
    const char *fault;
};

static void fault(struct device_follow *follow, const char *sentence)
{
    follow->fault = follow->fault ? follow->fault : sentence;
    rpc_stream_cancel(follow->stream);
}

static void take_event(struct device_follow *follow, const Layerlift__V1__ModelEvent *event)
{
    const struct ll_table *table = follow->config.model->table;
    if (strcmp(event->model_id, follow->config.model->id) != 0) {
        fault(follow, "the edge told of another model");
        return;
    }
    if (event->prefix > (uint32_t)table->layer_count ||
        !ll_table_is_legal_cut(table, (int)event->prefix) || (int)event->prefix < follow->prefix) {
        fault(follow, "the edge told of a prefix that cannot be");
        return;
    }
    follow->prefix = (int)event->prefix;
    struct device_followed followed = {.prefix = follow->prefix,
                                       .received_bytes = table->blob_bytes};
    if (event->received_bytes < (uint64_t)table->blob_bytes) {
        followed.received_bytes = (int64_t)event->received_bytes;
    }
    follow->config.changed(follow->config.owner, &followed);
}

static void on_message(void *owner, struct rpc_stream *stream, const uint8_t *data, size_t bytes)
{
    (void)stream;
    struct device_follow *follow = owner;
    if (follow->fault) {
        return;
    }
    Layerlift__V1__ModelEvent *event = NULL;
    if (bytes <= FOLLOW_EVENT_BYTES) {
        event = layerlift__v1__model_event__unpack(NULL, bytes, data);
    }
    if (!event) {
        fault(follow, "the edge sent a model's state that cannot be read");
        return;
    }
    take_event(follow, event);
    layerlift__v1__model_event__free_unpacked(event, NULL);
}

static void on_closed(void *owner, struct rpc_stream *stream, ll_status status, const char *message)
{
    (void)stream;
    struct device_follow *follow = owner;
    if (follow->fault) {
        status = LL_E_INVALID;
        message = follow->fault;
    } else if (status == LL_OK) {
        status = LL_E_INVALID;
        message = "the edge ended the watch";
    }
    follow->config.closed(follow->config.owner, status, message ? message : "");
}

static const struct rpc_stream_handler follow_handler = {
    .on_message = on_message,
    .on_closed = on_closed,
};

/* The one request, and the half-close behind it. */
static ll_status ask(struct device_follow *follow)
{
    Layerlift__V1__WatchModelRequest request = LAYERLIFT__V1__WATCH_MODEL_REQUEST__INIT;
    uint8_t *data = NULL;
    size_t bytes = 0;
    request.model_id = (char *)follow->config.model->id;
    ll_status status = wire_pack(&request.base, &data, &bytes);
    if (status == LL_OK) {
        status = rpc_stream_send(follow->stream, data, bytes, NULL);
    }
    free(data);
    if (status == LL_OK) {
        rpc_stream_finish(follow->stream, LL_OK, NULL);
    }
    return status;
}

ll_status device_follow_create(const struct device_follow_config *config,
                               struct device_follow **out_follow)
{
    struct device_follow *follow = calloc(1, sizeof(*follow));
    if (!follow) {
        return LL_E_NO_MEMORY;
    }
    follow->config = *config;
    ll_status status = rpc_channel_open(config->channel, WATCH_PATH, LL_CLOCK_NEVER,
                                        &follow_handler, follow, &follow->stream);
    if (status != LL_OK) {
        free(follow);
        return status;
    }
    if (ask(follow) != LL_OK) {
        /* `closed` tells. */
        fault(follow, "out of memory");
    }
    *out_follow = follow;
    return LL_OK;
}

void device_follow_destroy(struct device_follow *follow)
{
    if (follow) {
        rpc_stream_unref(follow->stream);
        free(follow);
    }
}

void device_follow_cancel(struct device_follow *follow)
{
    rpc_stream_cancel(follow->stream);
}
