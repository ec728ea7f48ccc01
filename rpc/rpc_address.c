#include "rpc/rpc_address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

enum { HOST_BYTES = 256 };

/* ---- What is wrong: a reason, or NULL ---- */

/* "fe80::1%eth0", without brackets. */
static const char *check_ipv6(const char *host)
{
    char address[INET6_ADDRSTRLEN];
    struct in6_addr numbers;
    size_t bytes = strcspn(host, "%");
    const char *zone = host + bytes;
    if (*zone) {
        zone++;
        if (*zone == '\0' || strlen(zone) >= IF_NAMESIZE ||
            zone[strspn(zone, LETTERS DIGITS "._-")]) {
            return "what follows the % is not an interface's name";
        }
    }
    if (bytes >= sizeof(address)) {
        return "what is in brackets is not an IPv6 address";
    }
    memcpy(address, host, bytes);
    address[bytes] = '\0';
    return inet_pton(AF_INET6, address, &numbers) == 1
               ? NULL
               : "what is in brackets is not an IPv6 address";
}

static const char *check_name(const char *host)
{
    struct in_addr numbers;
    if (host[0] == '\0') {
        return "it has no host";
    }
    if (strcmp(host, "*") == 0) {
        return "all addresses are 0.0.0.0, or [::] with those of IPv6";
    }
    if (host[strspn(host, DIGITS ".")] == '\0') {
        return inet_pton(AF_INET, host, &numbers) == 1 ? NULL : "the host is not an IPv4 address";
    }
    if (host[strspn(host, LETTERS DIGITS ".-_")] || strchr("-.", host[0]) || strstr(host, "..")) {
        return "the host is not a name of letters, digits, dots and hyphens";
    }
    return NULL;
}

static const char *check_host(char *host)
{
    size_t bytes = strlen(host);
    if (host[0] != '[') {
        return check_name(host);
    }
    if (host[bytes - 1] != ']') {
        return "a bracket is not closed";
    }
    host[bytes - 1] = '\0';
    return check_ipv6(host + 1);
}

static const char *check_port(const char *text, long least_port)
{
    size_t digits = strspn(text, DIGITS);
    if (digits == 0 || digits > 5 || text[digits]) {
        return "the port is not a number";
    }
    long port = strtol(text, NULL, 10);
    if (port >= least_port && port <= 65535) {
        return NULL;
    }
    return least_port == 0 ? "ports are 0 to 65535" : "ports are 1 to 65535";
}

/* What people write for other programs. */
static const char *check_kind(const char *address)
{
    static const char *const schemes[] = {"unix:", "dns:", "ipv4:", "ipv6:", "http:", "https:"};
    const char *first = strchr(address, ':');
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (strncmp(address, schemes[i], strlen(schemes[i])) == 0 &&
            check_port(first + 1, 0) != NULL) {
            return "write it without a scheme";
        }
    }
    if (strstr(address, "://")) {
        return "write it without a scheme";
    }
    if (address[strcspn(address, " \t\r\n")]) {
        return "it has a space";
    }
    if (!first) {
        return "it has no port";
    }
    if (address[0] != '[' && strchr(first + 1, ':')) {
        return "an IPv6 address stands in brackets, as in [::1]:50051";
    }
    return NULL;
}

static const char *check(const char *address, long least_port)
{
    char host[HOST_BYTES];
    const char *reason = check_kind(address);
    if (reason) {
        return reason;
    }
    const char *colon = strrchr(address, ':');
    if (address[0] == '[' && (colon == address || colon[-1] != ']')) {
        return strchr(address, ']') ? "it has no port" : "a bracket is not closed";
    }
    size_t bytes = (size_t)(colon - address);
    if (bytes >= sizeof(host)) {
        return "it is too long";
    }
    memcpy(host, address, bytes);
    host[bytes] = '\0';
    reason = check_host(host);
    return reason ? reason : check_port(colon + 1, least_port);
}

ll_status rpc_address_check(const char *address, long least_port, struct ll_error *err)
{
    const char *reason =
        strlen(address) > RPC_ADDRESS_BYTES ? "it is too long" : check(address, least_port);
    if (!reason) {
        return LL_OK;
    }
    char shown[RPC_ADDRESS_BYTES + 1];
    snprintf(shown, sizeof(shown), "%s", address);
    for (char *at = shown; *at; at++) {
        *at = (char)(*at >= ' ' && *at <= '~' ? *at : '?');
    }
    return ll_fail(err, LL_E_INVALID, "\"%s\" is not HOST:PORT: %s", shown, reason);
}

/* Numbers need no resolver. */
static const char *scheme_of(const char *address)
{
    struct in_addr numbers;
    char host[INET_ADDRSTRLEN];
    size_t bytes = strcspn(address, ":");
    if (address[0] == '[') {
        return "ipv6:";
    }
    if (bytes >= sizeof(host)) {
        return "dns:///";
    }
    memcpy(host, address, bytes);
    host[bytes] = '\0';
    return inet_pton(AF_INET, host, &numbers) == 1 ? "ipv4:" : "dns:///";
}

void rpc_address_uri(const char *address, char out_uri[RPC_ADDRESS_URI_BYTES])
{
    int before = (int)strcspn(address, "%");
    const char *zone = address[before] ? address + before + 1 : "";
    snprintf(out_uri, RPC_ADDRESS_URI_BYTES, "%s%.*s%s%s", scheme_of(address), before, address,
             address[before] ? "%25" : "", zone);
}
