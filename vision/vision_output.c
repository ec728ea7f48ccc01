#include "vision/vision_output.h"

#include <math.h>
#include <stdbool.h>

#include "core/ll_output.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files hold little-endian floats");

ll_status vision_output_write(const char *path, const float *data, int64_t floats,
                              struct ll_error *err)
{
    struct ll_output output;
    ll_status status = ll_output_open(path, LL_OUTPUT_DIRECT, &output, err);
    if (status != LL_OK) {
        return status;
    }
    ll_output_write(&output, data, (size_t)floats * sizeof(float));
    return ll_output_finish(&output, err);
}

static bool is_better(float a, float b)
{
    return a > b || (!isnan(a) && isnan(b));
}

int vision_top_k(const float *values, int64_t floats, int k, struct vision_top *out_top)
{
    int count = 0;
    for (int64_t i = 0; i < floats; i++) {
        if (count == k && (k == 0 || !is_better(values[i], out_top[count - 1].value))) {
            continue;
        }
        int at = count < k ? count++ : count - 1;
        while (at > 0 && is_better(values[i], out_top[at - 1].value)) {
            out_top[at] = out_top[at - 1];
            at--;
        }
        out_top[at] = (struct vision_top){i, values[i]};
    }
    return count;
}

int64_t vision_count_not_finite(const float *values, int64_t floats)
{
    int64_t count = 0;
    for (int64_t i = 0; i < floats; i++) {
        count += !isfinite(values[i]);
    }
    return count;
}
