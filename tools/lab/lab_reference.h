/* Stock Darknet, constructors and all: what conformance compares our engines with. Only for tools
 * and tests; nothing of a peer's may come here, since Darknet ends the process when it dislikes a
 * file.
 *
 * Three layer types crash stock Darknet on a CPU. Their memory is patched from outside before
 * anything runs: batch normalisation lacks a buffer, a deconvolution's weights are loaded with a
 * division by its 0 groups, and a local layer's workspace is counted in floats but allocated in
 * bytes. The cfg's batch is taken as 1, which changes no bit of one image's answer.
 *
 * Threads: one at a time in the whole process (Darknet's messages on stderr are redirected while
 * it loads). */
#ifndef LAB_REFERENCE_H
#define LAB_REFERENCE_H

#include <stddef.h>
#include <stdint.h>

#include "engine/ll_engine.h"

struct lab_reference;

/* Stock Darknet's network for a cfg that dkb_network_parse took and turned into `network`, with
 * the weights of the file `weights_path`, which was checked too.
 *
 * Errors: LL_E_IO, LL_E_NO_MEMORY; LL_E_INTERNAL where Darknet understands the cfg otherwise than
 * we did (`err` names the layer). */
LL_MUST_USE ll_status lab_reference_create(const struct ll_network *network, const char *cfg,
                                           size_t cfg_bytes, const char *weights_path,
                                           struct lab_reference **out_reference,
                                           struct ll_error *err);
void lab_reference_destroy(struct lab_reference *reference);

/* Runs network_predict on table.in_floats values. */
void lab_reference_predict(struct lab_reference *reference, const float *input);

/* What layer `index` made in the last prediction: its row's out_floats values. */
const float *lab_reference_output(const struct lab_reference *reference, int index);

#endif
