/* What of the machine this process may use: processors and memory, as its affinity mask and its
 * control groups (version 2 and version 1) allow.
 *
 * Threads: any; reads /proc and /sys. */
#ifndef LL_MACHINE_H
#define LL_MACHINE_H

#include <stdint.h>

/* Where to look; a test gives folders of its own. */
struct ll_machine_paths {
    /* The groups' file systems: "/sys/fs/cgroup". */
    const char *groups;
    /* The list of the process's groups: "/proc/self/cgroup". */
    const char *own_groups;
};

extern const struct ll_machine_paths ll_machine_paths;

/* Processors that the process may use at once, at least 1: those of its affinity mask, or fewer
 * where a quota (cpu.max, cpu.cfs_quota_us) of its group or one above gives less time; half a
 * processor counts as a whole one. What cannot be read bounds nothing. */
int ll_machine_processors(const struct ll_machine_paths *paths);

/* Bytes of memory that the process may have: the machine's, or what its group or one above allows
 * (memory.max, memory.limit_in_bytes), whichever is less. */
int64_t ll_machine_memory_bytes(const struct ll_machine_paths *paths);

#endif
