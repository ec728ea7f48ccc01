/* This process's memory, from /proc/self/status.
 *
 * Threads: any. */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#include <stdint.h>

#include "core/ll_status.h"

struct bench_memory {
    /* Resident now, and the most that ever was since bench_memory_reset_peak. */
    int64_t resident_bytes;
    int64_t peak_bytes;
    /* What of it is private memory, not pages of mapped files. */
    int64_t private_bytes;
};

/* Errors: LL_E_IO, LL_E_UNSUPPORTED where the kernel does not tell. */
LL_MUST_USE ll_status bench_memory_read(struct bench_memory *out_memory, struct ll_error *err);

/* Makes the peak what is resident now. Where the kernel does not let us, the peak stays that of the
 * whole process. */
void bench_memory_reset_peak(void);

#endif
