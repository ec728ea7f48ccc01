#include "device/edge_link/device_upload_acks.h"

#include <CUnit/CUnit.h>

#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_upload_acks";

static void test_payload_is_told_as_bytes_of_the_model(void)
{
    static struct device_upload_acks acks;
    acks = (struct device_upload_acks){.count = 0};
    CU_ASSERT_EQUAL(device_upload_acks_received(&acks, 10), 0);
    device_upload_acks_sent(&acks, 100, 120);
    device_upload_acks_sent(&acks, 150, 50);
    device_upload_acks_sent(&acks, 160, 0);
    device_upload_acks_sent(&acks, 200, 400);
    CU_ASSERT_EQUAL(device_upload_acks_received(&acks, 99), 0);
    CU_ASSERT_EQUAL(device_upload_acks_received(&acks, 155), 170);
    CU_ASSERT_EQUAL(device_upload_acks_received(&acks, 155), 0);
    CU_ASSERT_EQUAL(device_upload_acks_received(&acks, 200), 400);
    CU_ASSERT_EQUAL(device_upload_acks_received(&acks, 1000), 0);
}

/* Whatever is under way, nothing is lost, and the ring goes round. */
static void test_more_pieces_than_there_are_places_are_told_together(void)
{
    static struct device_upload_acks acks;
    acks = (struct device_upload_acks){.count = 0};
    const uint64_t pieces = UINT64_C(3) * DEVICE_UPLOAD_ACKS_PIECES;
    int64_t told = 0;
    for (uint64_t i = 1; i <= pieces; i++) {
        device_upload_acks_sent(&acks, 10 * i, 12);
        told += i % 2 == 0 ? device_upload_acks_received(&acks, 5 * i) : 0;
        CU_ASSERT_TRUE(told <= 6 * (int64_t)i);
    }
    told += device_upload_acks_received(&acks, 10 * pieces - 1);
    CU_ASSERT_TRUE(told < 12 * (int64_t)pieces);
    told += device_upload_acks_received(&acks, 10 * pieces);
    CU_ASSERT_EQUAL(told, 12 * (int64_t)pieces);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_payload_is_told_as_bytes_of_the_model),
    LL_TEST(test_more_pieces_than_there_are_places_are_told_together),
    {NULL, NULL},
};
