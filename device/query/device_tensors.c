#include "device/query/device_tensors.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

ll_status device_tensors_init(struct device_tensors *tensors, const struct ll_table *table)
{
    struct ll_buf **bufs = calloc((size_t)table->layer_count + 1, sizeof(struct ll_buf *));
    if (!bufs) {
        return LL_E_NO_MEMORY;
    }
    tensors->table = table;
    tensors->bufs = bufs;
    return LL_OK;
}

void device_tensors_finish(struct device_tensors *tensors)
{
    for (int i = 0; tensors->bufs && i <= tensors->table->layer_count; i++) {
        ll_buf_unref(tensors->bufs[i]);
    }
    free(tensors->bufs);
    *tensors = (struct device_tensors){0};
}

void device_tensors_put(struct device_tensors *tensors, int name, struct ll_buf *buf)
{
    assert(ll_buf_bytes(buf) ==
           (size_t)ll_table_tensor_floats(tensors->table, name) * sizeof(float));
    struct ll_buf *before = tensors->bufs[name + 1];
    tensors->bufs[name + 1] = ll_buf_ref(buf);
    ll_buf_unref(before);
}

struct ll_buf *device_tensors_get(const struct device_tensors *tensors, int name)
{
    return tensors->bufs[name + 1];
}

ll_status device_tensors_outputs(const struct device_tensors *tensors, float **out_data,
                                 int64_t *out_floats, int64_t *out_last_floats)
{
    struct ll_names names = {0};
    ll_status status = ll_table_network_outputs(tensors->table, &names);
    if (status != LL_OK) {
        return status;
    }
    char *data = malloc((size_t)ll_names_bytes(tensors->table, &names) + 1);
    if (!data) {
        status = LL_E_NO_MEMORY;
        goto out;
    }
    size_t used = 0;
    size_t last = 0;
    for (int i = 0; i < names.count; i++) {
        struct ll_buf *buf = device_tensors_get(tensors, names.names[i]);
        if (!buf) {
            status = LL_E_INVALID;
            goto out;
        }
        last = ll_buf_bytes(buf);
        memcpy(data + used, ll_buf_data(buf), last);
        used += last;
    }
    *out_data = (float *)(void *)data;
    *out_floats = (int64_t)(used / sizeof(float));
    *out_last_floats = (int64_t)(last / sizeof(float));
    data = NULL;
out:
    free(data);
    ll_names_finish(&names);
    return status;
}
