#include "core/ll_startup.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/ll_test.h"

const char *const ll_test_suite = "ll_startup";

/* What `act` does in a process of its own, as waitpid tells it. */
static int run_child(int (*act)(void))
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        _exit(act());
    }
    int status = 0;
    CU_ASSERT_EQUAL_FATAL(waitpid(child, &status, 0), child);
    return status;
}

static void test_threads(void)
{
    CU_ASSERT_EQUAL(ll_startup_threads(1, NULL), LL_OK);
    CU_ASSERT_EQUAL(ll_startup_threads(40, NULL), LL_OK);
}

/* Sanitizers need more address space than that. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_LIMIT_BEARABLE false
#else
#define IS_LIMIT_BEARABLE true
#endif

/* A thread's stack alone is more than what is left of the address space. */
static int start_without_room(void)
{
    struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
    struct ll_error err = {.text = ""};
    if (!IS_LIMIT_BEARABLE) {
        return 0;
    }
    if (setrlimit(RLIMIT_AS, &limit) != 0) {
        return 2;
    }
    ll_status status = ll_startup_threads(40, &err);
    return status == LL_E_EXHAUSTED && strstr(err.text, "of 40 threads can be started") ? 0 : 1;
}

static void test_threads_without_room(void)
{
    int status = run_child(start_without_room);
    CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Blocked and ignored by whoever started the program. */
static int die_at_start(void)
{
    int fd = -1;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGTERM, SIG_IGN);
    if (ll_startup_signals(&fd, NULL) != LL_OK) {
        return 1;
    }
    raise(SIGTERM);
    return 2;
}

static void test_signal_while_starting(void)
{
    int status = run_child(die_at_start);
    CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

static int read_signals(void)
{
    static const int sent[] = {SIGTERM, SIGINT, SIGTERM};
    int fd = -1;
    if (ll_startup_signals(&fd, NULL) != LL_OK) {
        return 1;
    }
    ll_startup_done();
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    if (poll(&wait, 1, 0) != 0) {
        return 2;
    }
    for (int i = 0; i < 3; i++) {
        raise(sent[i]);
    }
    for (int i = 0; i < 3; i++) {
        struct signalfd_siginfo info = {0};
        if (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info) ||
            info.ssi_signo != (uint32_t)sent[i]) {
            return 3 + i;
        }
    }
    struct signalfd_siginfo info;
    return read(fd, &info, sizeof(info)) < 0 && errno == EAGAIN ? 0 : 6;
}

static void test_signals_are_read(void)
{
    int status = run_child(read_signals);
    CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_threads),
    LL_TEST(test_threads_without_room),
    LL_TEST(test_signal_while_starting),
    LL_TEST(test_signals_are_read),
    {NULL, NULL},
};
