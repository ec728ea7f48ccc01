/* Memory is counted as it is taken: a head takes none, its tensors take what has come of them, and
 * a query that runs all that it needs. When that is too much for all, or for one address, queries
 * whose tensors do not come give way, the one that was without them for longest first. What does
 * not move at all is ended after a time, by the timer of any stream that has to do with it. */
#include "edge/offload/edge_share.h"

#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_container.h"
#include "core/ll_log.h"

/* When to ask again where memory is short. */
enum { RETRY_MS = 100 };

static struct edge_query *query_of(struct edge_place *place)
{
    return LL_CONTAINER_OF(place, struct edge_query, place);
}

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

/* Whether the device has something to read: answers, or the stream's end behind some. */
static bool has_to_be_read(const struct edge_offload *offload)
{
    return offload->answering || offload->is_over;
}

void edge_share_watch(struct edge_offload *offload)
{
    struct edge_offloads *service = offload->service;
    int64_t next_ns = LL_CLOCK_NEVER;
    if (has_receiving(offload)) {
        next_ns = edge_places_next_ns(&service->receiving);
    }
    if (has_to_be_read(offload)) {
        int64_t read_ns = ll_clock_deadline(offload->answer_progress_ns, service->answer_idle_ns);
        next_ns = read_ns < next_ns ? read_ns : next_ns;
    }
    if (next_ns < offload->watched_ns && !offload->is_cut_off) {
        offload->watched_ns = next_ns;
        rpc_timer_set(offload->idle_timer, next_ns);
    }
}

/* The device does not read: its queries go now. The call may stay until its connection is found to
 * be dead, since what gRPC has taken of it is under way. */
static void cut_off(struct edge_offload *offload)
{
    ll_log(LL_LOG_WARN, "offload",
           "stream of %s cut off: its answers are not read: limit answer_idle_ms is %lld",
           rpc_stream_peer(offload->stream),
           (long long)(offload->service->answer_idle_ns / LL_NS_PER_MS));
    offload->is_over = true;
    offload->is_cut_off = true;
    edge_offload_drop_all(offload);
    rpc_stream_cancel(offload->stream);
}

void edge_share_on_idle(void *arg)
{
    struct edge_offload *offload = arg;
    struct edge_offloads *service = offload->service;
    struct ll_error err = {.text = ""};
    struct edge_place *place = NULL;
    int64_t now_ns = ll_clock_now_ns();
    /* Giving a query up may end the stream. */
    offload->refs++;
    while ((place = edge_places_expired(&service->receiving, now_ns)) != NULL) {
        ll_fail(&err, LL_E_DEADLINE,
                "no bytes of the query's tensors came for some time: limit query_idle_ms is %lld",
                (long long)(service->receiving.idle_ns / LL_NS_PER_MS));
        edge_offload_refuse(query_of(place), LL_E_DEADLINE, &err);
    }
    if (has_to_be_read(offload) && !offload->is_cut_off &&
        now_ns >= ll_clock_deadline(offload->answer_progress_ns, service->answer_idle_ns)) {
        cut_off(offload);
    }
    offload->watched_ns = LL_CLOCK_NEVER;
    edge_share_watch(offload);
    edge_offload_unref(offload);
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
    edge_offload_refuse(query_of(place), status, &err);
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
    while (more_bytes > service->most_peer_bytes - peer->bytes) {
        if (!make_way(query)) {
            return refuse("peer_query_bytes", service->most_peer_bytes, bytes, err);
        }
    }
    while (more_bytes > service->most_server_bytes - service->bytes) {
        if (!make_way(query)) {
            return refuse("server_query_bytes", service->most_server_bytes, bytes, err);
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
