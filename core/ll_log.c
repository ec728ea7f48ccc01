#include "core/ll_log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/ll_text.h"

static atomic_int current_level = LL_LOG_INFO;

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void ll_log_set_level(ll_log_level level)
{
    atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

ll_status ll_log_parse_level(const char *name, ll_log_level *out_level)
{
    for (int i = 0; i <= LL_LOG_DEBUG; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *out_level = (ll_log_level)i;
            return LL_OK;
        }
    }
    return LL_E_INVALID;
}

/* The time stamp of the wall clock; returns the characters written. */
static size_t write_stamp(char *line, size_t bytes)
{
    struct timespec now = {0, 0};
    clock_gettime(CLOCK_REALTIME, &now);
    struct tm utc;
    gmtime_r(&now.tv_sec, &utc);
    size_t used = strftime(line, bytes, "%Y-%m-%dT%H:%M:%S", &utc);
    int more = snprintf(line + used, bytes - used, ".%03dZ", (int)(now.tv_nsec / 1000000));
    return used + (size_t)more;
}

void ll_log(ll_log_level level, const char *module, const char *format, ...)
{
    if ((int)level > atomic_load_explicit(&current_level, memory_order_relaxed)) {
        return;
    }
    char line[1024];
    size_t used = write_stamp(line, sizeof(line));
    int more = snprintf(line + used, sizeof(line) - used, " %-5s %s: ", level_names[level], module);
    used += more > 0 ? (size_t)more : 0;

    va_list args;
    va_start(args, format);
    more = vsnprintf(line + used, sizeof(line) - used - 1, format, args);
    va_end(args);
    size_t room = sizeof(line) - used - 2;
    size_t text = more < 0 ? 0 : (size_t)more < room ? (size_t)more : room;
    line[used + text] = '\0';
    ll_text_tame(line + used);
    used += text;
    line[used++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, used);
    (void)written;
}
