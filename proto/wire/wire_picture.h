/* A network's input as a picture's file: what the wire says of it beside the file's bytes.
 *
 * Threads: pure functions. */
#ifndef WIRE_PICTURE_H
#define WIRE_PICTURE_H

#include <stddef.h>
#include <stdint.h>

#include "core/ll_digest.h"
#include "core/ll_status.h"
#include "layerlift/v1/offload.pb-c.h"

/* How an input is made of the file; and which one is meant. */
struct wire_picture {
    Layerlift__V1__PictureFormat format;
    Layerlift__V1__Preprocess__Fit fit;
    /* EXIF's, from 1 to 8. */
    int orientation;
    struct ll_digest input;
};

/* The formats that exist here. Returns how many. */
enum { WIRE_PICTURE_FORMATS = 3 };
size_t wire_picture_formats(Layerlift__V1__PictureFormat out_formats[WIRE_PICTURE_FORMATS]);

/* Checks a peer's words. Errors: LL_E_INVALID; LL_E_UNSUPPORTED for ways to make an input that
 * exist on the wire and not here: all but RGB planes from 0 to 1. */
LL_MUST_USE ll_status wire_picture_parse(const Layerlift__V1__Picture *message,
                                         struct wire_picture *out_picture, struct ll_error *err);

/* A message with what it points at. */
struct wire_picture_message {
    Layerlift__V1__Picture message;
    Layerlift__V1__Preprocess preprocess;
};

/* Says `picture`, which outlives the message. */
void wire_picture_fill(const struct wire_picture *picture,
                       struct wire_picture_message *out_message);

#endif
