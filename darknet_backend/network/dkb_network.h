/* A network as Darknet's cfg language describes it: parsed by our own code and validated before any
 * function of Darknet sees it.
 *
 * Threads: any; a network is immutable. */
#ifndef DKB_NETWORK_H
#define DKB_NETWORK_H

#include <stddef.h>

#include "core/ll_status.h"
#include "net/ll_network.h"

/* Reads, validates, and builds the layer table with groups and legal cuts. Also what the engines'
 * `parse` does.
 *
 * Errors: LL_E_INVALID, LL_E_UNSUPPORTED (recurrent layers, ...), LL_E_EXHAUSTED, LL_E_NO_MEMORY;
 * `err` names line, section, key and reason. */
LL_MUST_USE ll_status dkb_network_parse(const char *cfg, size_t cfg_bytes,
                                        struct ll_network **out_network, struct ll_error *err);

#endif
