#include "rpc/rpc_address.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool is_host(const char *host, size_t bytes)
{
    if (host[0] == '[') {
        return bytes > 2 && host[bytes - 1] == ']' &&
               strspn(host + 1, DIGITS "abcdefABCDEF:.") == bytes - 2;
    }
    return bytes > 0 && strspn(host, LETTERS DIGITS ".-_") == bytes;
}

static bool is_port(const char *text, long least_port)
{
    size_t digits = strspn(text, DIGITS);
    if (digits == 0 || digits > 5 || text[digits]) {
        return false;
    }
    long port = strtol(text, NULL, 10);
    return port >= least_port && port <= 65535;
}

ll_status rpc_address_check(const char *address, long least_port, struct ll_error *err)
{
    const char *colon = strrchr(address, ':');
    if (!colon || strlen(address) > RPC_ADDRESS_BYTES ||
        !is_host(address, (size_t)(colon - address)) || !is_port(colon + 1, least_port)) {
        return ll_fail(err, LL_E_INVALID, "\"%.*s\" is not HOST:PORT", RPC_ADDRESS_BYTES, address);
    }
    return LL_OK;
}
