/* The form in which tensors leave the device.
 *
 * Threads: one at a time. */
#ifndef DEVICE_ENCODE_H
#define DEVICE_ENCODE_H

#include "core/ll_buf.h"
#include "core/ll_status.h"
#include "net/ll_dtype.h"

/* A tensor's floats in another form. Where `dtype` does not hold them, they go as they are:
 * `*out_dtype` says which it is, `*out_buf` is a reference that the caller drops.
 *
 * Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_encode(struct ll_buf *floats, ll_dtype dtype, struct ll_buf **out_buf,
                                    ll_dtype *out_dtype);

/* The network's input as bytes, made once for each input: an application may ask about the same
 * picture again. Zeroed at first. */
struct device_input_bytes {
    /* Private. */
    struct ll_buf *input;
    struct ll_buf *bytes;
};

/* The bytes, borrowed until the next call; NULL where the input does not consist of values that
 * bytes hold, or where there is no memory. */
struct ll_buf *device_input_bytes(struct device_input_bytes *cache, struct ll_buf *input);
void device_input_bytes_finish(struct device_input_bytes *cache);

#endif
