/* "HOST:PORT", checked before gRPC sees it: gRPC takes much else for an address, and ports above
 * 65535 for others.
 *
 * Threads: pure functions. */
#ifndef RPC_ADDRESS_H
#define RPC_ADDRESS_H

#include "core/ll_status.h"

/* LL_E_INVALID with a sentence that quotes `address` and says what is wrong, unless it is a host
 * name, an IPv4 address, or an IPv6 address in brackets (which may have a zone: [fe80::1%eth0]), a
 * colon, and a port from `least_port` to 65535. At most RPC_ADDRESS_BYTES. */
LL_MUST_USE ll_status rpc_address_check(const char *address, long least_port, struct ll_error *err);

#define RPC_ADDRESS_BYTES 262

/* A checked address as the URI of a gRPC channel. A zone's percent sign is escaped there. */
enum { RPC_ADDRESS_URI_BYTES = RPC_ADDRESS_BYTES + 16 };
void rpc_address_uri(const char *address, char out_uri[RPC_ADDRESS_URI_BYTES]);

#endif
