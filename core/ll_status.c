#include "core/ll_status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/ll_utf8.h"

#define LL_STATUS_ROW(code, grpc, text) {#code, text, grpc},
static const struct {
    const char *name;
    const char *text;
    int grpc;
} status_table[LL_STATUS_COUNT] = {LL_STATUS_LIST(LL_STATUS_ROW)};
#undef LL_STATUS_ROW

static int is_known(ll_status status)
{
    return (unsigned)status < LL_STATUS_COUNT;
}

const char *ll_status_name(ll_status status)
{
    return is_known(status) ? status_table[status].name : "LL_E_?";
}

const char *ll_status_text(ll_status status)
{
    return is_known(status) ? status_table[status].text : "unknown status";
}

int ll_status_to_grpc(ll_status status)
{
    return is_known(status) ? status_table[status].grpc : status_table[LL_E_INTERNAL].grpc;
}

ll_status ll_status_from_grpc(int code)
{
    for (unsigned i = 0; i < LL_STATUS_COUNT; i++) {
        if (status_table[i].grpc == code) {
            return (ll_status)i;
        }
    }
    return LL_E_INTERNAL;
}

/* A sentence that is too long is cut between characters. */
ll_status ll_vfail(struct ll_error *err, ll_status status, const char *format, va_list args)
{
    if (err) {
        vsnprintf(err->text, sizeof(err->text), format, args);
        err->text[ll_utf8_cut(err->text, sizeof(err->text))] = '\0';
        err->limit[0] = '\0';
        err->limit_value = 0;
        err->retry_ms = 0;
    }
    return status;
}

ll_status ll_fail(struct ll_error *err, ll_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)ll_vfail(err, status, format, args);
    va_end(args);
    return status;
}

ll_status ll_vfail_limit(struct ll_error *err, const char *limit, int64_t value, int64_t retry_ms,
                         const char *format, va_list args)
{
    (void)ll_vfail(err, LL_E_EXHAUSTED, format, args);
    if (err) {
        snprintf(err->limit, sizeof(err->limit), "%s", limit);
        err->limit_value = value;
        err->retry_ms = retry_ms;
    }
    return LL_E_EXHAUSTED;
}

ll_status ll_fail_limit(struct ll_error *err, const char *limit, int64_t value, int64_t retry_ms,
                        const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)ll_vfail_limit(err, limit, value, retry_ms, format, args);
    va_end(args);
    return LL_E_EXHAUSTED;
}

void ll_error_prefix(struct ll_error *err, const char *format, ...)
{
    if (!err) {
        return;
    }
    char head[sizeof(err->text)];
    va_list args;
    va_start(args, format);
    vsnprintf(head, sizeof(head), format, args);
    va_end(args);
    char tail[sizeof(err->text)];
    memcpy(tail, err->text, sizeof(tail));
    tail[sizeof(tail) - 1] = '\0';
    int used = snprintf(err->text, sizeof(err->text), "%s: ", head);
    if (used > 0 && (size_t)used < sizeof(err->text)) {
        size_t length = ll_utf8_cut(tail, sizeof(err->text) - (size_t)used - 1);
        memcpy(err->text + used, tail, length);
        err->text[(size_t)used + length] = '\0';
    }
}
