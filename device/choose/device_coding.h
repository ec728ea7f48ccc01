/* Whether tensors are coded on their way (ll_planes.h): where that takes less time than the bytes
 * that it saves, on this link and these processors.
 *
 * A tensor of b plain bytes that is coded to r x b takes
 *
 *     b x (encode + r x link + decode)        against        b x link
 *
 * with times a byte: the device measures its own, the edge tells its own (Answer.coding_ns), and
 * the link's is the estimate's (device_estimate.h). r is known by cut, since the tensors that cross
 * there are always the same layers'; the network's input goes its own way (device_input_forms.h).
 * Where nothing was coded yet it is assumed; what once did not pay, bytes or times, drifts back to
 * that while tensors go plain, and is so tried again some day.
 *
 * Threads: one at a time. */
#ifndef DEVICE_CODING_H
#define DEVICE_CODING_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_status.h"
#include "net/ll_dtype.h"

/* Before anything was coded: ns a byte on either side, and what is left of a byte. */
#define DEVICE_CODING_NS_PER_BYTE 4.0
#define DEVICE_CODING_RATIO 0.8
struct device_coding {
    int layer_count;
    /* By plain byte. */
    double encode_ns;
    double decode_ns;
    double edge_ns;
    bool has_encoded;
    bool has_decoded;
    bool has_told;
    /* The edge that told. */
    uint64_t connection;
    /* By cut: what is left of a byte, 0 before one was coded there. */
    double *ratios;
    /* How other tensors than the input are written: ratios are of that. */
    ll_dtype dtype;
    /* Of device_coding_look: a byte's time on the link and, by cut, how many times that a coded one
     * takes, there and back. */
    double up_ns;
    double down_ns;
    double *up_factors;
    double *down_factors;
};

/* Errors: LL_E_NO_MEMORY; there is nothing to finish then. */
LL_MUST_USE ll_status device_coding_init(struct device_coding *coding, int layer_count);
/* A zeroed one is allowed. */
void device_coding_finish(struct device_coding *coding);

/* Queries are for the edge of this connection: what another one told is forgotten. */
void device_coding_follow_edge(struct device_coding *coding, uint64_t connection);

/* Fills in the factors for a link whose bytes take so long; 1 everywhere where the edge takes
 * nothing coded (`may_code`). */
void device_coding_look(struct device_coding *coding, bool may_code, ll_dtype dtype, double up_ns,
                        double down_ns);

/* Whether `bytes` plain bytes of the tensors that cross at `cut` are to be coded, as the last look
 * has it. */
bool device_coding_pays_up(const struct device_coding *coding, int cut, int64_t bytes);
bool device_coding_pays_down(const struct device_coding *coding, int cut, int64_t bytes);

/* What was coded: what it was before and after, and how long that took on the device. */
struct device_coded {
    int64_t plain_bytes;
    int64_t bytes;
    int64_t ns;
};

/* Tensors were encoded here; came coded and were decoded here; or went plain although they might
 * have been coded. */
void device_coding_encoded(struct device_coding *coding, int cut, const struct device_coded *coded);
void device_coding_decoded(struct device_coding *coding, int cut, const struct device_coded *coded);
void device_coding_went_plain(struct device_coding *coding, int cut);
/* The edge told how long it decoded and encoded so many plain bytes. */
void device_coding_told(struct device_coding *coding, int64_t plain_bytes, int64_t ns);

#endif
