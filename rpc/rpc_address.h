/* "HOST:PORT", checked before gRPC sees it: gRPC takes much else for an address, and ports above
 * 65535 for others. Inside rpc/ only. */
#ifndef RPC_ADDRESS_H
#define RPC_ADDRESS_H

#include "core/ll_status.h"

/* LL_E_INVALID with a sentence unless `address` is a host name, an IPv4 address or an IPv6 address
 * in brackets, a colon, and a port from `least_port` to 65535. At most RPC_ADDRESS_BYTES. */
LL_MUST_USE ll_status rpc_address_check(const char *address, long least_port, struct ll_error *err);

#define RPC_ADDRESS_BYTES 262

#endif
