/* The server's command line.
 *
 * Threads: the main one. */
#ifndef EDGE_OPTIONS_H
#define EDGE_OPTIONS_H

#include "core/ll_option_table.h"
#include "edge/edge_server.h"

struct edge_options {
    /* Filled but for the engine, and executors where `executors` was not given (0). */
    struct edge_server_config server;
    /* NULL: none. */
    const char *port_file;
    const char *engine;
    const char *compute;
    int threads;
    int creation_threads;
};

/* The options that are no limits (edge_limits.h); fields are of struct edge_options. */
extern const struct ll_option_table edge_option_table;

/* Ends the program with status 2 and the sentence on stderr where an option is wrong, with 0 after
 * --help and --version. --log-level acts at once. */
void edge_options_parse(int argc, char **argv, struct edge_options *out_options);

#endif
