#include "core/ll_machine.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>

#include "tests/support/ll_test.h"

const char *const ll_test_suite = "ll_machine";

enum { PATH_BYTES = 2 * PATH_MAX };

struct groups {
    char root[PATH_MAX];
    char list[PATH_MAX];
    struct ll_machine_paths paths;
};

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs(text, file);
    fclose(file);
}

static void set_up(struct groups *groups, const char *list)
{
    const char *folder = ll_test_folder();
    snprintf(groups->root, sizeof(groups->root), "%s/groups", folder);
    snprintf(groups->list, sizeof(groups->list), "%s/list", folder);
    CU_ASSERT_EQUAL_FATAL(mkdir(groups->root, 0700), 0);
    write_file(groups->list, list);
    groups->paths = (struct ll_machine_paths){groups->root, groups->list};
}

/* Makes folder `group` below the root, and a file in it. */
static void set(const struct groups *groups, const char *group, const char *name, const char *text)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s%s", groups->root, group);
    (void)mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s%s/%s", groups->root, group, name);
    write_file(path, text);
}

/* The processors of the affinity mask, which nothing exceeds. */
static int most(void)
{
    cpu_set_t mask;
    CU_ASSERT_EQUAL_FATAL(sched_getaffinity(0, sizeof(mask), &mask), 0);
    return CPU_COUNT(&mask);
}

static void test_mask_counts(void)
{
    struct groups groups;
    set_up(&groups, "0::/\n");
    CU_ASSERT_EQUAL(ll_machine_processors(&groups.paths), most());
    cpu_set_t before;
    cpu_set_t one;
    CPU_ZERO(&one);
    CU_ASSERT_EQUAL_FATAL(sched_getaffinity(0, sizeof(before), &before), 0);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++) {
        if (CPU_ISSET(i, &before)) {
            CPU_SET(i, &one);
        }
    }
    CU_ASSERT_EQUAL_FATAL(sched_setaffinity(0, sizeof(one), &one), 0);
    CU_ASSERT_EQUAL(ll_machine_processors(&groups.paths), 1);
    CU_ASSERT_EQUAL_FATAL(sched_setaffinity(0, sizeof(before), &before), 0);
}

static void test_quota_of_version_2(void)
{
    struct groups groups;
    set_up(&groups, "0::/a/b\n");
    set(&groups, "/a", "cpu.max", "max 100000\n");
    set(&groups, "/a/b", "cpu.max", "max 100000\n");
    CU_ASSERT_EQUAL(ll_machine_processors(&groups.paths), most());
    set(&groups, "/a/b", "cpu.max", "50000 100000\n");
    CU_ASSERT_EQUAL(ll_machine_processors(&groups.paths), 1);
    set(&groups, "/a/b", "cpu.max", "10000000000 100000\n");
    CU_ASSERT_EQUAL(ll_machine_processors(&groups.paths), most());
    /* The group above has less. */
    set(&groups, "/a", "cpu.max", "100000 100000\n");
    CU_ASSERT_EQUAL(ll_machine_processors(&groups.paths), 1);
}

static void test_quota_of_version_1(void)
{
    struct groups groups;
    set_up(&groups, "3:cpuset:/x\n4:cpuacct,cpu:/x\n5:memory:/\n");
    set(&groups, "/cpu", "cpu.cfs_quota_us", "-1\n");
    set(&groups, "/cpu", "cpu.cfs_period_us", "100000\n");
    CU_ASSERT_EQUAL(ll_machine_processors(&groups.paths), most());
    set(&groups, "/cpu/x", "cpu.cfs_quota_us", "20000\n");
    set(&groups, "/cpu/x", "cpu.cfs_period_us", "100000\n");
    CU_ASSERT_EQUAL(ll_machine_processors(&groups.paths), 1);
}

static void test_path_that_is_the_hosts_means_the_root(void)
{
    struct groups groups;
    set_up(&groups, "0::/docker/0123\n");
    set(&groups, "", "cpu.max", "100000 100000\n");
    CU_ASSERT_EQUAL(ll_machine_processors(&groups.paths), 1);
}

static void test_nonsense_bounds_nothing(void)
{
    static const char *const texts[] = {"", "\n", "x", "0 0\n", "-1 -1\n", "100000\n", "100000 0"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct groups groups;
        set_up(&groups, "nonsense\n0::/\n1\n:\n2:cpu\n");
        set(&groups, "", "cpu.max", texts[i]);
        set(&groups, "", "memory.max", i == 5 ? "-5" : "x");
        CU_ASSERT_EQUAL(ll_machine_processors(&groups.paths), most());
        CU_ASSERT(ll_machine_memory_bytes(&groups.paths) > 1000);
    }
    const struct ll_machine_paths none = {"/proc/none", "/proc/none"};
    CU_ASSERT_EQUAL(ll_machine_processors(&none), most());
}

static void test_memory_is_the_least(void)
{
    struct groups groups;
    set_up(&groups, "0::/a\n");
    int64_t whole = ll_machine_memory_bytes(&groups.paths);
    CU_ASSERT(whole > 1 << 20);
    set(&groups, "/a", "memory.max", "max\n");
    CU_ASSERT_EQUAL(ll_machine_memory_bytes(&groups.paths), whole);
    set(&groups, "", "memory.max", "3000000\n");
    CU_ASSERT_EQUAL(ll_machine_memory_bytes(&groups.paths), 3000000);
    set(&groups, "/a", "memory.max", "2000000\n");
    CU_ASSERT_EQUAL(ll_machine_memory_bytes(&groups.paths), 2000000);
    struct groups old;
    set_up(&old, "5:memory:/\n");
    set(&old, "/memory", "memory.limit_in_bytes", "9223372036854771712\n");
    CU_ASSERT_EQUAL(ll_machine_memory_bytes(&old.paths), whole);
    set(&old, "/memory", "memory.limit_in_bytes", "1000000\n");
    CU_ASSERT_EQUAL(ll_machine_memory_bytes(&old.paths), 1000000);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_mask_counts),
    LL_TEST(test_quota_of_version_2),
    LL_TEST(test_quota_of_version_1),
    LL_TEST(test_path_that_is_the_hosts_means_the_root),
    LL_TEST(test_nonsense_bounds_nothing),
    LL_TEST(test_memory_is_the_least),
    {NULL, NULL},
};
