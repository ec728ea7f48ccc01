#include "device/query/device_remote_inputs.h"

#include <stdlib.h>

#include "core/ll_clock.h"
#include "proto/wire/wire_tensor.h"

/* A tensor in its form, to `inputs`; `planes` NULL: not coded. */
static ll_status write(struct device_remote_inputs *inputs, int at, struct ll_planes *planes,
                       const struct device_tensors *tensors, const struct device_remote_form *form)
{
    int name = inputs->names.names[at];
    int64_t channels = wire_tensor_channels(tensors->table, name);
    struct wire_form *out_form = &inputs->forms[at];
    struct ll_buf **out_buf = &inputs->bufs[at];
    bool is_input = name == LL_TENSOR_INPUT;
    if (is_input) {
        inputs->input = out_form;
    }
    if (is_input && form->input_forms) {
        ll_status status = device_input_forms_make(form->input_forms, form->input_form,
                                                   form->input_dtype, planes, out_buf, out_form);
        inputs->is_rounded = inputs->is_rounded || ll_dtype_is_rounding(out_form->dtype);
        return status;
    }
    if (is_input && form->input_dtype == LL_U8) {
        *out_form = wire_form_plain(LL_U8, channels, ll_table_tensor_floats(tensors->table, name));
        *out_buf = ll_buf_ref(form->input_bytes);
        return planes ? wire_form_code(planes, out_buf, out_form) : LL_OK;
    }
    ll_status status =
        wire_form_encode(device_tensors_get(tensors, name), channels,
                         is_input ? form->input_dtype : form->cut_dtype, planes, out_buf, out_form);
    inputs->is_rounded = inputs->is_rounded || ll_dtype_is_rounding(out_form->dtype);
    return status;
}

static ll_status encode(struct device_remote_inputs *inputs, int at,
                        const struct device_tensors *tensors, const struct device_remote_form *form)
{
    int name = inputs->names.names[at];
    bool is_input = name == LL_TENSOR_INPUT;
    struct ll_planes *planes = is_input ? form->input_planes : form->cut_planes;
    struct device_coded *coded = &inputs->coded;
    const struct wire_form *written = &inputs->forms[at];
    int64_t began_ns = ll_clock_now_ns();
    ll_status status = write(inputs, at, planes, tensors, form);
    if (status == LL_OK && planes && !is_input) {
        coded->ns += ll_clock_now_ns() - began_ns;
        coded->bytes += written->bytes;
        coded->plain_bytes += wire_plain_bytes(written->dtype, written->channels,
                                               ll_table_tensor_floats(tensors->table, name));
    }
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
    inputs->forms = calloc((size_t)inputs->names.count + 1, sizeof(*inputs->forms));
    status = inputs->bufs && inputs->forms ? LL_OK : LL_E_NO_MEMORY;
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
    free(inputs->forms);
    ll_names_finish(&inputs->names);
    *inputs = (struct device_remote_inputs){0};
}
