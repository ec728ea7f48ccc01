#include "cli/cli_wait.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/ll_clock.h"
#include "core/ll_startup.h"

ll_status cli_wait_open(struct cli_wait *wait, struct ll_error *err)
{
    struct cli_wait made = {.signals = -1};
    made.ended = eventfd(0, EFD_CLOEXEC);
    if (made.ended < 0) {
        return ll_fail(err, LL_E_IO, "signals: %s", strerrordesc_np(errno));
    }
    ll_status status = ll_startup_signals(&made.signals, err);
    if (status != LL_OK) {
        close(made.ended);
        return status;
    }
    *wait = made;
    return LL_OK;
}

void cli_wait_end(struct cli_wait *wait)
{
    uint64_t one = 1;
    ssize_t written = write(wait->ended, &one, sizeof(one));
    (void)written;
}

/* What poll waits: rounded up, so that the time has come when it returns. */
static int ms_until(int64_t deadline_ns)
{
    if (deadline_ns == LL_CLOCK_NEVER) {
        return -1;
    }
    int64_t left_ns = deadline_ns - ll_clock_now_ns();
    int64_t left_ms = left_ns > 0 ? left_ns / LL_NS_PER_MS + 1 : 0;
    return left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

cli_wait_event cli_wait_next(struct cli_wait *wait, int64_t deadline_ns, int *out_signal)
{
    for (;;) {
        struct pollfd waits[] = {{.fd = wait->ended, .events = POLLIN},
                                 {.fd = wait->signals, .events = POLLIN}};
        poll(waits, 2, ms_until(deadline_ns));
        struct signalfd_siginfo info;
        if (waits[0].revents) {
            return CLI_WAIT_ENDED;
        }
        if (waits[1].revents && read(wait->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
            *out_signal = (int)info.ssi_signo;
            return CLI_WAIT_SIGNAL;
        }
        if (deadline_ns != LL_CLOCK_NEVER && ll_clock_now_ns() >= deadline_ns) {
            return CLI_WAIT_TIME;
        }
    }
}
