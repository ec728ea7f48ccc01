#include "tests/unit/rpc/rpc_test_relay.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/ll_clock.h"

static struct sockaddr_in local_address(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

int rpc_relay_connect(int port)
{
    struct sockaddr_in address = local_address(port);
    int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection >= 0 &&
        connect(connection, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        close(connection);
        connection = -1;
    }
    return connection;
}

/* Moves what one side has to the other; false at the end of either. */
static bool pump(int from, int to)
{
    static uint8_t bytes[1 << 16];
    ssize_t count = read(from, bytes, sizeof(bytes));
    for (ssize_t at = 0; at < count;) {
        ssize_t written = send(to, bytes + at, (size_t)(count - at), MSG_NOSIGNAL);
        if (written <= 0) {
            return false;
        }
        at += written;
    }
    return count > 0;
}

static void close_link(struct rpc_relay *relay, int index)
{
    close(relay->links[index][0]);
    close(relay->links[index][1]);
    relay->link_count--;
    memmove(&relay->links[index], &relay->links[index + 1],
            sizeof(relay->links[0]) * (size_t)(relay->link_count - index));
}

static void accept_link(struct rpc_relay *relay)
{
    int client = accept(relay->listener, NULL, NULL);
    int server = client >= 0 ? rpc_relay_connect(relay->server_port) : -1;
    if (server < 0 || relay->link_count == RPC_RELAY_LINKS) {
        close(client);
        close(server);
        return;
    }
    relay->links[relay->link_count][0] = client;
    relay->links[relay->link_count][1] = server;
    relay->link_count++;
}

/* Does one command; false for stop. */
static bool run_command(struct rpc_relay *relay)
{
    char command = 0;
    if (read(relay->commands[0], &command, 1) != 1) {
        return false;
    }
    while (relay->link_count > 0) {
        close_link(relay, 0);
    }
    ll_mutex_lock(&relay->mutex);
    relay->done++;
    ll_cond_broadcast(&relay->changed);
    ll_mutex_unlock(&relay->mutex);
    return command == 'c';
}

static void relay_main(void *arg)
{
    struct rpc_relay *relay = arg;
    struct pollfd polled[2 + 2 * RPC_RELAY_LINKS];
    bool goes_on = true;
    while (goes_on) {
        int links = relay->link_count;
        nfds_t count = 2;
        polled[0] = (struct pollfd){.fd = relay->commands[0], .events = POLLIN};
        polled[1] = (struct pollfd){.fd = relay->listener, .events = POLLIN};
        for (int i = 0; i < 2 * links; i++) {
            polled[count++] = (struct pollfd){.fd = relay->links[i / 2][i % 2], .events = POLLIN};
        }
        if (poll(polled, count, -1) < 0) {
            continue;
        }
        /* From the last, since closing moves those behind. */
        for (int i = links - 1; i >= 0; i--) {
            bool lives = true;
            for (int side = 0; side < 2 && lives; side++) {
                lives = !polled[2 + 2 * i + side].revents ||
                        pump(relay->links[i][side], relay->links[i][1 - side]);
            }
            if (!lives) {
                close_link(relay, i);
            }
        }
        if (polled[1].revents) {
            accept_link(relay);
        }
        if (polled[0].revents) {
            goes_on = run_command(relay);
        }
    }
}

bool rpc_relay_start(struct rpc_relay *relay, int port, int server_port)
{
    memset(relay, 0, sizeof(*relay));
    ll_mutex_init(&relay->mutex);
    ll_cond_init(&relay->changed);
    relay->server_port = server_port;
    struct sockaddr_in address = local_address(port);
    socklen_t bytes = sizeof(address);
    int yes = 1;
    relay->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (relay->listener < 0 || pipe(relay->commands) != 0) {
        return false;
    }
    setsockopt(relay->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(relay->listener, (const struct sockaddr *)&address, bytes) != 0 ||
        listen(relay->listener, RPC_RELAY_LINKS) != 0 ||
        getsockname(relay->listener, (struct sockaddr *)&address, &bytes) != 0) {
        return false;
    }
    relay->port = ntohs(address.sin_port);
    return ll_thread_start(&relay->thread, "relay", relay_main, relay) == LL_OK;
}

static void command(struct rpc_relay *relay, char what)
{
    relay->issued++;
    if (write(relay->commands[1], &what, 1) != 1) {
        return;
    }
    ll_mutex_lock(&relay->mutex);
    while (relay->done < relay->issued) {
        ll_cond_wait(&relay->changed, &relay->mutex, LL_CLOCK_NEVER);
    }
    ll_mutex_unlock(&relay->mutex);
}

void rpc_relay_cut(struct rpc_relay *relay)
{
    command(relay, 'c');
}

void rpc_relay_stop(struct rpc_relay *relay)
{
    command(relay, 's');
    ll_thread_join(&relay->thread);
    close(relay->listener);
    close(relay->commands[0]);
    close(relay->commands[1]);
    ll_cond_finish(&relay->changed);
    ll_mutex_finish(&relay->mutex);
}
