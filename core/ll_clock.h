/* The monotonic clock. All times inside the project are nanoseconds of it.
 *
 * Threads: any. */
#ifndef LL_CLOCK_H
#define LL_CLOCK_H

#include <stdint.h>

/* "Never", as a deadline. */
#define LL_CLOCK_NEVER INT64_MAX

#define LL_NS_PER_MS ((int64_t)1000000)
#define LL_NS_PER_S ((int64_t)1000000000)

/* Now, in ns since an arbitrary start. Never 0, never goes back. */
int64_t ll_clock_now_ns(void);

/* Processor time that this thread has used, in ns. */
int64_t ll_clock_thread_cpu_ns(void);

/* `now_ns + wait_ns` without overflow: LL_CLOCK_NEVER where it would. */
int64_t ll_clock_deadline(int64_t now_ns, int64_t wait_ns);

static inline double ll_clock_ms(int64_t ns)
{
    return (double)ns / (double)LL_NS_PER_MS;
}

#endif
