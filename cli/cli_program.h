/* What every program does around its work: first of all it keeps its standard streams, last of all
 * it makes sure that what it printed has been written.
 *
 * Threads: the main thread. */
#ifndef CLI_PROGRAM_H
#define CLI_PROGRAM_H

/* The first thing in a main. Keeps the places of closed standard streams (ll_output_keep_streams);
 * and wherever the process ends by exit or by returning, --help and --version too, ends standard
 * output: where that cannot be written, this is said on stderr, as `name`, and the exit status is
 * EXIT_FAILURE. `name` outlives the process. Once. */
void cli_program_begin(const char *name);

#endif
