/* How many threads oneDNN computes with, and how they wait. Debian's runs on OpenMP (libgomp),
 * which has the number in a variable of each thread.
 *
 * Waiting. Threads of a team that wait for each other burn processor time: libgomp lets them spin
 * 300,000 times before they sleep. Where something else wants the processors too, that makes a run
 * several times slower, for itself and for everybody. OMP_WAIT_POLICY and GOMP_SPINCOUNT change it,
 * but libgomp reads them when the process starts, before any code of ours. What works later is its
 * documented exception: while there are more OpenMP threads than processors, they spin 100 times
 * only. So there is a team of that many threads that does nothing but exist (GNU libgomp manual,
 * GOMP_SPINCOUNT). */
#ifndef ONEDNN_OMP_H
#define ONEDNN_OMP_H

#include "core/ll_status.h"

/* Makes all OpenMP threads of the process wait passively from now on. Called again, it does nothing
 * more; where the environment says how to wait, nothing at all.
 *
 * Errors:  LL_E_NO_MEMORY when the system gives no thread.
 * Threads: any. */
LL_MUST_USE ll_status onednn_wait_passively(void);

/* What the calling thread starts from now on runs on so many threads, and primitives that it
 * creates are made for so many.
 *
 * Threads: any; each sets its own. */
void onednn_use_threads(int threads);

/* What the calling thread starts from now on it does alone, also where a primitive is made for more
 * threads, until the next onednn_use_threads. */
void onednn_run_alone(void);

#endif
