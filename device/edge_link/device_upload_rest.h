/* What of a model is still to be uploaded, in the plan's order: where there is a draft, first all
 * of that, the blobs that it does not round included, then what is left of the others.
 *
 * Threads: one at a time. */
#ifndef DEVICE_UPLOAD_REST_H
#define DEVICE_UPLOAD_REST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/ll_status.h"
#include "net/ll_table.h"
#include "net/plan/ll_plan.h"

/* Of a layer's blob: bytes [0, end) are to be sent again, those up to `next` are not. */
struct device_upload_gap {
    int64_t end;
    int64_t next;
};

struct device_upload_rest {
    const struct ll_table *table;
    /* Private: per layer, the bytes that are sent or not wanted. */
    int64_t *done;
    /* Where what is sent of the layer began. */
    int64_t *begun;
    struct device_upload_gap *gaps;
    /* Other devices bring the layer's blob. */
    bool *is_elsewhere;
    /* As `done` of the draft's blobs; NULL without a draft. */
    int64_t *drafted;
    /* Of each weight's 32 bits, those that the draft has. */
    int draft_bits;
    /* By layer: its draft's blob differs from the model's; what is left of the model's blob besides
     * the draft's does not help any more. */
    bool *is_rounded;
    bool *is_whole;
    /* Where to look for the next bytes. */
    int layer;
    int draft_layer;
};

/* A piece of a layer's blob. */
struct device_piece {
    int layer;
    int64_t offset;
    int64_t bytes;
    /* Of the draft's blob; or, of the model's, what the draft's has not. */
    bool is_draft;
    bool is_rest;
    /* It belongs to what comes before the draft can run as a whole. */
    bool is_first_pass;
};

/* Everything is to be sent. Plans cover all layers in order, so that the plan's order is that of
 * the layers. The table outlives the rest. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_upload_rest_init(struct device_upload_rest *rest,
                                              const struct ll_table *table);
/* There is a draft, with so many of each weight's bits, whose blobs differ in the layers
 * `is_rounded`, which is copied. Once, before everything else. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_upload_rest_use_draft(struct device_upload_rest *rest,
                                                   const bool *is_rounded, int draft_bits);
/* A zeroed rest is allowed. */
void device_upload_rest_finish(struct device_upload_rest *rest);

/* The next piece, of at most `limit_bytes`; false when nothing is left that others do not bring. It
 * stays the next one until device_upload_rest_advance. */
bool device_upload_rest_next(struct device_upload_rest *rest, int64_t limit_bytes,
                             struct device_piece *out_piece);
void device_upload_rest_advance(struct device_upload_rest *rest, const struct device_piece *piece);
/* The piece is to be sent nevertheless: undoes the advance. Of several pieces the last goes back
 * first. */
void device_upload_rest_take_back(struct device_upload_rest *rest,
                                  const struct device_piece *piece);

/* The edge has the layer's blob: nothing more of it is sent.
 * Errors: LL_E_INVALID for a layer that does not exist. */
LL_MUST_USE ll_status device_upload_rest_skip(struct device_upload_rest *rest, uint64_t layer);

/* The layer's blob is to be sent from `offset` on; 0: again as a whole.
 * Errors: LL_E_INVALID for a layer or an offset that does not exist. */
LL_MUST_USE ll_status device_upload_rest_seek(struct device_upload_rest *rest, uint64_t layer,
                                              uint64_t offset);

/* Bytes [0, end) of the layer's blob are to be sent again, as what they are; what was sent behind
 * them stays. Errors: LL_E_INVALID for a layer or an end that does not exist. */
LL_MUST_USE ll_status device_upload_rest_fill(struct device_upload_rest *rest, uint64_t layer,
                                              uint64_t end);

/* Other devices bring the model's blobs of these layers, and no others: they are left out.
 * Errors: LL_E_INVALID for a layer that does not exist; no blob is left out then. */
LL_MUST_USE ll_status device_upload_rest_leave_out(struct device_upload_rest *rest,
                                                   const uint32_t *layers, size_t count);
/* Others have brought the beginning of the layer's blob, up to `offset`, beyond which nothing was
 * sent; harmless where something was. Errors: LL_E_INVALID for what does not exist. */
LL_MUST_USE ll_status device_upload_rest_go_on(struct device_upload_rest *rest, uint64_t layer,
                                               uint64_t offset);

/* The same as device_upload_rest_skip and device_upload_rest_seek of the draft's blob; without
 * effect where there is none. */
LL_MUST_USE ll_status device_upload_rest_skip_draft(struct device_upload_rest *rest,
                                                    uint64_t layer);
LL_MUST_USE ll_status device_upload_rest_seek_draft(struct device_upload_rest *rest, uint64_t layer,
                                                    uint64_t offset);
/* The draft's blob is to be sent again, and what was sent behind it: without it that was of no use.
 */
LL_MUST_USE ll_status device_upload_rest_draft_again(struct device_upload_rest *rest,
                                                     uint64_t layer);
/* The layer's blob is to be sent again, from `offset` on, and as a whole: what the edge has made of
 * the draft's and the rest was wrong.
 * Errors: LL_E_INVALID for a layer or an offset that does not exist. */
LL_MUST_USE ll_status device_upload_rest_again(struct device_upload_rest *rest, uint64_t layer,
                                               uint64_t offset);

/* How many bytes of the model a piece is worth: each weight's bits count where they are sent. */
int64_t device_upload_rest_worth(const struct device_upload_rest *rest,
                                 const struct device_piece *piece);
/* Bytes of the model that are left, those that others bring included. */
int64_t device_upload_rest_left(const struct device_upload_rest *rest);

#endif
