#include "core/ll_options.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static ll_status refuse_int(const char *text, int64_t min, int64_t max, struct ll_error *err)
{
    return ll_fail(err, LL_E_INVALID, "'%.100s' is not a whole number from %lld to %lld", text,
                   (long long)min, (long long)max);
}

ll_status ll_parse_int(const char *text, int64_t min, int64_t max, int64_t *out_value,
                       struct ll_error *err)
{
    const char *digits = text[0] == '-' ? text + 1 : text;
    if (!isdigit((unsigned char)digits[0])) {
        return refuse_int(text, min, max, err);
    }
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0' || value < min || value > max) {
        return refuse_int(text, min, max, err);
    }
    *out_value = value;
    return LL_OK;
}

ll_status ll_parse_double(const char *text, double min, double max, double *out_value,
                          struct ll_error *err)
{
    char *end = NULL;
    errno = 0;
    double value = 0;
    /* No infinity, NaN, hexadecimal number or leading space. */
    bool plain = text[0] != '\0' && text[strspn(text, "0123456789+-.eE")] == '\0';
    if (plain) {
        value = strtod(text, &end);
    }
    if (!plain || errno != 0 || end == text || *end != '\0' || !isfinite(value) || value < min ||
        value > max) {
        return ll_fail(err, LL_E_INVALID, "'%.100s' is not a number from %g to %g", text, min, max);
    }
    *out_value = value;
    return LL_OK;
}

ll_status ll_parse_size(const char *text, int64_t min, int64_t max, int64_t *out_bytes,
                        struct ll_error *err)
{
    static const struct {
        const char *name;
        int64_t bytes;
    } units[] = {
        {"", 1},         {"K", 1000},     {"M", 1000 * 1000}, {"G", 1000 * 1000 * 1000},
        {"Ki", 1 << 10}, {"Mi", 1 << 20}, {"Gi", 1 << 30},
    };
    char *end = NULL;
    errno = 0;
    long long count = isdigit((unsigned char)text[0]) ? strtoll(text, &end, 10) : 0;
    for (size_t i = 0; end && errno == 0 && i < sizeof(units) / sizeof(units[0]); i++) {
        int64_t bytes = 0;
        if (strcmp(end, units[i].name) == 0 &&
            !__builtin_mul_overflow((int64_t)count, units[i].bytes, &bytes) && bytes >= min &&
            bytes <= max) {
            *out_bytes = bytes;
            return LL_OK;
        }
    }
    return ll_fail(
        err, LL_E_INVALID,
        "'%.100s' is not a size from %lld to %lld bytes, as a whole number with K, M, G, "
        "Ki, Mi, Gi or nothing behind it",
        text, (long long)min, (long long)max);
}

void ll_options_enter_caller_folder(void)
{
    const char *folder = getenv("BUILD_WORKING_DIRECTORY");
    if (folder && chdir(folder) != 0) {
        /* The folder is gone; the program's own is as good. */
        return;
    }
}
