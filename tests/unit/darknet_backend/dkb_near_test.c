#include "darknet_backend/network/dkb_near.h"

#include <stddef.h>
#include <string.h>

#include "tests/support/ll_test.h"

static const char *nearest(const char *word)
{
    static const char *const known[] = {"pad", "padding", "filters", "stride", "size", "from"};
    struct dkb_near near;
    dkb_near_init(&near, word);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        dkb_near_try(&near, known[i]);
    }
    return near.best ? near.best : "";
}

static void test_near_words_are_found(void)
{
    CU_ASSERT_STRING_EQUAL(nearest("filter"), "filters");
    CU_ASSERT_STRING_EQUAL(nearest("fliters"), "filters");
    CU_ASSERT_STRING_EQUAL(nearest("FILTERS"), "filters");
    CU_ASSERT_STRING_EQUAL(nearest("fitlesr"), "filters");
    CU_ASSERT_STRING_EQUAL(nearest("form"), "from");
    CU_ASSERT_STRING_EQUAL(nearest("sze"), "size");
    /* The nearer of two: one edit from pad. */
    CU_ASSERT_STRING_EQUAL(nearest("padd"), "pad");
    CU_ASSERT_STRING_EQUAL(nearest("paddin"), "padding");
}

static void test_far_words_are_not(void)
{
    CU_ASSERT_STRING_EQUAL(nearest(""), "");
    /* Two letters may not change at all, three to five may by one. */
    CU_ASSERT_STRING_EQUAL(nearest("pd"), "");
    CU_ASSERT_STRING_EQUAL(nearest("pxx"), "");
    CU_ASSERT_STRING_EQUAL(nearest("frxx"), "");
    CU_ASSERT_STRING_EQUAL(nearest("fxltxrz"), "");
}

static void test_long_words_are_near_nothing(void)
{
    char forty[41];
    char longer[42];
    memset(forty, 'a', sizeof(forty));
    memset(longer, 'a', sizeof(longer));
    forty[40] = '\0';
    longer[41] = '\0';
    struct dkb_near near;
    dkb_near_init(&near, forty);
    dkb_near_try(&near, longer);
    CU_ASSERT_PTR_NULL(near.best);
    dkb_near_try(&near, forty + 1);
    CU_ASSERT_PTR_EQUAL(near.best, forty + 1);
    dkb_near_init(&near, longer);
    dkb_near_try(&near, forty);
    CU_ASSERT_PTR_NULL(near.best);
}

const char *const ll_test_suite = "dkb_near";
const struct ll_test ll_tests[] = {
    LL_TEST(test_near_words_are_found),
    LL_TEST(test_far_words_are_not),
    LL_TEST(test_long_words_are_near_nothing),
    {NULL, NULL},
};
