/* Named limits on everything that a peer or a file can ask for.
 *
 * A refusal names the limit and its value. Limits that an operator may change are only defaults
 * here; the rest are part of the format. */
#ifndef LL_LIMITS_H
#define LL_LIMITS_H

#include <stdint.h>

/* A cfg text, a layer count, one layer's fan-in (what a route names), and its anchors. */
#define LL_LIMIT_CFG_BYTES (4u << 20)
#define LL_LIMIT_CFG_LINE_BYTES (64u << 10)
#define LL_LIMIT_SECTION_OPTIONS 256
#define LL_LIMIT_LAYERS 4096
#define LL_LIMIT_LAYER_READS 256
#define LL_LIMIT_ANCHORS 256

/* One dimension; one tensor (the largest of Darknet's own networks is 47 MB); one layer's scratch
 * memory; one layer's weights; a model's weights. */
#define LL_LIMIT_DIM (1 << 20)
#define LL_LIMIT_TENSOR_BYTES ((int64_t)512 << 20)
#define LL_LIMIT_SCRATCH_BYTES ((int64_t)2 << 30)
#define LL_LIMIT_BLOB_BYTES ((int64_t)2 << 30)
#define LL_LIMIT_MODEL_BYTES ((int64_t)4 << 30)

/* All activations of one running query; one whole query's arithmetic (yolov3 at 608 takes 0.14 x
 * 10^12), so that nobody can keep an executor busy for hours. */
#define LL_LIMIT_CONTEXT_BYTES ((int64_t)4 << 30)
#define LL_LIMIT_MODEL_FLOPS ((int64_t)16 << 40)

/* One group's: a run ends only between groups, so that whoever stops one waits for so much at most,
 * about 5 s; and what makes a query a heavy one, more than any network in use takes. */
#define LL_LIMIT_GROUP_FLOPS ((int64_t)1 << 38)
#define LL_LIMIT_HEAVY_FLOPS ((int64_t)1 << 39)

/* Operations that one creation runs to warm its layers up: a third of a second at 60 x 10^9 a
 * second, which one core of today's servers computes. */
#define LL_LIMIT_WARM_FLOPS ((int64_t)20 * 1000 * 1000 * 1000)

/* Planning: a profile's text; all times of one kind (device, edge, creation) of a chain together,
 * 11 days; the bandwidths that can be planned for, 0.01 Mbit/s to 1 Tbit/s; a round trip of 100 s.
 * Within these every predicted time, and every difference of two, fits an int64. */
#define LL_LIMIT_PROFILE_BYTES (1u << 20)
#define LL_LIMIT_CHAIN_NS ((int64_t)1000000000000000)
#define LL_LIMIT_LINK_BYTES_PER_S_MIN 1250.0
#define LL_LIMIT_LINK_BYTES_PER_S_MAX 125e9
#define LL_LIMIT_ROUND_TRIP_NS ((int64_t)100000000000)

/* The wire: one message; one chunk's payload. */
#define LL_LIMIT_MESSAGE_BYTES (8u << 20)
#define LL_LIMIT_CHUNK_BYTES (256u << 10)
#define LL_LIMIT_CUT_TENSORS 256

/* Image files. */
#define LL_LIMIT_IMAGE_FILE_BYTES ((int64_t)64 << 20)
#define LL_LIMIT_IMAGE_PIXELS ((int64_t)64 << 20)

#endif
