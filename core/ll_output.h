/* Where results go: files that a command line names, and standard output. A result that could not
 * be written is an error of the program that made it, never a silence.
 *
 * Threads: one at a time per output; those about standard streams, the main thread. */
#ifndef LL_OUTPUT_H
#define LL_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

#include "core/ll_status.h"

typedef enum {
    /* What is written is there at once, for who reads along. */
    LL_OUTPUT_DIRECT,
    /* The whole file or nothing: whoever finds it, finds all of it, and what was there before stays
     * until then. */
    LL_OUTPUT_WHOLE,
} ll_output_mode;

/* An open output; zeroed, it is none. */
struct ll_output {
    /* For fprintf and the like. */
    FILE *file;
    const char *path;
    bool is_stdout;
    /* What is renamed to `path` at the end, or NULL. */
    char *draft;
    /* errno of the first ll_output_write that failed, or 0. */
    int error;
};

/* Opens `path` ("-": standard output) for writing, from nothing. Only a plain file is ever replaced
 * by another one: devices, pipes and whatever links lead to are written to, in both modes, and what
 * standard output goes to already is written through that. `path` outlives the output.
 *
 * Errors: LL_E_IO, LL_E_NO_MEMORY; `err` names the file. */
LL_MUST_USE ll_status ll_output_open(const char *path, ll_output_mode mode,
                                     struct ll_output *out_output, struct ll_error *err);

/* Writes `bytes` bytes; errors come to light at the end. */
void ll_output_write(struct ll_output *output, const void *data, size_t bytes);

/* Ends the output, which is none from then on; on failure a whole one leaves nothing behind.
 *
 * Errors: LL_E_IO where any byte could not be written; `err` names the file. */
LL_MUST_USE ll_status ll_output_finish(struct ll_output *output, struct ll_error *err);

/* Ends it without having it: a whole one leaves what was there before. Takes zeroed ones too. */
void ll_output_drop(struct ll_output *output);

/* ---- Standard streams, for a program's main ---- */

/* First of all: where one of the three is closed, a file that is opened later would take its place
 * and get what is printed. Its place is kept, so that printing fails. */
void ll_output_keep_streams(void);

/* Last of all, best by atexit, since --help and --version end in the parser: whether everything
 * that was printed has been written. Says on stderr that it has not, as `program`, where no
 * ll_output_finish has returned that error already. */
bool ll_output_end_stdout(const char *program);

#endif
