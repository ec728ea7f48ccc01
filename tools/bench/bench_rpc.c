/* How fast rpc/ is on this machine: one stream of raw chunks in each direction between two
 * processes on the loopback, and the time of a small call.
 *
 *     bazel run //tools/bench:bench_rpc -- --megabytes 4000 --chunk-kib 256
 *
 * The server's process is forked before gRPC is initialised. */
#include <argp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli_program.h"
#include "core/ll_buf.h"
#include "core/ll_clock.h"
#include "core/ll_option_table.h"
#include "core/ll_sync.h"
#include "rpc/rpc_channel.h"
#include "rpc/rpc_loop.h"
#include "rpc/rpc_server.h"

#define SINK "/layerlift.bench.Bench/Sink"
#define SOURCE "/layerlift.bench.Bench/Source"
#define ECHO "/layerlift.bench.Bench/Echo"

enum { WINDOW = 2, CALLS = 3000, CALL_BYTES = 1000 };

struct options {
    int64_t megabytes;
    int64_t chunk_kib;
};

/* What a Source call asks for. */
struct order {
    int64_t chunks;
    int64_t chunk_bytes;
};

/* One direction's sender: keeps WINDOW chunks queued. */
struct sender {
    struct ll_buf *chunk;
    int64_t left;
};

static void send_more(struct sender *sender, struct rpc_stream *stream)
{
    while (sender->left > 0 && rpc_stream_queued(stream) < WINDOW) {
        if (rpc_stream_send(stream, "head", 4, sender->chunk) != LL_OK) {
            rpc_stream_cancel(stream);
            return;
        }
        sender->left--;
    }
    if (sender->left == 0) {
        rpc_stream_finish(stream, LL_OK, NULL);
    }
}

static ll_status create_chunk(int64_t bytes, struct ll_buf **out_chunk)
{
    ll_status status = ll_buf_create((size_t)bytes, out_chunk);
    if (status == LL_OK) {
        memset(ll_buf_writable(*out_chunk), 0x5a, (size_t)bytes);
    }
    return status;
}

/* --- the server --- */

static void count_message(void *owner, struct rpc_stream *stream, const uint8_t *data, size_t bytes)
{
    (void)stream;
    (void)data;
    *(int64_t *)owner += (int64_t)bytes;
}

static void answer_count(void *owner, struct rpc_stream *stream)
{
    ll_status status = rpc_stream_send(stream, owner, sizeof(int64_t), NULL);
    rpc_stream_finish(stream, status, NULL);
}

static void free_count(void *owner, struct rpc_stream *stream, ll_status status,
                       const char *message)
{
    (void)stream;
    (void)status;
    (void)message;
    free(owner);
}

static const struct rpc_stream_handler sink_handler = {
    .on_message = count_message,
    .on_half_close = answer_count,
    .on_closed = free_count,
};

static void open_sink(void *arg, struct rpc_stream *stream)
{
    (void)arg;
    int64_t *count = calloc(1, sizeof(*count));
    if (count) {
        rpc_server_accept(stream, &sink_handler, count);
    }
}

static void start_source(void *owner, struct rpc_stream *stream, const uint8_t *data, size_t bytes)
{
    struct sender *sender = owner;
    struct order order;
    if (bytes != sizeof(order) || sender->chunk) {
        rpc_stream_finish(stream, LL_E_INVALID, "not one order");
        return;
    }
    memcpy(&order, data, sizeof(order));
    ll_status status = create_chunk(order.chunk_bytes, &sender->chunk);
    if (status != LL_OK) {
        rpc_stream_finish(stream, status, NULL);
        return;
    }
    sender->left = order.chunks;
    send_more(sender, stream);
}

static void go_on(void *owner, struct rpc_stream *stream)
{
    send_more(owner, stream);
}

static void free_sender(void *owner, struct rpc_stream *stream, ll_status status,
                        const char *message)
{
    struct sender *sender = owner;
    (void)stream;
    (void)status;
    (void)message;
    ll_buf_unref(sender->chunk);
    free(sender);
}

static const struct rpc_stream_handler source_handler = {
    .on_message = start_source,
    .on_writable = go_on,
    .on_closed = free_sender,
};

static void open_source(void *arg, struct rpc_stream *stream)
{
    (void)arg;
    struct sender *sender = calloc(1, sizeof(*sender));
    if (sender) {
        rpc_server_accept(stream, &source_handler, sender);
    }
}

static void echo(void *arg, struct rpc_stream *stream, const uint8_t *data, size_t bytes)
{
    (void)arg;
    ll_status status = rpc_stream_send(stream, data, bytes, NULL);
    rpc_stream_finish(stream, status, NULL);
}

/* Serves until `done` is closed at its other end; writes the port to `port_out`. */
static ll_status serve(int port_out, int done, struct ll_error *err)
{
    struct rpc_loop *loop = NULL;
    struct rpc_server *server = NULL;
    struct rpc_server_config config = {.listen = "127.0.0.1:0"};
    char end = 0;
    int port = 0;
    ll_status status = rpc_loop_create(&loop);
    if (status == LL_OK) {
        status = rpc_server_create(loop, &config, &server, err);
    }
    if (status == LL_OK) {
        status = rpc_server_add(server, SINK, open_sink, NULL);
    }
    if (status == LL_OK) {
        status = rpc_server_add(server, SOURCE, open_source, NULL);
    }
    if (status == LL_OK) {
        status = rpc_server_add_unary(server, ECHO, echo, NULL);
    }
    if (status == LL_OK) {
        status = rpc_server_start(server, err);
    }
    if (status == LL_OK) {
        port = rpc_server_port(server);
        if (write(port_out, &port, sizeof(port)) == sizeof(port)) {
            while (read(done, &end, 1) > 0) {
            }
        }
    }
    rpc_server_destroy(server);
    rpc_loop_destroy(loop);
    return status;
}

/* --- the client --- */

struct client {
    struct rpc_channel *channel;
    struct sender sender;

    struct ll_mutex mutex;
    struct ll_cond changed;
    /* Guarded by mutex. */
    bool is_closed;
    ll_status status;
    int64_t received_bytes;
};

static void client_message(void *owner, struct rpc_stream *stream, const uint8_t *data,
                           size_t bytes)
{
    struct client *client = owner;
    (void)stream;
    (void)data;
    client->received_bytes += (int64_t)bytes;
}

static void client_writable(void *owner, struct rpc_stream *stream)
{
    struct client *client = owner;
    if (client->sender.chunk) {
        send_more(&client->sender, stream);
    }
}

static void client_closed(void *owner, struct rpc_stream *stream, ll_status status,
                          const char *message)
{
    struct client *client = owner;
    (void)stream;
    if (status != LL_OK) {
        fprintf(stderr, "bench_rpc: %s\n", message);
    }
    ll_mutex_lock(&client->mutex);
    client->is_closed = true;
    client->status = status;
    ll_cond_broadcast(&client->changed);
    ll_mutex_unlock(&client->mutex);
}

static const struct rpc_stream_handler client_handler = {
    .on_message = client_message,
    .on_writable = client_writable,
    .on_closed = client_closed,
};

/* Calls `path` with `bytes` of `data` and, where the client has chunks to send, those. */
static ll_status call(struct client *client, const char *path, const void *data, size_t bytes)
{
    struct rpc_stream *stream = NULL;
    client->is_closed = false;
    client->received_bytes = 0;
    ll_status status =
        rpc_channel_open(client->channel, path, LL_CLOCK_NEVER, &client_handler, client, &stream);
    if (status != LL_OK) {
        return status;
    }
    status = rpc_stream_send(stream, data, bytes, NULL);
    if (!client->sender.chunk || status != LL_OK) {
        rpc_stream_finish(stream, status, NULL);
    }
    ll_mutex_lock(&client->mutex);
    while (!client->is_closed) {
        ll_cond_wait(&client->changed, &client->mutex, LL_CLOCK_NEVER);
    }
    status = client->status;
    ll_mutex_unlock(&client->mutex);
    rpc_stream_unref(stream);
    return status;
}

static double cpu_seconds(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)used.ru_utime.tv_sec + (double)used.ru_stime.tv_sec +
           1e-6 * (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

static void print_rate(const char *what, int64_t bytes, int64_t start_ns, double start_cpu)
{
    double gigabytes = (double)bytes * 1e-9;
    double seconds = ll_clock_ms(ll_clock_now_ns() - start_ns) * 1e-3;
    printf("%-9s %.2f GB/s, client %.2f CPU s/GB\n", what, gigabytes / seconds,
           (cpu_seconds() - start_cpu) / gigabytes);
}

static int compare_times(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left;
    int64_t b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static ll_status measure_calls(struct client *client)
{
    static int64_t times_ns[CALLS];
    static const char request[CALL_BYTES];
    for (int i = 0; i < CALLS; i++) {
        int64_t start_ns = ll_clock_now_ns();
        ll_status status = call(client, ECHO, request, sizeof(request));
        if (status != LL_OK) {
            return status;
        }
        times_ns[i] = ll_clock_now_ns() - start_ns;
    }
    qsort(times_ns, CALLS, sizeof(times_ns[0]), compare_times);
    printf("%-9s %d bytes and back: p50 %.3f ms, p95 %.3f ms, p99 %.3f ms\n", "call", CALL_BYTES,
           ll_clock_ms(times_ns[CALLS / 2]), ll_clock_ms(times_ns[CALLS * 95 / 100]),
           ll_clock_ms(times_ns[CALLS * 99 / 100]));
    return LL_OK;
}

static ll_status measure_streams(struct client *client, const struct options *options)
{
    struct order order = {.chunk_bytes = options->chunk_kib << 10};
    order.chunks = options->megabytes * 1000000 / order.chunk_bytes;
    int64_t bytes = order.chunks * order.chunk_bytes;
    ll_status status = create_chunk(order.chunk_bytes, &client->sender.chunk);
    if (status != LL_OK) {
        return status;
    }
    client->sender.left = order.chunks;
    int64_t start_ns = ll_clock_now_ns();
    double start_cpu = cpu_seconds();
    status = call(client, SINK, "", 0);
    if (status == LL_OK) {
        print_rate("upload", bytes, start_ns, start_cpu);
    }
    ll_buf_unref(client->sender.chunk);
    client->sender.chunk = NULL;
    start_ns = ll_clock_now_ns();
    start_cpu = cpu_seconds();
    if (status == LL_OK) {
        status = call(client, SOURCE, &order, sizeof(order));
    }
    if (status == LL_OK) {
        print_rate("download", client->received_bytes, start_ns, start_cpu);
    }
    return status;
}

static ll_status measure(int port, const struct options *options, struct ll_error *err)
{
    struct client client = {.is_closed = false};
    struct rpc_loop *loop = NULL;
    char target[32];
    snprintf(target, sizeof(target), "127.0.0.1:%d", port);
    ll_mutex_init(&client.mutex);
    ll_cond_init(&client.changed);
    ll_status status = rpc_loop_create(&loop);
    if (status == LL_OK) {
        status = rpc_channel_create(loop, target, &client.channel, err);
    }
    if (status == LL_OK) {
        status = measure_calls(&client);
    }
    if (status == LL_OK) {
        status = measure_streams(&client, options);
    }
    rpc_channel_destroy(client.channel);
    rpc_loop_destroy(loop);
    ll_cond_finish(&client.changed);
    ll_mutex_finish(&client.mutex);
    return status;
}

static const struct ll_option_row rows[] = {
    {
        .name = "megabytes",
        .letter = 'm',
        .kind = LL_OPTION_INT,
        .unit = "10^6 bytes",
        .min = 1,
        .max = 1000000,
        .preset = 4000,
        LL_OPTION_FIELD(struct options, megabytes),
        .help = "Send so much each way",
    },
    {
        .name = "chunk-kib",
        .letter = 'c',
        .kind = LL_OPTION_INT,
        .unit = "KiB",
        .min = 1,
        .max = 4096,
        .preset = 256,
        LL_OPTION_FIELD(struct options, chunk_kib),
        .help = "Size of a message",
    },
};

static const struct ll_option_table option_table = LL_OPTION_TABLE(rows, 0x100);

static char *help(int key, const char *text, void *input)
{
    (void)input;
    return ll_option_help(&option_table, key, text);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    return ll_option_parse(&option_table, key, arg, state, state->input);
}

static int report(const char *who, ll_status status, const struct ll_error *err)
{
    if (status != LL_OK) {
        fprintf(stderr, "bench_rpc: %s: %s %s\n", who, ll_status_text(status), err->text);
    }
    return status == LL_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    cli_program_begin("bench_rpc");
    struct argp_option entries[LL_OPTION_ENTRIES(sizeof(rows) / sizeof(rows[0]))];
    ll_option_list(&option_table, entries);
    const struct argp argp = {.options = entries,
                              .parser = parse_option,
                              .doc = "Measures rpc/ between two processes on the loopback.",
                              .help_filter = help};
    argp_err_exit_status = 2;
    struct options options = {.megabytes = 0};
    ll_option_set_defaults(&option_table, &options);
    argp_parse(&argp, argc, argv, 0, NULL, &options);

    struct ll_error err = {.text = ""};
    int port_pipe[2];
    int done_pipe[2];
    if (pipe(port_pipe) != 0 || pipe(done_pipe) != 0) {
        return report("pipe", LL_E_IO, &err);
    }
    pid_t child = fork();
    if (child == 0) {
        close(done_pipe[1]);
        return report("server", serve(port_pipe[1], done_pipe[0], &err), &err);
    }
    close(done_pipe[0]);
    close(port_pipe[1]);
    int port = 0;
    ll_status status = LL_E_IO;
    if (child > 0 && read(port_pipe[0], &port, sizeof(port)) == sizeof(port)) {
        status = measure(port, &options, &err);
    }
    close(done_pipe[1]);
    if (child > 0) {
        waitpid(child, NULL, 0);
    }
    return report("client", status, &err);
}
