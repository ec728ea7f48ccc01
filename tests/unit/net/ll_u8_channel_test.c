#include "net/ll_u8_channel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_sync.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "ll_u8_channel";

enum { CHANNELS = 3, SIZE = 500, COUNT = CHANNELS * SIZE };

static float values[COUNT];
static float back[COUNT];
static uint8_t encoded[9 * COUNT];

/* What encoded bytes become. */
static void expand(int64_t channels, int64_t size)
{
    size_t room = (size_t)(channels * size) * sizeof(float);
    size_t bytes = (size_t)ll_u8_channel_bytes(channels, size);
    char *buffer = malloc(room);
    CU_ASSERT_FATAL(buffer && bytes <= room);
    memcpy(buffer + room - bytes, encoded, bytes);
    CU_ASSERT_EQUAL(ll_u8_channel_expand(buffer, channels, size), LL_OK);
    memcpy(back, buffer, room);
    free(buffer);
}

/* Channels of other ranges; the last one is all the same. */
static void fill(void)
{
    for (int i = 0; i < COUNT; i++) {
        int c = i / SIZE;
        values[i] = c == 2 ? -7.25F : sinf((float)i) * (c == 0 ? 1e-3F : 1e4F) + (float)c;
    }
}

static void test_values_come_back_within_half_a_step(void)
{
    fill();
    CU_ASSERT_EQUAL(ll_u8_channel_bytes(CHANNELS, SIZE), COUNT + 24);
    CU_ASSERT_TRUE(ll_u8_channel_encode(values, CHANNELS, SIZE, encoded));
    expand(CHANNELS, SIZE);
    static const double steps[CHANNELS] = {2e-3 / 255, 2e4 / 255, 0};
    int wrong = 0;
    for (int i = 0; i < COUNT; i++) {
        double most = steps[i / SIZE] * 0.501;
        wrong += fabs((double)values[i] - (double)back[i]) <= most ? 0 : 1;
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

/* The format, and the arithmetic: least, step, and a value of two roundings. */
static void test_known_bytes_are_known_values(void)
{
    static const uint8_t known[] = {0x00, 0x00, 0x80, 0xbf, 0xcd, 0xcc, 0xcc, 0x3d, 0, 1, 3, 255};
    memset(encoded, 0, sizeof(encoded));
    memcpy(encoded, known, sizeof(known));
    expand(1, 4);
    volatile float three = 3 * 0.1F;
    volatile float most = 255 * 0.1F;
    CU_ASSERT_EQUAL(back[0], -1.0F);
    CU_ASSERT_EQUAL(back[1], -1.0F + 0.1F);
    CU_ASSERT_EQUAL(back[2], -1.0F + three);
    CU_ASSERT_EQUAL(back[3], -1.0F + most);
}

static void test_both_ways_of_expanding_agree(void)
{
    /* Long channels go through a table, short ones do not. */
    fill();
    CU_ASSERT_TRUE(ll_u8_channel_encode(values, 1, SIZE, encoded));
    expand(1, SIZE);
    uint8_t head[8];
    uint8_t steps[SIZE];
    static float whole[SIZE];
    memcpy(head, encoded, sizeof(head));
    memcpy(steps, encoded + 8, SIZE);
    memcpy(whole, back, sizeof(whole));
    for (int at = 0; at + 100 <= SIZE; at += 100) {
        memcpy(encoded, head, sizeof(head));
        memcpy(encoded + 8, steps + at, 100);
        expand(1, 100);
        CU_ASSERT_EQUAL(memcmp((void *)back, (void *)(whole + at), 100 * sizeof(float)), 0);
    }
}

static void test_what_is_not_finite_is_refused(void)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        for (int at = 0; at < COUNT; at += 211) {
            fill();
            values[at] = odd[i];
            CU_ASSERT_FALSE(ll_u8_channel_encode(values, CHANNELS, SIZE, encoded));
        }
    }
    fill();
    values[0] = 3e38F;
    values[1] = -3e38F;
    CU_ASSERT_FALSE(ll_u8_channel_encode(values, CHANNELS, SIZE, encoded));
    values[1] = 0;
    CU_ASSERT_TRUE(ll_u8_channel_encode(values, CHANNELS, SIZE, encoded));
}

static void expand_odd(void *arg)
{
    (void)arg;
    ll_thread_flush_denormals();
    expand(CHANNELS, SIZE);
}

/* Threads that flush subnormal numbers and threads that do not make the same values, whatever the
 * bytes are. */
static void test_threads_agree_about_any_bytes(void)
{
    uint32_t state = 1;
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < (size_t)ll_u8_channel_bytes(CHANNELS, SIZE); i++) {
            state = state * 1664525 + 1013904223;
            encoded[i] = (uint8_t)(state >> 24);
            /* Exponents about zero, too. */
            encoded[i] = i < 24 && i % 4 == 3 && round % 2 == 0 ? encoded[i] & 0x80 : encoded[i];
        }
        static float first[COUNT];
        struct ll_thread thread;
        expand(CHANNELS, SIZE);
        memcpy(first, back, sizeof(first));
        CU_ASSERT_EQUAL_FATAL(ll_thread_start(&thread, "flush", expand_odd, NULL), LL_OK);
        ll_thread_join(&thread);
        CU_ASSERT_EQUAL(memcmp((void *)first, (void *)back, sizeof(first)), 0);
    }
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_values_come_back_within_half_a_step), LL_TEST(test_known_bytes_are_known_values),
    LL_TEST(test_both_ways_of_expanding_agree),        LL_TEST(test_what_is_not_finite_is_refused),
    LL_TEST(test_threads_agree_about_any_bytes),       {NULL, NULL},
};
