/* Who may hold an upload's place, and who has to leave one (edge_places.h).
 *
 * A session holds a stream's place from its stream's beginning until that is closed. An upload's
 * place is for those that have weights to send: it is taken when a model opens of which something
 * is missing, and left when nothing is missing any more. So a device whose model is here is served
 * however many uploads there are. */
#include "edge/upload/edge_upload_session_places.h"

#include "core/ll_clock.h"
#include "core/ll_container.h"
#include "edge/model/edge_catalog_stored.h"

void edge_upload_session_progress(struct edge_upload_session *session, int64_t bytes,
                                  int64_t now_ns)
{
    struct edge_upload_sessions *sessions = session->sessions;
    edge_places_progress(&sessions->uploads, &session->upload_place, bytes, now_ns);
    edge_places_progress(&sessions->streams, &session->stream_place, bytes, now_ns);
}

/* When to ask again for a place: they come free as others end, at the latest when the idle ones
 * have to give way. */
static int64_t retry_ms(const struct edge_places *places)
{
    int64_t patience_ms = places->patience_ns / LL_NS_PER_MS;
    return patience_ms < 1 ? 1 : patience_ms < LL_RETRY_MS ? patience_ms : LL_RETRY_MS;
}

/* Ends a session that is idle, or that has to make room. One that has ended and whose device does
 * not read that is cut off. */
static void send_away(struct edge_upload_session *session, ll_status status,
                      const struct ll_error *why)
{
    edge_places_leave(&session->sessions->streams, &session->stream_place);
    if (session->is_over) {
        rpc_stream_cancel(session->stream);
        return;
    }
    edge_upload_session_fail(session, status, why);
}

int64_t edge_upload_sessions_end_idle(struct edge_upload_sessions *sessions, int64_t now_ns)
{
    struct ll_error err = {.text = ""};
    struct edge_place *place = NULL;
    int64_t idle_ms = sessions->uploads.idle_ns / LL_NS_PER_MS;
    while ((place = edge_places_expired(&sessions->uploads, now_ns)) != NULL) {
        ll_fail(&err, LL_E_DEADLINE, "no weights came for some time: limit upload_idle_ms is %lld",
                (long long)idle_ms);
        send_away(LL_CONTAINER_OF(place, struct edge_upload_session, upload_place), LL_E_DEADLINE,
                  &err);
    }
    while ((place = edge_places_expired(&sessions->streams, now_ns)) != NULL) {
        struct edge_upload_session *session =
            LL_CONTAINER_OF(place, struct edge_upload_session, stream_place);
        if (session->exact.model) {
            /* It waits for a creation, or its upload's place is watched. */
            edge_places_progress(&sessions->streams, place, EDGE_PLACES_STEP_BYTES, now_ns);
            continue;
        }
        ll_fail(&err, LL_E_DEADLINE, "no open came for some time: limit upload_idle_ms is %lld",
                (long long)idle_ms);
        send_away(session, LL_E_DEADLINE, &err);
    }
    int64_t uploads_ns = edge_places_next_ns(&sessions->uploads);
    int64_t streams_ns = edge_places_next_ns(&sessions->streams);
    return uploads_ns < streams_ns ? uploads_ns : streams_ns;
}

void edge_upload_session_begin(struct edge_upload_session *session, int64_t now_ns)
{
    struct edge_places *streams = &session->sessions->streams;
    struct ll_error err = {.text = ""};
    struct edge_place *victim = NULL;
    while (edge_places_is_full(streams) &&
           (victim = edge_places_giving_way(streams, &session->peer, now_ns)) != NULL) {
        ll_fail_limit(&err, "upload_streams", streams->most, retry_ms(streams),
                      "the stream had to make room: limit upload_streams is %d", streams->most);
        send_away(LL_CONTAINER_OF(victim, struct edge_upload_session, stream_place), LL_E_EXHAUSTED,
                  &err);
    }
    if (edge_places_is_full(streams)) {
        ll_fail_limit(&err, "upload_streams", streams->most, retry_ms(streams),
                      "too many streams: limit upload_streams is %d", streams->most);
        edge_upload_session_fail(session, LL_E_EXHAUSTED, &err);
        return;
    }
    edge_places_take(streams, &session->stream_place, &session->peer, now_ns);
}

bool edge_upload_session_make_way(struct edge_upload_session *session, int64_t now_ns)
{
    struct edge_places *uploads = &session->sessions->uploads;
    struct edge_place *victim = edge_places_giving_way(uploads, &session->peer, now_ns);
    if (!victim || victim == &session->upload_place) {
        return false;
    }
    struct ll_error err = {.text = ""};
    ll_fail_limit(&err, "upload_sessions", uploads->most, retry_ms(uploads),
                  "the upload sent nothing and had to make room for another: limit "
                  "upload_sessions is %d",
                  uploads->most);
    send_away(LL_CONTAINER_OF(victim, struct edge_upload_session, upload_place), LL_E_EXHAUSTED,
              &err);
    return true;
}

/* A reference to the manifest's model, if there is one. */
static struct edge_model *find(struct edge_catalog *catalog, const struct ll_manifest *manifest)
{
    struct ll_digest id;
    char text[LL_DIGEST_TEXT_BYTES];
    struct edge_model *model = NULL;
    if (ll_manifest_model_id(manifest, &id) != LL_OK) {
        return NULL;
    }
    ll_digest_format(&id, text);
    return edge_catalog_find(catalog, text, &model, NULL) == LL_OK ? model : NULL;
}

/* Whoever opens a model that is new, or goes on with one, has this thread wait for the disk
 * (edge_upload_session_open), and all others with it. */
static ll_status check_opens(struct edge_upload_session *session,
                             const struct ll_manifest *manifest, int64_t now_ns,
                             struct ll_error *err)
{
    struct edge_rates *opens = &session->sessions->opens;
    if (opens->bytes_per_s == 0 || !edge_catalog_lasts(session->sessions->catalog)) {
        return LL_OK;
    }
    struct edge_model *model = find(session->sessions->catalog, manifest);
    bool is_whole = model && edge_model_has_all_weights(model);
    edge_model_unref(model);
    if (is_whole) {
        return LL_OK;
    }
    int64_t wait_ms = edge_rates_wait_ms(opens, &session->peer, now_ns);
    if (wait_ms > 0) {
        int64_t most = opens->bytes_per_s / EDGE_UPLOAD_OPEN_UNITS;
        return ll_fail_limit(err, "peer_opens", most, wait_ms,
                             "this address opens uploads too often: limit peer_opens is %lld a "
                             "second",
                             (long long)most);
    }
    edge_rates_pay(opens, &session->peer, EDGE_UPLOAD_OPEN_UNITS, now_ns);
    return LL_OK;
}

ll_status edge_upload_session_take_place(struct edge_upload_session *session,
                                         const struct ll_manifest *manifest, int64_t now_ns,
                                         struct ll_error *err)
{
    struct edge_places *uploads = &session->sessions->uploads;
    struct edge_catalog *catalog = session->sessions->catalog;
    ll_status status = check_opens(session, manifest, now_ns, err);
    if (status != LL_OK) {
        return status;
    }
    if (edge_places_is_full(uploads) || !edge_catalog_has_room(catalog)) {
        struct edge_model *model = find(catalog, manifest);
        bool is_known = model != NULL;
        bool needs_nothing = is_known && edge_model_has_all_weights(model);
        edge_model_unref(model);
        if (needs_nothing) {
            return LL_OK;
        }
        while (!is_known && !edge_catalog_has_room(catalog) &&
               edge_upload_session_make_way(session, now_ns)) {
        }
    }
    while (edge_places_is_full(uploads)) {
        if (!edge_upload_session_make_way(session, now_ns)) {
            return ll_fail_limit(err, "upload_sessions", uploads->most, retry_ms(uploads),
                                 "too many uploads: limit upload_sessions is %d", uploads->most);
        }
    }
    edge_places_take(uploads, &session->upload_place, &session->peer, now_ns);
    return LL_OK;
}
