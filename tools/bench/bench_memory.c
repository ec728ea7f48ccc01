#include "tools/bench/bench_memory.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Takes the line if it is `key`'s; its value is in KiB. */
static bool take(const char *line, const char *key, int64_t *out_bytes)
{
    size_t length = strlen(key);
    if (strncmp(line, key, length) != 0) {
        return false;
    }
    *out_bytes = strtoll(line + length, NULL, 10) * 1024;
    return true;
}

ll_status bench_memory_read(struct bench_memory *out_memory, struct ll_error *err)
{
    FILE *file = fopen("/proc/self/status", "re");
    if (!file) {
        return ll_fail(err, LL_E_IO, "/proc/self/status: cannot be read");
    }
    char line[256];
    int found = 0;
    while (fgets(line, sizeof(line), file)) {
        found += take(line, "VmRSS:", &out_memory->resident_bytes) ||
                 take(line, "VmHWM:", &out_memory->peak_bytes) ||
                 take(line, "RssAnon:", &out_memory->private_bytes);
    }
    fclose(file);
    return found == 3
               ? LL_OK
               : ll_fail(err, LL_E_UNSUPPORTED, "/proc/self/status does not tell about memory");
}

void bench_memory_reset_peak(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "we");
    if (file) {
        /* 5: the peak (proc(5)). */
        fputs("5", file);
        fclose(file);
    }
}
