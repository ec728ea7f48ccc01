#include "device/query/device_remote_inputs.h"

#include <stdlib.h>

#include "device/query/device_encode.h"

static ll_status encode(struct device_remote_inputs *inputs, int at,
                        const struct device_tensors *tensors, const struct device_remote_form *form)
{
    int name = inputs->names.names[at];
    bool is_input = name == LL_TENSOR_INPUT;
    if (is_input && form->input_dtype == LL_U8) {
        inputs->bufs[at] = ll_buf_ref(form->input_bytes);
        inputs->dtypes[at] = LL_U8;
        return LL_OK;
    }
    ll_status status = device_encode(device_tensors_get(tensors, name),
                                     is_input ? form->input_dtype : form->cut_dtype,
                                     &inputs->bufs[at], &inputs->dtypes[at]);
    inputs->is_rounded = inputs->is_rounded || inputs->dtypes[at] == LL_F16;
    return status;
}

ll_status device_remote_inputs_init(struct device_remote_inputs *inputs,
                                    const struct ll_table *table, int first, int end,
                                    const struct device_tensors *tensors,
                                    const struct device_remote_form *form)
{
    *inputs = (struct device_remote_inputs){0};
    ll_status status = ll_table_inputs(table, first, end, &inputs->names);
    if (status != LL_OK) {
        return status;
    }
    inputs->bufs = calloc((size_t)inputs->names.count + 1, sizeof(struct ll_buf *));
    inputs->dtypes = calloc((size_t)inputs->names.count + 1, sizeof(*inputs->dtypes));
    status = inputs->bufs && inputs->dtypes ? LL_OK : LL_E_NO_MEMORY;
    for (int i = 0; status == LL_OK && i < inputs->names.count; i++) {
        status = encode(inputs, i, tensors, form);
    }
    if (status != LL_OK) {
        device_remote_inputs_finish(inputs);
    }
    return status;
}

void device_remote_inputs_finish(struct device_remote_inputs *inputs)
{
    for (int i = 0; inputs->bufs && i < inputs->names.count; i++) {
        ll_buf_unref(inputs->bufs[i]);
    }
    free(inputs->bufs);
    free(inputs->dtypes);
    ll_names_finish(&inputs->names);
    *inputs = (struct device_remote_inputs){0};
}
