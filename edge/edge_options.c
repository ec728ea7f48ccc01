#include "edge/edge_options.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_log.h"
#include "core/ll_options.h"
#include "core/ll_version.h"
#include "rpc/rpc_address.h"

enum {
    OPT_LISTEN = 1,
    OPT_PORT_FILE,
    OPT_ENGINE,
    OPT_THREADS,
    OPT_COMPUTE,
    OPT_EXECUTORS,
    OPT_CREATION,
    OPT_CREATION_THREADS,
    OPT_STORE,
    OPT_STORE_MB,
    OPT_MODELS,
    OPT_UPLOADS,
    OPT_WINDOW_KB,
    OPT_QUERIES,
    OPT_QUERY_MB,
    OPT_ALL_QUERIES_MB,
    OPT_LOG_LEVEL,
};

enum {
    MB = 1000 * 1000,
    THREADS_MAX = 256,
    MEGABYTES_MAX = 100 * MB,
    /* An upload's credit holds at least a chunk of any size. */
    WINDOW_KB_MIN = 256,
    WINDOW_KB_MAX = 1024 * 1024,
    COUNT_MAX = 100000,
};

static const struct argp_option option_list[] = {
    {"listen", OPT_LISTEN, "HOST:PORT", 0,
     "Where to serve; port 0 picks one (default 0.0.0.0:50051)", 0},
    {"port-file", OPT_PORT_FILE, "F", 0, "Write the port, alone, to F once serving", 0},
    {"engine", OPT_ENGINE, "E", 0, "What computes: onednn (default) or darknet, the reference", 0},
    {"threads", OPT_THREADS, "N", 0, "Compute threads of one query, from 1 to 256 (default 1)", 0},
    {"compute", OPT_COMPUTE, "TYPE", 0,
     "What onednn computes in: f32 (default), or bf16 where the processor has it: faster, in half "
     "the memory, with about three digits",
     0},
    {"executors", OPT_EXECUTORS, "N", 0,
     "Queries that run at once, from 1 to 256 (default, and at most: processors divided by compute "
     "threads)",
     0},
    {"creation", OPT_CREATION, "HOW", 0,
     "Where layers are created: threaded (on a thread of its own, while the upload goes on) or "
     "inline (by the receiver, partition by partition: the earlier system); default threaded",
     0},
    {"creation-threads", OPT_CREATION_THREADS, "N", 0,
     "Compute threads of a creation, from 1 to 256 (default 1; the darknet engine always uses one)",
     0},
    {"store", OPT_STORE, "DIR", 0,
     "Folder for uploaded weights (default: a temporary one below $TMPDIR or /tmp, removed at the "
     "end)",
     0},
    {"store-mb", OPT_STORE_MB, "N", 0,
     "What all weights may take, in 10^6 bytes; models unused for longest make room (default 8000)",
     0},
    {"max-models", OPT_MODELS, "N", 0, "Models at a time (default 64)", 0},
    {"max-uploads", OPT_UPLOADS, "N", 0, "Uploads at a time (default 64)", 0},
    {"upload-window-kb", OPT_WINDOW_KB, "N", 0,
     "How far an upload may be ahead of what is written, in KiB, from 256 (default 8192)", 0},
    {"max-queries", OPT_QUERIES, "N", 0, "Queries in flight on one stream (default 32)", 0},
    {"query-mb", OPT_QUERY_MB, "N", 0,
     "What the tensors of one stream's queries may take, in 10^6 bytes (default 256)", 0},
    {"all-queries-mb", OPT_ALL_QUERIES_MB, "N", 0,
     "What the tensors of all queries may take, in 10^6 bytes (default 1024)", 0},
    {"log-level", OPT_LOG_LEVEL, "L", 0, "error, warn, info or debug (default info)", 0},
    {0},
};

static const char doc[] =
    "The edge server: takes Darknet models that devices upload layer by layer, and runs their "
    "queries as far as the layers are there."
    "\vIt needs no option. Logs go to stderr. SIGTERM and SIGINT end it within 5 seconds: health "
    "says NOT_SERVING, queries under way are answered; a second signal ends it at once.\n\n"
    "Exit status: 0 success, 1 failure, 2 wrong options.";

/* The option's value as a number, or the end of the program. */
static int64_t number(struct argp_state *state, const char *option, const char *text, int64_t min,
                      int64_t max)
{
    struct ll_error err;
    int64_t value = min;
    if (ll_parse_int(text, min, max, &value, &err) != LL_OK) {
        argp_error(state, "--%s: %s", option, err.text);
    }
    return value;
}

static void parse_listen(struct argp_state *state, const char *text)
{
    struct ll_error err;
    if (rpc_address_check(text, 0, &err) != LL_OK) {
        argp_error(state, "--listen: %s", err.text);
    }
}

static void parse_log_level(struct argp_state *state, const char *text)
{
    ll_log_level level = LL_LOG_INFO;
    if (ll_log_parse_level(text, &level) != LL_OK) {
        argp_error(state, "--log-level: '%.100s' is not one of error, warn, info, debug", text);
    }
    ll_log_set_level(level);
}

static void parse_creation(struct argp_state *state, const char *text, bool *out_is_inline)
{
    if (strcmp(text, "threaded") != 0 && strcmp(text, "inline") != 0) {
        argp_error(state, "--creation: '%.100s' is not one of threaded, inline", text);
    }
    *out_is_inline = strcmp(text, "inline") == 0;
}

/* Limits; false for another key. */
static bool parse_limit(int key, const char *arg, struct argp_state *state)
{
    struct edge_options *options = state->input;
    struct edge_server_config *server = &options->server;
    switch (key) {
    case OPT_STORE_MB:
        server->store_bytes = number(state, "store-mb", arg, 1, MEGABYTES_MAX) * MB;
        return true;
    case OPT_MODELS:
        server->models = (int)number(state, "max-models", arg, 1, COUNT_MAX);
        return true;
    case OPT_UPLOADS:
        server->upload_sessions = (int)number(state, "max-uploads", arg, 1, COUNT_MAX);
        return true;
    case OPT_WINDOW_KB:
        server->upload_window_bytes =
            number(state, "upload-window-kb", arg, WINDOW_KB_MIN, WINDOW_KB_MAX) * 1024;
        return true;
    case OPT_QUERIES:
        server->queries = (int)number(state, "max-queries", arg, 1, COUNT_MAX);
        return true;
    case OPT_QUERY_MB:
        server->query_bytes = number(state, "query-mb", arg, 1, MEGABYTES_MAX) * MB;
        return true;
    case OPT_ALL_QUERIES_MB:
        server->server_query_bytes = number(state, "all-queries-mb", arg, 1, MEGABYTES_MAX) * MB;
        return true;
    default:
        return false;
    }
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct edge_options *options = state->input;
    if (parse_limit(key, arg, state)) {
        return 0;
    }
    switch (key) {
    case OPT_LISTEN:
        parse_listen(state, arg);
        options->server.listen = arg;
        return 0;
    case OPT_PORT_FILE:
        options->port_file = arg;
        return 0;
    case OPT_ENGINE:
        options->engine = arg;
        return 0;
    case OPT_THREADS:
        options->threads = (int)number(state, "threads", arg, 1, THREADS_MAX);
        return 0;
    case OPT_COMPUTE:
        options->compute = arg;
        return 0;
    case OPT_EXECUTORS:
        options->server.executors = (int)number(state, "executors", arg, 1, THREADS_MAX);
        return 0;
    case OPT_CREATION:
        parse_creation(state, arg, &options->server.is_inline);
        return 0;
    case OPT_CREATION_THREADS:
        options->creation_threads = (int)number(state, "creation-threads", arg, 1, THREADS_MAX);
        return 0;
    case OPT_STORE:
        options->server.store_folder = arg;
        return 0;
    case OPT_LOG_LEVEL:
        parse_log_level(state, arg);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%.100s': there are no arguments, only options", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

void edge_options_parse(int argc, char **argv, struct edge_options *out_options)
{
    static const struct argp argp = {option_list, parse_option, NULL, doc, NULL, NULL, NULL};
    struct edge_options options = {
        .engine = "onednn", .compute = "f32", .threads = 1, .creation_threads = 1};
    edge_server_config_default(&options.server);
    options.server.executors = 0;
    const char *parent = getenv("TMPDIR");
    options.server.temporary_parent = parent && *parent ? parent : NULL;
    argp_program_version = "server (layerlift) " LL_VERSION;
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    *out_options = options;
}
