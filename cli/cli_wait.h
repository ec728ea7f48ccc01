/* The main thread of a program that works on other threads: it waits for the work's end, for a
 * signal, or until a time. One per process, since signals are.
 *
 * Threads: the main thread, but for cli_wait_end. */
#ifndef CLI_WAIT_H
#define CLI_WAIT_H

#include <stdint.h>

#include "core/ll_status.h"

struct cli_wait {
    /* Private: readable when a signal has come; when the work has ended. */
    int signals;
    int ended;
};

typedef enum {
    CLI_WAIT_ENDED,
    CLI_WAIT_SIGNAL,
    CLI_WAIT_TIME,
} cli_wait_event;

/* SIGINT and SIGTERM can be waited for from now on; until ll_startup_done they end the program as
 * ever (ll_startup.h). It stays until the process ends.
 *
 * Errors: LL_E_IO. */
LL_MUST_USE ll_status cli_wait_open(struct cli_wait *wait, struct ll_error *err);

/* The work has ended. Any thread. */
void cli_wait_end(struct cli_wait *wait);

/* Waits, LL_CLOCK_NEVER for however long, and says what came first; the work's end before a signal
 * and both before the time, where they are there together. A signal is taken, and its number is
 * `*out_signal` then; the end stays. */
cli_wait_event cli_wait_next(struct cli_wait *wait, int64_t deadline_ns, int *out_signal);

#endif
