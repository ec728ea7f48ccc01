#include "edge/offload/edge_pictures.h"

#include <stdlib.h>

#include "vision/vision_input.h"
#include "vision/vision_webp.h"

void edge_pictures_init(struct edge_pictures *pictures, int64_t most_query_bytes,
                        int64_t most_bytes)
{
    pictures->most_query_bytes = most_query_bytes;
    pictures->most_bytes = most_bytes;
    atomic_init(&pictures->bytes, 0);
}

bool edge_pictures_has(const struct wire_form *form)
{
    return form->is_picture || form->coding == LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_WEBP;
}

/* ---- Memory ---- */

/* Takes memory for a decoder; what all of them have is given back soon. */
static ll_status reserve(struct edge_pictures *pictures, int64_t bytes, int64_t query_bytes,
                         struct ll_error *err)
{
    if (bytes > pictures->most_query_bytes - query_bytes) {
        return ll_fail_limit(err, "query_bytes", pictures->most_query_bytes, 0,
                             "query: %lld bytes of tensors, and %lld to decode its picture: limit "
                             "query_bytes is %lld",
                             (long long)query_bytes, (long long)bytes,
                             (long long)pictures->most_query_bytes);
    }
    if (atomic_fetch_add(&pictures->bytes, bytes) > pictures->most_bytes - bytes) {
        atomic_fetch_sub(&pictures->bytes, bytes);
        return ll_fail_limit(err, "server_query_bytes", pictures->most_bytes, LL_RETRY_MS,
                             "query: %lld bytes to decode its picture: limit server_query_bytes is "
                             "%lld, shared by all pictures that are decoded",
                             (long long)bytes, (long long)pictures->most_bytes);
    }
    return LL_OK;
}

static void give_back(struct edge_pictures *pictures, int64_t bytes)
{
    atomic_fetch_sub(&pictures->bytes, bytes);
}

/* ---- Files ---- */

static vision_format format_of(Layerlift__V1__PictureFormat format)
{
    return format == LAYERLIFT__V1__PICTURE_FORMAT__PICTURE_FORMAT_JPEG  ? VISION_JPEG
           : format == LAYERLIFT__V1__PICTURE_FORMAT__PICTURE_FORMAT_PNG ? VISION_PNG
                                                                         : VISION_BMP;
}

static vision_fit fit_of(Layerlift__V1__Preprocess__Fit fit)
{
    return fit == LAYERLIFT__V1__PREPROCESS__FIT__FIT_CROP      ? VISION_FIT_CROP
           : fit == LAYERLIFT__V1__PREPROCESS__FIT__FIT_STRETCH ? VISION_FIT_STRETCH
                                                                : VISION_FIT_LETTERBOX;
}

static void free_floats(void *arg, void *data, size_t bytes)
{
    (void)arg;
    (void)bytes;
    free(data);
}

/* The input that the file makes, if it is the one that is meant. */
static ll_status make_input(const struct vision_file *file, const struct wire_picture *picture,
                            const struct ll_table *table, struct ll_buf **out_buf,
                            struct ll_error *err)
{
    struct ll_digest digest;
    float *data = NULL;
    size_t bytes = (size_t)table->in_floats * sizeof(float);
    ll_status status = vision_input_of_file(file, table, &data, err);
    if (status != LL_OK) {
        return status;
    }
    status = ll_digest_of(data, bytes, &digest);
    if (status == LL_OK && !ll_digest_equal(&digest, &picture->input)) {
        char text[LL_DIGEST_TEXT_BYTES];
        ll_digest_format(&digest, text);
        status =
            ll_fail(err, LL_E_PRECONDITION,
                    "the picture makes another input here, %s, than the one that is meant", text);
    } else if (status == LL_OK) {
        status = ll_buf_wrap(data, bytes, free_floats, NULL, out_buf);
    }
    if (status != LL_OK) {
        free(data);
    }
    return status == LL_E_NO_MEMORY ? ll_fail(err, status, "out of memory for a picture") : status;
}

static ll_status expand_file(struct edge_pictures *pictures, const struct wire_picture *picture,
                             const struct ll_table *table, int64_t query_bytes, struct ll_buf **buf,
                             struct ll_error *err)
{
    const struct vision_file file = {
        .bytes = *buf,
        .format = format_of(picture->format),
        .orientation = picture->orientation,
        .fit = fit_of(picture->fit),
    };
    struct ll_buf *made = NULL;
    int64_t bytes = 0;
    ll_status status = vision_input_measure(&file, table, &bytes, err);
    if (status == LL_OK) {
        status = reserve(pictures, bytes, query_bytes, err);
    }
    if (status != LL_OK) {
        return status;
    }
    status = make_input(&file, picture, table, &made, err);
    give_back(pictures, bytes);
    if (status == LL_OK) {
        ll_buf_unref(*buf);
        *buf = made;
    }
    return status;
}

/* ---- WebP ---- */

static ll_status expand_webp(struct edge_pictures *pictures, const struct ll_table *table,
                             int64_t query_bytes, struct ll_buf **buf, struct ll_error *err)
{
    int h = table->in_h;
    int w = table->in_w;
    struct ll_buf *made = NULL;
    size_t floats_bytes = (size_t)table->in_floats * sizeof(float);
    if (!vision_webp_fits(table->in_c, h, w)) {
        return ll_fail(err, LL_E_INVALID, "an input of %d x %d x %d is no WebP picture",
                       table->in_c, h, w);
    }
    int64_t bytes = 0;
    ll_status status =
        vision_webp_measure(ll_buf_data(*buf), ll_buf_bytes(*buf), h, w, &bytes, err);
    if (status == LL_OK) {
        status = reserve(pictures, bytes, query_bytes, err);
    }
    if (status != LL_OK) {
        return status;
    }
    if (ll_buf_create(floats_bytes, &made) != LL_OK) {
        status = ll_fail(err, LL_E_NO_MEMORY, "out of memory for a picture");
    } else {
        uint8_t *planes = (uint8_t *)ll_buf_writable(made) + floats_bytes - table->in_floats;
        status = vision_webp_decode(ll_buf_data(*buf), ll_buf_bytes(*buf), h, w, planes, err);
    }
    give_back(pictures, bytes);
    if (status != LL_OK) {
        ll_buf_unref(made);
        return status;
    }
    ll_dtype_expand(LL_U8, ll_buf_writable(made), table->in_floats);
    ll_buf_unref(*buf);
    *buf = made;
    return LL_OK;
}

ll_status edge_pictures_expand(struct edge_pictures *pictures, const struct wire_form *form,
                               const struct ll_table *table, int64_t query_bytes,
                               struct ll_buf **buf, struct ll_error *err)
{
    return form->is_picture ? expand_file(pictures, &form->picture, table, query_bytes, buf, err)
                            : expand_webp(pictures, table, query_bytes, buf, err);
}
