/* Log lines on stderr: `2026-01-31T12:00:00.123Z info  module: sentence`.
 *
 * Threads: any; a line is written with one write(2), so lines never mix. */
#ifndef LL_LOG_H
#define LL_LOG_H

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

/* Writes the line if `level` is within the level that is set. What is not printable in the
 * text is replaced (ll_text.h), so that a peer cannot forge lines; a line is cut at 1024 bytes. */
void ll_log(ll_log_level level, const char *module, const char *format, ...) LL_PRINTF(3, 4);

#endif
