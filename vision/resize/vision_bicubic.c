#include "vision/resize/vision_bicubic.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#include "core/ll_limits.h"

/* The kernel reaches this far on each side, in units of the larger pixel. */
#define SUPPORT 2.0

enum { MAX_CHANNELS = 4 };

/* For each output position: the source positions [lo, lo + count) and their weights. */
struct axis {
    int in;
    int out;
    int room;
    int *lo;
    int *count;
    double *weights;
};

static double cubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1) {
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    }
    if (x < 2) {
        return (((x - 5) * x + 8) * x - 4) * a;
    }
    return 0;
}

static void axis_finish(struct axis *axis)
{
    free(axis->lo);
    free(axis->count);
    free(axis->weights);
}

static void axis_fill(struct axis *axis, int i, double scale, double stretch)
{
    double *weights = axis->weights + (size_t)i * (size_t)axis->room;
    double centre = (i + 0.5) * scale;
    double from = centre - SUPPORT * stretch + 0.5;
    double to = centre + SUPPORT * stretch + 0.5;
    int lo = from > 0 ? (int)from : 0;
    int hi = to < axis->in ? (int)to : axis->in;
    double sum = 0;
    for (int j = lo; j < hi; j++) {
        weights[j - lo] = cubic((j - centre + 0.5) / stretch);
        sum += weights[j - lo];
    }
    for (int j = lo; j < hi; j++) {
        weights[j - lo] /= sum;
    }
    axis->lo[i] = lo;
    axis->count[i] = hi - lo;
}

static ll_status axis_init(struct axis *axis, int in, int out)
{
    double scale = (double)in / out;
    double stretch = scale > 1 ? scale : 1;
    int room = 2 * (int)ceil(SUPPORT * stretch) + 1;
    *axis = (struct axis){.in = in, .out = out, .room = room < in ? room : in};
    axis->lo = calloc((size_t)out, sizeof(*axis->lo));
    axis->count = calloc((size_t)out, sizeof(*axis->count));
    axis->weights = calloc((size_t)out * (size_t)axis->room, sizeof(*axis->weights));
    if (!axis->lo || !axis->count || !axis->weights) {
        return LL_E_NO_MEMORY;
    }
    for (int i = 0; i < out; i++) {
        axis_fill(axis, i, scale, stretch);
    }
    return LL_OK;
}

static uint8_t to_byte(double value)
{
    value = floor(value + 0.5);
    return value <= 0 ? 0 : value >= 255 ? 255 : (uint8_t)value;
}

/* Resizes along one axis: values of one line lie `step` bytes apart. `lines` lines begin at `from`
 * and `to`, `channels` of them side by side, then the next `line_in` and `line_out` bytes on. */
struct pass {
    const struct axis *axis;
    int lines;
    int channels;
    size_t step;
    size_t line_in;
    size_t line_out;
};

static void blend(const struct pass *pass, int i, const uint8_t *line, uint8_t *out)
{
    const struct axis *axis = pass->axis;
    const double *weights = axis->weights + (size_t)i * (size_t)axis->room;
    const uint8_t *first = line + (size_t)axis->lo[i] * pass->step;
    for (int c = 0; c < pass->channels; c++) {
        double sum = 0;
        for (int j = 0; j < axis->count[i]; j++) {
            sum += weights[j] * first[(size_t)j * pass->step + (size_t)c];
        }
        out[c] = to_byte(sum);
    }
}

static void run_pass(const struct pass *pass, const uint8_t *from, uint8_t *to)
{
    for (int line = 0; line < pass->lines; line++) {
        for (int i = 0; i < pass->axis->out; i++) {
            blend(pass, i, from, to + (size_t)i * pass->step);
        }
        from += pass->line_in;
        to += pass->line_out;
    }
}

ll_status vision_bicubic(const struct vision_pixels *from, int out_width, int out_height,
                         uint8_t **out_data)
{
    int channels = from->channels;
    if (from->width < 1 || from->height < 1 || out_width < 1 || out_height < 1 || channels < 1 ||
        channels > MAX_CHANNELS) {
        return LL_E_INVALID;
    }
    if ((int64_t)from->width * from->height > LL_LIMIT_IMAGE_PIXELS ||
        (int64_t)out_width * from->height > LL_LIMIT_IMAGE_PIXELS ||
        (int64_t)out_width * out_height > LL_LIMIT_IMAGE_PIXELS) {
        return LL_E_EXHAUSTED;
    }

    struct axis across = {0};
    struct axis down = {0};
    size_t row_in = (size_t)from->width * (size_t)channels;
    size_t row_out = (size_t)out_width * (size_t)channels;
    uint8_t *narrowed = malloc(row_out * (size_t)from->height);
    uint8_t *result = malloc(row_out * (size_t)out_height);
    ll_status status = narrowed && result ? LL_OK : LL_E_NO_MEMORY;
    if (status == LL_OK) {
        status = axis_init(&across, from->width, out_width);
    }
    if (status == LL_OK) {
        status = axis_init(&down, from->height, out_height);
    }
    if (status != LL_OK) {
        goto out;
    }

    const struct pass rows = {&across, from->height, channels, (size_t)channels, row_in, row_out};
    run_pass(&rows, from->data, narrowed);
    const struct pass columns = {&down,   out_width,        channels,
                                 row_out, (size_t)channels, (size_t)channels};
    run_pass(&columns, narrowed, result);
    *out_data = result;
    result = NULL;
out:
    axis_finish(&across);
    axis_finish(&down);
    free(narrowed);
    free(result);
    return status;
}
