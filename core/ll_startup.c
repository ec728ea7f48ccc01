#include "core/ll_startup.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/ll_sync.h"

/* For each thread glibc sets 64 MB of address space aside, which is free where that is not limited,
 * and is not there for the next thread's stack where it is. */
static void spare_address_space(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): there are no other threads yet. */
        mallopt(M_ARENA_MAX, 1);
    }
}

ll_status ll_startup_threads(int count, struct ll_error *err)
{
    spare_address_space();
    int started = ll_threads_try(count);
    if (started == count) {
        return LL_OK;
    }
    return ll_fail(err, LL_E_EXHAUSTED,
                   "only %d of %d threads can be started: processes (ulimit -u, the cgroup's "
                   "pids.max) or address space (ulimit -v) are limited",
                   started, count);
}

/* ---- Signals ---- */

static volatile sig_atomic_t is_done;
static volatile sig_atomic_t write_end = -1;

static void on_signal(int signal_number)
{
    int saved = errno;
    if (is_done) {
        const struct signalfd_siginfo info = {.ssi_signo = (uint32_t)signal_number};
        /* A full pipe holds more signals than anybody counts. */
        ssize_t written = write(write_end, &info, sizeof(info));
        (void)written;
    } else {
        /* Delivered when this returns. */
        signal(signal_number, SIG_DFL);
        raise(signal_number);
    }
    errno = saved;
}

ll_status ll_startup_signals(int *out_fd, struct ll_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        return ll_fail(err, LL_E_IO, "signals: %s", strerrordesc_np(errno));
    }
    write_end = ends[1];
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, SIGINT);
    sigaddset(&both, SIGTERM);
    /* Who started the program may have had them ignored or blocked, as shells do in the background.
     */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): there are no other threads yet. */
    sigprocmask(SIG_UNBLOCK, &both, NULL);
    signal(SIGPIPE, SIG_IGN);
    *out_fd = ends[0];
    return LL_OK;
}

void ll_startup_done(void)
{
    is_done = 1;
}
