/* How many threads oneDNN computes with. Debian's runs on OpenMP (libgomp), which has the number in
 * a variable of each thread.
 *
 * Threads: any; each sets its own. */
#ifndef DKB_ONEDNN_OMP_H
#define DKB_ONEDNN_OMP_H

/* What the calling thread starts from now on runs on so many threads, and primitives that it
 * creates are made for so many. */
void dkb_onednn_use_threads(int threads);

/* The same for what it runs, while primitives that are made for more threads stay valid: with one
 * thread, whatever they want to do in parallel the calling thread does alone. */
void dkb_onednn_run_alone(void);

#endif
