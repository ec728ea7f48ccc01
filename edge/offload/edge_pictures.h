/* Queries whose input comes as a picture: a file that a camera or a program made, or pixels in
 * lossless WebP. The edge makes of it what the device made, by the same code, or says that it
 * cannot.
 *
 * Before anything of a picture is decoded, its header says how much memory that takes. A query may
 * take as much as its tensors may, in all; all decoders together as much as all tensors.
 *
 * Internal to the Offload service.
 *
 * Threads: init on one, before the others; expand on any. */
#ifndef EDGE_PICTURES_H
#define EDGE_PICTURES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/ll_buf.h"
#include "core/ll_status.h"
#include "net/ll_table.h"
#include "proto/wire/wire_form.h"

struct edge_pictures {
    /* Limits query_bytes and server_query_bytes. */
    int64_t most_query_bytes;
    int64_t most_bytes;
    /* What decoders take now. */
    _Atomic int64_t bytes;
};

void edge_pictures_init(struct edge_pictures *pictures, int64_t most_query_bytes,
                        int64_t most_bytes);

/* Whether such a tensor is for edge_pictures_expand, not for wire_form_expand. */
bool edge_pictures_has(const struct wire_form *form);

/* Makes floats of a network's input whose bytes are complete: `*buf` becomes another buffer.
 * `query_bytes`: what the query takes besides.
 *
 * Errors, `*buf` stays: LL_E_INVALID for what cannot be decoded, LL_E_UNSUPPORTED, LL_E_EXHAUSTED
 * by a limit, LL_E_NO_MEMORY; LL_E_PRECONDITION where the file makes another input here than the
 * one that is meant. */
LL_MUST_USE ll_status edge_pictures_expand(struct edge_pictures *pictures,
                                           const struct wire_form *form,
                                           const struct ll_table *table, int64_t query_bytes,
                                           struct ll_buf **buf, struct ll_error *err);

#endif
