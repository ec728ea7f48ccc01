/* What a program that serves or waits makes sure of before it begins: that it can have its threads,
 * and that a signal ends it at every moment.
 *
 * Threads: the main thread. */
#ifndef LL_STARTUP_H
#define LL_STARTUP_H

#include "core/ll_status.h"

/* Whether `count` threads can run beside this one: starts them and ends them. Libraries (gRPC,
 * libgomp) hang or end the process where they cannot have theirs, so it is asked before them. Where
 * address space is limited, malloc is told to spare it.
 *
 * Errors: LL_E_EXHAUSTED; `err` says how many there could be, and which limits do
 * that. */
LL_MUST_USE ll_status ll_startup_threads(int count, struct ll_error *err);

/* Makes SIGINT and SIGTERM readable: after ll_startup_done, each is a struct signalfd_siginfo that
 * can be read from `*out_fd`, whichever thread it comes to (a signalfd would need them blocked, and
 * a program that hangs while it starts could not be ended). Until then a signal ends the program as
 * ever. SIGPIPE is ignored. Once in a process.
 *
 * Errors: LL_E_IO. */
LL_MUST_USE ll_status ll_startup_signals(int *out_fd, struct ll_error *err);

/* From now on somebody reads the signals. */
void ll_startup_done(void);

#endif
