/* The shortest path of incremental offloading (Jeong et al., "IONN", SoCC 2018, section 4): where a
 * query would run if it had to pay a share of the upload.
 *
 * Each border of the chain is a node on the device and a node on the edge. Running element i on the
 * device takes device_ns; on the edge edge_ns + share x (upload of its weights + create_ns); from
 * device to edge its input is sent, from edge to device its output. The path leads from the device
 * before the first element to the device behind the last one. A share of 1 is a query on an edge
 * that has nothing; a share of 0 is one on an edge that has everything. The paper's penalty k is
 * 1 - share.
 *
 * Threads: pure. */
#ifndef LL_PATH_H
#define LL_PATH_H

#include "net/plan/ll_predict.h"

/* Sets chain->count flags: the elements that the path runs on the edge. Of equally short ways the
 * device's is taken. 0 <= share <= 1.
 *
 * Errors: LL_E_NO_MEMORY; the flags are undefined then. */
LL_MUST_USE ll_status ll_path_find(const struct ll_chain *chain, const struct ll_link *link,
                                   double share, bool *out_on_edge);

#endif
