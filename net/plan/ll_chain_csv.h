/* Profiles: a chain with its times, as a CSV text.
 *
 *   name,input_bytes,output_bytes,weight_bytes,device_ms,edge_ms,create_ms
 *   conv1,618348,1161600,139776,70.6632,0.080698,0.9880
 *
 * The first line is that header; each other line is an element. Names are 1 to 63 printable ASCII
 * characters without quotes and commas. Bytes are whole numbers, times decimal numbers that are
 * kept in whole ns. Lines end in LF or CR LF; nothing is quoted; there are no blank lines.
 *
 * Threads: pure. */
#ifndef LL_CHAIN_CSV_H
#define LL_CHAIN_CSV_H

#include "net/plan/ll_chain.h"

/* Reads a profile; element i is "layer" i of the chain. The caller frees with ll_chain_finish.
 *
 * Errors: LL_E_INVALID, LL_E_EXHAUSTED past a limit (core/ll_limits.h), LL_E_NO_MEMORY; `err` names
 * line and column. */
LL_MUST_USE ll_status ll_chain_csv_parse(const char *text, size_t bytes, struct ll_chain *out_chain,
                                         struct ll_error *err);

#endif
