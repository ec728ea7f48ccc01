/* The tensors that a remote part is computed from, in the form in which they are sent.
 *
 * Threads: one at a time. */
#ifndef DEVICE_REMOTE_INPUTS_H
#define DEVICE_REMOTE_INPUTS_H

#include <stdbool.h>

#include "core/ll_buf.h"
#include "core/ll_status.h"
#include "device/choose/device_coding.h"
#include "device/query/device_input_forms.h"
#include "device/query/device_tensors.h"
#include "net/ll_dtype.h"
#include "net/ll_table.h"
#include "proto/wire/wire_form.h"

/* How tensors are written: the network's input (LL_U8: as `input_bytes`, which stand for its
 * values) and other tensors. A tensor that a data type does not hold goes as floats. */
struct device_remote_form {
    ll_dtype input_dtype;
    struct ll_buf *input_bytes;
    ll_dtype cut_dtype;
    /* What codes them where that makes them fewer bytes; NULL: they go as they are. */
    struct ll_planes *input_planes;
    struct ll_planes *cut_planes;
    /* Not NULL: these make the network's input, in one of the forms that were offered, whatever
     * stands above. */
    struct device_input_forms *input_forms;
    device_form input_form;
};

struct device_remote_inputs {
    struct ll_names names;
    /* By name: as it is sent. */
    struct ll_buf **bufs;
    struct wire_form *forms;
    /* The network's input among them, how it is written; NULL: it is not. */
    const struct wire_form *input;
    /* Some tensor lost precision. */
    bool is_rounded;
    /* What coding did to other tensors than the network's input. */
    struct device_coded coded;
};

/* Takes inputs(first, end), legal cuts, from the set, which has them. Errors: LL_E_NO_MEMORY; there
 * is nothing to finish then. */
LL_MUST_USE ll_status device_remote_inputs_init(struct device_remote_inputs *inputs,
                                                const struct ll_table *table, int first, int end,
                                                const struct device_tensors *tensors,
                                                const struct device_remote_form *form);
/* A zeroed one is allowed. */
void device_remote_inputs_finish(struct device_remote_inputs *inputs);

#endif
