/* What is dealt to whom is kept with the sessions' layers, so that a session that leaves takes its
 * part along. Bytes count as blobs have them, however they came.
 *
 * What a session has to send besides the model, a draft, counts for its rate alone. */
#include "edge/upload/edge_upload_session_share.h"

#include <stdlib.h>

#include "coding/ll_frame.h"
#include "edge/upload/edge_upload_session_places.h"
#include "edge/upload/edge_upload_share.h"

enum {
    /* While a stream has more than this to send, its device is told nothing new. */
    QUEUED_MOST = 64,
    /* Fewer bytes than this say nothing of a rate. */
    PROOF_BYTES = 4 << 10,
    /* A session that owes something and brings less than a part of its rate, so many looks in a
     * row, has stalled. One that brings something nevertheless, after so many, is that slow; and
     * one that was dealt nothing any more gets another try, as a stranger. */
    SLOW_PART = 16,
    STALLED_LOOKS = 5,
    SLOW_LOOKS = 20,
};

/* The sessions that bring one model, and what is missing of it. */
struct group {
    struct edge_upload_sessions *sessions;
    struct edge_model *model;
    int member_count;
    struct edge_upload_share_member *members;
    int blob_count;
    struct edge_upload_share_blob *blobs;
    /* Their layers. */
    int *layers;
};

static bool takes_part(const struct edge_upload_session *session)
{
    return !session->is_over && session->exact.model && session->exact.layers &&
           !session->has_half_closed;
}

static bool is_member(const struct group *group, const struct edge_upload_session *session)
{
    return takes_part(session) && session->exact.model == group->model;
}

bool edge_upload_session_shares(const struct edge_upload_session *session)
{
    bool shares = false;
    for (struct edge_upload_session *s = session->sessions->first; s && !shares; s = s->next) {
        shares = s != session && takes_part(s) && s->exact.model == session->exact.model;
    }
    return shares && !edge_creator_is_inline(session->sessions->creator);
}

/* ---- Rates ---- */

static bool has_stalled(const struct edge_upload_session_share *share)
{
    return share->slow_looks >= STALLED_LOOKS;
}

/* What a session has brought since the last look. */
static void look_at(struct edge_upload_session *session, int64_t now_ns)
{
    struct edge_upload_session_share *share = &session->share;
    double passed_s = (double)(now_ns - share->looked_ns) / (double)LL_NS_PER_S;
    double rate = (double)share->bytes / passed_s;
    bool is_slow = share->bytes < PROOF_BYTES || rate < share->bytes_per_s / SLOW_PART;
    if (!is_slow) {
        share->slow_looks = 0;
        share->bytes_per_s = share->bytes_per_s > 0 ? (share->bytes_per_s + rate) / 2 : rate;
    } else if (share->is_owing) {
        share->slow_looks++;
        if (share->slow_looks >= SLOW_LOOKS && share->bytes > 0) {
            share->bytes_per_s = rate;
        }
    }
    if (!share->is_owing && has_stalled(share) && ++share->slow_looks >= SLOW_LOOKS) {
        share->slow_looks = 0;
        share->bytes_per_s = 0;
    }
    share->is_elsewhere = share->bytes > 0 && share->dealt_bytes == 0;
    if (share->is_shared && !share->is_owing && !has_stalled(share)) {
        /* It waits for others, and holds its place rightly. */
        edge_upload_session_progress(session, EDGE_PLACES_STEP_BYTES, now_ns);
    }
    share->bytes = 0;
    share->dealt_bytes = 0;
    share->looked_ns = now_ns;
}

static void look(struct edge_upload_sessions *sessions, int64_t now_ns)
{
    for (struct edge_upload_session *s = sessions->first; s; s = s->next) {
        if (takes_part(s) && now_ns - s->share.looked_ns >= EDGE_UPLOAD_SHARE_LOOK_NS) {
            look_at(s, now_ns);
        }
    }
}

/* ---- Dealing ---- */

/* What is to come of a layer's blob for whoever goes on with it. */
static int64_t left_bytes(const struct edge_blob *blob)
{
    int64_t left = edge_blob_kept_from(blob) - edge_blob_written(blob);
    return left > 0 ? left : 0;
}

/* Notes how a member stands to a blob. */
static void note_member(const struct edge_upload_session *session, int layer,
                        struct edge_upload_share_blob *blob)
{
    const struct edge_upload_session_layer *own = &session->exact.layers[layer];
    /* What it began and left lying is as good as anybody's. */
    if (own->is_owner && session->exact.latest == layer) {
        blob->owner = session->share.index;
    }
    if (own->is_dealt) {
        blob->dealt = session->share.index;
        blob->dealt_left_bytes = own->copy ? left_bytes(own->copy) : blob->left_bytes;
    }
}

static void note_blobs(struct group *group)
{
    int count = edge_model_table(group->model)->layer_count;
    for (int i = 0; i < count; i++) {
        const struct edge_blob *blob = edge_model_blob(group->model, i);
        if (edge_model_is_available(group->model, i)) {
            continue;
        }
        struct edge_upload_share_blob *noted = &group->blobs[group->blob_count];
        *noted = (struct edge_upload_share_blob){.left_bytes = left_bytes(blob),
                                                 .owner = EDGE_UPLOAD_SHARE_NOBODY,
                                                 .dealt = EDGE_UPLOAD_SHARE_NOBODY};
        group->layers[group->blob_count++] = i;
        for (struct edge_upload_session *s = group->sessions->first; s; s = s->next) {
            if (is_member(group, s)) {
                note_member(s, i, noted);
            }
        }
    }
}

static void note_members(struct group *group)
{
    for (struct edge_upload_session *s = group->sessions->first; s; s = s->next) {
        if (!is_member(group, s)) {
            continue;
        }
        s->share.is_shared = true;
        s->share.index = group->member_count;
        group->members[group->member_count++] =
            (struct edge_upload_share_member){.bytes_per_s = s->share.bytes_per_s,
                                              .is_stalled = has_stalled(&s->share),
                                              .is_elsewhere = s->share.is_elsewhere};
    }
}

/* ---- Telling ---- */

/* A beginning that the device may go on from, at a frame's border; 0: none. */
static int64_t beginning(const struct edge_upload_session_layer *layer,
                         const struct edge_blob *blob)
{
    int64_t written = edge_blob_written(blob);
    written -= written % LL_FRAME_BYTES;
    bool is_new = !layer->is_owner && !layer->copy && written > layer->next_offset;
    return is_new ? written : 0;
}

/* What is told of one layer of a group, and noted as told. */
static void tell_layer(struct edge_upload_session *session, int layer, bool is_dealt,
                       Layerlift__V1__BlobsElsewhere *elsewhere, Layerlift__V1__BlobOffset *partial)
{
    struct edge_upload_session_layer *own = &session->exact.layers[layer];
    own->told_offset = is_dealt && own->is_elsewhere
                           ? beginning(own, edge_model_blob(session->exact.model, layer))
                           : own->told_offset;
    own->is_elsewhere = !is_dealt;
    if (!is_dealt) {
        elsewhere->layers[elsewhere->n_layers++] = (uint32_t)layer;
    } else if (own->told_offset > own->next_offset) {
        layerlift__v1__blob_offset__init(partial);
        partial->layer = (uint32_t)layer;
        partial->encoding = LAYERLIFT__V1__ENCODING__ENCODING_RAW;
        partial->offset = (uint64_t)own->told_offset;
        elsewhere->partial[elsewhere->n_partial++] = partial;
    }
}

static void tell(struct group *group, struct edge_upload_session *session)
{
    size_t count = (size_t)group->blob_count;
    Layerlift__V1__BlobsElsewhere elsewhere = LAYERLIFT__V1__BLOBS_ELSEWHERE__INIT;
    Layerlift__V1__BlobOffset *partial = calloc(count, sizeof(*partial));
    elsewhere.layers = calloc(count, sizeof(*elsewhere.layers));
    elsewhere.partial = calloc(count, sizeof(Layerlift__V1__BlobOffset *));
    /* Without memory the device goes on as it did, and is told at the next deal. */
    if (partial && elsewhere.layers && elsewhere.partial) {
        for (int i = 0; i < group->blob_count; i++) {
            tell_layer(session, group->layers[i], group->blobs[i].dealt == session->share.index,
                       &elsewhere, &partial[i]);
        }
        Layerlift__V1__UploadEvent event = LAYERLIFT__V1__UPLOAD_EVENT__INIT;
        event.kind_case = LAYERLIFT__V1__UPLOAD_EVENT__KIND_ELSEWHERE;
        event.elsewhere = &elsewhere;
        edge_upload_session_send(session, &event);
    }
    free(partial);
    free(elsewhere.layers);
    free(elsewhere.partial);
}

/* Notes what is dealt to a member, and tells it what has changed. */
static void apply(struct group *group, struct edge_upload_session *session)
{
    bool has_changed = false;
    session->share.is_owing = false;
    for (int i = 0; i < group->blob_count; i++) {
        struct edge_upload_session_layer *own = &session->exact.layers[group->layers[i]];
        bool is_dealt = group->blobs[i].dealt == session->share.index;
        own->is_dealt = is_dealt;
        has_changed = has_changed || own->is_elsewhere == is_dealt;
        session->share.is_owing = session->share.is_owing || is_dealt;
    }
    if (has_changed && rpc_stream_queued(session->stream) <= QUEUED_MOST) {
        tell(group, session);
    }
}

/* ---- Groups ---- */

static void deal_group(struct group *group)
{
    int count = edge_model_table(group->model)->layer_count;
    group->members = calloc((size_t)group->member_count, sizeof(*group->members));
    group->blobs = calloc((size_t)count, sizeof(*group->blobs));
    group->layers = calloc((size_t)count, sizeof(*group->layers));
    group->member_count = 0;
    if (group->members && group->blobs && group->layers) {
        note_members(group);
        note_blobs(group);
        edge_upload_share_deal(group->blobs, group->blob_count, group->members,
                               group->member_count);
        for (struct edge_upload_session *s = group->sessions->first; s; s = s->next) {
            if (is_member(group, s)) {
                apply(group, s);
            }
        }
    }
    free(group->members);
    free(group->blobs);
    free(group->layers);
}

/* How many sessions bring the session's model; 0 for those whose group another one stands for. */
static int count_group(const struct edge_upload_sessions *sessions,
                       const struct edge_upload_session *session)
{
    int count = 0;
    for (struct edge_upload_session *s = sessions->first; s; s = s->next) {
        bool is_same = takes_part(s) && s->exact.model == session->exact.model;
        if (is_same && count == 0 && s != session) {
            return 0;
        }
        count += is_same;
    }
    return count;
}

void edge_upload_sessions_share(struct edge_upload_sessions *sessions, int64_t now_ns)
{
    bool is_time = now_ns >= sessions->share_next_ns;
    if ((!sessions->is_share_due && !is_time) || edge_creator_is_inline(sessions->creator)) {
        return;
    }
    sessions->is_share_due = false;
    look(sessions, now_ns);
    bool is_shared = false;
    for (struct edge_upload_session *s = sessions->first; s; s = s->next) {
        int count = takes_part(s) ? count_group(sessions, s) : 0;
        /* One that others have left is told that everything is its own. */
        if (count > 1 || (count == 1 && s->share.is_shared)) {
            struct group group = {
                .sessions = sessions, .model = s->exact.model, .member_count = count};
            deal_group(&group);
        }
        is_shared = is_shared || count > 1;
    }
    if (!is_shared) {
        sessions->share_next_ns = LL_CLOCK_NEVER;
    } else if (is_time || sessions->share_next_ns == LL_CLOCK_NEVER) {
        sessions->share_next_ns = now_ns + EDGE_UPLOAD_SHARE_LOOK_NS;
    }
}
