#include "device/edge_link/device_upload_rest.h"

#include <stdlib.h>
#include <string.h>

ll_status device_upload_rest_init(struct device_upload_rest *rest, const struct ll_table *table)
{
    size_t layers = (size_t)table->layer_count;
    *rest = (struct device_upload_rest){
        .table = table,
        .done = calloc(layers, sizeof(*rest->done)),
        .begun = calloc(layers, sizeof(*rest->begun)),
        .gaps = calloc(layers, sizeof(*rest->gaps)),
        .is_elsewhere = calloc(layers, sizeof(*rest->is_elsewhere)),
    };
    if (!rest->done || !rest->begun || !rest->gaps || !rest->is_elsewhere) {
        device_upload_rest_finish(rest);
        return LL_E_NO_MEMORY;
    }
    return LL_OK;
}

ll_status device_upload_rest_use_draft(struct device_upload_rest *rest, const bool *is_rounded,
                                       int draft_bits)
{
    size_t layers = (size_t)rest->table->layer_count;
    rest->drafted = calloc(layers, sizeof(*rest->drafted));
    rest->is_rounded = calloc(layers, sizeof(*rest->is_rounded));
    rest->is_whole = calloc(layers, sizeof(*rest->is_whole));
    if (!rest->drafted || !rest->is_rounded || !rest->is_whole) {
        return LL_E_NO_MEMORY;
    }
    memcpy(rest->is_rounded, is_rounded, layers * sizeof(*is_rounded));
    rest->draft_bits = draft_bits;
    return LL_OK;
}

void device_upload_rest_finish(struct device_upload_rest *rest)
{
    free(rest->done);
    free(rest->begun);
    free(rest->gaps);
    free(rest->is_elsewhere);
    free(rest->drafted);
    free(rest->is_rounded);
    free(rest->is_whole);
    *rest = (struct device_upload_rest){0};
}

static int64_t blob_bytes(const struct device_upload_rest *rest, int layer)
{
    return rest->table->layers[layer].blob_bytes;
}

static bool is_rounded(const struct device_upload_rest *rest, int layer)
{
    return rest->drafted && rest->is_rounded[layer];
}

/* Whether the draft cannot run the layer with what is sent. The whole model's blob does, too. */
static bool lacks_draft(const struct device_upload_rest *rest, int layer)
{
    int64_t bytes = blob_bytes(rest, layer);
    return rest->done[layer] < bytes && (!rest->is_rounded[layer] || rest->drafted[layer] < bytes);
}

/* Whether the next bytes are not the layer's in the first pass, or in the second one. */
static bool has_drafted(const struct device_upload_rest *rest, int layer)
{
    return !lacks_draft(rest, layer) || (rest->is_elsewhere[layer] && !is_rounded(rest, layer));
}

static bool has_sent(const struct device_upload_rest *rest, int layer)
{
    return rest->done[layer] >= blob_bytes(rest, layer) || rest->is_elsewhere[layer];
}

/* The layer whose bytes are next, or the number of layers. */
static int next_layer(struct device_upload_rest *rest, bool *out_is_first_pass)
{
    int layers = rest->table->layer_count;
    while (rest->drafted && rest->draft_layer < layers && has_drafted(rest, rest->draft_layer)) {
        rest->draft_layer++;
    }
    *out_is_first_pass = rest->drafted && rest->draft_layer < layers;
    if (*out_is_first_pass) {
        return rest->draft_layer;
    }
    while (rest->layer < layers && has_sent(rest, rest->layer)) {
        rest->layer++;
    }
    return rest->layer;
}

bool device_upload_rest_next(struct device_upload_rest *rest, int64_t limit_bytes,
                             struct device_piece *out_piece)
{
    bool is_first_pass = false;
    int layer = next_layer(rest, &is_first_pass);
    if (layer == rest->table->layer_count) {
        return false;
    }
    bool is_draft = is_first_pass && is_rounded(rest, layer);
    int64_t offset = is_draft ? rest->drafted[layer] : rest->done[layer];
    bool is_in_gap = !is_draft && offset < rest->gaps[layer].end;
    int64_t bytes = (is_in_gap ? rest->gaps[layer].end : blob_bytes(rest, layer)) - offset;
    *out_piece = (struct device_piece){
        .layer = layer,
        .offset = offset,
        .bytes = bytes < limit_bytes ? bytes : limit_bytes,
        .is_draft = is_draft,
        .is_rest = !is_draft && is_rounded(rest, layer) && !rest->is_whole[layer],
        .is_first_pass = is_first_pass,
    };
    return true;
}

void device_upload_rest_advance(struct device_upload_rest *rest, const struct device_piece *piece)
{
    int64_t *done = piece->is_draft ? rest->drafted : rest->done;
    const struct device_upload_gap *gap = &rest->gaps[piece->layer];
    done[piece->layer] = piece->offset + piece->bytes;
    if (!piece->is_draft && piece->offset < gap->end && done[piece->layer] >= gap->end) {
        done[piece->layer] = gap->next;
    }
}

ll_status device_upload_rest_skip(struct device_upload_rest *rest, uint64_t layer)
{
    if (layer >= (uint64_t)rest->table->layer_count) {
        return LL_E_INVALID;
    }
    rest->done[layer] = rest->begun[layer] = rest->table->layers[layer].blob_bytes;
    return LL_OK;
}

static bool is_place(const struct device_upload_rest *rest, uint64_t layer, uint64_t offset)
{
    return layer < (uint64_t)rest->table->layer_count &&
           offset <= (uint64_t)blob_bytes(rest, (int)layer);
}

/* The next bytes may be the layer's. */
static void look_back(struct device_upload_rest *rest, int layer)
{
    rest->layer = rest->layer < layer ? rest->layer : layer;
    rest->draft_layer = rest->draft_layer < layer ? rest->draft_layer : layer;
}

void device_upload_rest_take_back(struct device_upload_rest *rest, const struct device_piece *piece)
{
    int64_t *done = piece->is_draft ? rest->drafted : rest->done;
    done[piece->layer] = piece->offset;
    look_back(rest, piece->layer);
}

ll_status device_upload_rest_seek(struct device_upload_rest *rest, uint64_t layer, uint64_t offset)
{
    if (!is_place(rest, layer, offset)) {
        return LL_E_INVALID;
    }
    rest->done[layer] = rest->begun[layer] = (int64_t)offset;
    rest->gaps[layer] = (struct device_upload_gap){0};
    look_back(rest, (int)layer);
    return LL_OK;
}

ll_status device_upload_rest_fill(struct device_upload_rest *rest, uint64_t layer, uint64_t end)
{
    if (!is_place(rest, layer, end)) {
        return LL_E_INVALID;
    }
    const struct device_upload_gap gap = {.end = (int64_t)end, .next = rest->done[layer]};
    ll_status status = device_upload_rest_again(rest, layer, 0);
    if (status == LL_OK && gap.end < gap.next) {
        rest->gaps[layer] = gap;
    }
    return status;
}

ll_status device_upload_rest_leave_out(struct device_upload_rest *rest, const uint32_t *layers,
                                       size_t count)
{
    size_t known = (size_t)rest->table->layer_count;
    memset(rest->is_elsewhere, 0, known * sizeof(*rest->is_elsewhere));
    look_back(rest, 0);
    for (size_t i = 0; i < count; i++) {
        if (layers[i] >= known) {
            memset(rest->is_elsewhere, 0, known * sizeof(*rest->is_elsewhere));
            return LL_E_INVALID;
        }
        rest->is_elsewhere[layers[i]] = true;
    }
    return LL_OK;
}

ll_status device_upload_rest_go_on(struct device_upload_rest *rest, uint64_t layer, uint64_t offset)
{
    if (!is_place(rest, layer, offset)) {
        return LL_E_INVALID;
    }
    return rest->done[layer] < (int64_t)offset ? device_upload_rest_seek(rest, layer, offset)
                                               : LL_OK;
}

ll_status device_upload_rest_skip_draft(struct device_upload_rest *rest, uint64_t layer)
{
    if (!is_place(rest, layer, 0)) {
        return LL_E_INVALID;
    }
    return device_upload_rest_seek_draft(rest, layer, (uint64_t)blob_bytes(rest, (int)layer));
}

ll_status device_upload_rest_seek_draft(struct device_upload_rest *rest, uint64_t layer,
                                        uint64_t offset)
{
    if (!is_place(rest, layer, offset)) {
        return LL_E_INVALID;
    }
    if (rest->drafted) {
        rest->drafted[layer] = (int64_t)offset;
        look_back(rest, (int)layer);
    }
    return LL_OK;
}

ll_status device_upload_rest_draft_again(struct device_upload_rest *rest, uint64_t layer)
{
    ll_status status = device_upload_rest_seek_draft(rest, layer, 0);
    if (status == LL_OK && rest->drafted) {
        rest->done[layer] = rest->begun[layer];
        rest->gaps[layer] = (struct device_upload_gap){0};
    }
    return status;
}

ll_status device_upload_rest_again(struct device_upload_rest *rest, uint64_t layer, uint64_t offset)
{
    ll_status status = device_upload_rest_seek(rest, layer, offset);
    if (status == LL_OK && rest->is_whole) {
        rest->is_whole[layer] = true;
    }
    return status;
}

static int64_t draft_part(const struct device_upload_rest *rest, int64_t bytes)
{
    return bytes / 4 * rest->draft_bits / 8;
}

int64_t device_upload_rest_worth(const struct device_upload_rest *rest,
                                 const struct device_piece *piece)
{
    if (piece->is_draft) {
        return draft_part(rest, piece->bytes);
    }
    return piece->bytes - (piece->is_rest ? draft_part(rest, piece->bytes) : 0);
}

int64_t device_upload_rest_left(const struct device_upload_rest *rest)
{
    int64_t left = 0;
    for (int i = 0; i < rest->table->layer_count; i++) {
        const struct device_upload_gap *gap = &rest->gaps[i];
        bool is_in_gap = rest->done[i] < gap->end;
        struct device_piece piece = {.layer = i, .bytes = blob_bytes(rest, i) - rest->done[i]};
        piece.bytes -= is_in_gap ? gap->next - gap->end : 0;
        if (is_rounded(rest, i) && !rest->is_whole[i]) {
            piece.is_rest = true;
            left +=
                lacks_draft(rest, i) ? draft_part(rest, blob_bytes(rest, i) - rest->drafted[i]) : 0;
        }
        left += device_upload_rest_worth(rest, &piece);
    }
    return left;
}
