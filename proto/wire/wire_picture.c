#include "proto/wire/wire_picture.h"

#include <stdbool.h>
#include <string.h>

enum { PICTURE_ORIENTATIONS = 8 };

size_t wire_picture_formats(Layerlift__V1__PictureFormat out_formats[WIRE_PICTURE_FORMATS])
{
    out_formats[0] = LAYERLIFT__V1__PICTURE_FORMAT__PICTURE_FORMAT_JPEG;
    out_formats[1] = LAYERLIFT__V1__PICTURE_FORMAT__PICTURE_FORMAT_PNG;
    out_formats[2] = LAYERLIFT__V1__PICTURE_FORMAT__PICTURE_FORMAT_BMP;
    return WIRE_PICTURE_FORMATS;
}

static ll_status check_preprocess(const Layerlift__V1__Preprocess *preprocess, struct ll_error *err)
{
    if (!preprocess) {
        return ll_fail(err, LL_E_INVALID, "picture: no preprocess");
    }
    if (preprocess->fit < LAYERLIFT__V1__PREPROCESS__FIT__FIT_LETTERBOX ||
        preprocess->fit > LAYERLIFT__V1__PREPROCESS__FIT__FIT_STRETCH) {
        return ll_fail(err, LL_E_INVALID, "picture: fit %d is not known here",
                       (int)preprocess->fit);
    }
    if (preprocess->n_mean > 0 || preprocess->n_scale > 0 ||
        preprocess->order != LAYERLIFT__V1__PREPROCESS__ORDER__ORDER_RGB ||
        preprocess->layout != LAYERLIFT__V1__PREPROCESS__LAYOUT__LAYOUT_CHW) {
        return ll_fail(
            err, LL_E_UNSUPPORTED,
            "picture: this edge makes planes of red, green and blue from 0 to 1, without "
            "mean, scale or another order");
    }
    return LL_OK;
}

ll_status wire_picture_parse(const Layerlift__V1__Picture *message,
                             struct wire_picture *out_picture, struct ll_error *err)
{
    Layerlift__V1__PictureFormat formats[WIRE_PICTURE_FORMATS];
    bool is_known = false;
    for (size_t i = 0; i < wire_picture_formats(formats); i++) {
        is_known = is_known || message->format == formats[i];
    }
    if (!is_known) {
        return ll_fail(err, LL_E_INVALID, "picture: format %d is not known here",
                       (int)message->format);
    }
    if (message->orientation > PICTURE_ORIENTATIONS) {
        return ll_fail(err, LL_E_INVALID, "picture: orientation %u; EXIF has 1 to %d",
                       message->orientation, PICTURE_ORIENTATIONS);
    }
    if (message->input_sha256.len != LL_DIGEST_BYTES) {
        return ll_fail(err, LL_E_INVALID, "picture: input_sha256 of %zu bytes, not %d",
                       message->input_sha256.len, LL_DIGEST_BYTES);
    }
    ll_status status = check_preprocess(message->preprocess, err);
    if (status == LL_OK) {
        *out_picture = (struct wire_picture){
            .format = message->format,
            .fit = message->preprocess->fit,
            .orientation = message->orientation > 0 ? (int)message->orientation : 1,
        };
        memcpy(out_picture->input.bytes, message->input_sha256.data, LL_DIGEST_BYTES);
    }
    return status;
}

void wire_picture_fill(const struct wire_picture *picture, struct wire_picture_message *out_message)
{
    layerlift__v1__picture__init(&out_message->message);
    layerlift__v1__preprocess__init(&out_message->preprocess);
    out_message->preprocess.fit = picture->fit;
    out_message->message.format = picture->format;
    out_message->message.preprocess = &out_message->preprocess;
    out_message->message.orientation = (uint32_t)picture->orientation;
    /* protobuf-c only reads it. */
    out_message->message.input_sha256.data = (uint8_t *)picture->input.bytes;
    out_message->message.input_sha256.len = LL_DIGEST_BYTES;
}
