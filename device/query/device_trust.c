#include "device/query/device_trust.h"

#include <math.h>
#include <string.h>

/* All ones in values that are not finite. */
#define TRUST_EXPONENT UINT32_C(0x7f800000)
/* Odd answers of one connection, after which the edge is left. */
enum { TRUST_ODD_ANSWERS = 2 };

bool device_trust_is_due(struct device_trust *trust, uint64_t connection)
{
    if (trust->connection != connection) {
        trust->connection = connection;
        trust->odd_answers = 0;
    }
    trust->answers++;
    return trust->verify_every > 0 && trust->answers % trust->verify_every == 0;
}

static size_t floats_of(const struct ll_buf *tensor)
{
    return ll_buf_bytes(tensor) / sizeof(float);
}

bool device_trust_is_finite(const struct ll_buf *tensor)
{
    const char *values = ll_buf_data(tensor);
    size_t count = floats_of(tensor);
    uint32_t odd = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = 0;
        memcpy(&bits, values + i * sizeof(float), sizeof(bits));
        odd |= (uint32_t)((bits & TRUST_EXPONENT) == TRUST_EXPONENT);
    }
    return odd == 0;
}

double device_trust_difference(const struct ll_buf *theirs, const struct ll_buf *ours)
{
    const float *a = ll_buf_data(theirs);
    const float *b = ll_buf_data(ours);
    size_t count = floats_of(ours);
    double largest = 0;
    double difference = 0;
    if (memcmp(a, b, count * sizeof(float)) == 0) {
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        bool is_same = a[i] == b[i] || (isnan(a[i]) && isnan(b[i]));
        if (!is_same && !(isfinite(a[i]) && isfinite(b[i]))) {
            return INFINITY;
        }
        if (isfinite(b[i])) {
            largest = fmax(largest, fabs((double)b[i]));
            difference = is_same ? difference : fmax(difference, fabs((double)a[i] - (double)b[i]));
        }
    }
    /* Other bits without another value (-0) are a difference, too, if none that counts. */
    double part = largest > 0 ? difference / largest : difference > 0 ? INFINITY : 0;
    return part > 0 ? part : 1e-45;
}

double device_trust_tolerance(bool is_same_engine, ll_dtype rounded_to)
{
    if (ll_dtype_is_rounding(rounded_to)) {
        return rounded_to == LL_U8_CHANNEL ? DEVICE_TRUST_STEPS : DEVICE_TRUST_ROUNDED;
    }
    return is_same_engine ? 0 : DEVICE_TRUST_NEAR;
}

bool device_trust_found_odd(struct device_trust *trust, bool is_ours_odd)
{
    if (is_ours_odd) {
        trust->is_odd_normal = true;
        return false;
    }
    trust->odd_answers++;
    return trust->odd_answers >= TRUST_ODD_ANSWERS;
}
