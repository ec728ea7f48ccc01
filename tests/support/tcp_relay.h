/* A TCP relay for tests: what is between a device and an edge, and can be cut.
 *
 * Threads: the test's; the relay has a thread of its own. */
#ifndef TCP_RELAY_H
#define TCP_RELAY_H

#include <stdbool.h>
#include <stdint.h>

struct tcp_relay;

/* Listens on a free port of 127.0.0.1 and connects whoever comes to 127.0.0.1:`port`. Ends the test
 * where that is not possible. */
struct tcp_relay *tcp_relay_create(int port);
void tcp_relay_destroy(struct tcp_relay *relay);
/* "127.0.0.1:PORT" */
const char *tcp_relay_address(const struct tcp_relay *relay);

/* Closes all connections, in the middle of whatever goes through; new ones are taken. */
void tcp_relay_cut(struct tcp_relay *relay);
/* Lets nothing through in either direction, and closes nothing, until it is set to false. */
void tcp_relay_freeze(struct tcp_relay *relay, bool is_frozen);
/* Where new connections go from now on. */
void tcp_relay_set_port(struct tcp_relay *relay, int port);

/* Bytes that went from the device to the edge. */
int64_t tcp_relay_forward_bytes(struct tcp_relay *relay);

#endif
