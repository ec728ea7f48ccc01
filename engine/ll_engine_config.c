#include "engine/ll_engine_config.h"

#include <string.h>

ll_status ll_compute_parse(const char *text, ll_compute *out_compute, struct ll_error *err)
{
    if (strcmp(text, "f32") == 0) {
        *out_compute = LL_COMPUTE_F32;
    } else if (strcmp(text, "bf16") == 0) {
        *out_compute = LL_COMPUTE_BF16;
    } else {
        return ll_fail(err, LL_E_INVALID, "'%.100s' is not one of f32, bf16", text);
    }
    return LL_OK;
}

ll_status ll_compute_take(const char *text, void *field, struct ll_error *err)
{
    return ll_compute_parse(text, field, err);
}
