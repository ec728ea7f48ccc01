/* A network as a chain of elements, for planning: between two neighbours exactly one tensor
 * crosses.
 *
 * The borders of the chain are the legal cuts across which the layers behind read one tensor alone.
 * That tensor's maker is a dominator of what lies behind: every path from the input to it leads
 * through that layer. Where several cuts are crossed by the same tensor (before and behind a
 * dropout) the last one is the border. Residual blocks and other branches are thus elements as a
 * whole, and a fast engine's groups are never split.
 *
 * A network with several outputs (yolo): what only the end reads does not cross, since nothing
 * behind the border computes with it. Such an early output comes back from the edge whenever the
 * element that makes it runs there, wherever the cut lies: it belongs to the element's cost
 * (`early_bytes`), not to a border's.
 *
 * With this, for every range of elements [i, k) of a chain made from a table, exactly:
 *
 *   bytes of inputs(first of i, end of k - 1)  = input_bytes of i
 *   bytes of outputs(first of i, end of k - 1) = output_bytes of k - 1 + early_bytes of i to k - 1
 *
 * Threads: pure functions. */
#ifndef LL_CHAIN_H
#define LL_CHAIN_H

#include "core/ll_status.h"
#include "net/ll_table.h"

enum { LL_CHAIN_NAME_BYTES = 64 };

struct ll_chain_element {
    /* Type and index of the layer that makes what crosses at the end ("shortcut 18"), or what a
     * profile calls it. */
    char name[LL_CHAIN_NAME_BYTES];
    /* Layers [first, end), end > first; both are legal cuts. */
    int first;
    int end;
    /* What a range that begins here takes to the edge, and what one that ends here brings back. */
    int64_t input_bytes;
    int64_t output_bytes;
    /* Outputs of the network that come back besides, whenever the element runs on the edge. */
    int64_t early_bytes;
    int64_t weight_bytes;
    /* Running the element on either side; creating it on the edge. */
    int64_t device_ns;
    int64_t edge_ns;
    int64_t create_ns;
};

struct ll_chain {
    int count;
    struct ll_chain_element *elements;
};

/* Elements [first, end) of a chain, end > first. */
struct ll_span {
    int first;
    int end;
};

/* Times by layer, layer_count each; NULL stands for zeros. An engine that fuses a group may put the
 * group's time at its last layer. */
struct ll_layer_times {
    const int64_t *device_ns;
    const int64_t *edge_ns;
    const int64_t *create_ns;
};

/* A chain of `count` zeroed elements. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status ll_chain_init(struct ll_chain *chain, int count);
void ll_chain_finish(struct ll_chain *chain);

/* Collapses a sealed table. The caller frees with ll_chain_finish.
 *
 * Errors: LL_E_NO_MEMORY, those of ll_chain_set_times. */
LL_MUST_USE ll_status ll_chain_make(const struct ll_table *table,
                                    const struct ll_layer_times *times, struct ll_chain *out_chain,
                                    struct ll_error *err);

/* Replaces the times of a chain by new ones; the borders do not depend on them.
 *
 * Errors: those of ll_chain_check; nothing has changed then. */
LL_MUST_USE ll_status ll_chain_set_times(struct ll_chain *chain, const struct ll_layer_times *times,
                                         struct ll_error *err);

/* Checks what the planner relies on: elements in order without holes, nothing negative, sizes and
 * sums of times within their limits (core/ll_limits.h).
 *
 * Errors: LL_E_INVALID, LL_E_EXHAUSTED; `err` names the element. */
LL_MUST_USE ll_status ll_chain_check(const struct ll_chain *chain, struct ll_error *err);

/* The same for one element behind those that `sum` adds up, and adds it; `sum` is zeroed before the
 * first. `err` names the quantity. */
LL_MUST_USE ll_status ll_chain_check_next(const struct ll_chain_element *element,
                                          struct ll_chain_element *sum, struct ll_error *err);

#endif
