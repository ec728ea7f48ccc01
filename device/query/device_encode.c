#include "device/query/device_encode.h"

ll_status device_encode(struct ll_buf *floats, ll_dtype dtype, struct ll_buf **out_buf,
                        ll_dtype *out_dtype)
{
    struct ll_buf *encoded = NULL;
    size_t count = ll_buf_bytes(floats) / sizeof(float);
    if (dtype != LL_F32) {
        ll_status status = ll_buf_create(count * (size_t)ll_dtype_bytes(dtype), &encoded);
        if (status != LL_OK) {
            return status;
        }
    }
    if (!encoded ||
        !ll_dtype_encode(dtype, ll_buf_data(floats), (int64_t)count, ll_buf_writable(encoded))) {
        ll_buf_unref(encoded);
        encoded = ll_buf_ref(floats);
        dtype = LL_F32;
    }
    *out_buf = encoded;
    *out_dtype = dtype;
    return LL_OK;
}

struct ll_buf *device_input_bytes(struct device_input_bytes *cache, struct ll_buf *input)
{
    if (cache->input == input) {
        return cache->bytes;
    }
    device_input_bytes_finish(cache);
    /* Kept, the input cannot be another one at the same address. */
    cache->input = ll_buf_ref(input);
    struct ll_buf *bytes = NULL;
    ll_dtype dtype = LL_F32;
    if (device_encode(input, LL_U8, &bytes, &dtype) == LL_OK && dtype == LL_U8) {
        cache->bytes = ll_buf_ref(bytes);
    }
    ll_buf_unref(bytes);
    return cache->bytes;
}

void device_input_bytes_finish(struct device_input_bytes *cache)
{
    ll_buf_unref(cache->input);
    ll_buf_unref(cache->bytes);
    *cache = (struct device_input_bytes){0};
}
