#include "core/ll_clock.h"

#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec now = {0, 0};
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * LL_NS_PER_S + now.tv_nsec;
}

int64_t ll_clock_now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t ll_clock_thread_cpu_ns(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

int64_t ll_clock_deadline(int64_t now_ns, int64_t wait_ns)
{
    int64_t deadline_ns = 0;
    return __builtin_add_overflow(now_ns, wait_ns, &deadline_ns) ? LL_CLOCK_NEVER : deadline_ns;
}
