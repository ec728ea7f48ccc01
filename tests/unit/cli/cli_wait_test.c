#include "cli/cli_wait.h"

#include <signal.h>

#include "core/ll_clock.h"
#include "core/ll_startup.h"
#include "core/ll_sync.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "cli_wait";

static void end(void *arg)
{
    cli_wait_end(arg);
}

/* Signals are the process's: one wait, in the order that a program's has. */
static void test_all_that_can_come(void)
{
    struct cli_wait wait;
    struct ll_error err = {.text = ""};
    int number = 0;
    CU_ASSERT_EQUAL_FATAL(cli_wait_open(&wait, &err), LL_OK);
    ll_startup_done();

    CU_ASSERT_EQUAL(cli_wait_next(&wait, ll_clock_now_ns() - 1, &number), CLI_WAIT_TIME);
    CU_ASSERT_EQUAL(cli_wait_next(&wait, 0, &number), CLI_WAIT_TIME);
    CU_ASSERT_EQUAL(number, 0);

    CU_ASSERT_EQUAL_FATAL(raise(SIGTERM), 0);
    CU_ASSERT_EQUAL(cli_wait_next(&wait, 0, &number), CLI_WAIT_SIGNAL);
    CU_ASSERT_EQUAL(number, SIGTERM);
    CU_ASSERT_EQUAL(cli_wait_next(&wait, 0, &number), CLI_WAIT_TIME);
    CU_ASSERT_EQUAL_FATAL(raise(SIGINT), 0);
    CU_ASSERT_EQUAL(cli_wait_next(&wait, LL_CLOCK_NEVER, &number), CLI_WAIT_SIGNAL);
    CU_ASSERT_EQUAL(number, SIGINT);

    /* The end comes from the thread that worked, goes first, and stays. */
    struct ll_thread thread;
    CU_ASSERT_EQUAL_FATAL(ll_thread_start(&thread, "ender", end, &wait), LL_OK);
    CU_ASSERT_EQUAL(cli_wait_next(&wait, LL_CLOCK_NEVER, &number), CLI_WAIT_ENDED);
    ll_thread_join(&thread);
    CU_ASSERT_EQUAL_FATAL(raise(SIGTERM), 0);
    CU_ASSERT_EQUAL(cli_wait_next(&wait, 0, &number), CLI_WAIT_ENDED);
    CU_ASSERT_EQUAL(cli_wait_next(&wait, LL_CLOCK_NEVER, &number), CLI_WAIT_ENDED);
    CU_ASSERT_EQUAL(number, SIGINT);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_all_that_can_come),
    {NULL, NULL},
};
