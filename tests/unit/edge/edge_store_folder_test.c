/* Whose a folder is, and what is left in it. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "edge/model/edge_store.h"
#include "tests/support/ll_test.h"
#include "tests/support/store_fixture.h"

static void test_folder_belongs_to_one_store(void)
{
    const char *folder = ll_test_folder();
    struct edge_store *store = store_fixture_open(folder, 1 << 20);
    struct edge_store *second = NULL;
    const struct edge_store_config config = {.folder = folder, .budget_bytes = 1};
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(edge_store_create(&config, &second, &err), LL_E_PRECONDITION);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, folder));
    edge_store_destroy(store);
    edge_store_destroy(store_fixture_open(folder, 1 << 20));
}

static void test_leftovers_are_removed_and_other_files_stay(void)
{
    const char *folder = ll_test_folder();
    char path[9000];
    static const char digits[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    static const char *const names[] = {"-10",     "-10.part",  "-10.7.part",
                                        "-10.txt", "-10..part", "x-10"};
    for (int i = 0; i < 6; i++) {
        snprintf(path, sizeof(path), "%s/%s%s", folder, digits, names[i]);
        FILE *file = fopen(path, "w");
        CU_ASSERT_PTR_NOT_NULL_FATAL(file);
        fclose(file);
    }
    struct edge_store *store = store_fixture_open(folder, 1 << 20);
    CU_ASSERT_EQUAL(store_fixture_count_files(folder), 6);
    edge_store_remove_orphans(store);
    CU_ASSERT_EQUAL(store_fixture_count_files(folder), 3);
    edge_store_destroy(store);
}

static void test_unusable_folder_is_named(void)
{
    struct edge_store *store = NULL;
    const struct edge_store_config config = {.folder = "/proc/none/such", .budget_bytes = 1};
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(edge_store_create(&config, &store, &err), LL_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/proc/none/such"));
}

/* ---- Temporary folders ---- */

/* `parent`/layerlift-store-`digits`, with a lock file and a blob's if wished. */
static void make_stale(const char *parent, const char *digits, bool has_lock, char out_path[9000])
{
    char path[9100];
    snprintf(out_path, 9000, "%s/layerlift-store-%s", parent, digits);
    CU_ASSERT_EQUAL_FATAL(mkdir(out_path, 0700), 0);
    snprintf(path, sizeof(path), "%s/%0*d-10.part", out_path, 64, 1);
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fclose(file);
    if (has_lock) {
        snprintf(path, sizeof(path), "%s/layerlift.lock", out_path);
        file = fopen(path, "w");
        CU_ASSERT_PTR_NOT_NULL_FATAL(file);
        fclose(file);
    }
}

static struct edge_store *open_temporary(const char *parent)
{
    struct edge_store *store = NULL;
    const struct edge_store_config config = {.temporary_parent = parent, .budget_bytes = 1 << 20};
    CU_ASSERT_EQUAL_FATAL(edge_store_create(&config, &store, NULL), LL_OK);
    return store;
}

static void test_folders_of_killed_servers_are_removed(void)
{
    const char *parent = ll_test_folder();
    char stale[9000];
    make_stale(parent, "abc123", true, stale);
    struct edge_store *store = open_temporary(parent);
    CU_ASSERT_NOT_EQUAL(access(stale, F_OK), 0);
    CU_ASSERT_EQUAL(store_fixture_count_files(parent), 1);
    edge_store_destroy(store);
    CU_ASSERT_EQUAL(store_fixture_count_files(parent), 0);
}

static void test_other_folders_stay(void)
{
    char parent[4096];
    char elsewhere[4096];
    snprintf(parent, sizeof(parent), "%s", ll_test_folder());
    snprintf(elsewhere, sizeof(elsewhere), "%s", ll_test_folder());
    char path[9000];
    char target[9000];
    char unlocked[9000];
    struct edge_store *alive = open_temporary(parent);
    make_stale(parent, "nolock", false, unlocked);
    /* A link to what would be removed, did it stand here. */
    make_stale(elsewhere, "target", true, target);
    snprintf(path, sizeof(path), "%s/layerlift-store-linked", parent);
    CU_ASSERT_EQUAL_FATAL(symlink(target, path), 0);
    /* Neither the form of a name that we give. */
    char longer[9000];
    make_stale(parent, "abc1234", true, longer);
    edge_store_destroy(open_temporary(parent));
    CU_ASSERT_EQUAL(access(edge_store_folder(alive), F_OK), 0);
    CU_ASSERT_EQUAL(access(unlocked, F_OK), 0);
    CU_ASSERT_EQUAL(access(longer, F_OK), 0);
    CU_ASSERT_EQUAL(access(target, F_OK), 0);
    CU_ASSERT_EQUAL(store_fixture_count_files(target), 1);
    edge_store_destroy(alive);
    CU_ASSERT_EQUAL(store_fixture_count_files(parent), 3);
}

static void test_files_that_are_not_the_stores_keep_a_stale_folder(void)
{
    const char *parent = ll_test_folder();
    char stale[9000];
    char path[9100];
    make_stale(parent, "abc123", true, stale);
    snprintf(path, sizeof(path), "%s/letter.txt", stale);
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fclose(file);
    edge_store_destroy(open_temporary(parent));
    CU_ASSERT_EQUAL(access(path, F_OK), 0);
    CU_ASSERT_EQUAL(store_fixture_count_files(stale), 1);
}

const char *const ll_test_suite = "edge_store_folder";
const struct ll_test ll_tests[] = {
    LL_TEST(test_folder_belongs_to_one_store),
    LL_TEST(test_leftovers_are_removed_and_other_files_stay),
    LL_TEST(test_unusable_folder_is_named),
    LL_TEST(test_folders_of_killed_servers_are_removed),
    LL_TEST(test_other_folders_stay),
    LL_TEST(test_files_that_are_not_the_stores_keep_a_stale_folder),
    {NULL, NULL},
};
