#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_container.h"
#include "core/ll_utf8.h"
#include "proto/grpc/health/v1/health.pb-c.h"
#include "rpc/rpc_server.h"
#include "rpc/rpc_server_state.h"

/* grpc.health.v1.Health. Known services are those that were set and those with a method here.
 *
 * rpc_server_set_serving changes the table from any thread and posts `changed`; the loop's thread
 * then tells the watchers, each at most what differs from the last it was told and only while it
 * reads, so that a watcher that does not read costs one message. */

struct health_entry {
    struct health_entry *next;
    bool is_serving;
    char name[];
};

struct health_watch {
    struct rpc_health *health;
    struct rpc_stream *stream;
    /* NULL until asked. */
    char *service;
    /* The status last sent; negative: none. */
    int sent;
    struct health_watch *next;
};

struct rpc_health {
    struct rpc_service base;
    struct rpc_server *server;
    /* Loop thread. */
    struct health_watch *watches;
    bool is_stopping;

    struct rpc_task changed;
    struct ll_mutex mutex;
    struct ll_cond ran;
    /* Guarded by mutex. */
    struct health_entry *entries LL_GUARDED_BY(mutex);
    bool is_posted LL_GUARDED_BY(mutex);
    bool is_running LL_GUARDED_BY(mutex);
};

typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus health_status;

#define HEALTH(status) GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__##status

static struct health_entry *find_entry_locked(struct rpc_health *health, const char *name)
    LL_REQUIRES(health->mutex)
{
    struct health_entry *entry = health->entries;
    while (entry && strcmp(entry->name, name) != 0) {
        entry = entry->next;
    }
    return entry;
}

static health_status status_of(struct rpc_health *health, const char *name)
{
    ll_mutex_lock(&health->mutex);
    const struct health_entry *entry = find_entry_locked(health, name);
    bool is_serving = entry && entry->is_serving;
    ll_mutex_unlock(&health->mutex);
    if (entry) {
        return is_serving ? HEALTH(SERVING) : HEALTH(NOT_SERVING);
    }
    bool is_known = !*name || rpc_server_has_service(health->server, name, strlen(name));
    return is_known ? HEALTH(NOT_SERVING) : HEALTH(SERVICE_UNKNOWN);
}

static ll_status send_status(struct rpc_stream *stream, health_status status)
{
    Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    response.status = status;
    uint8_t packed[16];
    if (grpc__health__v1__health_check_response__get_packed_size(&response) > sizeof(packed)) {
        return LL_E_INTERNAL;
    }
    size_t bytes = grpc__health__v1__health_check_response__pack(&response, packed);
    return rpc_stream_send(stream, packed, bytes, NULL);
}

static void check(void *arg, struct rpc_stream *stream, const uint8_t *data, size_t bytes)
{
    struct rpc_health *health = arg;
    Grpc__Health__V1__HealthCheckRequest *request =
        grpc__health__v1__health_check_request__unpack(NULL, bytes, data);
    if (!request) {
        rpc_stream_finish(stream, LL_E_INVALID, "not a HealthCheckRequest");
        return;
    }
    health_status status = status_of(health, request->service);
    if (status == HEALTH(SERVICE_UNKNOWN)) {
        struct ll_error text;
        rpc_stream_finish(stream,
                          ll_fail(&text, LL_E_NOT_FOUND, "no service \"%.*s\"",
                                  (int)ll_utf8_cut(request->service, 200), request->service),
                          text.text);
    } else {
        rpc_stream_finish(stream, send_status(stream, status), NULL);
    }
    grpc__health__v1__health_check_request__free_unpacked(request, NULL);
}

/* Sends the watcher its status where that is news. */
static void tell(struct health_watch *watch)
{
    if (!watch->service || rpc_stream_queued(watch->stream) > 0) {
        return;
    }
    health_status status = status_of(watch->health, watch->service);
    if ((int)status == watch->sent) {
        return;
    }
    ll_status sent = send_status(watch->stream, status);
    if (sent == LL_OK) {
        watch->sent = (int)status;
    } else {
        rpc_stream_finish(watch->stream, sent, NULL);
    }
}

static void watch_message(void *owner, struct rpc_stream *stream, const uint8_t *data, size_t bytes)
{
    struct health_watch *watch = owner;
    if (watch->service) {
        rpc_stream_finish(stream, LL_E_INVALID, "Watch takes one request");
        return;
    }
    Grpc__Health__V1__HealthCheckRequest *request =
        grpc__health__v1__health_check_request__unpack(NULL, bytes, data);
    if (!request) {
        rpc_stream_finish(stream, LL_E_INVALID, "not a HealthCheckRequest");
        return;
    }
    watch->service = strdup(request->service);
    grpc__health__v1__health_check_request__free_unpacked(request, NULL);
    if (!watch->service) {
        rpc_stream_finish(stream, LL_E_NO_MEMORY, NULL);
        return;
    }
    tell(watch);
}

static void watch_half_close(void *owner, struct rpc_stream *stream)
{
    const struct health_watch *watch = owner;
    if (!watch->service) {
        rpc_stream_finish(stream, LL_E_INVALID, "the call ended without a request message");
    }
}

static void watch_writable(void *owner, struct rpc_stream *stream)
{
    (void)stream;
    tell(owner);
}

static void watch_closed(void *owner, struct rpc_stream *stream, ll_status status,
                         const char *message)
{
    struct health_watch *watch = owner;
    (void)stream;
    (void)status;
    (void)message;
    struct health_watch **link = &watch->health->watches;
    while (*link != watch) {
        link = &(*link)->next;
    }
    *link = watch->next;
    free(watch->service);
    free(watch);
}

static const struct rpc_stream_handler watch_handler = {
    .on_message = watch_message,
    .on_half_close = watch_half_close,
    .on_writable = watch_writable,
    .on_closed = watch_closed,
};

static void end_watch(struct rpc_stream *stream)
{
    rpc_stream_finish(stream, LL_E_UNAVAILABLE, "the server stops");
}

static void open_watch(void *arg, struct rpc_stream *stream)
{
    struct rpc_health *health = arg;
    struct health_watch *watch = calloc(1, sizeof(*watch));
    if (!watch) {
        rpc_stream_finish(stream, LL_E_NO_MEMORY, NULL);
        return;
    }
    watch->health = health;
    watch->stream = stream;
    watch->sent = -1;
    watch->next = health->watches;
    health->watches = watch;
    rpc_server_accept(stream, &watch_handler, watch);
    if (health->is_stopping) {
        end_watch(stream);
    }
}

static void run_changed(struct rpc_task *task)
{
    struct rpc_health *health = LL_CONTAINER_OF(task, struct rpc_health, changed);
    ll_mutex_lock(&health->mutex);
    /* First, so that a change from here on posts again. */
    health->is_posted = false;
    health->is_running = true;
    ll_mutex_unlock(&health->mutex);
    for (struct health_watch *watch = health->watches; watch; watch = watch->next) {
        tell(watch);
    }
    ll_mutex_lock(&health->mutex);
    health->is_running = false;
    ll_cond_broadcast(&health->ran);
    ll_mutex_unlock(&health->mutex);
}

static void stop_health(struct rpc_service *service)
{
    struct rpc_health *health = LL_CONTAINER_OF(service, struct rpc_health, base);
    health->is_stopping = true;
    for (struct health_watch *watch = health->watches; watch; watch = watch->next) {
        tell(watch);
        end_watch(watch->stream);
    }
}

LL_NO_ANALYSIS static void destroy_health(struct rpc_service *service)
{
    struct rpc_health *health = LL_CONTAINER_OF(service, struct rpc_health, base);
    ll_mutex_lock(&health->mutex);
    while (health->is_posted || health->is_running) {
        ll_cond_wait(&health->ran, &health->mutex, LL_CLOCK_NEVER);
    }
    ll_mutex_unlock(&health->mutex);
    while (health->entries) {
        struct health_entry *entry = health->entries;
        health->entries = entry->next;
        free(entry);
    }
    ll_cond_finish(&health->ran);
    ll_mutex_finish(&health->mutex);
    free(health);
}

ll_status rpc_server_add_health(struct rpc_server *server)
{
    if (server->health) {
        return LL_E_EXISTS;
    }
    struct rpc_health *health = calloc(1, sizeof(*health));
    if (!health) {
        return LL_E_NO_MEMORY;
    }
    health->base.stop = stop_health;
    health->base.destroy = destroy_health;
    health->server = server;
    health->changed.run = run_changed;
    ll_mutex_init(&health->mutex);
    ll_cond_init(&health->ran);
    rpc_server_attach(server, &health->base);
    server->health = health;
    ll_status status = rpc_server_add_unary(server, "/grpc.health.v1.Health/Check", check, health);
    if (status == LL_OK) {
        status = rpc_server_add(server, "/grpc.health.v1.Health/Watch", open_watch, health);
    }
    return status;
}

ll_status rpc_server_set_serving(struct rpc_server *server, const char *service, bool is_serving)
{
    struct rpc_health *health = server->health;
    if (!health) {
        return LL_E_PRECONDITION;
    }
    size_t bytes = strlen(service) + 1;
    struct health_entry *fresh = calloc(1, sizeof(*fresh) + bytes);
    if (!fresh) {
        return LL_E_NO_MEMORY;
    }
    memcpy(fresh->name, service, bytes);
    ll_mutex_lock(&health->mutex);
    struct health_entry *entry = find_entry_locked(health, service);
    if (!entry) {
        entry = fresh;
        fresh = NULL;
        entry->next = health->entries;
        health->entries = entry;
    }
    entry->is_serving = is_serving;
    bool posts = !health->is_posted;
    health->is_posted = true;
    ll_mutex_unlock(&health->mutex);
    free(fresh);
    if (posts) {
        rpc_loop_post(server->loop, &health->changed);
    }
    return LL_OK;
}
