#include "core/ll_log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/ll_clock.h"
#include "core/ll_text.h"
#include "core/ll_utf8.h"

/* Warnings and what is told besides is mostly what peers do, who could fill a disk with it: so
 * many lines at once, and then one each so often. Errors and debug lines are always written. */
enum {
    LIMITED_EVERY_S = 5,
    LINES_AT_ONCE = 200,
    LINE_EVERY_MS = 50,
    LINE_BYTES = 1024,
};

/* When the lines so far would have been written, had they come one each LINE_EVERY_MS. */
static _Atomic int64_t paid_until_ns;
static atomic_llong left_out;

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

static bool is_logged(ll_log_level level)
{
    return (int)level <= atomic_load_explicit(&current_level, memory_order_relaxed);
}

static bool may_write(ll_log_level level)
{
    if (level != LL_LOG_WARN && level != LL_LOG_INFO) {
        return true;
    }
    int64_t every_ns = LINE_EVERY_MS * LL_NS_PER_MS;
    int64_t now_ns = ll_clock_now_ns();
    int64_t paid_ns = atomic_load_explicit(&paid_until_ns, memory_order_relaxed);
    int64_t from_ns = 0;
    do {
        from_ns = paid_ns > now_ns ? paid_ns : now_ns;
        if (from_ns - now_ns >= LINES_AT_ONCE * every_ns) {
            atomic_fetch_add_explicit(&left_out, 1, memory_order_relaxed);
            return false;
        }
    } while (!atomic_compare_exchange_weak(&paid_until_ns, &paid_ns, from_ns + every_ns));
    return true;
}

/* Writes the sentence, tamed and cut between characters; returns its length. */
static size_t write_sentence(char *out_text, size_t bytes, const char *format, va_list args)
    LL_PRINTF(3, 0);

static size_t write_sentence(char *out_text, size_t bytes, const char *format, va_list args)
{
    int length = vsnprintf(out_text, bytes, format, args);
    size_t used = length < 0 ? 0 : ll_utf8_cut(out_text, bytes - 1);
    out_text[used] = '\0';
    ll_text_tame(out_text);
    return used;
}

static void write_line(ll_log_level level, const char *module, const char *format, va_list args)
    LL_PRINTF(3, 0);

static void write_line(ll_log_level level, const char *module, const char *format, va_list args)
{
    char line[LINE_BYTES];
    size_t used = write_stamp(line, sizeof(line));
    int more = snprintf(line + used, sizeof(line) - used, " %-5s %s: ", level_names[level], module);
    used += more > 0 ? (size_t)more : 0;
    used += write_sentence(line + used, sizeof(line) - used - 1, format, args);
    line[used++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, used);
    (void)written;
}

/* Writes the line without limit. */
static void write_note(ll_log_level level, const char *module, const char *format, ...)
    LL_PRINTF(3, 4);

static void write_note(ll_log_level level, const char *module, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_line(level, module, format, args);
    va_end(args);
}

static void log_line(ll_log_level level, const char *module, const char *format, va_list args)
    LL_PRINTF(3, 0);

static void log_line(ll_log_level level, const char *module, const char *format, va_list args)
{
    if (!is_logged(level) || !may_write(level)) {
        return;
    }
    long long lines = atomic_exchange_explicit(&left_out, 0, memory_order_relaxed);
    if (lines > 0) {
        write_note(level, "log", "%lld lines were left out", lines);
    }
    write_line(level, module, format, args);
}

void ll_log(ll_log_level level, const char *module, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_line(level, module, format, args);
    va_end(args);
}

void ll_log_to(const struct ll_log_sink *sink, ll_log_level level, const char *module,
               const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (sink) {
        char text[LINE_BYTES];
        write_sentence(text, sizeof(text), format, args);
        sink->write(sink->owner, level, module, text);
    } else {
        log_line(level, module, format, args);
    }
    va_end(args);
}

void ll_log_limited(struct ll_log_limit *limit, ll_log_level level, const char *module,
                    const char *format, ...)
{
    int64_t now_ns = ll_clock_now_ns();
    if (!is_logged(level)) {
        return;
    }
    if (now_ns < limit->next_ns) {
        limit->left_out++;
        return;
    }
    if (limit->left_out > 0) {
        write_note(level, module, "%lld lines like the next one were left out",
                   (long long)limit->left_out);
    }
    limit->left_out = 0;
    limit->next_ns = now_ns + LIMITED_EVERY_S * LL_NS_PER_S;
    va_list args;
    va_start(args, format);
    write_line(level, module, format, args);
    va_end(args);
}
