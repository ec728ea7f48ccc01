#include "core/ll_status.h"

#include <string.h>

#include "tests/support/ll_test.h"

static void test_name_of_every_code_is_its_own(void)
{
    CU_ASSERT_STRING_EQUAL(ll_status_name(LL_OK), "LL_OK");
    CU_ASSERT_STRING_EQUAL(ll_status_name(LL_E_STOPPED), "LL_E_STOPPED");
    CU_ASSERT_STRING_EQUAL(ll_status_name((ll_status)-1), "LL_E_?");
    CU_ASSERT_STRING_EQUAL(ll_status_text(LL_STATUS_COUNT), "unknown status");
    for (int i = 0; i < LL_STATUS_COUNT; i++) {
        CU_ASSERT(strlen(ll_status_text((ll_status)i)) > 0);
    }
}

static void test_grpc_code_survives_the_round_trip(void)
{
    for (int i = 0; i < LL_STATUS_COUNT; i++) {
        int code = ll_status_to_grpc((ll_status)i);
        CU_ASSERT_EQUAL(ll_status_to_grpc(ll_status_from_grpc(code)), code);
    }
    CU_ASSERT_EQUAL(ll_status_from_grpc(2), LL_E_INTERNAL);
    CU_ASSERT_EQUAL(ll_status_from_grpc(99), LL_E_INTERNAL);
    CU_ASSERT_EQUAL(ll_status_from_grpc(14), LL_E_UNAVAILABLE);
    CU_ASSERT_EQUAL(ll_status_from_grpc(8), LL_E_EXHAUSTED);
}

static void test_error_sentence_is_cut_where_it_is_too_long(void)
{
    struct ll_error err;
    CU_ASSERT_EQUAL(ll_fail(&err, LL_E_INVALID, "%s %d", "line", 3), LL_E_INVALID);
    CU_ASSERT_STRING_EQUAL(err.text, "line 3");
    ll_error_prefix(&err, "%s", "file.cfg");
    CU_ASSERT_STRING_EQUAL(err.text, "file.cfg: line 3");
    char large[2 * sizeof(err.text)];
    memset(large, 'x', sizeof(large));
    large[sizeof(large) - 1] = '\0';
    ll_error_prefix(&err, "%s", large);
    CU_ASSERT_EQUAL(strlen(err.text), sizeof(err.text) - 1);
    CU_ASSERT_EQUAL(ll_fail(&err, LL_E_IO, "%s", large), LL_E_IO);
    CU_ASSERT_EQUAL(strlen(err.text), sizeof(err.text) - 1);
    ll_error_prefix(NULL, "nothing happens");
    CU_ASSERT_EQUAL(ll_fail(NULL, LL_E_IO, "nothing is written"), LL_E_IO);
}

static void test_limit_is_named_until_the_next_failure(void)
{
    struct ll_error err;
    CU_ASSERT_EQUAL(ll_fail_limit(&err, "models", 64, 1500, "limit models is %d", 64),
                    LL_E_EXHAUSTED);
    ll_error_prefix(&err, "edge");
    CU_ASSERT_STRING_EQUAL(err.text, "edge: limit models is 64");
    CU_ASSERT_STRING_EQUAL(err.limit, "models");
    CU_ASSERT_EQUAL(err.limit_value, 64);
    CU_ASSERT_EQUAL(err.retry_ms, 1500);
    CU_ASSERT_EQUAL(ll_fail(&err, LL_E_IO, "another"), LL_E_IO);
    CU_ASSERT_STRING_EQUAL(err.limit, "");
    CU_ASSERT_EQUAL(err.retry_ms, 0);
    CU_ASSERT_EQUAL(ll_fail_limit(NULL, "models", 1, 0, "nothing is written"), LL_E_EXHAUSTED);
}

const char *const ll_test_suite = "ll_status";
const struct ll_test ll_tests[] = {
    LL_TEST(test_name_of_every_code_is_its_own),
    LL_TEST(test_grpc_code_survives_the_round_trip),
    LL_TEST(test_error_sentence_is_cut_where_it_is_too_long),
    LL_TEST(test_limit_is_named_until_the_next_failure),
    {NULL, NULL},
};
