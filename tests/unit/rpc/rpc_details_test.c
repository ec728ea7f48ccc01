#include "rpc/rpc_details.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "proto/google/rpc/status.pb-c.h"
#include "tests/support/ll_test.h"
#include "tests/unit/rpc/rpc_test_peer.h"

const char *const ll_test_suite = "rpc_details";

enum { EXHAUSTED = 8, BYTES = 8192 };

static struct ll_error full(void)
{
    struct ll_error err;
    (void)ll_fail_limit(&err, "upload_sessions", 64, 1500, "too many uploads: %s", "\xff\n");
    return err;
}

static void test_limit_value_and_time_come_back(void)
{
    static const int64_t times_ms[] = {1, 999, 1000, 1500, RPC_DETAILS_RETRY_MS};
    for (size_t i = 0; i < sizeof(times_ms) / sizeof(times_ms[0]); i++) {
        struct ll_error err = full();
        err.retry_ms = times_ms[i];
        err.limit_value = (int64_t)4 << 30;
        uint8_t *data = NULL;
        size_t bytes = 0;
        CU_ASSERT_EQUAL_FATAL(rpc_details_pack(EXHAUSTED, &err, &data, &bytes), LL_OK);
        struct ll_error back = {.text = "kept"};
        CU_ASSERT_EQUAL(rpc_details_unpack(EXHAUSTED, data, bytes, &back), LL_OK);
        CU_ASSERT_STRING_EQUAL(back.text, "kept");
        CU_ASSERT_STRING_EQUAL(back.limit, "upload_sessions");
        CU_ASSERT_EQUAL(back.limit_value, (int64_t)4 << 30);
        CU_ASSERT_EQUAL(back.retry_ms, times_ms[i]);
        free(data);
    }
}

static void test_what_the_standard_prescribes_is_there(void)
{
    struct ll_error err = full();
    uint8_t *data = NULL;
    size_t bytes = 0;
    CU_ASSERT_EQUAL_FATAL(rpc_details_pack(EXHAUSTED, &err, &data, &bytes), LL_OK);
    Google__Rpc__Status *status = google__rpc__status__unpack(NULL, bytes, data);
    CU_ASSERT_PTR_NOT_NULL_FATAL(status);
    CU_ASSERT_EQUAL(status->code, EXHAUSTED);
    CU_ASSERT_STRING_EQUAL(status->message, "too many uploads: ??");
    CU_ASSERT_EQUAL_FATAL(status->n_details, 2);
    CU_ASSERT_STRING_EQUAL(status->details[0]->type_url,
                           "type.googleapis.com/google.rpc.ErrorInfo");
    CU_ASSERT_STRING_EQUAL(status->details[1]->type_url,
                           "type.googleapis.com/google.rpc.RetryInfo");
    const ProtobufCBinaryData *value = &status->details[0]->value;
    Google__Rpc__ErrorInfo *info = google__rpc__error_info__unpack(NULL, value->len, value->data);
    CU_ASSERT_PTR_NOT_NULL_FATAL(info);
    CU_ASSERT_STRING_EQUAL(info->reason, "LIMIT_UPLOAD_SESSIONS");
    CU_ASSERT_STRING_EQUAL(info->domain, "layerlift");
    CU_ASSERT_EQUAL(info->n_metadata, 2);
    google__rpc__error_info__free_unpacked(info, NULL);
    google__rpc__status__free_unpacked(status, NULL);
    free(data);
}

static void test_an_error_without_limit_has_no_details(void)
{
    struct ll_error err;
    uint8_t *data = NULL;
    size_t bytes = 1;
    (void)ll_fail(&err, LL_E_INVALID, "no");
    CU_ASSERT_EQUAL(rpc_details_pack(3, &err, &data, &bytes), LL_OK);
    CU_ASSERT_PTR_NULL(data);
    CU_ASSERT_EQUAL(bytes, 0);
}

/* What a peer might say, and whether that is accepted. */
struct said {
    const char *reason;
    const char *domain;
    const char *limit;
    const char *value;
    int64_t seconds;
    int32_t nanos;
    bool is_accepted;
    bool has_limit;
    int64_t retry_ms;
};

static void take(const struct said *said, struct ll_error *out_err, ll_status *out_status)
{
    Google__Rpc__ErrorInfo info = GOOGLE__RPC__ERROR_INFO__INIT;
    Google__Rpc__RetryInfo retry = GOOGLE__RPC__RETRY_INFO__INIT;
    Google__Protobuf__Duration delay = GOOGLE__PROTOBUF__DURATION__INIT;
    Google__Rpc__ErrorInfo__MetadataEntry entries[2];
    Google__Rpc__ErrorInfo__MetadataEntry *list[2] = {&entries[0], &entries[1]};
    google__rpc__error_info__metadata_entry__init(&entries[0]);
    google__rpc__error_info__metadata_entry__init(&entries[1]);
    entries[0].key = "value";
    entries[0].value = (char *)said->value;
    entries[1].key = "limit";
    entries[1].value = (char *)said->limit;
    info.reason = (char *)said->reason;
    info.domain = (char *)said->domain;
    info.metadata = list;
    info.n_metadata = 2;
    delay.seconds = said->seconds;
    delay.nanos = said->nanos;
    retry.retry_delay = &delay;
    *out_status = rpc_details_take(&info, &retry, out_err);
}

static void test_a_peers_details_are_checked(void)
{
#define OURS "LIMIT_MODELS", "layerlift", "models"
    static const struct said cases[] = {
        {OURS, "64", 0, 0, true, true, 1},
        {OURS, "0", 2, 1, true, true, 2001},
        {OURS, "64", INT64_MAX, 999999999, true, true, RPC_DETAILS_RETRY_MS},
        /* Somebody else's reason. */
        {"QUOTA", "layerlift", "models", "64", 1, 0, true, false, 1000},
        {"LIMIT_MODELS", "example.org", "../\n", "-", 1, 0, true, false, 1000},
        {OURS, "", 1, 0, false, false, 0},
        {OURS, "-1", 1, 0, false, false, 0},
        {OURS, "1e3", 1, 0, false, false, 0},
        {OURS, "9223372036854775808", 1, 0, false, false, 0},
        {OURS, "64", -1, 0, false, false, 0},
        {OURS, "64", 0, -1, false, false, 0},
        {OURS, "64", 0, 1000000000, false, false, 0},
        {"LIMIT_MODELS", "layerlift", "", "64", 1, 0, false, false, 0},
        {"LIMIT_MODELS", "layerlift", "queries", "64", 1, 0, false, false, 0},
        {"LIMIT_A\nB", "layerlift", "a\nb", "64", 1, 0, false, false, 0},
        {"LIMIT_A%S", "layerlift", "a%s", "64", 1, 0, false, false, 0},
        {"LIMIT_ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF", "layerlift", "abcdefghijklmnopqrstuvwxyzabcdef",
         "64", 1, 0, false, false, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ll_error err = full();
        ll_status status = LL_OK;
        take(&cases[i], &err, &status);
        CU_ASSERT_EQUAL(status, cases[i].is_accepted ? LL_OK : LL_E_INVALID);
        CU_ASSERT_STRING_EQUAL(err.limit, cases[i].has_limit ? "models" : "");
        CU_ASSERT_EQUAL(err.retry_ms, cases[i].retry_ms);
        if (status != (cases[i].is_accepted ? LL_OK : LL_E_INVALID)) {
            fprintf(stderr, "case %zu\n", i);
        }
    }
}

static void test_bytes_that_are_no_status_are_refused(void)
{
    uint8_t data[BYTES];
    struct ll_error err = full();
    uint8_t *packed = NULL;
    size_t bytes = 0;
    CU_ASSERT_EQUAL_FATAL(rpc_details_pack(EXHAUSTED, &err, &packed, &bytes), LL_OK);
    /* Another call's. */
    CU_ASSERT_EQUAL(rpc_details_unpack(3, packed, bytes, &err), LL_E_INVALID);
    CU_ASSERT_STRING_EQUAL(err.limit, "");
    /* Cut anywhere, and every byte changed: never more than an error. */
    for (size_t i = 0; i < bytes; i++) {
        uint8_t *copy = malloc(i + 1);
        CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
        memcpy(copy, packed, i + 1);
        (void)!rpc_details_unpack(EXHAUSTED, copy, i, &err);
        copy[i] ^= 0x81;
        (void)!rpc_details_unpack(EXHAUSTED, copy, i + 1, &err);
        CU_ASSERT_TRUE(strlen(err.limit) < sizeof(err.limit));
        CU_ASSERT_TRUE(err.retry_ms >= 0 && err.retry_ms <= RPC_DETAILS_RETRY_MS);
        free(copy);
    }
    free(packed);
    /* Empty details: each takes many times its two bytes. */
    for (size_t i = 0; i < BYTES; i += 2) {
        data[i] = 0x1a;
        data[i + 1] = 0;
    }
    CU_ASSERT_EQUAL(rpc_details_unpack(0, data, RPC_DETAILS_BYTES, &err), LL_E_INVALID);
    CU_ASSERT_EQUAL(rpc_details_unpack(0, data, 64, &err), LL_OK);
    CU_ASSERT_EQUAL(rpc_details_unpack(0, data, BYTES, &err), LL_E_INVALID);
    CU_ASSERT_STRING_EQUAL(err.limit, "");
    CU_ASSERT_EQUAL(err.retry_ms, 0);
}

/* Ends a call so and checks what its client is told. */
static void check_end(ll_status status, const struct ll_error *err, const struct ll_error *expected)
{
    struct rpc_pair pair;
    struct rpc_peer client;
    rpc_pair_init(&pair, NULL, NULL);
    rpc_peer_init(&client);
    rpc_pair_call(&pair, "/t.T/Peer", LL_CLOCK_NEVER, &client);
    rpc_peer_wait_opened(&pair.peer);
    rpc_stream_finish_error(pair.peer.stream, status, err);
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&client), ll_status_from_grpc(ll_status_to_grpc(status)));
    rpc_peer_wait_closed(&pair.peer);
    const struct ll_error *told = rpc_stream_error(client.stream);
    CU_ASSERT_STRING_EQUAL(client.text, err->text);
    CU_ASSERT_STRING_EQUAL(told->limit, expected->limit);
    CU_ASSERT_EQUAL(told->limit_value, expected->limit_value);
    CU_ASSERT_EQUAL(told->retry_ms, expected->retry_ms);
    rpc_peer_finish(&client);
    rpc_pair_finish(&pair);
}

static void test_a_call_ends_with_its_limit(void)
{
    struct ll_error err;
    struct ll_error expected;
    (void)ll_fail_limit(&err, "models", 3, 250, "all models are in use: limit models is 3");
    check_end(LL_E_EXHAUSTED, &err, &err);
    (void)ll_fail(&err, LL_E_NO_MEMORY, "out of memory for a model");
    expected = err;
    expected.retry_ms = LL_RETRY_MS;
    check_end(LL_E_NO_MEMORY, &err, &expected);
    (void)ll_fail(&err, LL_E_INVALID, "no");
    check_end(LL_E_INVALID, &err, &err);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_limit_value_and_time_come_back),
    LL_TEST(test_what_the_standard_prescribes_is_there),
    LL_TEST(test_an_error_without_limit_has_no_details),
    LL_TEST(test_a_peers_details_are_checked),
    LL_TEST(test_bytes_that_are_no_status_are_refused),
    LL_TEST(test_a_call_ends_with_its_limit),
    {NULL, NULL},
};
