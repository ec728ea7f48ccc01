/* Log lines, of a program on stderr, of a library where its user wants them:
 * `2026-01-31T12:00:00.123Z info  module: sentence`.
 *
 * Threads: any; a line is written with one write(2), so lines never mix. */
#ifndef LL_LOG_H
#define LL_LOG_H

#include <stdint.h>

#include "core/ll_status.h"

typedef enum {
    LL_LOG_ERROR,
    LL_LOG_WARN,
    LL_LOG_INFO,
    LL_LOG_DEBUG,
} ll_log_level;

/* The default level is LL_LOG_INFO. */
void ll_log_set_level(ll_log_level level);

/* "error", "warn", "info" or "debug". Errors: LL_E_INVALID. */
LL_MUST_USE ll_status ll_log_parse_level(const char *name, ll_log_level *out_level);

/* Writes the line if `level` is within the level that is set. Of warnings and infos 200 are written
 * at once and then 20 a second, and how many were left out: a peer cannot fill a disk. The text is
 * tamed (ll_text.h), so that a peer's words can neither forge lines nor steer a terminal. */
void ll_log(ll_log_level level, const char *module, const char *format, ...) LL_PRINTF(3, 4);

/* Where a library's lines go instead, for who runs it inside a program with another log. `text` is
 * one sentence, tamed, without a newline, and lives for the call. All levels come, however many
 * lines there are; whoever writes them bounds them. */
struct ll_log_sink {
    /* Any thread; it must not block. */
    void (*write)(void *owner, ll_log_level level, const char *module, const char *text);
    void *owner;
};

/* To the sink; NULL: as ll_log. */
void ll_log_to(const struct ll_log_sink *sink, ll_log_level level, const char *module,
               const char *format, ...) LL_PRINTF(4, 5);

/* For lines that a peer can cause as often as it likes: one of them in 5 seconds, all zeros at
 * first. Guarded by the user's lock. */
struct ll_log_limit {
    int64_t next_ns;
    int64_t left_out;
};

/* As ll_log, unless such a line was written less than 5 seconds ago; the next one says how many
 * were left out. */
void ll_log_limited(struct ll_log_limit *limit, ll_log_level level, const char *module,
                    const char *format, ...) LL_PRINTF(4, 5);

#endif
