#include "vision/vision_input.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/ll_test.h"

const char *const ll_test_suite = "vision_input";

static bool same(const float *a, const float *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (a[i] != b[i]) {
            return false;
        }
    }
    return true;
}

/* A file of these bytes in a new folder; static buffer. */
static const char *new_file(const char *name, const void *bytes, size_t count)
{
    static char path[4096];
    snprintf(path, sizeof(path), "%s/%s", ll_test_folder(), name);
    FILE *file = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL_FATAL(fwrite(bytes, 1, count, file), count);
    CU_ASSERT_EQUAL_FATAL(fclose(file), 0);
    return path;
}

static void test_load_raw(void)
{
    static const float values[6] = {1, -2, 3.5F, 0, 1e-30F, 6};
    const struct ll_table table = {.in_c = 1, .in_h = 2, .in_w = 3, .in_floats = 6};
    const struct vision_input_source source = {.input_f32 = new_file("in", values, sizeof(values))};
    struct vision_image image = {0};
    CU_ASSERT_EQUAL_FATAL(vision_input_load(&source, &table, &image, NULL), LL_OK);
    CU_ASSERT(same(image.data, values, sizeof(values) / sizeof(values[0])));
    vision_image_finish(&image);
}

static void test_load_raw_other_size(void)
{
    static const float values[6] = {0};
    static const size_t sizes[] = {0, 20, 23};
    const struct ll_table table = {.in_floats = 6};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const struct vision_input_source source = {.input_f32 = new_file("in", values, sizes[i])};
        struct vision_image image = {0};
        struct ll_error err = {.text = ""};
        CU_ASSERT_EQUAL(vision_input_load(&source, &table, &image, &err), LL_E_INVALID);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, source.input_f32));
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "has 24 (6 floats)"));
        CU_ASSERT_PTR_NULL(image.data);
    }
}

static void test_load_missing(void)
{
    const struct ll_table table = {.in_floats = 6, .in_c = 3, .in_h = 1, .in_w = 2};
    struct vision_input_source source = {.input_f32 = "/no/such/file"};
    struct vision_image image = {0};
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(vision_input_load(&source, &table, &image, &err), LL_E_NOT_FOUND);
    source = (struct vision_input_source){.image = "/no/such/file"};
    CU_ASSERT_EQUAL(vision_input_load(&source, &table, &image, &err), LL_E_NOT_FOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/no/such/file"));
}

static void test_load_image_into_flat_input(void)
{
    const struct ll_table table = {.in_floats = 6};
    const struct vision_input_source source = {.image = "/no/such/file"};
    struct vision_image image = {0};
    CU_ASSERT_EQUAL(vision_input_load(&source, &table, &image, NULL), LL_E_UNSUPPORTED);
}

static void test_write_and_load(void)
{
    static const float values[4] = {1, 2, 3, 4};
    char path[4096];
    snprintf(path, sizeof(path), "%s", new_file("out", "something longer than that", 26));
    CU_ASSERT_EQUAL_FATAL(vision_output_write(path, values, 4, NULL), LL_OK);
    const struct ll_table table = {.in_floats = 4};
    const struct vision_input_source source = {.input_f32 = path};
    struct vision_image image = {0};
    CU_ASSERT_EQUAL_FATAL(vision_input_load(&source, &table, &image, NULL), LL_OK);
    CU_ASSERT(same(image.data, values, sizeof(values) / sizeof(values[0])));
    vision_image_finish(&image);
}

static void test_write_where_it_cannot(void)
{
    static const float values[4] = {0};
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(vision_output_write("/no/such/folder/out", values, 4, &err), LL_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/no/such/folder/out"));
    CU_ASSERT_EQUAL(vision_output_write("/dev/full", values, 4, &err), LL_E_IO);
}

static void test_labels(void)
{
    static const char text[] = "cat\r\nlarge dog\n\nlast";
    struct vision_labels labels = {0};
    CU_ASSERT_EQUAL_FATAL(vision_labels_load(new_file("names", text, strlen(text)), &labels, NULL),
                          LL_OK);
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
        const char *path = new_file("names", cases[i].text, strlen(cases[i].text));
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
    CU_ASSERT_EQUAL(vision_labels_load(new_file("names", "", 0), &labels, &err), LL_E_INVALID);
    CU_ASSERT_EQUAL(vision_labels_load(new_file("names", "a\0b\n", 4), &labels, &err),
                    LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "NUL"));
    CU_ASSERT_EQUAL(vision_labels_load(new_file("names",
                                                "\xff\xfe"
                                                "a\0",
                                                4),
                                       &labels, &err),
                    LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "UTF-16"));
    CU_ASSERT_EQUAL(vision_labels_load(new_file("names", "\xef\xbb\xbf", 3), &labels, &err),
                    LL_E_INVALID);
    CU_ASSERT_EQUAL(vision_labels_load("/no/such/file", &labels, &err), LL_E_NOT_FOUND);
    char path[4096];
    snprintf(path, sizeof(path), "%s", new_file("names", "a\n", 2));
    CU_ASSERT_EQUAL_FATAL(truncate(path, (16 << 20) + 1), 0);
    CU_ASSERT_EQUAL(vision_labels_load(path, &labels, &err), LL_E_EXHAUSTED);
    CU_ASSERT_PTR_NULL(labels.names);
}

static void test_top_k(void)
{
    static const float values[] = {.5F, NAN, 2, -1, 2, INFINITY, .5F};
    struct vision_top top[9];
    CU_ASSERT_EQUAL_FATAL(vision_top_k(values, 7, 9, top), 7);
    static const int64_t order[] = {5, 2, 4, 0, 6, 3, 1};
    for (int i = 0; i < 7; i++) {
        CU_ASSERT_EQUAL(top[i].index, order[i]);
    }
    CU_ASSERT_EQUAL(vision_top_k(values, 7, 3, top), 3);
    CU_ASSERT_EQUAL(top[2].index, 4);
    CU_ASSERT_EQUAL(vision_top_k(values, 7, 0, top), 0);
    CU_ASSERT_EQUAL(vision_top_k(values, 7, 1, top), 1);
    CU_ASSERT_EQUAL(top[0].index, 5);
}

static void test_count_not_finite(void)
{
    static const float values[] = {.5F, NAN, 2, -INFINITY, 2, INFINITY, -NAN, 1e38F};
    CU_ASSERT_EQUAL(vision_count_not_finite(values, 8), 4);
    CU_ASSERT_EQUAL(vision_count_not_finite(values, 1), 0);
    CU_ASSERT_EQUAL(vision_count_not_finite(values, 0), 0);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_count_not_finite),
    LL_TEST(test_labels_of_other_kinds),
    LL_TEST(test_load_raw),
    LL_TEST(test_load_raw_other_size),
    LL_TEST(test_load_missing),
    LL_TEST(test_load_image_into_flat_input),
    LL_TEST(test_write_and_load),
    LL_TEST(test_write_where_it_cannot),
    LL_TEST(test_labels),
    LL_TEST(test_labels_refused),
    LL_TEST(test_top_k),
    {NULL, NULL},
};
