#include "tests/support/ll_usage.h"

#include <dirent.h>
#include <ftw.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/ll_test.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define USAGE_COUNTS_MEMORY false
#else
#define USAGE_COUNTS_MEMORY true
#endif

/* Of gRPC's own, under way. */
enum { USAGE_SLACK = 4, WALK_DESCRIPTORS = 8 };

static int is_no_dot(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Entries of /proc/<id>/<what>. */
static int count_entries(pid_t id, const char *what)
{
    char path[64];
    struct dirent **entries = NULL;
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)id, what);
    int count = scandir(path, &entries, is_no_dot, NULL);
    CU_ASSERT_FATAL(count >= 0);
    for (int i = 0; i < count; i++) {
        free(entries[i]);
    }
    free(entries);
    return count;
}

static int64_t resident_bytes(pid_t id)
{
    char path[64];
    char line[256] = "";
    char *rest = line;
    snprintf(path, sizeof(path), "/proc/%d/statm", (int)id);
    FILE *file = fopen(path, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    bool is_read = fgets(line, sizeof(line), file) != NULL;
    fclose(file);
    CU_ASSERT_FATAL(is_read);
    /* In pages: the whole, then what is resident. */
    strtoll(line, &rest, 10);
    return strtoll(rest, NULL, 10) * sysconf(_SC_PAGESIZE);
}

/* nftw gives its callback nothing of the caller's. */
static _Thread_local int walked;

static int count_file(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)path;
    (void)status;
    (void)kind;
    walked += where->level > 0;
    return 0;
}

void ll_usage_measure(pid_t id, const char *folder, struct ll_usage *out_usage)
{
    walked = 0;
    if (folder) {
        CU_ASSERT_EQUAL_FATAL(nftw(folder, count_file, WALK_DESCRIPTORS, FTW_PHYS), 0);
    }
    if (id == getpid()) {
        malloc_trim(0);
    }
    *out_usage = (struct ll_usage){
        .resident_bytes = resident_bytes(id),
        .descriptors = count_entries(id, "fd"),
        .threads = count_entries(id, "task"),
        .files = walked,
    };
}

bool ll_usage_is_flat(const struct ll_usage *warm, const struct ll_usage *end, int64_t memory_bytes)
{
    return end->descriptors <= warm->descriptors + USAGE_SLACK &&
           end->threads <= warm->threads + USAGE_SLACK && end->files <= warm->files &&
           (!USAGE_COUNTS_MEMORY || end->resident_bytes <= warm->resident_bytes + memory_bytes);
}

void ll_usage_check_flat(const struct ll_usage *warm, const struct ll_usage *end,
                         int64_t memory_bytes)
{
    bool is_flat = ll_usage_is_flat(warm, end, memory_bytes);
    CU_ASSERT(is_flat);
    fprintf(stderr,
            "%s: warm %.1f MB, %d descriptors, %d threads, %d files;"
            " end %.1f MB, %d, %d, %d\n",
            is_flat ? "flat" : "GROWN", (double)warm->resident_bytes * 1e-6, warm->descriptors,
            warm->threads, warm->files, (double)end->resident_bytes * 1e-6, end->descriptors,
            end->threads, end->files);
}

int ll_usage_rounds(int rounds)
{
    const char *text = getenv("LL_SOAK_FACTOR");
    if (!text) {
        return rounds;
    }
    char *end;
    long factor = strtol(text, &end, 10);
    CU_ASSERT_FATAL(end != text && !*end && factor >= 1 && factor <= 1000);
    return rounds * (int)factor;
}
