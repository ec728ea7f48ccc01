/* Whoever begins a blob that has no beginning owns it while his session lasts. Where a session has
 * gone and left a beginning, the next one that sends what follows owns the blob and goes on in it;
 * should the whole be wrong then, its own bytes stay, and it brings the beginning as well
 * (edge_blob_keep_from). Whoever sends bytes of a blob that another one owns writes a copy: from 0
 * on, or, where he was told of a beginning, behind a duplicate of that.
 *
 * So what is wrong with a target is the target's own session's fault, or that of a beginning which
 * it is free to bring itself; and when the right bytes are here, those who brought others are known
 * by comparison. */
#include "edge/upload/edge_upload_session_copy.h"

#include <string.h>

#include "core/ll_log.h"

/* In steps of so many bytes blobs are compared and duplicated. */
enum { STEP_BYTES = 16 << 10 };

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The session's side `n`, from 0; NULL when there are fewer. */
static struct edge_upload_side *side_of(struct edge_upload_session *session, int n)
{
    return n < EDGE_UPLOAD_SIDES ? edge_upload_session_side(session, n) : NULL;
}

/* Calls `visit` for every layer of every session that has the blob; ends early when that says so.
 */
typedef bool (*visit_layer)(struct edge_upload_session *session, struct edge_upload_side *side,
                            int layer, void *arg);

static void visit_side(struct edge_upload_session *session, struct edge_upload_side *side,
                       const struct edge_blob *blob, visit_layer visit, void *arg, bool *is_over)
{
    int count = side->model && side->layers ? edge_model_table(side->model)->layer_count : 0;
    for (int i = 0; i < count && !*is_over; i++) {
        if (edge_model_blob(side->model, i) == blob) {
            *is_over = visit(session, side, i, arg);
        }
    }
}

static void visit_layers(struct edge_upload_sessions *sessions, const struct edge_blob *blob,
                         visit_layer visit, void *arg)
{
    bool is_over = false;
    for (struct edge_upload_session *s = sessions->first; s && !is_over; s = s->next) {
        struct edge_upload_side *side = NULL;
        for (int n = 0; (side = side_of(s, n)) != NULL; n++) {
            visit_side(s, side, blob, visit, arg, &is_over);
        }
    }
}

/* ---- Owners ---- */

struct owner {
    struct edge_upload_session *session;
    struct edge_upload_session_layer *layer;
};

static bool visit_owner(struct edge_upload_session *session, struct edge_upload_side *side,
                        int layer, void *arg)
{
    if (!side->layers[layer].is_owner) {
        return false;
    }
    *(struct owner *)arg = (struct owner){.session = session, .layer = &side->layers[layer]};
    return true;
}

struct edge_upload_session *edge_upload_session_owner(struct edge_upload_sessions *sessions,
                                                      const struct edge_blob *blob,
                                                      struct edge_upload_session_layer **out_layer)
{
    struct owner owner = {.session = NULL};
    visit_layers(sessions, blob, visit_owner, &owner);
    if (out_layer) {
        *out_layer = owner.layer;
    }
    return owner.session;
}

static bool has_owner(struct edge_upload_sessions *sessions, const struct edge_blob *blob)
{
    return edge_upload_session_owner(sessions, blob, NULL) != NULL;
}

static bool has_kept_tail(const struct edge_blob *blob)
{
    return edge_blob_kept_from(blob) < edge_blob_bytes(blob);
}

/* The session's bytes, from `first` on, go into the blob. */
static void own(struct edge_upload_session_layer *layer, struct edge_blob *blob, int64_t first)
{
    layer->is_owner = true;
    layer->own_first = first;
    edge_blob_keep_from(blob, first > 0 ? first : edge_blob_bytes(blob));
}

/* ---- Bytes ---- */

/* Whether two blobs have the same bytes [first, end), which both have. What cannot be read counts
 * as the same. */
static bool agree(const struct edge_blob *a, const struct edge_blob *b, int64_t first, int64_t end)
{
    char of_a[STEP_BYTES];
    char of_b[STEP_BYTES];
    struct ll_error err = {.text = ""};
    for (int64_t at = first; at < end; at += STEP_BYTES) {
        size_t bytes = (size_t)least(end - at, STEP_BYTES);
        ll_status status = edge_blob_read(a, at, of_a, bytes, &err);
        if (status == LL_OK) {
            status = edge_blob_read(b, at, of_b, bytes, &err);
        }
        if (status != LL_OK) {
            ll_log(LL_LOG_WARN, "upload", "a blob cannot be compared: %s", err.text);
            return true;
        }
        if (memcmp(of_a, of_b, bytes) != 0) {
            return false;
        }
    }
    return true;
}

/* Writes what follows the frontier of `to`, up to `end`, as it is in `from`. */
static ll_status duplicate(const struct edge_blob *from, struct edge_blob *to, int64_t end,
                           struct ll_error *err)
{
    char data[STEP_BYTES];
    ll_status status = LL_OK;
    edge_write_outcome outcome;
    while (status == LL_OK && edge_blob_written(to) < end) {
        int64_t at = edge_blob_written(to);
        size_t bytes = (size_t)least(end - at, STEP_BYTES);
        status = edge_blob_read(from, at, data, bytes, err);
        if (status == LL_OK) {
            status = edge_blob_write(to, at, data, bytes, &outcome, err);
        }
    }
    return status;
}

/* ---- Copies ---- */

/* A byte of its own is enough to ask for a blob's worth, and everybody waits meanwhile. */
ll_status edge_upload_session_may_copy(struct edge_upload_session *session,
                                       const struct edge_upload_piece *piece, struct ll_error *err)
{
    struct edge_rates *rates = &session->sessions->copies;
    if (piece->offset == 0 || rates->bytes_per_s == 0) {
        return LL_OK;
    }
    int64_t wait_ms = edge_rates_wait_ms(rates, &session->peer, piece->arrived_ns);
    if (wait_ms > 0) {
        return ll_fail_limit(err, "peer_copied_bytes", rates->bytes_per_s, wait_ms,
                             "layer %d: another session brings it, and too much was duplicated for "
                             "this address: limit peer_copied_bytes is %lld a second",
                             piece->layer, (long long)rates->bytes_per_s);
    }
    edge_rates_pay(rates, &session->peer, piece->offset, piece->arrived_ns);
    return LL_OK;
}

ll_status edge_upload_session_begin_copy(struct edge_upload_session *session,
                                         struct edge_upload_side *side,
                                         const struct edge_upload_piece *piece,
                                         struct edge_blob **out_target, struct ll_error *err)
{
    struct edge_upload_session_layer *layer = &side->layers[piece->layer];
    const struct edge_blob *blob = edge_model_blob(side->model, piece->layer);
    struct edge_blob *copy = NULL;
    if (edge_catalog_copy_blob(session->sessions->catalog, blob, &copy) != LL_OK) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory for a blob");
    }
    ll_status status = duplicate(blob, copy, piece->offset, err);
    if (status != LL_OK) {
        edge_blob_unref(copy);
        return status;
    }
    if (piece->offset > 0) {
        edge_blob_keep_from(copy, piece->offset);
    }
    layer->copy = copy;
    layer->own_first = piece->offset;
    *out_target = copy;
    return LL_OK;
}

edge_upload_aim edge_upload_session_aim(struct edge_upload_session *session,
                                        struct edge_upload_side *side,
                                        const struct edge_upload_piece *piece,
                                        struct edge_blob **out_target)
{
    struct edge_upload_session_layer *layer = &side->layers[piece->layer];
    struct edge_blob *blob = edge_model_blob(side->model, piece->layer);
    *out_target = blob;
    if (edge_blob_data(blob) || layer->is_owner) {
        return EDGE_UPLOAD_AIM_IS_SET;
    }
    if (layer->copy) {
        *out_target = layer->copy;
        return EDGE_UPLOAD_AIM_IS_SET;
    }
    int64_t written = edge_blob_written(blob);
    if (piece->offset > written) {
        return EDGE_UPLOAD_AIM_IS_LOST;
    }
    bool is_free = !has_kept_tail(blob) && !has_owner(session->sessions, blob);
    if (is_free && (piece->offset > 0 || written == 0)) {
        own(layer, blob, written);
        return EDGE_UPLOAD_AIM_IS_SET;
    }
    return EDGE_UPLOAD_AIM_NEEDS_COPY;
}

void edge_upload_session_rejoin(struct edge_upload_session *session, struct edge_upload_side *side,
                                int layer_index)
{
    struct edge_upload_session_layer *layer = &side->layers[layer_index];
    struct edge_blob *blob = edge_model_blob(side->model, layer_index);
    if (!layer->copy || layer->own_first > 0 || layer->is_apart || edge_blob_data(blob) ||
        has_kept_tail(blob) || has_kept_tail(layer->copy)) {
        return;
    }
    int64_t written = edge_blob_written(blob);
    if (written == 0 || edge_blob_written(layer->copy) < written ||
        has_owner(session->sessions, blob)) {
        return;
    }
    layer->is_apart = !agree(layer->copy, blob, 0, written);
    struct ll_error err = {.text = ""};
    if (layer->is_apart ||
        duplicate(layer->copy, blob, edge_blob_written(layer->copy), &err) != LL_OK) {
        return;
    }
    own(layer, blob, 0);
    edge_blob_unref(layer->copy);
    layer->copy = NULL;
}

void edge_upload_session_go_on(struct edge_upload_session *session, struct edge_upload_side *side,
                               int layer_index)
{
    struct edge_upload_session_layer *layer = &side->layers[layer_index];
    edge_upload_session_rejoin(session, side, layer_index);
    edge_blob_unref(layer->copy);
    layer->copy = NULL;
    layer->next_offset = layer->told_offset;
    layer->told_offset = 0;
}

/* ---- The end ---- */

struct settling {
    const struct edge_blob *blob;
    const struct edge_blob *right;
};

static bool visit_settle(struct edge_upload_session *session, struct edge_upload_side *side,
                         int layer_index, void *arg)
{
    const struct settling *settling = arg;
    struct edge_upload_session_layer *layer = &side->layers[layer_index];
    const struct edge_blob *target = layer->copy ? layer->copy : settling->blob;
    if (!layer->copy && !layer->is_owner) {
        return false;
    }
    bool is_right = target == settling->right ||
                    agree(target, settling->right, layer->own_first, edge_blob_written(target));
    layer->is_owner = false;
    if (layer->copy && layer->copy != settling->right) {
        edge_blob_unref(layer->copy);
        layer->copy = NULL;
    }
    if (!is_right && !session->is_wrong) {
        session->is_wrong = true;
        session->wrong_layer = layer_index;
    }
    return false;
}

void edge_upload_sessions_settle(struct edge_upload_sessions *sessions,
                                 const struct edge_blob *blob, const struct edge_blob *right)
{
    struct settling settling = {.blob = blob, .right = right};
    visit_layers(sessions, blob, visit_settle, &settling);
}

void edge_upload_session_leave_blobs(struct edge_upload_session *session)
{
    struct edge_upload_side *side = NULL;
    for (int n = 0; (side = side_of(session, n)) != NULL; n++) {
        int count = side->model && side->layers ? edge_model_table(side->model)->layer_count : 0;
        for (int i = 0; i < count; i++) {
            struct edge_upload_session_layer *layer = &side->layers[i];
            edge_upload_session_rejoin(session, side, i);
            layer->is_owner = false;
            edge_blob_unref(layer->copy);
            layer->copy = NULL;
        }
    }
}
