#include "proto/wire/wire_text.h"

#include "tests/support/ll_test.h"

static void test_text_becomes_printable(void)
{
    char text[] = "line\n\xff\x80 \xc3\xa4~";
    wire_text_clean(text);
    CU_ASSERT_STRING_EQUAL(text, "line??? ??~");
}

const char *const ll_test_suite = "wire_text";
const struct ll_test ll_tests[] = {
    LL_TEST(test_text_becomes_printable),
    {NULL, NULL},
};
