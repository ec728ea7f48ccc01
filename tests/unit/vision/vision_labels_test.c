#include "vision/vision_labels.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/ll_test.h"

const char *const ll_test_suite = "vision_labels";

static void test_labels(void)
{
    static const char text[] = "cat\r\nlarge dog\n\nlast";
    struct vision_labels labels = {0};
    CU_ASSERT_EQUAL_FATAL(
        vision_labels_load(ll_test_new_file("names", text, strlen(text)), &labels, NULL), LL_OK);
    CU_ASSERT_EQUAL(labels.count, 4);
    char scratch[VISION_LABEL_SCRATCH_BYTES];
    CU_ASSERT_STRING_EQUAL(vision_label(&labels, 4, 0, scratch), "cat");
    CU_ASSERT_STRING_EQUAL(vision_label(&labels, 4, 1, scratch), "large dog");
    CU_ASSERT_STRING_EQUAL(vision_label(&labels, 4, 2, scratch), "2");
    CU_ASSERT_STRING_EQUAL(vision_label(&labels, 3, 3, scratch), "last");
    CU_ASSERT_STRING_EQUAL(vision_label(&labels, 5, 1, scratch), "1");
    CU_ASSERT_STRING_EQUAL(vision_label(NULL, 5, INT64_MAX, scratch), "9223372036854775807");
    vision_labels_finish(&labels);
    vision_labels_finish(&labels);
}

/* Whatever editors and systems make of a list. */
static void test_labels_of_other_kinds(void)
{
    static const struct {
        const char *text;
        const char *names[3];
    } cases[] = {
        {"\xef\xbb\xbf"
         "cat\r\ndog\r\nbird\r\n",
         {"cat", "dog", "bird"}},
        {"cat\rdog\rbird", {"cat", "dog", "bird"}},
        {"cat\n\rbird", {"cat", "1", "bird"}},
        {"K\xe4se\nK\xc3\xa4se\n\x1b[31m", {"K\xef\xbf\xbdse", "K\xc3\xa4se", "\x1b[31m"}},
        {"a\nb\n\xef\xbb\xbf"
         "c",
         {"a", "b",
          "\xef\xbb\xbf"
          "c"}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vision_labels labels = {0};
        const char *path = ll_test_new_file("names", cases[i].text, strlen(cases[i].text));
        CU_ASSERT_EQUAL_FATAL(vision_labels_load(path, &labels, NULL), LL_OK);
        CU_ASSERT_EQUAL(labels.count, 3);
        for (int name = 0; name < 3; name++) {
            char scratch[VISION_LABEL_SCRATCH_BYTES];
            CU_ASSERT_STRING_EQUAL(vision_label(&labels, 3, name, scratch), cases[i].names[name]);
        }
        vision_labels_finish(&labels);
    }
}

static void test_labels_refused(void)
{
    struct vision_labels labels = {0};
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(vision_labels_load(ll_test_new_file("names", "", 0), &labels, &err),
                    LL_E_INVALID);
    CU_ASSERT_EQUAL(vision_labels_load(ll_test_new_file("names", "a\0b\n", 4), &labels, &err),
                    LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "NUL"));
    CU_ASSERT_EQUAL(vision_labels_load(ll_test_new_file("names",
                                                        "\xff\xfe"
                                                        "a\0",
                                                        4),
                                       &labels, &err),
                    LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "UTF-16"));
    CU_ASSERT_EQUAL(vision_labels_load(ll_test_new_file("names", "\xef\xbb\xbf", 3), &labels, &err),
                    LL_E_INVALID);
    CU_ASSERT_EQUAL(vision_labels_load("/no/such/file", &labels, &err), LL_E_NOT_FOUND);
    char path[4096];
    snprintf(path, sizeof(path), "%s", ll_test_new_file("names", "a\n", 2));
    CU_ASSERT_EQUAL_FATAL(truncate(path, (16 << 20) + 1), 0);
    CU_ASSERT_EQUAL(vision_labels_load(path, &labels, &err), LL_E_EXHAUSTED);
    CU_ASSERT_PTR_NULL(labels.names);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_labels),
    LL_TEST(test_labels_of_other_kinds),
    LL_TEST(test_labels_refused),
    {NULL, NULL},
};
