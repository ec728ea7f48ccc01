#include "core/link/ll_share.h"

#include <CUnit/CUnit.h>

#include "tests/support/ll_test.h"

const char *const ll_test_suite = "ll_share";

/* 20 Mbit/s. */
#define RATE 2.5e6

static struct ll_share share_of(double bytes_per_s)
{
    struct ll_share share;
    ll_share_init(&share);
    ll_share_set_rate(&share, bytes_per_s);
    return share;
}

/* Sends 10 MB in messages of 10 kB with both sides always waiting; returns the upload's share, and
 * which message was its first. */
static double uploaded_part(struct ll_share *share, int *out_first_upload)
{
    int64_t upload = 0;
    *out_first_upload = -1;
    for (int i = 0; i < 1000; i++) {
        if (ll_share_upload_first(share)) {
            *out_first_upload = *out_first_upload < 0 ? i : *out_first_upload;
            ll_share_upload_sent(share, 10000);
            upload += 10000;
        } else {
            ll_share_query_sent(share, 10000, true);
        }
    }
    return (double)upload / 1e7;
}

static void test_the_upload_keeps_five_sixths(void)
{
    struct ll_share share = share_of(RATE);
    int first = 0;
    double part = uploaded_part(&share, &first);
    CU_ASSERT_TRUE(part > 0.8 && part <= 0.834);
    /* A tenth of a second's bytes first. */
    CU_ASSERT_EQUAL(first, 25);
}

static void test_queries_with_pauses_always_go_first(void)
{
    struct ll_share share = share_of(RATE);
    for (int query = 0; query < 100; query++) {
        for (int i = 0; i < 15; i++) {
            CU_ASSERT_FALSE(ll_share_upload_first(&share));
            ll_share_query_sent(&share, 10000, true);
        }
        for (int i = 0; i < 75; i++) {
            ll_share_upload_sent(&share, 10000);
        }
    }
}

/* A long query is not stopped for as long as it took: messages take turns. */
static void test_turns_are_short(void)
{
    struct ll_share share = share_of(RATE);
    int in_a_row = 0;
    int most = 0;
    for (int i = 0; i < 1000; i++) {
        bool is_upload = ll_share_upload_first(&share);
        in_a_row = is_upload ? in_a_row + 1 : 0;
        most = in_a_row > most ? in_a_row : most;
        if (is_upload) {
            ll_share_upload_sent(&share, 10000);
        } else {
            ll_share_query_sent(&share, 10000, true);
        }
    }
    CU_ASSERT_TRUE(most >= 5 && most <= 6);
}

static void test_without_a_rate_or_an_upload_queries_go_first(void)
{
    struct ll_share share = share_of(0);
    int first = 0;
    CU_ASSERT_EQUAL(uploaded_part(&share, &first), 0);
    share = share_of(RATE);
    for (int i = 0; i < 1000; i++) {
        ll_share_query_sent(&share, 10000, false);
    }
    CU_ASSERT_FALSE(ll_share_upload_first(&share));
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_the_upload_keeps_five_sixths),
    LL_TEST(test_queries_with_pauses_always_go_first),
    LL_TEST(test_turns_are_short),
    LL_TEST(test_without_a_rate_or_an_upload_queries_go_first),
    {NULL, NULL},
};
