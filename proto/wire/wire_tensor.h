/* Tensors of queries and answers: their heads (name, form, shape), and the pieces in which
 * they come. Both sides write them alike and believe them by the same rules.
 *
 * Threads: pure functions. */
#ifndef WIRE_TENSOR_H
#define WIRE_TENSOR_H

#include <stddef.h>
#include <stdint.h>

#include "core/ll_buf.h"
#include "core/ll_status.h"
#include "layerlift/v1/offload.pb-c.h"
#include "net/ll_table.h"
#include "proto/wire/wire_form.h"

/* ---- Heads ---- */

/* The heads of a message's tensors. */
struct wire_tensors {
    size_t count;
    Layerlift__V1__Tensor **list;
    /* Private. */
    struct wire_tensor *heads;
};

/* The channels of a tensor that has them, else 1. */
int64_t wire_tensor_channels(const struct ll_table *table, int name);

/* Heads of tensors of `table`, each written in its form (`forms` NULL: all as floats).
 *
 * Errors: LL_E_NO_MEMORY; nothing to finish then. */
LL_MUST_USE ll_status wire_tensors_init(struct wire_tensors *tensors, const struct ll_table *table,
                                        const struct ll_names *names,
                                        const struct wire_form *forms);
void wire_tensors_finish(struct wire_tensors *tensors);

/* Checks a peer's head of a tensor that has `floats` values: its shape is one number or three
 * (channels, height, width) that make them, its form exists, and that takes no more bytes than
 * floats and, if it is coded, fewer than if it were not. A picture's file may be larger. Which
 * tensors may come, and in which of the forms, is the caller's.
 *
 * Errors: LL_E_INVALID, "tensor 4: ...". */
LL_MUST_USE ll_status wire_tensor_check(const Layerlift__V1__Tensor *head, int64_t floats,
                                        struct wire_form *out_form, struct ll_error *err);

/* ---- Pieces ---- */

/* Checks a peer's piece of a tensor that is written in `whole` bytes, of which `received` are here.
 *
 * Errors: LL_E_INVALID, "tensor 4: ...", where the piece is empty, larger than a chunk may be, out
 * of order or beyond the tensor. */
LL_MUST_USE ll_status wire_tensor_check_chunk(const Layerlift__V1__TensorChunk *chunk,
                                              int64_t received, int64_t whole,
                                              struct ll_error *err);

/* Puts a checked piece into its tensor's buffer, of `whole` bytes at least (wire_form_room). The
 * tensor lies at the buffer's end, from where wire_form_expand takes it. */
void wire_tensor_place_chunk(const Layerlift__V1__TensorChunk *chunk, int64_t whole,
                             struct ll_buf *buf);

#endif
