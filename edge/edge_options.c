#include "edge/edge_options.h"

#include <argp.h>
#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/ll_option_table.h"
#include "core/ll_version.h"
#include "edge/edge_limits.h"
#include "rpc/rpc_address.h"

enum { THREADS_MAX = 256 };

static ll_status take_listen(const char *text, void *field, struct ll_error *err)
{
    ll_status status = rpc_address_check(text, 0, err);
    if (status == LL_OK) {
        *(const char **)field = text;
    }
    return status;
}

/* Of an option that was not given. */
static const char default_store[] = "";

static ll_status take_store(const char *text, void *field, struct ll_error *err)
{
    if (*text == '\0') {
        return ll_fail(err, LL_E_INVALID, "'' is no folder");
    }
    *(const char **)field = strcmp(text, "memory") == 0 ? NULL : text;
    return LL_OK;
}

/* The state folder of the service, the system or the user: `parent` and what is below it. */
static bool set_state_folder(const char *parent, const char *below, char out_path[PATH_MAX])
{
    /* A relative one is none (XDG Base Directory Specification). */
    int length =
        parent && parent[0] == '/' ? snprintf(out_path, PATH_MAX, "%s%s", parent, below) : PATH_MAX;
    /* systemd names several with colons in between. */
    out_path[length < PATH_MAX ? strcspn(out_path, ":") : 0] = '\0';
    return length < PATH_MAX;
}

/* Where weights last if nobody says otherwise; nowhere without a state folder. */
static void choose_store(struct edge_server_config *config)
{
    static char path[PATH_MAX];
    bool is_found = set_state_folder(getenv("STATE_DIRECTORY"), "", path);
    if (!is_found && geteuid() == 0) {
        is_found = set_state_folder("/var/lib", "/layerlift", path);
    }
    is_found = is_found || set_state_folder(getenv("XDG_STATE_HOME"), "/layerlift", path) ||
               set_state_folder(getenv("HOME"), "/.local/state/layerlift", path);
    config->store_folder = is_found ? path : NULL;
    config->store_may_be_temporary = true;
}

#define FIELD(member) LL_OPTION_FIELD(struct edge_options, member)

static const struct ll_option_row rows[] = {
    {
        .name = "listen",
        .kind = LL_OPTION_OWN,
        .arg = "HOST:PORT",
        .take = take_listen,
        FIELD(server.listen),
        .shown = "0.0.0.0:50051",
        .help = "Where to serve; port 0 picks one",
        .manual = "Where to serve: a name, an IPv4 address, or an IPv6 address in brackets "
                  "(`[::]`, `[fe80::1%eth0]`); port 0 picks one",
    },
    {
        .name = "port-file",
        .kind = LL_OPTION_TEXT,
        .arg = "F",
        FIELD(port_file),
        .help = "Write the port, alone, to F once serving",
        .manual = "Write the port, alone, to F once serving (by rename: who waits for the file "
                  "finds the whole of it), and remove the file at the end",
    },
    {
        .name = "engine",
        .kind = LL_OPTION_TEXT,
        .arg = "E",
        .preset_text = "onednn",
        FIELD(engine),
        .choices = "onednn|darknet",
        .help = "What computes: onednn, or darknet, the reference",
        .manual = "What computes: `onednn`, or `darknet`, the reference ([below](#engines))",
    },
    {
        .name = "threads",
        .kind = LL_OPTION_INT,
        .min = 1,
        .max = THREADS_MAX,
        .preset = 1,
        FIELD(threads),
        .help = "Compute threads of one query",
        .manual = "Compute threads of one query; the darknet engine always uses one",
    },
    {
        .name = "compute",
        .kind = LL_OPTION_TEXT,
        .arg = "TYPE",
        .preset_text = "f32",
        FIELD(compute),
        .choices = "f32|bf16",
        .help = "What onednn computes in: f32, or bf16 where the processor has it: faster, in "
                "half the memory, with about three digits",
    },
    {
        .name = "executors",
        .kind = LL_OPTION_INT,
        .min = 1,
        .max = THREADS_MAX,
        .preset = 0,
        .shown = "as many as processors, divided by compute threads",
        FIELD(server.executors),
        .help = "Queries that run at once, at most the default; the processors are those that "
                "affinity mask and control group leave",
        .manual = "Queries that run at once; never more than the default, so that queries do not "
                  "take processors from each other. What counts are the processors that affinity "
                  "mask and control group (`cpu.max`, `cpu.cfs_quota_us`) leave",
    },
    {
        .name = "creation",
        .kind = LL_OPTION_CHOICE,
        .arg = "HOW",
        .choices = "threaded|inline",
        FIELD(server.is_inline),
        .help = "Where layers are created: threaded (on a thread of its own, while the upload goes "
                "on) or inline (by the receiver, partition by partition: the earlier system)",
    },
    {
        .name = "creation-threads",
        .kind = LL_OPTION_INT,
        .min = 1,
        .max = THREADS_MAX,
        .preset = 1,
        FIELD(creation_threads),
        .help = "Compute threads of a creation; the darknet engine always uses one",
    },
    {
        .name = "store",
        .kind = LL_OPTION_OWN,
        .arg = "DIR",
        .take = take_store,
        FIELD(server.store_folder),
        .shown = "state folder",
        .help = "Folder that keeps uploaded models beyond the server's end, or \"memory\" for a "
                "temporary one below $TMPDIR or /tmp, which keeps nothing",
        .manual =
            "Folder that keeps uploaded models beyond the server's end (\"The store\"), or "
            "`memory` for a temporary one below `$TMPDIR` or `/tmp`, which keeps nothing. Without "
            "it `$STATE_DIRECTORY`, root's `/var/lib/layerlift`, `$XDG_STATE_HOME/layerlift` or "
            "`~/.local/state/layerlift`: where that cannot be had or another server uses it, a "
            "temporary folder, and a line in the log. A folder that is named and another server "
            "uses ends this one with 1",
    },
    {
        .name = "log-level",
        .kind = LL_OPTION_OWN,
        .arg = "L",
        .take = ll_option_take_log_level,
        .shown = "info",
        .choices = "error|warn|info|debug",
        .help = "What is logged on stderr: error, warn, info or debug",
    },
};

const struct ll_option_table edge_option_table = LL_OPTION_TABLE(rows, 0x2000);

static const char doc[] =
    "The edge server: takes Darknet models that devices upload layer by layer, and runs their "
    "queries as far as the layers are there."
    "\vIt needs no option. A SIZE is a number of bytes, alone or with K, M, G (powers of 1000) or "
    "Ki, Mi, Gi (of 1024) behind it. Logs go to stderr. SIGTERM and SIGINT end it within 5 "
    "seconds: health "
    "says NOT_SERVING, queries under way are answered; a second signal ends it at once.\n\n"
    "Exit status: 0 success, 1 failure, 2 wrong options.";

static char *help(int key, const char *text, void *input)
{
    (void)input;
    char *words = ll_option_help(&edge_option_table, key, text);
    return words == text ? ll_option_help(&edge_limit_table, key, text) : words;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct edge_options *options = state->input;
    if (key == ARGP_KEY_ARG) {
        argp_error(state, "'%.100s': there are no arguments, only options", arg);
        return 0;
    }
    if (ll_option_find(&edge_limit_table, key)) {
        return ll_option_parse(&edge_limit_table, key, arg, state, &options->server);
    }
    return ll_option_parse(&edge_option_table, key, arg, state, options);
}

void edge_options_parse(int argc, char **argv, struct edge_options *out_options)
{
    enum { LIMITS_MOST = 64 };
    struct argp_option
        entries[LL_OPTION_ENTRIES(sizeof(rows) / sizeof(rows[0])) + LL_OPTION_ENTRIES(LIMITS_MOST)];
    assert(edge_limit_table.count <= LIMITS_MOST);
    ll_option_list(&edge_limit_table, ll_option_list(&edge_option_table, entries));
    const struct argp argp = {
        .options = entries, .parser = parse_option, .doc = doc, .help_filter = help};
    struct edge_options options = {.port_file = NULL};
    edge_server_config_default(&options.server);
    ll_option_set_defaults(&edge_option_table, &options);
    options.server.store_folder = default_store;
    const char *parent = getenv("TMPDIR");
    options.server.temporary_parent = parent && *parent ? parent : NULL;
    argp_program_version = "server (layerlift) " LL_VERSION;
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    if (options.server.store_folder == default_store) {
        choose_store(&options.server);
    }
    *out_options = options;
}
