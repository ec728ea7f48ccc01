#include "vision/vision_paths.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/ll_test.h"

const char *const ll_test_suite = "vision_paths";

/* An empty file of that name in the folder. */
static void touch(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL_FATAL(fclose(file), 0);
}

/* Whether the list's paths are the folder and these names, a space between them. */
static bool lists(const struct vision_paths *pictures, const char *folder, const char *names)
{
    char got[4096] = "";
    size_t used = 0;
    for (int i = 0; i < pictures->count; i++) {
        const char *path = pictures->list[i].path;
        bool is_below = strncmp(path, folder, strlen(folder)) == 0 && path[strlen(folder)] == '/';
        used += (size_t)snprintf(got + used, sizeof(got) - used, "%s%s", i > 0 ? " " : "",
                                 is_below ? path + strlen(folder) + 1 : path);
    }
    if (strcmp(got, names) != 0) {
        fprintf(stderr, "got: %s\n", got);
    }
    return strcmp(got, names) == 0;
}

static void test_files_keep_their_order(void)
{
    const char *folder = ll_test_folder();
    touch(folder, "b.jpg");
    touch(folder, "a.dat");
    struct vision_paths pictures = {0};
    static const char *const names[] = {"b.jpg", "a.dat", "b.jpg"};
    for (int i = 0; i < 3; i++) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        CU_ASSERT_EQUAL_FATAL(vision_paths_add(&pictures, path, NULL), LL_OK);
        CU_ASSERT_FALSE(pictures.list[i].is_stream);
    }
    CU_ASSERT(lists(&pictures, folder, "b.jpg a.dat b.jpg"));
    vision_paths_finish(&pictures);
    vision_paths_finish(&pictures);
}

/* Sorted, only pictures, and the same with a slash behind the folder's name. */
static void test_folder(void)
{
    const char *folder = ll_test_folder();
    static const char *const names[] = {"z.png", "Ab.JPG",    "a.jpeg", "10.bmp", "9.bmp",
                                        "notes", "a.jpg.txt", ".h.jpg", "jpg",    ".jpg"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        touch(folder, names[i]);
    }
    char path[4096];
    snprintf(path, sizeof(path), "%s/sub.jpg", folder);
    CU_ASSERT_EQUAL_FATAL(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/gone.jpg", folder);
    CU_ASSERT_EQUAL_FATAL(symlink("nowhere", path), 0);
    struct vision_paths pictures = {0};
    CU_ASSERT_EQUAL_FATAL(vision_paths_add(&pictures, folder, NULL), LL_OK);
    CU_ASSERT(lists(&pictures, folder, "10.bmp 9.bmp Ab.JPG a.jpeg gone.jpg z.png"));
    vision_paths_finish(&pictures);
    snprintf(path, sizeof(path), "%s/", folder);
    CU_ASSERT_EQUAL_FATAL(vision_paths_add(&pictures, path, NULL), LL_OK);
    CU_ASSERT(lists(&pictures, folder, "10.bmp 9.bmp Ab.JPG a.jpeg gone.jpg z.png"));
    vision_paths_finish(&pictures);
}

static void test_streams(void)
{
    const char *folder = ll_test_folder();
    char path[4096];
    snprintf(path, sizeof(path), "%s/pipe", folder);
    CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0600), 0);
    struct vision_paths pictures = {0};
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL_FATAL(vision_paths_add(&pictures, "-", NULL), LL_OK);
    CU_ASSERT_EQUAL_FATAL(vision_paths_add(&pictures, path, NULL), LL_OK);
    CU_ASSERT(pictures.list[0].is_stream && pictures.list[1].is_stream);
    CU_ASSERT_EQUAL(vision_paths_add(&pictures, "-", &err), LL_E_INVALID);
    CU_ASSERT_STRING_EQUAL(err.text, "-: named twice as a picture, but its bytes come only once");
    CU_ASSERT_EQUAL(vision_paths_add(&pictures, path, &err), LL_E_INVALID);
    CU_ASSERT(lists(&pictures, folder, "- pipe"));
    vision_paths_finish(&pictures);
}

static void test_refusals(void)
{
    const char *folder = ll_test_folder();
    struct vision_paths pictures = {0};
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(vision_paths_add(&pictures, "/no/such.jpg", &err), LL_E_NOT_FOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/no/such.jpg: cannot be opened: No such file"));
    touch(folder, "notes.txt");
    CU_ASSERT_EQUAL(vision_paths_add(&pictures, folder, &err), LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, folder));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "a folder without pictures"));
    CU_ASSERT_EQUAL(vision_paths_add(&pictures, "/dev/null", &err), LL_E_IO);
    CU_ASSERT_STRING_EQUAL(err.text, "/dev/null: neither a file, a folder nor a pipe");
    CU_ASSERT_EQUAL(pictures.count, 0);
    vision_paths_finish(&pictures);
}

/* The list is what it was before a name that would make it too long. */
static void test_too_many(void)
{
    const char *folder = ll_test_folder();
    touch(folder, "a.jpg");
    touch(folder, "b.jpg");
    struct vision_paths pictures = {0};
    struct ll_error err = {.text = ""};
    char path[4096];
    snprintf(path, sizeof(path), "%s/a.jpg", folder);
    for (int i = 1; i < VISION_PATHS_MOST; i++) {
        CU_ASSERT_EQUAL_FATAL(vision_paths_add(&pictures, path, NULL), LL_OK);
    }
    CU_ASSERT_EQUAL(vision_paths_add(&pictures, folder, &err), LL_E_EXHAUSTED);
    CU_ASSERT_STRING_EQUAL(err.limit, "pictures");
    CU_ASSERT_EQUAL(pictures.count, VISION_PATHS_MOST - 1);
    vision_paths_finish(&pictures);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_files_keep_their_order),
    LL_TEST(test_folder),
    LL_TEST(test_streams),
    LL_TEST(test_refusals),
    LL_TEST(test_too_many),
    {NULL, NULL},
};
