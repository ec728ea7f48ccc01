/* A process's line in /proc/self/cgroup names its group: "0::/a/b" in version 2, "4:cpu,cpuacct:/a"
 * per controller in version 1. Each group on the way to the root may set a limit, and the least
 * counts. Inside a container the path may be the host's, which is not visible there: then only the
 * root is looked at, which is the container's own group. */
#include "core/ll_machine.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct ll_machine_paths ll_machine_paths = {
    .groups = "/sys/fs/cgroup",
    .own_groups = "/proc/self/cgroup",
};

enum { LINE_BYTES = 2 * PATH_MAX };

/* One kind of limit: reads a group's and lowers `*limit`. */
typedef void (*read_limit)(const char *folder, int64_t *limit);

/* The first line of a file; false where there is none. */
static bool read_line(const char *folder, const char *name, char line[LINE_BYTES])
{
    char path[LINE_BYTES + NAME_MAX];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    if (!file) {
        return false;
    }
    bool has_line = fgets(line, LINE_BYTES, file) != NULL;
    fclose(file);
    return has_line;
}

static void lower(int64_t *limit, int64_t value)
{
    if (value > 0 && value < *limit) {
        *limit = value;
    }
}

/* Time per period as processors, in whole ones. */
static void lower_quota(int64_t *limit, long long quota, long long period)
{
    if (quota > 0 && period > 0) {
        lower(limit, quota / period + (quota % period > 0));
    }
}

/* "max 100000" or "150000 100000". */
static void read_cpu_max(const char *folder, int64_t *limit)
{
    char line[LINE_BYTES];
    if (read_line(folder, "cpu.max", line)) {
        char *end = line;
        long long quota = strtoll(line, &end, 10);
        lower_quota(limit, quota, strtoll(end, NULL, 10));
    }
}

static void read_cfs_quota(const char *folder, int64_t *limit)
{
    char quota[LINE_BYTES];
    char period[LINE_BYTES];
    if (read_line(folder, "cpu.cfs_quota_us", quota) &&
        read_line(folder, "cpu.cfs_period_us", period)) {
        lower_quota(limit, strtoll(quota, NULL, 10), strtoll(period, NULL, 10));
    }
}

static void read_memory_max(const char *folder, int64_t *limit)
{
    char line[LINE_BYTES];
    if (read_line(folder, "memory.max", line)) {
        lower(limit, strtoll(line, NULL, 10));
    }
}

static void read_memory_limit(const char *folder, int64_t *limit)
{
    char line[LINE_BYTES];
    if (read_line(folder, "memory.limit_in_bytes", line)) {
        lower(limit, strtoll(line, NULL, 10));
    }
}

/* All groups from `group` up to the root of `mount`. */
static void read_upwards(const char *mount, char *group, read_limit read, int64_t *limit)
{
    char folder[LINE_BYTES];
    for (;;) {
        if (snprintf(folder, sizeof(folder), "%s%s", mount, group) < (int)sizeof(folder)) {
            read(folder, limit);
        }
        char *slash = strrchr(group, '/');
        if (!slash) {
            return;
        }
        *slash = '\0';
    }
}

/* Whether the list "cpu,cpuacct" has the controller. */
static bool has_controller(const char *list, const char *controller)
{
    size_t length = strlen(controller);
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        if (strncmp(at, controller, length) == 0 && (at[length] == ',' || at[length] == '\0')) {
            return true;
        }
    }
    return false;
}

static void read_groups(const struct ll_machine_paths *paths, const char *controller,
                        read_limit read_2, read_limit read_1, int64_t *limit)
{
    char line[LINE_BYTES];
    char mount[LINE_BYTES];
    FILE *file = fopen(paths->own_groups, "re");
    while (file && fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        char *list = strchr(line, ':');
        char *group = list ? strchr(list + 1, ':') : NULL;
        if (!group) {
            continue;
        }
        *group++ = '\0';
        list++;
        group[strcmp(group, "/") == 0 ? 0 : strlen(group)] = '\0';
        if (list[0] == '\0') {
            read_upwards(paths->groups, group, read_2, limit);
        } else if (has_controller(list, controller) &&
                   snprintf(mount, sizeof(mount), "%s/%s", paths->groups, controller) <
                       (int)sizeof(mount)) {
            read_upwards(mount, group, read_1, limit);
        }
    }
    if (file) {
        fclose(file);
    }
}

int ll_machine_processors(const struct ll_machine_paths *paths)
{
    int64_t limit = sysconf(_SC_NPROCESSORS_ONLN);
    limit = limit > 0 ? limit : 1;
    cpu_set_t mask;
    if (sched_getaffinity(0, sizeof(mask), &mask) == 0) {
        lower(&limit, CPU_COUNT(&mask));
    }
    read_groups(paths, "cpu", read_cpu_max, read_cfs_quota, &limit);
    return (int)limit;
}

int64_t ll_machine_memory_bytes(const struct ll_machine_paths *paths)
{
    int64_t limit = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    read_groups(paths, "memory", read_memory_max, read_memory_limit, &limit);
    return limit;
}
