/* The form in which a tensor is written on the wire: its data type, and how the bytes of that are
 * coded. Both sides make floats of it, and write it, by the same rules.
 *
 * Threads: pure functions, but for the coder, which is one thread's at a time. */
#ifndef WIRE_FORM_H
#define WIRE_FORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/ll_planes.h"
#include "core/ll_buf.h"
#include "core/ll_status.h"
#include "layerlift/v1/offload.pb-c.h"
#include "net/ll_dtype.h"
#include "proto/wire/wire_picture.h"

struct wire_form {
    ll_dtype dtype;
    Layerlift__V1__TensorCoding coding;
    /* 1 where the tensor is flat. */
    int64_t channels;
    /* What follows the head. */
    int64_t bytes;
    /* The bytes are a picture's file, and nothing above counts but their number. */
    bool is_picture;
    struct wire_picture picture;
};

/* The codings that exist here besides PLAIN. Returns how many. */
enum { WIRE_CODINGS = 1 };
size_t wire_codings(Layerlift__V1__TensorCoding out_codings[WIRE_CODINGS]);

/* The same for a query's tensors: what only the network's input may be is among them. */
enum { WIRE_QUERY_CODINGS = 2 };
size_t wire_query_codings(Layerlift__V1__TensorCoding out_codings[WIRE_QUERY_CODINGS]);

/* Whether a list has a coding. */
bool wire_has_coding(size_t count, const Layerlift__V1__TensorCoding *codings,
                     Layerlift__V1__TensorCoding coding);

/* Bytes of a tensor of `floats` values in `dtype` before they are coded. */
int64_t wire_plain_bytes(ll_dtype dtype, int64_t channels, int64_t floats);

/* The plain form. */
struct wire_form wire_form_plain(ll_dtype dtype, int64_t channels, int64_t floats);

/* Bytes of the buffer in which a tensor of `floats` values in that form is put together
 * (wire_tensor_place_chunk), ready for wire_form_expand. */
int64_t wire_form_room(const struct wire_form *form, int64_t floats);

/* Makes floats of a tensor whose bytes are complete, and are neither WebP nor a picture's file:
 * `*buf`, of wire_form_room, becomes a buffer of `floats` floats, perhaps another one. Whatever the
 * bytes are; `planes` is needed where they are coded.
 *
 * Errors: LL_E_INVALID where they are not what the form says, LL_E_NO_MEMORY; `*buf` stays. */
LL_MUST_USE ll_status wire_form_expand(const struct wire_form *form, int64_t floats,
                                       struct ll_planes *planes, struct ll_buf **buf,
                                       struct ll_error *err);

/* Writes a tensor's floats in `dtype` or, where that does not hold them or takes no fewer bytes, as
 * they are; and codes that where `planes` is not NULL and it gets shorter by it. `*out_buf` is a
 * reference that the caller drops.
 *
 * Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status wire_form_encode(struct ll_buf *floats, int64_t channels, ll_dtype dtype,
                                       struct ll_planes *planes, struct ll_buf **out_buf,
                                       struct wire_form *out_form);

/* Codes a tensor that is written plain where that makes it fewer bytes: `*buf` and `form` are then
 * others. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status wire_form_code(struct ll_planes *planes, struct ll_buf **buf,
                                     struct wire_form *form);

#endif
