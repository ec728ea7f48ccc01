/* Strict values for command line options: the whole text must be the number, within its range.
 *
 * The sentence in `err` names the value and what is allowed, not the option, so that a caller
 * writes `argp_error(state, "--threads: %s", err.text)`.
 *
 * Threads: pure, but for the last one. */
#ifndef LL_OPTIONS_H
#define LL_OPTIONS_H

#include <stdint.h>

#include "core/ll_status.h"

/* A decimal whole number from `min` to `max`, without spaces. Errors: LL_E_INVALID. */
LL_MUST_USE ll_status ll_parse_int(const char *text, int64_t min, int64_t max, int64_t *out_value,
                                   struct ll_error *err);

/* A finite decimal number from `min` to `max`, without spaces; "1e3" too, hexadecimal not. Errors:
 * LL_E_INVALID. */
LL_MUST_USE ll_status ll_parse_double(const char *text, double min, double max, double *out_value,
                                      struct ll_error *err);

/* A size in bytes from `min` to `max`: a decimal whole number, alone or with one of K M G (10^3,
 * 10^6, 10^9) or Ki Mi Gi (2^10, 2^20, 2^30) right behind it. Errors: LL_E_INVALID. */
LL_MUST_USE ll_status ll_parse_size(const char *text, int64_t min, int64_t max, int64_t *out_bytes,
                                    struct ll_error *err);

/* `bazel run` starts programs in a folder of its own: goes back to the one in which it was called,
 * so that relative paths mean what they say. Nothing happens for other callers. Call it first in
 * main. */
void ll_options_enter_caller_folder(void);

#endif
