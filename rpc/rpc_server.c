#include "rpc/rpc_server.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>

#include "core/ll_clock.h"
#include "core/ll_container.h"
#include "core/ll_limits.h"
#include "rpc/rpc_address.h"
#include "rpc/rpc_call.h"
#include "rpc/rpc_server_state.h"

/* gRPC's server side. It never answers for methods that it does not know, and queues calls for
 * methods that it does without limit; so no method is registered with it. Connections come from the
 * front (rpc_front.c), calls through the gate (rpc_gate.c), where each is counted for its
 * connection; those that are taken are posted to the loop, looked up here, and answered or refused.
 *
 * Stopping (rpc_server_stop): services end their own endless streams, and new calls are answered
 * UNAVAILABLE here, until no call is left or the drain ends; nobody new is let in. gRPC, which
 * would answer new calls CANCELLED, is shut down only then: it takes leave of the connections and
 * reports (`shutdown`) when the last has gone; at the drain's end everything left is cancelled,
 * which makes it report soon. Stopped is: shutdown reported, the gate's end, every stream closed.
 * Any other order makes gRPC assert or hang. */

enum {
    DEFAULT_STREAMS = 100,
    DEFAULT_QUOTA_BYTES = 256 << 20,
    /* A vanished client is noticed after the sum of the first two. */
    KEEPALIVE_MS = 20000,
    KEEPALIVE_TIMEOUT_MS = 10000,
    MIN_CLIENT_PING_MS = 10000,
    GREETING_MS = 10000,
    IDLE_MS = 15 * 60 * 1000,
    DEFAULT_CONNECTIONS = 1024,
    DEFAULT_CONNECTIONS_PER_PEER = 256,
    DEFAULT_RESETS = 1000,
    /* A call takes 12 KiB. */
    DEFAULT_CALLS = 16384,
    /* Only "identity": our payloads do not compress, and nobody can send a bomb. */
    COMPRESSION_NONE = 1,
};

int rpc_server_most_connections(int wished)
{
    return rpc_front_most_connections(wished);
}

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
    server->connections = config->connections > 0 ? config->connections : DEFAULT_CONNECTIONS;
    server->connections_per_peer = config->connections_per_peer > 0 ? config->connections_per_peer
                                                                    : DEFAULT_CONNECTIONS_PER_PEER;
    server->resets = config->connection_resets > 0 ? config->connection_resets : DEFAULT_RESETS;
    server->calls_at_once = config->calls > 0 ? config->calls : DEFAULT_CALLS;
    server->idle_ms = config->idle_ms > 0 ? config->idle_ms : IDLE_MS;
    server->greeting_ns =
        config->greeting_ns > 0 ? config->greeting_ns : GREETING_MS * LL_NS_PER_MS;
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

static void end_call(struct rpc_server *server, struct rpc_stream *stream)
{
    struct rpc_connection *connection = stream->connection;
    stream->connection = NULL;
    rpc_front_end_call(server->front, connection, stream->was_cancelled && !stream->has_cancelled);
}

static void call_closed(void *arg, struct rpc_stream *stream)
{
    end_call(arg, stream);
    count_closed(arg, 1);
}

static void refused_closed(void *arg, struct rpc_stream *stream)
{
    end_call(arg, stream);
    count_closed(arg, 0);
}

static void call_answered(void *arg, struct rpc_stream *stream)
{
    struct rpc_server *server = arg;
    rpc_front_answered(server->front, stream->connection);
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

/* A call on its way from the gate to the loop. */
struct arrival {
    struct rpc_task task;
    struct rpc_server *server;
    struct rpc_connection *connection;
    grpc_call *call;
    grpc_slice path;
};

/* gRPC's way of ending a call that has no stream. Takes `call`. */
static void refuse_call(grpc_call *call, const char *message)
{
    grpc_call_cancel_with_status(call, GRPC_STATUS_RESOURCE_EXHAUSTED, message, NULL);
    grpc_call_unref(call);
}

static void run_stream(struct rpc_server *server, struct rpc_stream *stream, grpc_slice path)
{
    ll_mutex_lock(&server->mutex);
    bool is_refused = server->is_draining;
    server->calls += is_refused ? 0 : 1;
    ll_mutex_unlock(&server->mutex);
    stream->is_server = true;
    stream->answered = call_answered;
    stream->closed = is_refused ? refused_closed : call_closed;
    stream->closed_arg = server;
    rpc_call_advance(stream);
    if (is_refused) {
        rpc_stream_finish(stream, LL_E_UNAVAILABLE, "the server stops");
    } else {
        open_method(server, stream, (const char *)GRPC_SLICE_START_PTR(path),
                    GRPC_SLICE_LENGTH(path));
    }
}

static void run_arrival(struct rpc_task *task)
{
    struct arrival *arrival = LL_CONTAINER_OF(task, struct arrival, task);
    struct rpc_server *server = arrival->server;
    struct rpc_stream *stream = NULL;
    ll_status status = rpc_call_create(server->loop, arrival->call,
                                       rpc_connection_peer(arrival->connection), &stream);
    if (status == LL_OK) {
        stream->connection = arrival->connection;
        run_stream(server, stream, arrival->path);
    } else {
        refuse_call(arrival->call, "out of memory");
        rpc_front_end_call(server->front, arrival->connection, false);
        count_closed(server, 0);
    }
    grpc_slice_unref(arrival->path);
    free(arrival);
}

/* On the gate's thread. */
static void take_call(void *arg, grpc_call *call, grpc_slice path)
{
    struct rpc_server *server = arg;
    struct rpc_connection *connection = NULL;
    struct ll_error err = {.text = ""};
    char *peer = grpc_call_get_peer(call);
    ll_status status = rpc_front_begin_call(server->front, peer, &connection, &err);
    gpr_free(peer);
    struct arrival *arrival = status == LL_OK ? calloc(1, sizeof(*arrival)) : NULL;
    if (status == LL_E_EXHAUSTED) {
        refuse_call(call, err.text);
    } else if (status != LL_OK) {
        /* Nobody listens. Cancels it. */
        grpc_call_unref(call);
    } else if (!arrival) {
        refuse_call(call, "out of memory");
        rpc_front_end_call(server->front, connection, false);
    } else {
        arrival->task.run = run_arrival;
        arrival->server = server;
        arrival->connection = connection;
        arrival->call = call;
        arrival->path = grpc_slice_ref(path);
        ll_mutex_lock(&server->mutex);
        server->streams++;
        ll_mutex_unlock(&server->mutex);
        rpc_loop_post(server->loop, &arrival->task);
    }
}

/* On the gate's thread. */
static void gate_ended(void *arg)
{
    struct rpc_server *server = arg;
    ll_mutex_lock(&server->mutex);
    server->is_asking = false;
    ll_cond_broadcast(&server->changed);
    ll_mutex_unlock(&server->mutex);
}

/* A connection on its way from the front to gRPC. */
struct newcomer {
    struct rpc_task task;
    struct rpc_server *server;
    int fd;
};

static void run_newcomer(struct rpc_task *task)
{
    struct newcomer *newcomer = LL_CONTAINER_OF(task, struct newcomer, task);
    grpc_server_add_channel_from_fd(newcomer->server->grpc, newcomer->fd,
                                    newcomer->server->credentials);
    rpc_front_taken(newcomer->server->front);
    free(newcomer);
}

/* On the front's thread, which never goes into gRPC: it would read from the connection there, and
 * not come back while more comes. Takes `fd`. */
static void add_connection(void *arg, int fd)
{
    struct newcomer *newcomer = calloc(1, sizeof(*newcomer));
    if (!newcomer) {
        /* The front hears of that end. */
        shutdown(fd, SHUT_RDWR);
        close(fd);
        struct rpc_server *server = arg;
        rpc_front_taken(server->front);
        return;
    }
    newcomer->task.run = run_newcomer;
    newcomer->server = arg;
    newcomer->fd = fd;
    rpc_loop_post(newcomer->server->loop, &newcomer->task);
}

static grpc_server *create_grpc(const struct rpc_server *server)
{
    grpc_resource_quota *quota = grpc_resource_quota_create("rpc_server");
    grpc_resource_quota_resize(quota, (size_t)server->memory_quota_bytes);
    grpc_arg args[] = {
        RPC_ARG_INT(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, server->max_message_bytes),
        RPC_ARG_INT(GRPC_ARG_MAX_CONCURRENT_STREAMS, server->max_concurrent_streams),
        RPC_ARG_INT(GRPC_ARG_KEEPALIVE_TIME_MS, KEEPALIVE_MS),
        RPC_ARG_INT(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, KEEPALIVE_TIMEOUT_MS),
        RPC_ARG_INT(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
        RPC_ARG_INT(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0),
        RPC_ARG_INT(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, MIN_CLIENT_PING_MS),
        RPC_ARG_INT(GRPC_ARG_MAX_CONNECTION_IDLE_MS, server->idle_ms),
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

static void give_turn(struct rpc_task *task)
{
    struct rpc_server *server = LL_CONTAINER_OF(task, struct rpc_server, turn);
    rpc_front_turn(server->front);
    ll_mutex_lock(&server->mutex);
    server->is_turn_due = false;
    ll_cond_broadcast(&server->changed);
    ll_mutex_unlock(&server->mutex);
}

/* On the front's thread. */
static void ask_turn(void *arg)
{
    struct rpc_server *server = arg;
    ll_mutex_lock(&server->mutex);
    server->is_turn_due = true;
    ll_mutex_unlock(&server->mutex);
    rpc_gate_poke(server->gate);
}

/* On the gate's thread: it has its turn, now the loop. */
static void gate_poked(void *arg)
{
    struct rpc_server *server = arg;
    rpc_loop_post(server->loop, &server->turn);
}

static ll_status create_parts(struct rpc_server *server, struct ll_error *err)
{
    static const struct rpc_gate_handler handler = {
        .on_call = take_call, .on_poke = gate_poked, .on_end = gate_ended};
    const struct rpc_front_config config = {
        .listen = server->listen,
        .connections = server->connections,
        .connections_per_peer = server->connections_per_peer,
        .calls = server->calls_at_once,
        .streams = server->max_concurrent_streams,
        .resets = server->resets,
        .greeting_ns = server->greeting_ns,
        .hand_over = add_connection,
        .ask_turn = ask_turn,
        .arg = server,
    };
    server->turn.run = give_turn;
    ll_status status = rpc_front_create(&config, &server->front, err);
    if (status != LL_OK) {
        return status;
    }
    status = rpc_gate_create(&handler, server, &server->gate);
    if (status != LL_OK) {
        return ll_fail(err, status, "no memory for a server");
    }
    server->credentials = grpc_insecure_server_credentials_create();
    server->grpc = create_grpc(server);
    grpc_server_register_completion_queue(server->grpc, rpc_loop_queue(server->loop), NULL);
    grpc_server_register_completion_queue(server->grpc, rpc_gate_queue(server->gate), NULL);
    return LL_OK;
}

static void destroy_parts(struct rpc_server *server)
{
    if (server->grpc) {
        grpc_server_destroy(server->grpc);
        grpc_server_credentials_release(server->credentials);
    }
    rpc_gate_destroy(server->gate);
    rpc_front_destroy(server->front);
    server->grpc = NULL;
    server->gate = NULL;
    server->front = NULL;
}

LL_NO_ANALYSIS ll_status rpc_server_start(struct rpc_server *server, struct ll_error *err)
{
    if (server->grpc || server->is_stopped) {
        return ll_fail(err, LL_E_PRECONDITION, "the server has been started before");
    }
    ll_status status = create_parts(server, err);
    if (status != LL_OK) {
        destroy_parts(server);
        return status;
    }
    server->port = rpc_front_port(server->front);
    grpc_server_start(server->grpc);
    server->is_asking = true;
    status = rpc_gate_start(server->gate, server->grpc, rpc_loop_queue(server->loop));
    server->is_asking = status == LL_OK;
    if (status == LL_OK) {
        status = rpc_front_start(server->front);
    }
    if (status != LL_OK) {
        rpc_server_stop(server, 0);
        server->port = 0;
        return ll_fail(err, status, "no thread for a server");
    }
    return LL_OK;
}

int rpc_server_port(const struct rpc_server *server)
{
    return server->port;
}

static void shutdown_done(struct rpc_op *op, bool ok)
{
    struct rpc_server *server = LL_CONTAINER_OF(op, struct rpc_server, shutdown);
    (void)ok;
    ll_mutex_lock(&server->mutex);
    server->is_shut_down = true;
    ll_cond_broadcast(&server->changed);
    ll_mutex_unlock(&server->mutex);
}

static void run_stop_services(struct rpc_task *task)
{
    struct rpc_server *server = LL_CONTAINER_OF(task, struct rpc_server, stop_services);
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
    return server->is_shut_down && server->has_stopped_services && !server->is_asking &&
           server->streams == 0;
}

static bool has_no_turn_locked(const struct rpc_server *server) LL_REQUIRES(server->mutex)
{
    return !server->is_turn_due;
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
    rpc_front_stop(server->front);
    rpc_loop_post(server->loop, &server->stop_services);
    wait_until(server, has_no_calls_locked, deadline_ns);
    grpc_server_shutdown_and_notify(server->grpc, rpc_loop_queue(server->loop),
                                    rpc_op_start(&server->shutdown));
    if (!wait_until(server, has_stopped_locked, deadline_ns)) {
        grpc_server_cancel_all_calls(server->grpc);
        wait_until(server, has_stopped_locked, LL_CLOCK_NEVER);
    }
    rpc_front_end(server->front);
    wait_until(server, has_no_turn_locked, LL_CLOCK_NEVER);
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
    destroy_parts(server);
    ll_cond_finish(&server->changed);
    ll_mutex_finish(&server->mutex);
    free(server->listen);
    free(server);
}
