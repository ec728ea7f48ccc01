#include "device/edge_link/device_edge_state.h"

#include <CUnit/CUnit.h>

#include "core/ll_clock.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_edge_state";

enum { LAYERS = 2 };

static struct device_edge_state *edge;
static int kicks;

static void count_kick(void *owner)
{
    (void)owner;
    kicks++;
}

static void begin(void)
{
    kicks = 0;
    CU_ASSERT_EQUAL_FATAL(device_edge_state_create(LAYERS, count_kick, NULL, &edge), LL_OK);
    device_edge_state_set(edge, DEVICE_EDGE_UP, LAYERS);
}

static void end(void)
{
    device_edge_state_destroy(edge);
}

static void expect_times(int64_t first, int64_t second)
{
    int64_t times[64] = {0};
    struct device_edge_view view;
    device_edge_state_look(edge, 0, UINT64_MAX, times, &view);
    CU_ASSERT_EQUAL(times[0], first);
    CU_ASSERT_EQUAL(times[1], second);
    /* Who knows them is told nothing. */
    times[0] = -1;
    device_edge_state_look(edge, 0, view.times_version, times, &view);
    CU_ASSERT_EQUAL(times[0], -1);
}

static void test_layer_times_are_kept_as_long_as_the_edge(void)
{
    begin();
    struct device_edge_view before;
    struct device_edge_view after;
    device_edge_state_look(edge, 0, 0, NULL, &before);
    expect_times(0, 0);
    Layerlift__V1__LayerTime times[] = {
        {.base = PROTOBUF_C_MESSAGE_INIT(&layerlift__v1__layer_time__descriptor),
         .layer = 1,
         .ns = 70},
        {.base = PROTOBUF_C_MESSAGE_INIT(&layerlift__v1__layer_time__descriptor),
         .layer = UINT32_MAX,
         .ns = 80},
        {.base = PROTOBUF_C_MESSAGE_INIT(&layerlift__v1__layer_time__descriptor),
         .layer = 0,
         .ns = UINT64_MAX},
    };
    Layerlift__V1__LayerTime *list[] = {&times[0], &times[1], &times[2]};
    device_edge_state_set_times(edge, 3, list);
    expect_times(INT64_MAX, 70);
    device_edge_state_look(edge, 0, 0, NULL, &after);
    CU_ASSERT_NOT_EQUAL(before.times_version, after.times_version);
    CU_ASSERT_EQUAL(before.connection, after.connection);
    device_edge_state_set(edge, DEVICE_EDGE_DOWN, 0);
    expect_times(0, 0);
    device_edge_state_set(edge, DEVICE_EDGE_UP, 0);
    device_edge_state_look(edge, 0, 0, NULL, &after);
    CU_ASSERT_NOT_EQUAL(before.connection, after.connection);
    end();
}

static void test_the_view_follows_the_edge(void)
{
    begin();
    struct device_edge_view view;
    device_edge_state_look(edge, 0, 0, NULL, &view);
    CU_ASSERT_EQUAL(view.phase, DEVICE_EDGE_UP);
    CU_ASSERT_EQUAL(view.prefix, 2);
    uint64_t connection = view.connection;
    device_edge_state_set(edge, DEVICE_EDGE_UP, 0);
    device_edge_state_set_prefix(edge, 1);
    device_edge_state_set_draft_prefix(edge, 2);
    device_edge_state_set_link(edge, 5000, 7e6);
    device_edge_state_look(edge, 0, 0, NULL, &view);
    CU_ASSERT_EQUAL(view.connection, connection);
    CU_ASSERT_EQUAL(view.prefix, 1);
    CU_ASSERT_EQUAL(view.draft_prefix, 2);
    CU_ASSERT_EQUAL(view.rtt_ns, 5000);
    CU_ASSERT_EQUAL(view.bytes_per_s, 7e6);
    CU_ASSERT_FALSE(view.takes_u8 || view.takes_f16);
    Layerlift__V1__DataType dtypes[] = {LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F16,
                                        (Layerlift__V1__DataType)1000};
    device_edge_state_set_dtypes(edge, 2, dtypes);
    device_edge_state_look(edge, 0, 0, NULL, &view);
    CU_ASSERT_TRUE(view.takes_f16 && !view.takes_u8 && !view.takes_u8_channel);
    CU_ASSERT_FALSE(view.takes_planes);
    Layerlift__V1__TensorCoding codings[] = {LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLANES,
                                             (Layerlift__V1__TensorCoding)1000};
    dtypes[1] = LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_U8_CHANNEL;
    device_edge_state_set_dtypes(edge, 2, dtypes);
    device_edge_state_set_codings(edge, 2, codings);
    device_edge_state_look(edge, 0, 0, NULL, &view);
    CU_ASSERT_TRUE(view.takes_f16 && view.takes_u8_channel && view.takes_planes);
    device_edge_state_set(edge, DEVICE_EDGE_DOWN, 0);
    device_edge_state_set_prefix(edge, 2);
    device_edge_state_look(edge, 0, 0, NULL, &view);
    CU_ASSERT_EQUAL(view.phase, DEVICE_EDGE_DOWN);
    CU_ASSERT_FALSE(view.takes_f16 || view.takes_u8_channel || view.takes_planes);
    CU_ASSERT_EQUAL(view.prefix, 0);
    end();
}

static void test_wait_for_a_connection_ends_at_its_deadline_or_a_stop(void)
{
    begin();
    device_edge_state_set(edge, DEVICE_EDGE_CONNECTING, 0);
    struct device_edge_view view;
    device_edge_state_look(edge, ll_clock_now_ns() + LL_NS_PER_MS, 0, NULL, &view);
    CU_ASSERT_EQUAL(view.phase, DEVICE_EDGE_CONNECTING);
    CU_ASSERT_TRUE(view.waited_ns >= 0);
    device_edge_state_look(edge, 0, 0, NULL, &view);
    CU_ASSERT_EQUAL(view.waited_ns, 0);
    device_edge_state_stop(edge);
    device_edge_state_look(edge, LL_CLOCK_NEVER, 0, NULL, &view);
    CU_ASSERT_EQUAL(view.phase, DEVICE_EDGE_CONNECTING);
    end();
}

static void test_only_the_edge_that_is_up_is_accused(void)
{
    struct ll_error reason;
    struct device_edge_view view;
    begin();
    device_edge_state_look(edge, 0, 0, NULL, &view);
    device_edge_state_accuse(edge, view.connection + 1, "another one");
    CU_ASSERT_FALSE(device_edge_state_is_accused(edge, &reason));
    CU_ASSERT_EQUAL(kicks, 0);
    device_edge_state_accuse(edge, view.connection, "it lies");
    CU_ASSERT_TRUE(device_edge_state_is_accused(edge, &reason));
    CU_ASSERT_STRING_EQUAL(reason.text, "it lies");
    CU_ASSERT_EQUAL(kicks, 1);
    device_edge_state_set(edge, DEVICE_EDGE_DOWN, 0);
    CU_ASSERT_FALSE(device_edge_state_is_accused(edge, &reason));
    device_edge_state_accuse(edge, view.connection, "too late");
    CU_ASSERT_FALSE(device_edge_state_is_accused(edge, &reason));
    end();
}

static void test_what_is_heard_moves_its_time(void)
{
    begin();
    int64_t before_ns = device_edge_state_heard_ns(edge);
    int64_t now_ns = ll_clock_now_ns();
    CU_ASSERT_TRUE(before_ns > 0 && before_ns <= now_ns);
    device_edge_state_heard(edge);
    CU_ASSERT_TRUE(device_edge_state_heard_ns(edge) >= now_ns);
    end();
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_layer_times_are_kept_as_long_as_the_edge),
    LL_TEST(test_the_view_follows_the_edge),
    LL_TEST(test_wait_for_a_connection_ends_at_its_deadline_or_a_stop),
    LL_TEST(test_only_the_edge_that_is_up_is_accused),
    LL_TEST(test_what_is_heard_moves_its_time),
    {NULL, NULL},
};
