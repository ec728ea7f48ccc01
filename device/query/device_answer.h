/* An answer of the edge while it comes in: believed only where it is exactly what the protocol
 * allows for the query.
 *
 * Threads: one at a time. */
#ifndef DEVICE_ANSWER_H
#define DEVICE_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_status.h"
#include "device/query/device_tensors.h"
#include "layerlift/v1/offload.pb-c.h"
#include "net/ll_dtype.h"
#include "net/ll_table.h"
#include "proto/wire/wire_form.h"

struct device_answer {
    /* The query's range. */
    const struct ll_table *table;
    int first;
    int end;
    int least;
    ll_dtype dtype;
    bool may_be_coded;
    /* Set after device_answer_init: the query said that a draft's answer will do. */
    bool takes_draft;
    /* From the head; the edge ran [first, reached). */
    bool has_head;
    int reached;
    int prefix;
    /* Layers [exact_reached, reached) ran with a draft's weights. */
    bool is_draft;
    int exact_reached;
    int64_t queued_ns;
    int64_t waited_ns;
    int64_t computed_ns;
    int64_t coding_ns;
    /* Private: outputs(first, reached), their memory and what of it has come. */
    struct ll_names names;
    struct ll_buf **bufs;
    struct wire_form *forms;
    int64_t *received;
    int complete_count;
};

/* `least`: the prefix that the query said it needs, at most `end`; `dtype`: in what the query said
 * that tensors may come besides floats; coded ones may come where `may_be_coded` is set then. The
 * table outlives the answer. */
void device_answer_init(struct device_answer *answer, const struct ll_table *table, int first,
                        int end, int least, ll_dtype dtype);
void device_answer_finish(struct device_answer *answer);

/* The head of an answer whose status is OK.
 *
 * Errors: LL_E_INVALID where `reached` is not a legal cut of the range or short of what was asked,
 * it is a draft's answer and none was asked for, or a tensor's head is not that of outputs(first,
 * reached); LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_answer_head(struct device_answer *answer,
                                         const Layerlift__V1__Answer *message,
                                         struct ll_error *err);

/* A piece of a tensor. Errors: LL_E_INVALID before the head, for another tensor, out of order,
 * beyond the tensor, empty. */
LL_MUST_USE ll_status device_answer_chunk(struct device_answer *answer,
                                          const Layerlift__V1__TensorChunk *chunk,
                                          struct ll_error *err);

/* Head and all tensors are here. */
bool device_answer_is_complete(const struct device_answer *answer);

/* Makes floats of the tensors of a complete answer and puts them into the set. Once. `planes` is
 * needed where tensors may be coded.
 *
 * Errors: LL_E_INVALID, "tensor 4: ...", where a tensor's bytes are not what its head says,
 * LL_E_NO_MEMORY; the set stays as it is. */
LL_MUST_USE ll_status device_answer_take(struct device_answer *answer, struct ll_planes *planes,
                                         struct device_tensors *tensors, struct ll_error *err);

/* Some of its tensors came rounded. */
bool device_answer_is_rounded(const struct device_answer *answer);

/* Bytes of the tensors that the head announced, as they are written, and before they were coded.
 */
int64_t device_answer_bytes(const struct device_answer *answer);
int64_t device_answer_plain_bytes(const struct device_answer *answer);

#endif
