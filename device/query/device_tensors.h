/* The tensors that one query holds on the device, by name.
 *
 * Threads: one at a time. */
#ifndef DEVICE_TENSORS_H
#define DEVICE_TENSORS_H

#include "core/ll_buf.h"
#include "core/ll_status.h"
#include "net/ll_table.h"

struct device_tensors {
    const struct ll_table *table;
    /* Private: by name + 1, so that the network's input is the first; NULL where absent. */
    struct ll_buf **bufs;
};

/* An empty set for the network of `table`, which outlives it. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_tensors_init(struct device_tensors *tensors,
                                          const struct ll_table *table);
/* Drops everything that it holds; a zeroed set is allowed. */
void device_tensors_finish(struct device_tensors *tensors);

/* Keeps `buf`, of exactly the tensor's size, as tensor `name`; what was there is dropped. Takes a
 * reference. */
void device_tensors_put(struct device_tensors *tensors, int name, struct ll_buf *buf);

/* The tensor, borrowed; NULL where it is not held. */
struct ll_buf *device_tensors_get(const struct device_tensors *tensors, int name);

/* The network's outputs one behind the other, in layer order. The caller frees `*out_data` with
 * free(). `*out_last_floats` is the size of the last of them.
 *
 * Errors: LL_E_INVALID where one is not held, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_tensors_outputs(const struct device_tensors *tensors, float **out_data,
                                             int64_t *out_floats, int64_t *out_last_floats);

#endif
