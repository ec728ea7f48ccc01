#include "net/ll_u8_channel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHANNEL_STEPS = 255,
    CHANNEL_HEAD_BYTES = 2 * sizeof(float),
};

struct scale {
    float least;
    float step;
};

_Static_assert(sizeof(struct scale) == CHANNEL_HEAD_BYTES, "as it is written");

int64_t ll_u8_channel_bytes(int64_t channels, int64_t size)
{
    return channels * (CHANNEL_HEAD_BYTES + size);
}

/* Threads differ in whether they compute with subnormal numbers: nobody does here. */
static float flush(float value)
{
    uint32_t bits = 0;
    memcpy(&bits, &value, sizeof(bits));
    return (bits & UINT32_C(0x7f800000)) == 0 ? 0 : value;
}

/* False where it has none that is finite. */
static bool find_scale(const float *values, int64_t size, struct scale *out_scale)
{
    float least = values[0];
    float most = values[0];
    uint32_t odd = 0;
    for (int64_t i = 0; i < size; i++) {
        uint32_t bits = 0;
        memcpy(&bits, &values[i], sizeof(bits));
        odd |= (uint32_t)((bits & UINT32_C(0x7f800000)) == UINT32_C(0x7f800000));
        least = values[i] < least ? values[i] : least;
        most = values[i] > most ? values[i] : most;
    }
    double step = ((double)most - (double)least) / CHANNEL_STEPS;
    *out_scale = (struct scale){.least = flush(least), .step = flush((float)step)};
    return odd == 0 && isfinite(most - least);
}

/* In double precision, in which the difference and the step's inverse are as good as exact. */
static void encode_channel(const float *values, int64_t size, const struct scale *scale,
                           uint8_t *out)
{
    double least = scale->least;
    double per_step = scale->step > 0 ? 1 / (double)scale->step : 0;
    for (int64_t i = 0; i < size; i++) {
        double above = (double)values[i] - least;
        double steps = above * per_step;
        double up = steps + 0.5;
        out[i] = up < CHANNEL_STEPS ? (uint8_t)up : CHANNEL_STEPS;
    }
}

bool ll_u8_channel_encode(const float *values, int64_t channels, int64_t size, void *out_bytes)
{
    uint8_t *scales = out_bytes;
    uint8_t *steps = scales + channels * CHANNEL_HEAD_BYTES;
    for (int64_t c = 0; c < channels; c++) {
        struct scale scale;
        if (!find_scale(values + c * size, size, &scale)) {
            return false;
        }
        memcpy(scales + c * CHANNEL_HEAD_BYTES, &scale, sizeof(scale));
        encode_channel(values + c * size, size, &scale, steps + c * size);
    }
    return true;
}

static float value_of(const struct scale *scale, int k)
{
    /* Volatile: nobody is to merge the two, which would round once instead of twice. */
    volatile float above = (float)k * scale->step;
    return flush(scale->least + above);
}

/* Each value's place lies before its byte, or upon it at the end: the byte is read first. */
static void expand_channel(const struct scale *scale, const uint8_t *steps, int64_t size,
                           float *out)
{
    float values[CHANNEL_STEPS + 1];
    bool has_table = size > CHANNEL_STEPS;
    for (int k = 0; k <= CHANNEL_STEPS && has_table; k++) {
        values[k] = value_of(scale, k);
    }
    for (int64_t i = 0; i < size; i++) {
        int k = steps[i];
        float value = has_table ? values[k] : value_of(scale, k);
        memcpy(&out[i], &value, sizeof(value));
    }
}

ll_status ll_u8_channel_expand(void *buffer, int64_t channels, int64_t size)
{
    size_t head_bytes = (size_t)channels * sizeof(struct scale);
    struct scale *scales = malloc(head_bytes);
    if (!scales) {
        return LL_E_NO_MEMORY;
    }
    int64_t count = channels * size;
    float *out = buffer;
    const uint8_t *steps = (const uint8_t *)buffer + count * ((int64_t)sizeof(float) - 1);
    memcpy(scales, steps - head_bytes, head_bytes);
    for (int64_t c = 0; c < channels; c++) {
        scales[c].least = flush(scales[c].least);
        scales[c].step = flush(scales[c].step);
        expand_channel(&scales[c], steps + c * size, size, out + c * size);
    }
    free(scales);
    return LL_OK;
}
