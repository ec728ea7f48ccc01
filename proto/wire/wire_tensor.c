#include "proto/wire/wire_tensor.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_limits.h"
#include "proto/wire/wire_dtype.h"

/* ---- Heads ---- */

struct wire_tensor {
    Layerlift__V1__Tensor message;
    struct wire_picture_message picture;
    uint32_t shape[3];
};

/* Channels, height, width; or one number where the tensor has no shape. Returns how many. */
static size_t fill_shape(const struct ll_table *table, int name, uint32_t out_shape[3])
{
    int c = table->in_c;
    int h = table->in_h;
    int w = table->in_w;
    if (name != LL_TENSOR_INPUT) {
        c = table->layers[name].out_c;
        h = table->layers[name].out_h;
        w = table->layers[name].out_w;
    }
    int64_t floats = ll_table_tensor_floats(table, name);
    if ((int64_t)c * h * w != floats) {
        out_shape[0] = (uint32_t)floats;
        return 1;
    }
    out_shape[0] = (uint32_t)c;
    out_shape[1] = (uint32_t)h;
    out_shape[2] = (uint32_t)w;
    return 3;
}

int64_t wire_tensor_channels(const struct ll_table *table, int name)
{
    uint32_t shape[3];
    return fill_shape(table, name, shape) == 3 ? (int64_t)shape[0] : 1;
}

ll_status wire_tensors_init(struct wire_tensors *tensors, const struct ll_table *table,
                            const struct ll_names *names, const struct wire_form *forms)
{
    size_t count = (size_t)names->count;
    *tensors = (struct wire_tensors){
        .count = count,
        .list = calloc(count + 1, sizeof(Layerlift__V1__Tensor *)),
        .heads = calloc(count + 1, sizeof(*tensors->heads)),
    };
    if (!tensors->list || !tensors->heads) {
        wire_tensors_finish(tensors);
        return LL_E_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        struct wire_tensor *head = &tensors->heads[i];
        layerlift__v1__tensor__init(&head->message);
        head->message.name = names->names[i];
        head->message.dtype = wire_dtype_of(forms ? forms[i].dtype : LL_F32);
        if (forms && forms[i].coding != LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLAIN) {
            head->message.coding = forms[i].coding;
            head->message.coded_bytes = (uint64_t)forms[i].bytes;
        }
        if (forms && forms[i].is_picture) {
            wire_picture_fill(&forms[i].picture, &head->picture);
            head->message.picture = &head->picture.message;
            head->message.coded_bytes = (uint64_t)forms[i].bytes;
        }
        head->message.n_shape = fill_shape(table, names->names[i], head->shape);
        head->message.shape = head->shape;
        tensors->list[i] = &head->message;
    }
    return LL_OK;
}

void wire_tensors_finish(struct wire_tensors *tensors)
{
    free(tensors->list);
    free(tensors->heads);
    *tensors = (struct wire_tensors){0};
}

static ll_status check_shape(const Layerlift__V1__Tensor *head, int64_t floats,
                             struct ll_error *err)
{
    if (head->n_shape != 1 && head->n_shape != 3) {
        return ll_fail(err, LL_E_INVALID, "tensor %d: a shape of %zu numbers, not 1 or 3",
                       head->name, head->n_shape);
    }
    int64_t product = 1;
    bool fits = true;
    for (size_t i = 0; i < head->n_shape; i++) {
        fits = fits && !__builtin_mul_overflow(product, (int64_t)head->shape[i], &product);
    }
    if (!fits || product != floats) {
        return ll_fail(err, LL_E_INVALID,
                       "tensor %d: its shape does not make the %lld floats that it has", head->name,
                       (long long)floats);
    }
    return LL_OK;
}

/* Fewer bytes than before, and so never more to keep than the floats that become of them. */
static ll_status check_coding(const Layerlift__V1__Tensor *head, struct wire_form *form,
                              struct ll_error *err)
{
    if (head->coding == LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLAIN) {
        return LL_OK;
    }
    bool is_webp = head->coding == LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_WEBP;
    if (!is_webp && head->coding != LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLANES) {
        return ll_fail(err, LL_E_INVALID, "tensor %d: coding %d is not known here", head->name,
                       (int)head->coding);
    }
    if (is_webp && (form->dtype != LL_U8 || form->channels != 3)) {
        return ll_fail(err, LL_E_INVALID, "tensor %d: WebP is for U8 of 3 channels", head->name);
    }
    if (head->coded_bytes < 1 || head->coded_bytes >= (uint64_t)form->bytes) {
        return ll_fail(err, LL_E_INVALID,
                       "tensor %d: %" PRIu64 " coded bytes, of %lld that it has plain", head->name,
                       head->coded_bytes, (long long)form->bytes);
    }
    form->coding = head->coding;
    form->bytes = (int64_t)head->coded_bytes;
    return LL_OK;
}

/* A picture in the place of the network's input. */
static ll_status check_picture(const Layerlift__V1__Tensor *head, struct wire_form *out_form,
                               struct ll_error *err)
{
    struct wire_form form = {.is_picture = true, .channels = 1};
    if (head->name != LL_TENSOR_INPUT) {
        return ll_fail(err, LL_E_INVALID, "tensor %d: only the network's input may be a picture",
                       head->name);
    }
    if (head->coded_bytes < 1 || head->coded_bytes > (uint64_t)LL_LIMIT_IMAGE_FILE_BYTES) {
        return ll_fail(err, LL_E_INVALID,
                       "tensor %d: a picture's file of %" PRIu64 " bytes; the most is %lld",
                       head->name, head->coded_bytes, (long long)LL_LIMIT_IMAGE_FILE_BYTES);
    }
    ll_status status = wire_picture_parse(head->picture, &form.picture, err);
    if (status == LL_OK) {
        form.bytes = (int64_t)head->coded_bytes;
        *out_form = form;
    }
    return status;
}

ll_status wire_tensor_check(const Layerlift__V1__Tensor *head, int64_t floats,
                            struct wire_form *out_form, struct ll_error *err)
{
    ll_dtype dtype = LL_F32;
    if (head->picture) {
        ll_status status = check_shape(head, floats, err);
        return status == LL_OK ? check_picture(head, out_form, err) : status;
    }
    if (!wire_dtype_parse(head->dtype, &dtype)) {
        return ll_fail(err, LL_E_INVALID, "tensor %d: dtype %d is not known here", head->name,
                       (int)head->dtype);
    }
    ll_status status = check_shape(head, floats, err);
    if (status != LL_OK) {
        return status;
    }
    int64_t channels = head->n_shape == 3 ? (int64_t)head->shape[0] : 1;
    struct wire_form form = wire_form_plain(dtype, channels, floats);
    if (form.bytes > floats * (int64_t)sizeof(float)) {
        return ll_fail(err, LL_E_INVALID,
                       "tensor %d: dtype %d takes %lld bytes for %lld channels, more than floats",
                       head->name, (int)head->dtype, (long long)form.bytes, (long long)channels);
    }
    status = check_coding(head, &form, err);
    if (status == LL_OK) {
        *out_form = form;
    }
    return status;
}

/* ---- Pieces ---- */

ll_status wire_tensor_check_chunk(const Layerlift__V1__TensorChunk *chunk, int64_t received,
                                  int64_t whole, struct ll_error *err)
{
    if (chunk->offset != (uint64_t)received) {
        return ll_fail(err, LL_E_INVALID, "tensor %d: it begins at %" PRIu64 " instead of %lld",
                       chunk->name, chunk->offset, (long long)received);
    }
    int64_t left = whole - received;
    if (chunk->data.len < 1 || chunk->data.len > LL_LIMIT_CHUNK_BYTES ||
        (int64_t)chunk->data.len > left) {
        return ll_fail(err, LL_E_INVALID, "tensor %d: %zu bytes; %lld are to come", chunk->name,
                       chunk->data.len, (long long)left);
    }
    return LL_OK;
}

void wire_tensor_place_chunk(const Layerlift__V1__TensorChunk *chunk, int64_t whole,
                             struct ll_buf *buf)
{
    char *end = (char *)ll_buf_writable(buf) + ll_buf_bytes(buf);
    memcpy(end - (whole - (int64_t)chunk->offset), chunk->data.data, chunk->data.len);
}
