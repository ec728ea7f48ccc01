#include "device/choose/device_coding.h"

#include <CUnit/CUnit.h>

#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_coding";

enum { LAYERS = 4, CUT = 2, BYTES = 1000000 };

static struct device_coding coding;

static void begin(void)
{
    CU_ASSERT_EQUAL_FATAL(device_coding_init(&coding, LAYERS), LL_OK);
}

static void end(void)
{
    device_coding_finish(&coding);
    device_coding_finish(&coding);
}

/* On a link of so many Mbit/s, both ways. */
static void look(double mbps)
{
    device_coding_look(&coding, true, LL_F32, 8e3 / mbps, 8e3 / mbps);
}

static bool pays(int cut)
{
    bool up = device_coding_pays_up(&coding, cut, BYTES);
    CU_ASSERT_EQUAL(up, device_coding_pays_down(&coding, cut, BYTES));
    CU_ASSERT_EQUAL(coding.up_factors[cut] < 1, up);
    return up;
}

/* Codes a megabyte at a cut to a part of it at a speed on both sides. */
static void teach(double ratio, double ns_per_byte)
{
    const struct device_coded coded = {
        .plain_bytes = BYTES,
        .bytes = (int64_t)(ratio * BYTES),
        .ns = (int64_t)(ns_per_byte * BYTES),
    };
    device_coding_encoded(&coding, CUT, &coded);
    device_coding_decoded(&coding, CUT, &coded);
    device_coding_told(&coding, BYTES, coded.ns);
}

static void test_slow_links_code_and_fast_ones_do_not(void)
{
    begin();
    /* Assumed: 0.2 of a byte saved at 8 ns. At 20 Mbit/s a byte takes 400 ns, at 400 Mbit/s 20. */
    look(20);
    CU_ASSERT_TRUE(pays(CUT));
    CU_ASSERT_DOUBLE_EQUAL(coding.up_factors[CUT], 0.8 + 8.0 / 400, 1e-9);
    look(400);
    CU_ASSERT_FALSE(pays(CUT));
    CU_ASSERT_EQUAL(coding.up_factors[CUT], 1);
    end();
}

static void test_what_was_coded_teaches(void)
{
    begin();
    /* Half of the bytes at 3 ns on either side: 9 with the margin, against 0.5 x 20. */
    teach(0.5, 3);
    look(400);
    CU_ASSERT_TRUE(pays(CUT));
    CU_ASSERT_DOUBLE_EQUAL(coding.up_factors[CUT], 0.5 + 6.0 / 20, 1e-9);
    CU_ASSERT_FALSE(pays(CUT + 1));
    look(1000);
    CU_ASSERT_FALSE(pays(CUT));
    /* A processor that takes ten times as long. */
    teach(0.5, 30);
    teach(0.5, 30);
    look(400);
    CU_ASSERT_FALSE(pays(CUT));
    look(20);
    CU_ASSERT_TRUE(pays(CUT));
    end();
}

static void test_noise_goes_plain_and_is_tried_again_some_day(void)
{
    begin();
    teach(0.999, 3);
    int queries = 0;
    for (look(20); !pays(CUT) && queries < 1000; look(20)) {
        device_coding_went_plain(&coding, CUT);
        queries++;
    }
    CU_ASSERT_TRUE(queries >= 3 && queries < 100);
    /* What pays is not forgotten. */
    teach(0.5, 3);
    teach(0.5, 3);
    double ratio = coding.ratios[CUT];
    CU_ASSERT_TRUE(ratio < DEVICE_CODING_RATIO);
    device_coding_went_plain(&coding, CUT);
    CU_ASSERT_EQUAL(coding.ratios[CUT], ratio);
    end();
}

/* A processor that was busy once, or an edge that says anything: tensors go plain, but not for
 * ever. */
static void test_times_that_were_long_are_tried_again_some_day(void)
{
    begin();
    teach(0.5, 1e5);
    int queries = 0;
    for (look(20); !pays(CUT) && queries < 5000; look(20)) {
        device_coding_went_plain(&coding, CUT);
        queries++;
    }
    CU_ASSERT_TRUE(queries >= 100 && queries < 1000);
    end();
}

static void test_what_an_edge_told_is_forgotten_with_it(void)
{
    begin();
    device_coding_follow_edge(&coding, 1);
    device_coding_told(&coding, BYTES, INT64_MAX);
    device_coding_follow_edge(&coding, 1);
    look(20);
    CU_ASSERT_FALSE(pays(CUT));
    device_coding_follow_edge(&coding, 2);
    look(20);
    CU_ASSERT_TRUE(pays(CUT));
    /* The first that the next one tells counts whole again. */
    device_coding_told(&coding, BYTES, 2 * BYTES);
    CU_ASSERT_DOUBLE_EQUAL(coding.edge_ns, 2, 1e-9);
    end();
}

static void test_little_and_old_edges_get_it_plain(void)
{
    begin();
    look(1);
    /* A byte takes 8000 ns: 0.2 of that is saved, less 8 ns of coding. Not by 0.2 ms in all. */
    CU_ASSERT_FALSE(device_coding_pays_up(&coding, CUT, 125));
    CU_ASSERT_FALSE(device_coding_pays_down(&coding, CUT, 125));
    CU_ASSERT_TRUE(device_coding_pays_up(&coding, CUT, 126));
    CU_ASSERT_TRUE(device_coding_pays_down(&coding, CUT, 126));
    device_coding_look(&coding, false, LL_F32, 1e4, 1e4);
    CU_ASSERT_FALSE(pays(CUT));
    end();
}

static void test_odd_numbers_teach_little(void)
{
    begin();
    const struct device_coded nothing = {0};
    device_coding_encoded(&coding, CUT, &nothing);
    device_coding_decoded(&coding, CUT, &nothing);
    device_coding_told(&coding, 0, INT64_MAX);
    device_coding_told(&coding, -1, 5);
    CU_ASSERT_EQUAL(coding.ratios[CUT], 0);
    CU_ASSERT_EQUAL(coding.edge_ns, DEVICE_CODING_NS_PER_BYTE);
    device_coding_told(&coding, 1, INT64_MAX);
    CU_ASSERT_EQUAL(coding.edge_ns, 1e5);
    /* What came plain although it might have been coded says nothing of decoding. */
    const struct device_coded plain = {.plain_bytes = BYTES, .bytes = BYTES, .ns = 1};
    device_coding_decoded(&coding, CUT, &plain);
    CU_ASSERT_EQUAL(coding.decode_ns, DEVICE_CODING_NS_PER_BYTE);
    CU_ASSERT_EQUAL(coding.ratios[CUT], 1);
    end();
}

static void test_another_data_type_has_other_ratios(void)
{
    begin();
    teach(0.3, 1);
    look(20);
    CU_ASSERT_DOUBLE_EQUAL(coding.ratios[CUT], 0.3, 1e-9);
    device_coding_look(&coding, true, LL_U8_CHANNEL, 400, 400);
    CU_ASSERT_EQUAL(coding.ratios[CUT], 0);
    end();
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_slow_links_code_and_fast_ones_do_not),
    LL_TEST(test_what_was_coded_teaches),
    LL_TEST(test_noise_goes_plain_and_is_tried_again_some_day),
    LL_TEST(test_times_that_were_long_are_tried_again_some_day),
    LL_TEST(test_what_an_edge_told_is_forgotten_with_it),
    LL_TEST(test_little_and_old_edges_get_it_plain),
    LL_TEST(test_odd_numbers_teach_little),
    LL_TEST(test_another_data_type_has_other_ratios),
    {NULL, NULL},
};
