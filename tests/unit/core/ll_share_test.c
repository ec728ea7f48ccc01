#include "core/link/ll_share.h"

#include <CUnit/CUnit.h>

#include "tests/support/ll_test.h"

const char *const ll_test_suite = "ll_share";

/* Sends 10 MB in messages of 10 kB with both sides always waiting; returns the upload's share. */
static double share_of_upload(struct ll_share *turns, int *out_first_upload)
{
    int64_t upload = 0;
    *out_first_upload = -1;
    for (int i = 0; i < 1000; i++) {
        if (ll_share_upload_first(turns)) {
            *out_first_upload = *out_first_upload < 0 ? i : *out_first_upload;
            ll_share_upload_sent(turns, 10000);
            upload += 10000;
        } else {
            ll_share_query_sent(turns, 10000, true);
        }
    }
    return (double)upload / 1e7;
}

static void test_turns_leave_the_upload_a_quarter(void)
{
    struct ll_share turns;
    int first = 0;
    /* 20 Mbit/s: half a second is 1.25 MB, of which queries get the first 940 kB. */
    ll_share_init(&turns, 2.5e6);
    double share = share_of_upload(&turns, &first);
    CU_ASSERT_TRUE(share > 0.15 && share <= 0.25);
    CU_ASSERT_TRUE(first >= 90 && first < 100);
}

static void test_turns_short_queries_always_go_first(void)
{
    struct ll_share turns;
    ll_share_init(&turns, 2.5e6);
    for (int query = 0; query < 100; query++) {
        for (int i = 0; i < 15; i++) {
            CU_ASSERT_FALSE(ll_share_upload_first(&turns));
            ll_share_query_sent(&turns, 10000, true);
        }
        for (int i = 0; i < 15; i++) {
            ll_share_upload_sent(&turns, 10000);
        }
    }
}

static void test_turns_without_a_rate_or_an_upload_are_the_queries(void)
{
    struct ll_share turns;
    int first = 0;
    ll_share_init(&turns, 0);
    CU_ASSERT_EQUAL(share_of_upload(&turns, &first), 0);
    ll_share_init(&turns, 2.5e6);
    for (int i = 0; i < 1000; i++) {
        ll_share_query_sent(&turns, 10000, false);
    }
    CU_ASSERT_FALSE(ll_share_upload_first(&turns));
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_turns_leave_the_upload_a_quarter),
    LL_TEST(test_turns_short_queries_always_go_first),
    LL_TEST(test_turns_without_a_rate_or_an_upload_are_the_queries),
    {NULL, NULL},
};
