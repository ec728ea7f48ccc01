/* The layers of one job: of the model, of its draft, or of both, the model's first.
 *
 * Internal to the executor.
 *
 * Threads: the executor's. */
#ifndef EDGE_JOB_RUN_H
#define EDGE_JOB_RUN_H

#include "core/ll_status.h"
#include "edge/edge_executor.h"

/* Runs layers [first, exact_reached) with the model's weights and [exact_reached, reached) with the
 * draft's, and adds up what they took. `outputs`: outputs(first, reached), as job->names has them.
 *
 * Errors: the engine's, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status edge_job_run_layers(struct edge_job *job,
                                          const struct ll_tensor_out *outputs);

#endif
