/* The edge server as a program: options, engine, port file, signals. */
#include <malloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli_program.h"
#include "cli/cli_wait.h"
#include "core/ll_clock.h"
#include "core/ll_log.h"
#include "core/ll_machine.h"
#include "core/ll_options.h"
#include "core/ll_output.h"
#include "core/ll_startup.h"
#include "core/ll_sync.h"
#include "core/ll_text.h"
#include "darknet_backend/dkb_engine.h"
#include "edge/edge_options.h"
#include "edge/edge_server.h"
#include "edge/model/edge_store.h"
#include "rpc/rpc_server.h"

enum {
    /* How long calls may go on after a signal, and how long all of the ending may take. */
    DRAIN_MS = 3000,
    END_MS = 4500,
};

/* Threads of a server without its executors and compute threads: gRPC's, the loop, the creator, the
 * store's, the end's. */
enum { OWN_THREADS = 12 };

/* Tensors come and go with queries. Without a fixed threshold glibc keeps them after a busy time
 * instead of giving the memory back. */
enum { MAPPED_ALLOCATION_BYTES = 128 << 10 };

struct program {
    struct edge_options options;
    struct ll_engine *engine;
    struct edge_server *server;
    /* The store's, where it does not last: a copy that outlives the server. */
    char *store_folder;
    /* The port file as it was written; no inode: none was. */
    struct stat port_file;
    struct cli_wait wait;
    struct ll_thread ender;
};

/* Every connection takes descriptors, and the usual soft limit of 1024 is for programs that use
 * select(2); nothing here does. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void warn_of_few_descriptors(const struct edge_server_config *config)
{
    int most = rpc_server_most_connections(config->connections);
    if (most < config->connections) {
        ll_log(LL_LOG_WARN, "server",
               "%d connections at a time instead of %d: the limit of open files (ulimit -n) allows "
               "no more",
               most, config->connections);
    }
}

/* Wholly, so that whoever waits for the file finds the whole of it. */
static ll_status write_port_file(const char *path, int port, struct stat *out_stat,
                                 struct ll_error *err)
{
    struct ll_output output;
    ll_status status = ll_output_open(path, LL_OUTPUT_WHOLE, &output, err);
    if (status == LL_OK) {
        char line[16];
        int length = snprintf(line, sizeof(line), "%d\n", port);
        ll_output_write(&output, line, (size_t)length);
        /* A file of its own alone goes when the server does. */
        if (fstat(fileno(output.file), out_stat) != 0 || !S_ISREG(out_stat->st_mode)) {
            out_stat->st_ino = 0;
        }
        status = ll_output_finish(&output, err);
    }
    if (status != LL_OK) {
        out_stat->st_ino = 0;
        ll_error_prefix(err, "port file");
    }
    return status;
}

/* A port where nobody serves helps nobody. The file may be another server's by now. */
static void remove_port_file(const struct program *program)
{
    struct stat now;
    const char *path = program->options.port_file;
    if (path && program->port_file.st_ino != 0 && lstat(path, &now) == 0 &&
        now.st_dev == program->port_file.st_dev && now.st_ino == program->port_file.st_ino) {
        unlink(path);
    }
}

/* How many queries may run at once: as many as were wished (0: all that fit), but together they
 * have no more compute threads than there are processors. More would only take them from each
 * other. */
static int choose_executors(const struct ll_engine *engine, int wished)
{
    int processors = ll_machine_processors(&ll_machine_paths);
    int most = processors / ll_engine_threads(engine);
    most = most > 1 ? most : 1;
    if (wished > most) {
        ll_log(LL_LOG_WARN, "server",
               "--executors %d of %d compute threads each: there are %d processors, so %d run%s "
               "at once",
               wished, ll_engine_threads(engine), processors, most, most == 1 ? "s" : "");
    }
    return wished == 0 || wished > most ? most : wished;
}

static ll_status start(struct program *program, struct ll_error *err)
{
    struct edge_options *options = &program->options;
    struct edge_server_config *config = &options->server;
    config->engine = program->engine;
    config->executors = choose_executors(program->engine, config->executors);
    ll_status status =
        ll_startup_threads(OWN_THREADS + config->executors * ll_engine_threads(program->engine) +
                               options->creation_threads,
                           err);
    if (status != LL_OK) {
        return status;
    }
    status = edge_server_create(config, &program->server, err);
    if (status != LL_OK) {
        return status;
    }
    ll_startup_done();
    const char *temporary = edge_server_temporary_folder(program->server);
    program->store_folder = temporary ? strdup(temporary) : NULL;
    int port = edge_server_port(program->server);
    if (options->port_file) {
        status = write_port_file(options->port_file, port, &program->port_file, err);
        if (status != LL_OK) {
            return status;
        }
    }
    warn_of_few_descriptors(config);
    ll_log(LL_LOG_INFO, "server",
           "serving on %s, port %d: engine %s (%s, %d threads), %d executors, %s creation",
           config->listen, port, ll_engine_name(program->engine),
           ll_engine_instruction_set(program->engine), ll_engine_threads(program->engine),
           config->executors, config->is_inline ? "inline" : "threaded");
    return LL_OK;
}

static void end_server(void *arg)
{
    struct program *program = arg;
    edge_server_stop(program->server, DRAIN_MS * LL_NS_PER_MS);
    edge_server_destroy(program->server);
    cli_wait_end(&program->wait);
}

/* Serves until a signal, then ends in order. A run or creation of the engine is stopped behind the
 * group of layers that it is at: where that takes longer than anybody waits, its callers were told,
 * and the process goes without it. */
static void serve(struct program *program)
{
    int number = 0;
    cli_wait_next(&program->wait, LL_CLOCK_NEVER, &number);
    ll_log(LL_LOG_INFO, "server", "%s: ending", number == SIGINT ? "SIGINT" : "SIGTERM");
    remove_port_file(program);
    int64_t deadline_ns = ll_clock_deadline(ll_clock_now_ns(), END_MS * LL_NS_PER_MS);
    if (ll_thread_start(&program->ender, "ender", end_server, program) != LL_OK) {
        end_server(program);
        return;
    }
    cli_wait_event event = cli_wait_next(&program->wait, deadline_ns, &number);
    if (event == CLI_WAIT_ENDED) {
        ll_thread_join(&program->ender);
        return;
    }
    bool has_time = event == CLI_WAIT_TIME;
    ll_log(LL_LOG_WARN, "server",
           has_time ? "a computation goes on for too long: leaving without its end"
                    : "second signal: leaving at once");
    if (program->store_folder) {
        edge_store_remove(program->store_folder);
    }
    _exit(has_time ? 0 : 1);
}

/* Errors: LL_E_UNSUPPORTED and LL_E_INVALID where an option is wrong, which `err` names. */
static ll_status create_engine(struct program *program, struct ll_error *err)
{
    const struct edge_options *options = &program->options;
    struct ll_engine_config config = {
        .name = options->engine,
        .threads = options->threads,
        .creation_threads = options->creation_threads,
    };
    const char *option = "--engine";
    ll_status status = dkb_engine_check_name(options->engine, err);
    if (status == LL_OK) {
        option = strcmp(options->compute, "f32") == 0 ? "--engine" : "--compute";
        status = ll_compute_parse(options->compute, &config.compute, err);
    }
    if (status == LL_OK) {
        status = dkb_engine_create(&config, &program->engine, err);
    }
    if (status != LL_OK) {
        ll_error_prefix(err, "%s", option);
    }
    return status;
}

int main(int argc, char **argv)
{
    cli_program_begin("server");
    static struct program program;
    struct ll_error err = {.text = ""};
    mallopt(M_MMAP_THRESHOLD, MAPPED_ALLOCATION_BYTES);
    ll_options_enter_caller_folder();
    edge_options_parse(argc, argv, &program.options);
    ll_status status = create_engine(&program, &err);
    if (status == LL_E_UNSUPPORTED || status == LL_E_INVALID) {
        ll_text_complain("server", err.text);
        return 2;
    }
    if (status == LL_OK) {
        status = cli_wait_open(&program.wait, &err);
    }
    raise_descriptors();
    if (status == LL_OK) {
        status = start(&program, &err);
    }
    if (status == LL_OK) {
        serve(&program);
    } else {
        ll_text_complain("server", err.text);
        edge_server_destroy(program.server);
    }
    ll_engine_destroy(program.engine);
    free(program.store_folder);
    return status == LL_OK ? 0 : 1;
}
