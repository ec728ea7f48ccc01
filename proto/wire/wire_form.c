#include "proto/wire/wire_form.h"

#include "net/ll_u8_channel.h"

size_t wire_codings(Layerlift__V1__TensorCoding out_codings[WIRE_CODINGS])
{
    out_codings[0] = LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLANES;
    return WIRE_CODINGS;
}

size_t wire_query_codings(Layerlift__V1__TensorCoding out_codings[WIRE_QUERY_CODINGS])
{
    size_t count = wire_codings(out_codings);
    out_codings[count++] = LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_WEBP;
    return count;
}

bool wire_has_coding(size_t count, const Layerlift__V1__TensorCoding *codings,
                     Layerlift__V1__TensorCoding coding)
{
    for (size_t i = 0; i < count; i++) {
        if (codings[i] == coding) {
            return true;
        }
    }
    return false;
}

int64_t wire_plain_bytes(ll_dtype dtype, int64_t channels, int64_t floats)
{
    return dtype == LL_U8_CHANNEL ? ll_u8_channel_bytes(channels, floats / channels)
                                  : floats * ll_dtype_bytes(dtype);
}

struct wire_form wire_form_plain(ll_dtype dtype, int64_t channels, int64_t floats)
{
    return (struct wire_form){
        .dtype = dtype,
        .channels = channels,
        .bytes = wire_plain_bytes(dtype, channels, floats),
    };
}

static bool is_plain(const struct wire_form *form)
{
    return form->coding == LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLAIN && !form->is_picture;
}

int64_t wire_form_room(const struct wire_form *form, int64_t floats)
{
    return is_plain(form) ? floats * (int64_t)sizeof(float) : form->bytes;
}

/* ---- Here ---- */

/* The plain bytes, at the end of a buffer that has room for the floats. */
static ll_status decode(const struct wire_form *form, int64_t floats, struct ll_planes *planes,
                        const struct ll_buf *coded, struct ll_buf **out_buf, struct ll_error *err)
{
    struct ll_buf *buf = NULL;
    size_t room = (size_t)floats * sizeof(float);
    size_t bytes = (size_t)wire_plain_bytes(form->dtype, form->channels, floats);
    if (ll_buf_create(room, &buf) != LL_OK) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory for a tensor");
    }
    const struct ll_planes_coded packed = {
        .data = ll_buf_data(coded),
        .bytes = ll_buf_bytes(coded),
        .width = ll_dtype_bytes(form->dtype),
    };
    ll_status status =
        ll_planes_decode(planes, &packed, (char *)ll_buf_writable(buf) + room - bytes, bytes, err);
    if (status != LL_OK) {
        ll_buf_unref(buf);
        return status;
    }
    *out_buf = buf;
    return LL_OK;
}

ll_status wire_form_expand(const struct wire_form *form, int64_t floats, struct ll_planes *planes,
                           struct ll_buf **buf, struct ll_error *err)
{
    struct ll_buf *whole = *buf;
    ll_status status = is_plain(form) ? LL_OK : decode(form, floats, planes, *buf, &whole, err);
    if (status != LL_OK) {
        return status;
    }
    if (form->dtype == LL_U8_CHANNEL) {
        status =
            ll_u8_channel_expand(ll_buf_writable(whole), form->channels, floats / form->channels);
    } else {
        ll_dtype_expand(form->dtype, ll_buf_writable(whole), floats);
    }
    if (whole != *buf) {
        ll_buf_unref(status == LL_OK ? *buf : whole);
    }
    if (status != LL_OK) {
        return ll_fail(err, status, "out of memory for a tensor");
    }
    *buf = whole;
    return LL_OK;
}

/* ---- There ---- */

/* Floats in their data type: `*out_buf` is a new buffer, or another reference to the floats. */
static ll_status round_to(struct ll_buf *floats, int64_t count, struct wire_form *form,
                          struct ll_buf **out_buf)
{
    struct wire_form as_floats = wire_form_plain(LL_F32, form->channels, count);
    struct ll_buf *buf = NULL;
    const float *values = ll_buf_data(floats);
    bool holds = form->bytes < as_floats.bytes;
    if (holds && ll_buf_create((size_t)form->bytes, &buf) != LL_OK) {
        return LL_E_NO_MEMORY;
    }
    if (holds && form->dtype == LL_U8_CHANNEL) {
        holds = ll_u8_channel_encode(values, form->channels, count / form->channels,
                                     ll_buf_writable(buf));
    } else if (holds) {
        holds = ll_dtype_encode(form->dtype, values, count, ll_buf_writable(buf));
    }
    if (!holds) {
        ll_buf_unref(buf);
        buf = ll_buf_ref(floats);
        *form = as_floats;
    }
    *out_buf = buf;
    return LL_OK;
}

ll_status wire_form_code(struct ll_planes *planes, struct ll_buf **buf, struct wire_form *form)
{
    const struct ll_planes_values values = {
        .data = ll_buf_data(*buf),
        .bytes = (size_t)form->bytes,
        .width = ll_dtype_bytes(form->dtype),
    };
    struct ll_buf *room = NULL;
    if (form->bytes < 2) {
        return LL_OK;
    }
    ll_status status = ll_buf_create(values.bytes - 1, &room);
    if (status != LL_OK) {
        return status;
    }
    size_t used = ll_planes_encode(planes, &values, ll_buf_writable(room), values.bytes - 1);
    if (used > 0) {
        struct ll_buf *coded = NULL;
        status = ll_buf_copy(ll_buf_data(room), used, &coded);
        if (status == LL_OK) {
            ll_buf_unref(*buf);
            *buf = coded;
            form->coding = LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLANES;
            form->bytes = (int64_t)used;
        }
    }
    ll_buf_unref(room);
    return status;
}

ll_status wire_form_encode(struct ll_buf *floats, int64_t channels, ll_dtype dtype,
                           struct ll_planes *planes, struct ll_buf **out_buf,
                           struct wire_form *out_form)
{
    int64_t count = (int64_t)(ll_buf_bytes(floats) / sizeof(float));
    struct wire_form form = wire_form_plain(dtype, channels, count);
    struct ll_buf *buf = NULL;
    ll_status status = round_to(floats, count, &form, &buf);
    if (status == LL_OK && planes) {
        status = wire_form_code(planes, &buf, &form);
    }
    if (status != LL_OK) {
        ll_buf_unref(buf);
        return status;
    }
    *out_buf = buf;
    *out_form = form;
    return LL_OK;
}
