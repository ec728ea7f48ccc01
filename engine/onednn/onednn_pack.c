/* Packing of weights: one pass from the blob to oneDNN's layout, folding on the way.
 *
 * In a blocked layout the place of a value is a sum of what each of its dimensions adds, so four
 * small tables describe any of them. Filters are taken a few rows at a time, in short pieces that
 * stay in the cache, since the layouts put the filters' values next to each other. */
#include "engine/onednn/onednn_pack.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/onednn/onednn_bf16.h"

enum { ROWS = 16, PIECE = 64 };

/* What value `at` of dimension `dim` adds to the place. */
static int64_t place_along(const dnnl_memory_desc_t *md, int dim, int64_t at)
{
    const dnnl_blocking_desc_t *blocking = &md->format_desc.blocking;
    int64_t place = 0;
    int64_t inner = 1;
    for (int i = blocking->inner_nblks - 1; i >= 0; i--) {
        int64_t block = blocking->inner_blks[i];
        if (blocking->inner_idxs[i] == dim) {
            place += at % block * inner;
            at /= block;
        }
        inner *= block;
    }
    return place + at * blocking->strides[dim];
}

struct packer {
    const struct onednn_filters *filters;
    const dnnl_memory_desc_t *md;
    /* One of the two, by md's type. */
    float *out;
    uint16_t *out_bf16;
    /* The dimension of filters in md: 0, or 1 behind the groups. */
    int rows_dim;
    int64_t row_floats;
    /* Places of one filter's values, relative to the filter's. */
    int64_t *places;
};

static void fill_places(struct packer *packer, int first_column)
{
    const struct onednn_filters *filters = packer->filters;
    int dim = packer->rows_dim;
    int64_t *to = packer->places;
    for (int i = 0; i < filters->columns; i++) {
        int64_t column = place_along(packer->md, dim + 1, first_column + i);
        for (int y = 0; y < filters->kernel; y++) {
            int64_t line = column + place_along(packer->md, dim + 2, y);
            for (int x = 0; x < filters->kernel; x++) {
                *to++ = line + place_along(packer->md, dim + 3, x);
            }
        }
    }
}

/* Where a piece's values lie side by side, one filter's next to the other's. */
static bool are_neighbours(const int64_t places[ROWS], int count)
{
    for (int r = 1; r < count; r++) {
        if (places[r] != places[0] + r) {
            return false;
        }
    }
    return count == ROWS;
}

static void round_piece(const struct packer *packer, const float piece[PIECE][ROWS], int64_t at,
                        int length, int count, const int64_t places[ROWS])
{
    for (int e = 0; e < length; e++) {
        uint16_t rounded[ROWS];
        for (int r = 0; r < ROWS; r++) {
            rounded[r] = onednn_bf16_round(piece[e][r]);
        }
        uint16_t *to = packer->out_bf16 + packer->places[at + e];
        for (int r = 0; r < count; r++) {
            to[places[r]] = rounded[r];
        }
    }
}

static void write_piece(const struct packer *packer, const float piece[PIECE][ROWS], int64_t at,
                        int length, int count, const int64_t places[ROWS])
{
    if (packer->out_bf16) {
        round_piece(packer, piece, at, length, count, places);
        return;
    }
    if (are_neighbours(places, count)) {
        for (int e = 0; e < length; e++) {
            memcpy(packer->out + packer->places[at + e] + places[0], piece[e], sizeof(piece[e]));
        }
        return;
    }
    for (int e = 0; e < length; e++) {
        float *to = packer->out + packer->places[at + e];
        for (int r = 0; r < count; r++) {
            to[places[r]] = piece[e][r];
        }
    }
}

/* Writes `count` filters from `filter` on; places[r] is where the r-th of them begins. */
static void pack_rows(const struct packer *packer, int64_t filter, int count,
                      const int64_t places[ROWS])
{
    float piece[PIECE][ROWS] = {{0}};
    for (int64_t at = 0; at < packer->row_floats; at += PIECE) {
        int64_t rest = packer->row_floats - at;
        int length = rest < PIECE ? (int)rest : PIECE;
        for (int r = 0; r < count; r++) {
            const float *from = packer->filters->weights + (filter + r) * packer->row_floats + at;
            float factor = (float)packer->filters->factors[filter + r];
            for (int e = 0; e < length; e++) {
                piece[e][r] = from[e] * factor;
            }
        }
        write_piece(packer, piece, at, length, count, places);
    }
}

static void pack_group(struct packer *packer, int group)
{
    const struct onednn_filters *filters = packer->filters;
    int within = group % filters->merge;
    if (group < filters->merge) {
        /* The same for each group that has the same place within the merged one. */
        fill_places(packer, within * filters->columns);
    }
    int64_t base = packer->rows_dim > 0 ? place_along(packer->md, 0, group / filters->merge) : 0;
    for (int row = 0; row < filters->rows; row += ROWS) {
        int count = filters->rows - row < ROWS ? filters->rows - row : ROWS;
        int64_t places[ROWS];
        for (int r = 0; r < count; r++) {
            int64_t merged_row = (int64_t)within * filters->rows + row + r;
            places[r] = base + place_along(packer->md, packer->rows_dim, merged_row);
        }
        pack_rows(packer, (int64_t)group * filters->rows + row, count, places);
    }
}

ll_status onednn_pack(const struct onednn_filters *filters, const dnnl_memory_desc_t *md, void *out)
{
    bool is_bf16 = md->data_type == dnnl_bf16;
    if (md->format_kind != dnnl_blocked || (!is_bf16 && md->data_type != dnnl_f32) ||
        md->extra.flags != 0) {
        return LL_E_UNSUPPORTED;
    }
    struct packer packer = {
        .filters = filters,
        .md = md,
        .rows_dim = md->ndims == 5 ? 1 : 0,
        .row_floats = (int64_t)filters->columns * filters->kernel * filters->kernel,
    };
    packer.out = is_bf16 ? NULL : out;
    packer.out_bf16 = is_bf16 ? out : NULL;
    packer.places = malloc((size_t)packer.row_floats * sizeof(*packer.places));
    if (!packer.places) {
        return LL_E_NO_MEMORY;
    }
    /* Groups in the order that shares tables: first those at the same place within a merged one. */
    for (int within = 0; within < filters->merge; within++) {
        for (int group = within; group < filters->groups; group += filters->merge) {
            pack_group(&packer, group);
        }
    }
    free(packer.places);
    return LL_OK;
}
