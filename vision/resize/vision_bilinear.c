/* A row of the result lies between two source rows; each of these is narrowed (or widened) once,
 * when it is first needed, so that two rows are all the memory there is. The formulas keep
 * Darknet's types and order, so that the bits are the same. */
#include "vision/resize/vision_bilinear.h"

#include <stdlib.h>

#include "core/ll_limits.h"

enum { MAX_CHANNELS = 4, LEVELS = 256 };

/* Up to LL_LIMIT_DIM, the position before the last is before the last source pixel, in floats too:
 * its right neighbour exists. */
_Static_assert(LL_LIMIT_DIM < 1 << 22, "a float tells neighbours apart");

/* A source row at the result's width. */
struct narrowed {
    /* -1: none yet. */
    int row;
    float *values;
};

/* One channel on its way. */
struct pass {
    const struct vision_pixels *from;
    int channel;
    int width;
    /* What a byte is, from 0 to 1. */
    const float *levels;
    struct narrowed rows[2];
};

static void narrow(const struct pass *pass, int row, float *out)
{
    const struct vision_pixels *from = pass->from;
    const float *levels = pass->levels;
    const uint8_t *pixels =
        from->data + (ptrdiff_t)row * from->width * from->channels + pass->channel;
    float scale = (float)(from->width - 1) / (float)(pass->width - 1);
    for (int x = 0; x < pass->width - 1 && from->width > 1; x++) {
        float at = (float)x * scale;
        int left = (int)at;
        float part = at - (float)left;
        const uint8_t *pixel = pixels + (ptrdiff_t)left * from->channels;
        out[x] = (1 - part) * levels[pixel[0]] + part * levels[pixel[from->channels]];
    }
    float last = levels[pixels[(ptrdiff_t)(from->width - 1) * from->channels]];
    for (int x = from->width > 1 ? pass->width - 1 : 0; x < pass->width; x++) {
        out[x] = last;
    }
}

/* The source row, narrowed. Rows come from the top; each of two neighbours has a place of its own.
 */
static const float *narrowed_row(struct pass *pass, int row)
{
    struct narrowed *place = &pass->rows[row % 2];
    if (place->row != row) {
        narrow(pass, row, place->values);
        place->row = row;
    }
    return place->values;
}

static void fill_plane(struct pass *pass, const struct vision_planes *to)
{
    int rows = pass->from->height;
    float scale = (float)(rows - 1) / (float)(to->height - 1);
    float *out = to->data + pass->channel * to->plane_step;
    for (int y = 0; y < to->height; y++, out += to->row_step) {
        float at = (float)y * scale;
        int above = (int)at;
        float part = at - (float)above;
        const float *upper = narrowed_row(pass, above);
        for (int x = 0; x < to->width; x++) {
            out[x] = (1 - part) * upper[x];
        }
        /* Darknet adds nothing to the last row, even where its position came out short of it. */
        if (y == to->height - 1 || rows == 1) {
            continue;
        }
        const float *lower = narrowed_row(pass, above + 1);
        for (int x = 0; x < to->width; x++) {
            out[x] += part * lower[x];
        }
    }
}

static ll_status check(const struct vision_pixels *from, const struct vision_planes *to)
{
    if (from->width < 1 || from->height < 1 || from->channels < 1 ||
        from->channels > MAX_CHANNELS || to->width < 1 || to->height < 2) {
        return LL_E_INVALID;
    }
    if (from->width > LL_LIMIT_DIM || from->height > LL_LIMIT_DIM || to->width > LL_LIMIT_DIM ||
        to->height > LL_LIMIT_DIM) {
        return LL_E_EXHAUSTED;
    }
    return LL_OK;
}

ll_status vision_bilinear(const struct vision_pixels *from, const struct vision_planes *to)
{
    ll_status status = check(from, to);
    if (status != LL_OK) {
        return status;
    }
    float *values = malloc(2 * (size_t)to->width * sizeof(*values));
    if (!values) {
        return LL_E_NO_MEMORY;
    }
    float levels[LEVELS];
    for (int i = 0; i < LEVELS; i++) {
        levels[i] = (float)i / 255.0F;
    }
    for (int c = 0; c < from->channels; c++) {
        struct pass pass = {
            .from = from,
            .channel = c,
            .width = to->width,
            .levels = levels,
            .rows = {{-1, values}, {-1, values + to->width}},
        };
        fill_plane(&pass, to);
    }
    free(values);
    return LL_OK;
}
