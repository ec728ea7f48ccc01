#include "rpc/rpc_server.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>

#include "core/ll_clock.h"
#include "core/ll_limits.h"
#include "core/ll_log.h"
#include "rpc/rpc_address.h"
#include "rpc/rpc_server_state.h"

/* gRPC's server side. It never answers for methods that it does not know, and queues calls for
 * methods that it does without limit; so no method is registered with it. One request for any call
 * is posted at all times (`request`), each call that it brings is looked up here and answered or
 * refused, and the request is posted again.
 *
 * Stopping (rpc_server_stop): services end their own endless streams, and new calls are answered
 * UNAVAILABLE here, until no call is left or the drain ends. gRPC, which would answer new calls
 * CANCELLED, is shut down only then: it takes leave of the connections and reports (`shutdown`)
 * when the last has gone; at the drain's end everything left is cancelled, which makes it report
 * soon. Stopped is: shutdown reported, the request back, every stream closed. Any other order makes
 * gRPC assert or hang. */

enum {
    DEFAULT_STREAMS = 100,
    DEFAULT_QUOTA_BYTES = 256 << 20,
    /* A vanished client is noticed after the sum of the first two. */
    KEEPALIVE_MS = 20000,
    KEEPALIVE_TIMEOUT_MS = 10000,
    MIN_CLIENT_PING_MS = 10000,
    HANDSHAKE_MS = 20000,
    /* Only "identity": our payloads do not compress, and nobody can send a bomb. */
    COMPRESSION_NONE = 1,
};

ll_status rpc_server_create(struct rpc_loop *loop, const struct rpc_server_config *config,
                            struct rpc_server **out_server, struct ll_error *err)
{
    ll_status status = rpc_address_check(config->listen, 0, err);
    if (status != LL_OK) {
        return status;
    }
    struct rpc_server *server = calloc(1, sizeof(*server));
    char *listen = strdup(config->listen);
    if (!server || !listen) {
        free(server);
        free(listen);
        return ll_fail(err, LL_E_NO_MEMORY, "no memory for a server");
    }
    server->loop = loop;
    server->listen = listen;
    server->max_message_bytes =
        config->max_message_bytes > 0 ? config->max_message_bytes : (int)LL_LIMIT_MESSAGE_BYTES;
    server->max_concurrent_streams =
        config->max_concurrent_streams > 0 ? config->max_concurrent_streams : DEFAULT_STREAMS;
    server->memory_quota_bytes =
        config->memory_quota_bytes > 0 ? config->memory_quota_bytes : DEFAULT_QUOTA_BYTES;
    grpc_call_details_init(&server->details);
    grpc_metadata_array_init(&server->metadata);
    ll_mutex_init(&server->mutex);
    ll_cond_init(&server->changed);
    *out_server = server;
    return LL_OK;
}

void rpc_server_attach(struct rpc_server *server, struct rpc_service *service)
{
    service->next = server->services;
    server->services = service;
}

bool rpc_server_has_service(const struct rpc_server *server, const char *service, size_t bytes)
{
    for (const struct rpc_method *method = server->methods; method; method = method->next) {
        if (strncmp(method->path + 1, service, bytes) == 0 && method->path[1 + bytes] == '/') {
            return true;
        }
    }
    return false;
}

static struct rpc_method *find_method(const struct rpc_server *server, const char *path,
                                      size_t bytes)
{
    struct rpc_method *method = server->methods;
    while (method && !(strlen(method->path) == bytes && memcmp(method->path, path, bytes) == 0)) {
        method = method->next;
    }
    return method;
}

static ll_status add_method(struct rpc_server *server, const char *path,
                            struct rpc_method **out_method)
{
    if (server->grpc) {
        return LL_E_PRECONDITION;
    }
    if (path[0] != '/' || !strchr(path + 1, '/')) {
        return LL_E_INVALID;
    }
    if (find_method(server, path, strlen(path))) {
        return LL_E_EXISTS;
    }
    struct rpc_method *method = calloc(1, sizeof(*method));
    char *copy = strdup(path);
    if (!method || !copy) {
        free(method);
        free(copy);
        return LL_E_NO_MEMORY;
    }
    method->server = server;
    method->path = copy;
    method->next = server->methods;
    server->methods = method;
    *out_method = method;
    return LL_OK;
}

ll_status rpc_server_add(struct rpc_server *server, const char *path, rpc_method_open open,
                         void *arg)
{
    struct rpc_method *method = NULL;
    ll_status status = add_method(server, path, &method);
    if (status == LL_OK) {
        method->open = open;
        method->arg = arg;
    }
    return status;
}

void rpc_server_accept(struct rpc_stream *stream, const struct rpc_stream_handler *handler,
                       void *owner)
{
    stream->handler = handler;
    stream->owner = owner;
}

static void unary_message(void *owner, struct rpc_stream *stream, const uint8_t *data, size_t bytes)
{
    struct rpc_method *method = owner;
    /* One request: whatever follows is left unread, and gRPC drops it at the end. */
    stream->has_read_all = true;
    method->handle(method->arg, stream, data, bytes);
}

static void unary_half_close(void *owner, struct rpc_stream *stream)
{
    (void)owner;
    rpc_stream_finish(stream, LL_E_INVALID, "the call ended without a request message");
}

static void unary_closed(void *owner, struct rpc_stream *stream, ll_status status,
                         const char *message)
{
    (void)owner;
    (void)stream;
    (void)status;
    (void)message;
}

static const struct rpc_stream_handler unary_handler = {
    .on_message = unary_message,
    .on_half_close = unary_half_close,
    .on_closed = unary_closed,
};

static void unary_open(void *arg, struct rpc_stream *stream)
{
    rpc_server_accept(stream, &unary_handler, arg);
}

ll_status rpc_server_add_unary(struct rpc_server *server, const char *path, rpc_unary_handle handle,
                               void *arg)
{
    struct rpc_method *method = NULL;
    ll_status status = add_method(server, path, &method);
    if (status == LL_OK) {
        method->open = NULL;
        method->handle = handle;
        method->arg = arg;
    }
    return status;
}

static void count_closed(struct rpc_server *server, int calls)
{
    ll_mutex_lock(&server->mutex);
    server->streams--;
    server->calls -= calls;
    ll_cond_broadcast(&server->changed);
    ll_mutex_unlock(&server->mutex);
}

static void call_closed(void *arg, struct rpc_stream *stream)
{
    (void)stream;
    count_closed(arg, 1);
}

static void refused_closed(void *arg, struct rpc_stream *stream)
{
    (void)stream;
    count_closed(arg, 0);
}

/* "ipv6:%5B::1%5D:80" as people write it. */
static void decode_peer(char *peer)
{
    char *to = peer;
    for (const char *from = peer; *from; from++) {
        if (strncmp(from, "%5B", 3) == 0 || strncmp(from, "%5D", 3) == 0) {
            *to++ = from[2] == 'B' ? '[' : ']';
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
}

static void open_method(struct rpc_server *server, struct rpc_stream *stream, const char *path,
                        size_t bytes)
{
    struct rpc_method *method = find_method(server, path, bytes);
    if (!method) {
        struct ll_error text;
        rpc_stream_finish(stream,
                          ll_fail(&text, LL_E_UNSUPPORTED, "unknown method %.*s",
                                  (int)(bytes < 200 ? bytes : 200), path),
                          text.text);
    } else if (method->handle) {
        unary_open(method, stream);
    } else {
        method->open(method->arg, stream);
    }
    if (stream->handler) {
        rpc_call_receive(stream);
    } else {
        /* Ignored where the method has refused the call. */
        rpc_stream_finish(stream, LL_E_INTERNAL, "the method did not accept the call");
    }
}

/* Takes `call`. */
static void start_stream(struct rpc_server *server, grpc_call *call)
{
    struct rpc_stream *stream = NULL;
    char *peer = grpc_call_get_peer(call);
    decode_peer(peer);
    ll_status status = rpc_call_create(server->loop, call, peer, &stream);
    gpr_free(peer);
    if (status != LL_OK) {
        grpc_call_cancel_with_status(call, GRPC_STATUS_RESOURCE_EXHAUSTED, "out of memory", NULL);
        grpc_call_unref(call);
        return;
    }
    stream->is_server = true;
    ll_mutex_lock(&server->mutex);
    bool is_refused = server->is_draining;
    server->streams++;
    server->calls += is_refused ? 0 : 1;
    ll_mutex_unlock(&server->mutex);
    stream->closed = is_refused ? refused_closed : call_closed;
    stream->closed_arg = server;
    rpc_call_advance(stream);
    grpc_slice path = server->details.method;
    if (is_refused) {
        rpc_stream_finish(stream, LL_E_UNAVAILABLE, "the server stops");
    } else {
        open_method(server, stream, (const char *)GRPC_SLICE_START_PTR(path),
                    GRPC_SLICE_LENGTH(path));
    }
}

static void request_call(struct rpc_server *server)
{
    grpc_completion_queue *queue = rpc_loop_queue(server->loop);
    grpc_call_error error =
        grpc_server_request_call(server->grpc, &server->call, &server->details, &server->metadata,
                                 queue, queue, rpc_op_start(&server->request));
    assert(error == GRPC_CALL_OK);
    (void)error;
}

static void request_done(struct rpc_op *op, bool ok)
{
    struct rpc_server *server = RPC_CONTAINER(op, struct rpc_server, request);
    if (ok) {
        start_stream(server, server->call);
        server->call = NULL;
    }
    grpc_call_details_destroy(&server->details);
    grpc_metadata_array_destroy(&server->metadata);
    grpc_call_details_init(&server->details);
    grpc_metadata_array_init(&server->metadata);
    if (ok) {
        /* Fails with ok = false, soon, where the server stops. */
        request_call(server);
        return;
    }
    ll_mutex_lock(&server->mutex);
    server->is_requesting = false;
    ll_cond_broadcast(&server->changed);
    ll_mutex_unlock(&server->mutex);
}

static grpc_server *create_grpc(const struct rpc_server *server)
{
    grpc_resource_quota *quota = grpc_resource_quota_create("rpc_server");
    grpc_resource_quota_resize(quota, (size_t)server->memory_quota_bytes);
    grpc_arg args[] = {
        RPC_ARG_INT(GRPC_ARG_ALLOW_REUSEPORT, 0),
        RPC_ARG_INT(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, server->max_message_bytes),
        RPC_ARG_INT(GRPC_ARG_MAX_CONCURRENT_STREAMS, server->max_concurrent_streams),
        RPC_ARG_INT(GRPC_ARG_KEEPALIVE_TIME_MS, KEEPALIVE_MS),
        RPC_ARG_INT(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, KEEPALIVE_TIMEOUT_MS),
        RPC_ARG_INT(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
        RPC_ARG_INT(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0),
        RPC_ARG_INT(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, MIN_CLIENT_PING_MS),
        RPC_ARG_INT(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, HANDSHAKE_MS),
        RPC_ARG_INT(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, COMPRESSION_NONE),
        {.type = GRPC_ARG_POINTER,
         .key = GRPC_ARG_RESOURCE_QUOTA,
         .value.pointer = {.p = quota, .vtable = grpc_resource_quota_arg_vtable()}},
    };
    grpc_channel_args all = {.num_args = sizeof(args) / sizeof(args[0]), .args = args};
    grpc_server *grpc = grpc_server_create(&all, NULL);
    grpc_resource_quota_unref(quota);
    return grpc;
}

/* The system's words in gRPC's complaint: ... os_error:"Address already in use" ... */
static void find_reason(const char *complaint, char *out_reason, size_t bytes)
{
    static const char mark[] = "os_error:\"";
    const char *start = strstr(complaint, mark);
    start = start ? start + strlen(mark) : "unknown host";
    snprintf(out_reason, bytes, "%.*s", (int)strcspn(start, "\""), start);
}

/* Returns the port, or 0 and why. */
static int bind_port(const struct rpc_server *server, grpc_server *grpc, char *out_reason,
                     size_t bytes)
{
    char complaint[2048] = "";
    grpc_server_credentials *credentials = grpc_insecure_server_credentials_create();
    rpc_loop_capture_log(complaint, sizeof(complaint));
    int port = grpc_server_add_http2_port(grpc, server->listen, credentials);
    rpc_loop_capture_log(NULL, 0);
    grpc_server_credentials_release(credentials);
    find_reason(complaint, out_reason, bytes);
    return port;
}

LL_NO_ANALYSIS ll_status rpc_server_start(struct rpc_server *server, struct ll_error *err)
{
    if (server->grpc || server->is_stopped) {
        return ll_fail(err, LL_E_PRECONDITION, "the server has been started before");
    }
    grpc_server *grpc = create_grpc(server);
    grpc_server_register_completion_queue(grpc, rpc_loop_queue(server->loop), NULL);
    char reason[128];
    server->port = bind_port(server, grpc, reason, sizeof(reason));
    if (server->port <= 0) {
        server->port = 0;
        grpc_server_destroy(grpc);
        return ll_fail(err, LL_E_UNAVAILABLE, "%s: cannot listen there: %s", server->listen,
                       reason);
    }
    server->grpc = grpc;
    server->request.done = request_done;
    server->is_requesting = true;
    grpc_server_start(grpc);
    request_call(server);
    return LL_OK;
}

int rpc_server_port(const struct rpc_server *server)
{
    return server->port;
}

static void shutdown_done(struct rpc_op *op, bool ok)
{
    struct rpc_server *server = RPC_CONTAINER(op, struct rpc_server, shutdown);
    (void)ok;
    ll_mutex_lock(&server->mutex);
    server->is_shut_down = true;
    ll_cond_broadcast(&server->changed);
    ll_mutex_unlock(&server->mutex);
}

static void run_stop_services(struct rpc_task *task)
{
    struct rpc_server *server = RPC_CONTAINER(task, struct rpc_server, stop_services);
    for (struct rpc_service *service = server->services; service; service = service->next) {
        if (service->stop) {
            service->stop(service);
        }
    }
    ll_mutex_lock(&server->mutex);
    server->has_stopped_services = true;
    ll_cond_broadcast(&server->changed);
    ll_mutex_unlock(&server->mutex);
}

static bool has_no_calls_locked(const struct rpc_server *server) LL_REQUIRES(server->mutex)
{
    return server->has_stopped_services && server->calls == 0;
}

static bool has_stopped_locked(const struct rpc_server *server) LL_REQUIRES(server->mutex)
{
    return server->is_shut_down && server->has_stopped_services && !server->is_requesting &&
           server->streams == 0;
}

/* Waits until `is_reached`; false at the deadline. */
static bool wait_until(struct rpc_server *server,
                       bool (*is_reached_locked)(const struct rpc_server *server),
                       int64_t deadline_ns)
{
    ll_mutex_lock(&server->mutex);
    bool in_time = true;
    while (in_time && !is_reached_locked(server)) {
        in_time = ll_cond_wait(&server->changed, &server->mutex, deadline_ns);
    }
    bool is_reached = is_reached_locked(server);
    ll_mutex_unlock(&server->mutex);
    return is_reached;
}

void rpc_server_stop(struct rpc_server *server, int64_t drain_ns)
{
    if (!server->grpc || server->is_stopped) {
        server->is_stopped = true;
        return;
    }
    assert(!rpc_loop_is_current(server->loop));
    int64_t deadline_ns = ll_clock_deadline(ll_clock_now_ns(), drain_ns);
    server->is_stopped = true;
    server->shutdown.done = shutdown_done;
    server->stop_services.run = run_stop_services;
    ll_mutex_lock(&server->mutex);
    server->is_draining = true;
    ll_mutex_unlock(&server->mutex);
    rpc_loop_post(server->loop, &server->stop_services);
    wait_until(server, has_no_calls_locked, deadline_ns);
    grpc_server_shutdown_and_notify(server->grpc, rpc_loop_queue(server->loop),
                                    rpc_op_start(&server->shutdown));
    if (!wait_until(server, has_stopped_locked, deadline_ns)) {
        grpc_server_cancel_all_calls(server->grpc);
        wait_until(server, has_stopped_locked, LL_CLOCK_NEVER);
    }
}

void rpc_server_destroy(struct rpc_server *server)
{
    if (!server) {
        return;
    }
    rpc_server_stop(server, 0);
    while (server->services) {
        struct rpc_service *service = server->services;
        server->services = service->next;
        service->destroy(service);
    }
    while (server->methods) {
        struct rpc_method *method = server->methods;
        server->methods = method->next;
        free(method->path);
        free(method);
    }
    if (server->grpc) {
        grpc_server_destroy(server->grpc);
    }
    grpc_call_details_destroy(&server->details);
    grpc_metadata_array_destroy(&server->metadata);
    ll_cond_finish(&server->changed);
    ll_mutex_finish(&server->mutex);
    free(server->listen);
    free(server);
}
