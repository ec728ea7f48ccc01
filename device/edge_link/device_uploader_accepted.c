/* What an edge has and takes when it accepts the upload: where each blob goes on, and how. */
#include <string.h>

#include "coding/ll_frame.h"
#include "device/edge_link/device_uploader_state.h"

/* Offsets count the blob's own bytes, however they came. */
static bool take_offsets(struct device_uploader *uploader,
                         const Layerlift__V1__UploadAccepted *accepted)
{
    struct device_upload_rest *rest = device_upload_queue_change(&uploader->queue, -1, false);
    for (size_t i = 0; i < accepted->n_available_layers; i++) {
        if (device_upload_rest_skip(rest, accepted->available_layers[i]) != LL_OK) {
            device_uploader_fault(uploader, "the edge has a layer that the model has not");
            return false;
        }
    }
    for (size_t i = 0; i < accepted->n_partial; i++) {
        const Layerlift__V1__BlobOffset *partial = accepted->partial[i];
        if (device_upload_rest_seek(rest, partial->layer, partial->offset) != LL_OK) {
            device_uploader_fault(uploader, "the edge has more of a blob than the blob has");
            return false;
        }
    }
    return true;
}

static bool takes(const Layerlift__V1__UploadAccepted *accepted, Layerlift__V1__Encoding encoding)
{
    for (size_t i = 0; i < accepted->n_encodings; i++) {
        if (accepted->encodings[i] == encoding) {
            return true;
        }
    }
    return false;
}

/* The draft goes first, where the edge takes it. */
static bool take_draft(struct device_uploader *uploader,
                       const Layerlift__V1__UploadAccepted *accepted)
{
    const struct device_model *model = uploader->config.model;
    if (!model->draft || !accepted->draft_id[0]) {
        return true;
    }
    if (strcmp(accepted->draft_id, model->draft->id) != 0 ||
        !takes(accepted, LAYERLIFT__V1__ENCODING__ENCODING_FRAME) ||
        !takes(accepted, LAYERLIFT__V1__ENCODING__ENCODING_DRAFT_FRAME) ||
        !takes(accepted, LAYERLIFT__V1__ENCODING__ENCODING_REST_FRAME)) {
        device_uploader_fault(uploader, "the edge accepted another draft");
        return false;
    }
    if (accepted->draft_prefix > (uint32_t)model->table->layer_count ||
        !ll_table_is_legal_cut(model->table, (int)accepted->draft_prefix)) {
        device_uploader_fault(uploader,
                              "the edge accepted with a draft's prefix that is not a legal cut");
        return false;
    }
    if (device_upload_queue_use_draft(&uploader->queue) != LL_OK) {
        device_uploader_fault(uploader, "out of memory");
        return false;
    }
    uploader->has_draft = true;
    uploader->draft_prefix = (int)accepted->draft_prefix;
    return true;
}

/* What the edge has of the draft's blobs. */
static bool take_draft_offsets(struct device_uploader *uploader,
                               const Layerlift__V1__UploadAccepted *accepted)
{
    struct device_upload_rest *rest = device_upload_queue_change(&uploader->queue, -1, false);
    bool is_right = true;
    for (size_t i = 0; is_right && i < accepted->n_available_drafts; i++) {
        is_right = device_upload_rest_skip_draft(rest, accepted->available_drafts[i]) == LL_OK;
    }
    for (size_t i = 0; is_right && i < accepted->n_partial_drafts; i++) {
        const Layerlift__V1__BlobOffset *partial = accepted->partial_drafts[i];
        is_right = partial->offset % LL_FRAME_BYTES == 0 &&
                   device_upload_rest_seek_draft(rest, partial->layer, partial->offset) == LL_OK;
    }
    if (!is_right) {
        device_uploader_fault(uploader, "the edge has of the draft what cannot be");
    }
    return is_right;
}

static bool take_encodings(struct device_uploader *uploader,
                           const Layerlift__V1__UploadAccepted *accepted)
{
    if (!takes(accepted, LAYERLIFT__V1__ENCODING__ENCODING_FRAME)) {
        return true;
    }
    device_upload_queue_encode(&uploader->queue);
    bool takes_deltas = takes(accepted, LAYERLIFT__V1__ENCODING__ENCODING_DELTA_FRAME);
    for (size_t i = 0; takes_deltas && i < accepted->n_delta_layers; i++) {
        ll_status status =
            device_upload_queue_use_base(&uploader->queue, accepted->delta_layers[i]);
        if (status != LL_OK) {
            device_uploader_fault(uploader, status == LL_E_NO_MEMORY
                                                ? "out of memory"
                                                : "the edge has the base of a layer that has none");
            return false;
        }
    }
    return true;
}

void device_uploader_take_accepted(struct device_uploader *uploader,
                                   const Layerlift__V1__UploadAccepted *accepted)
{
    const struct device_model *model = uploader->config.model;
    if (uploader->is_accepted || strcmp(accepted->model_id, model->id) != 0) {
        device_uploader_fault(uploader, uploader->is_accepted ? "the edge accepted twice"
                                                              : "the edge accepted another model");
        return;
    }
    if (accepted->prefix > (uint32_t)model->table->layer_count ||
        !ll_table_is_legal_cut(model->table, (int)accepted->prefix)) {
        device_uploader_fault(uploader, "the edge accepted with a prefix that is not a legal cut");
        return;
    }
    if (!take_draft(uploader, accepted) || !take_offsets(uploader, accepted) ||
        !take_encodings(uploader, accepted) ||
        (uploader->has_draft && !take_draft_offsets(uploader, accepted))) {
        return;
    }
    uploader->is_accepted = true;
    uploader->credit_bytes = accepted->credit_bytes;
    uploader->prefix = (int)accepted->prefix;
    struct device_accepted told = {
        .prefix = uploader->prefix,
        .left_bytes = device_upload_queue_left(&uploader->queue),
        .dtype_count = accepted->n_data_types,
        .dtypes = accepted->data_types,
        .coding_count = accepted->n_tensor_codings,
        .codings = accepted->tensor_codings,
        .picture_count = accepted->n_picture_formats,
        .pictures = accepted->picture_formats,
        .has_draft = uploader->has_draft,
        .draft_prefix = uploader->draft_prefix,
    };
    uploader->config.events->accepted(uploader->config.owner, &told);
}
