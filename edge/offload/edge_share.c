/* Memory is counted as it is taken: a head takes none, its tensors take what has come of them, and
 * a query that runs all that it needs. When that is too much for all, or for one address, queries
 * whose tensors do not come give way, the one that was without them for longest first. What does
 * not move at all is ended after a time, by the timer of any stream that has to do with it
 * (edge_offload.c). */
#include "edge/offload/edge_share.h"

#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_container.h"

/* When to ask again where memory is short. */
enum { RETRY_MS = 100 };

/* ---- What does not move ---- */

static bool has_receiving(const struct edge_offload *offload)
{
    for (const struct edge_query *query = offload->open; query; query = query->next) {
        if (query->place.is_held) {
            return true;
        }
    }
    return false;
}

int64_t edge_share_read_by_ns(const struct edge_offload *offload)
{
    bool has_to_be_read = offload->answering || offload->is_over;
    return has_to_be_read ? ll_clock_deadline(offload->answer_progress_ns,
                                              offload->service->config.answer_idle_ns)
                          : LL_CLOCK_NEVER;
}

void edge_share_watch(struct edge_offload *offload)
{
    struct edge_offloads *service = offload->service;
    int64_t next_ns = edge_share_read_by_ns(offload);
    if (has_receiving(offload)) {
        int64_t receive_ns = edge_places_next_ns(&service->receiving);
        next_ns = receive_ns < next_ns ? receive_ns : next_ns;
    }
    if (next_ns < offload->watched_ns && !offload->is_cut_off) {
        offload->watched_ns = next_ns;
        rpc_timer_set(offload->idle_timer, next_ns);
    }
}

struct edge_offload_peer *edge_share_join(struct edge_offloads *service, const char *text)
{
    struct edge_peer key;
    edge_peer_parse(text, &key);
    struct edge_offload_peer *peer = service->peers;
    while (peer && !edge_peer_equal(&peer->peer, &key)) {
        peer = peer->next;
    }
    if (!peer) {
        peer = calloc(1, sizeof(*peer));
        if (!peer) {
            return NULL;
        }
        peer->peer = key;
        peer->next = service->peers;
        service->peers = peer;
    }
    peer->streams++;
    return peer;
}

void edge_share_leave(struct edge_offloads *service, struct edge_offload_peer *peer)
{
    if (!peer || --peer->streams > 0) {
        return;
    }
    struct edge_offload_peer **link = &service->peers;
    while (*link != peer) {
        link = &(*link)->next;
    }
    *link = peer->next;
    free(peer);
}

/* ---- Memory ---- */

void edge_share_set_held(struct edge_query *query, int64_t bytes)
{
    int64_t more_bytes = bytes - query->held_bytes;
    query->held_bytes = bytes;
    query->offload->peer->bytes += more_bytes;
    query->offload->service->bytes += more_bytes;
}

/* The query that has waited for its tensors for longest gives way; false where none does. */
static bool make_way(struct edge_query *newcomer)
{
    struct edge_offload *offload = newcomer->offload;
    struct edge_places *receiving = &offload->service->receiving;
    struct edge_place *place =
        edge_places_giving_way(receiving, &offload->peer->peer, ll_clock_now_ns());
    if (!place || place == &newcomer->place) {
        return false;
    }
    struct ll_error err;
    ll_status status =
        ll_fail_limit(&err, "server_queries", receiving->most, RETRY_MS,
                      "the query's tensors did not come, and it had to make room for another");
    offload->service->give_way(LL_CONTAINER_OF(place, struct edge_query, place), status, &err);
    return true;
}

static ll_status refuse(const char *limit, int64_t value, int64_t bytes, struct ll_error *err)
{
    return ll_fail_limit(err, limit, value, bytes > value ? 0 : RETRY_MS,
                         "query: %lld bytes of tensors: limit %s is %lld, shared by all queries%s",
                         (long long)bytes, limit, (long long)value,
                         strcmp(limit, "peer_query_bytes") == 0 ? " of an address" : "");
}

ll_status edge_share_hold(struct edge_query *query, int64_t bytes, struct ll_error *err)
{
    struct edge_offloads *service = query->offload->service;
    struct edge_offload_peer *peer = query->offload->peer;
    int64_t more_bytes = bytes - query->held_bytes;
    while (more_bytes > service->config.most_peer_bytes - peer->bytes) {
        if (!make_way(query)) {
            return refuse("peer_query_bytes", service->config.most_peer_bytes, bytes, err);
        }
    }
    while (more_bytes > service->config.most_server_bytes - service->bytes) {
        if (!make_way(query)) {
            return refuse("server_query_bytes", service->config.most_server_bytes, bytes, err);
        }
    }
    edge_share_set_held(query, bytes);
    return LL_OK;
}

ll_status edge_share_receive(struct edge_query *query, struct ll_error *err)
{
    struct edge_offload *offload = query->offload;
    struct edge_places *receiving = &offload->service->receiving;
    while (edge_places_is_full(receiving)) {
        if (!make_way(query)) {
            return ll_fail_limit(err, "server_queries", receiving->most, RETRY_MS,
                                 "too many queries wait for their tensors: limit server_queries "
                                 "is %d",
                                 receiving->most);
        }
    }
    edge_places_take(receiving, &query->place, &offload->peer->peer, ll_clock_now_ns());
    edge_share_watch(offload);
    return LL_OK;
}
