#include "edge/upload/edge_upload_drafts.h"

#include <stdlib.h>
#include <string.h>

#include "core/ll_log.h"
#include "edge/model/edge_catalog_stored.h"

static bool is_rounded(const struct edge_model *draft, int layer)
{
    return edge_model_blob(draft, layer) != edge_model_exact_blob(draft, layer);
}

bool edge_upload_draft_rounds(const struct edge_upload_session *session, int layer)
{
    return session->draft.model && is_rounded(session->draft.model, layer);
}

/* ---- Open ---- */

/* One layer's digest, into the draft's manifest. */
static ll_status read_digest(const struct ll_layer *row, int index,
                             const Layerlift__V1__Draft *draft, struct ll_blob_name *name,
                             bool *out_differs, struct ll_error *err)
{
    const ProtobufCBinaryData *digest = &draft->digests[index];
    const struct ll_draft_blob blob = {
        .mantissa_bits = (int)draft->mantissa_bits,
        .bytes = row->blob_bytes,
        .exact_bytes = row->exact_bytes,
        .exact_tail_bytes = row->exact_tail_bytes,
    };
    if (digest->len == 0) {
        return LL_OK;
    }
    if (digest->len != LL_DIGEST_BYTES) {
        return ll_fail(err, LL_E_INVALID,
                       "draft: the digest of layer %d has %zu bytes instead of %d", index,
                       digest->len, LL_DIGEST_BYTES);
    }
    if (!ll_draft_has_blob(&blob)) {
        return ll_fail(err, LL_E_INVALID,
                       "draft: layer %d has a digest, but its blob of %lld bytes is not rounded",
                       index, (long long)row->blob_bytes);
    }
    if (memcmp(name->digest.bytes, digest->data, LL_DIGEST_BYTES) != 0) {
        memcpy(name->digest.bytes, digest->data, LL_DIGEST_BYTES);
        *out_differs = true;
    }
    return LL_OK;
}

/* The draft's manifest: the model's, with other digests; nothing where none differs. */
static ll_status read_manifest(const struct edge_model *exact, const Layerlift__V1__Draft *draft,
                               struct ll_manifest *out_manifest, bool *out_differs,
                               struct ll_error *err)
{
    const struct ll_manifest *from = edge_model_manifest(exact);
    const struct ll_table *table = edge_model_table(exact);
    if (draft->mantissa_bits < 1 || draft->mantissa_bits > LL_FRAME_MANTISSA_MOST) {
        return ll_fail(err, LL_E_INVALID, "draft: %u bits of mantissa; 1 to %d are allowed",
                       draft->mantissa_bits, LL_FRAME_MANTISSA_MOST);
    }
    if (draft->n_digests != (size_t)table->layer_count) {
        return ll_fail(err, LL_E_INVALID, "draft: %zu digests, but the model has %d layers",
                       draft->n_digests, table->layer_count);
    }
    if (ll_manifest_init(out_manifest, from->cfg, from->cfg_bytes, from->blob_count) != LL_OK) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory for a draft");
    }
    memcpy(out_manifest->blobs, from->blobs, (size_t)from->blob_count * sizeof(*from->blobs));
    ll_status status = LL_OK;
    for (int i = 0; status == LL_OK && i < table->layer_count; i++) {
        status =
            read_digest(&table->layers[i], i, draft, &out_manifest->blobs[i], out_differs, err);
    }
    return status;
}

static ll_status begin_layers(struct edge_upload_session *session, struct ll_error *err)
{
    struct edge_upload_side *side = &session->draft;
    int count = edge_model_table(side->model)->layer_count;
    side->layers = calloc((size_t)count, sizeof(*side->layers));
    if (!side->layers) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory for a draft");
    }
    for (int i = 0; i < count; i++) {
        side->layers[i].blob = edge_model_blob(side->model, i);
    }
    edge_model_open_upload(side->model, &session->plan);
    struct edge_creation creation;
    while (edge_model_creation(side->model, session->draft_creations_told, &creation)) {
        session->draft_creations_told++;
    }
    return LL_OK;
}

ll_status edge_upload_draft_open(struct edge_upload_session *session,
                                 const Layerlift__V1__UploadOpen *open, struct ll_error *err)
{
    struct ll_manifest manifest = {0};
    struct edge_model *draft = NULL;
    bool differs = false;
    if (!open->draft ||
        !edge_upload_frames_agreed(session, LAYERLIFT__V1__ENCODING__ENCODING_DRAFT_FRAME) ||
        !edge_upload_frames_agreed(session, LAYERLIFT__V1__ENCODING__ENCODING_REST_FRAME)) {
        return LL_OK;
    }
    ll_status status = read_manifest(session->exact.model, open->draft, &manifest, &differs, err);
    if (status == LL_OK && differs) {
        struct ll_error why = {.text = ""};
        const struct edge_draft made_of = {.manifest = &manifest,
                                           .mantissa_bits = (int)open->draft->mantissa_bits,
                                           .plan = &session->plan};
        ll_status taken = edge_catalog_open_draft(session->sessions->catalog, session->exact.model,
                                                  &made_of, &draft, &why);
        if (taken != LL_OK) {
            ll_log(LL_LOG_INFO, "upload", "session %u: its draft is not taken: %s", session->number,
                   why.text);
        }
    }
    ll_manifest_finish(&manifest);
    if (!draft) {
        return status;
    }
    session->draft.model = draft;
    edge_model_set_owner(draft, &session->peer);
    if (!edge_model_is_kept(draft)) {
        status = edge_catalog_keep_drafts(session->sessions->catalog, session->exact.model, err);
    }
    if (status == LL_OK) {
        edge_model_sync_blobs(draft);
        status = begin_layers(session, err);
    }
    if (status != LL_OK) {
        session->draft.model = NULL;
        edge_catalog_leave_draft(session->sessions->catalog, draft);
    }
    return status;
}

/* ---- Whether it is what it should be ---- */

/* Whether a layer's draft blob is its exact one, rounded. Both are available. */
static bool is_right(const struct edge_model *draft, int layer)
{
    char rounded[LL_FRAME_BYTES];
    const char *exact = ll_buf_data(edge_blob_data(edge_model_exact_blob(draft, layer)));
    const char *own = ll_buf_data(edge_blob_data(edge_model_blob(draft, layer)));
    const struct ll_draft_blob blob = edge_model_draft_blob(draft, layer);
    for (int64_t at = 0; at < blob.bytes; at += LL_FRAME_BYTES) {
        size_t bytes = ll_draft_frame_bytes(&blob, at);
        const struct ll_frame_draft how = ll_draft_frame(&blob, at);
        if (!ll_frame_round(exact + at, bytes, &how, rounded) ||
            memcmp(rounded, own + at, bytes) != 0) {
            return false;
        }
    }
    return true;
}

static void end_sessions(struct edge_upload_sessions *sessions, const struct edge_model *draft,
                         int layer)
{
    for (struct edge_upload_session *s = sessions->first; s; s = s->next) {
        if (s->draft.model == draft) {
            edge_upload_session_end(s, LL_E_INVALID,
                                    "layer %d: the draft's blob is not the model's, rounded to %d "
                                    "bits of mantissa",
                                    layer, edge_model_draft_bits(draft));
        }
    }
}

/* No new process is to find a draft that is wrong. */
static void forget_draft(struct edge_catalog *catalog, const struct edge_model *draft)
{
    struct ll_error err = {.text = ""};
    struct edge_model *exact = NULL;
    char id_text[LL_DIGEST_TEXT_BYTES];
    edge_model_exact_id(draft, id_text);
    if (edge_model_is_kept(draft) && edge_catalog_find(catalog, id_text, &exact, &err) == LL_OK &&
        edge_catalog_keep_drafts(catalog, exact, &err) != LL_OK) {
        ll_log(LL_LOG_WARN, "upload", "a wrong draft stays in the store: %s", err.text);
    }
    edge_model_unref(exact);
}

struct check {
    struct edge_upload_sessions *sessions;
    const struct edge_blob *blob;
    /* What was compared last: many drafts may have the same two blobs. NULL: nothing. */
    const struct edge_blob *own;
    const struct edge_blob *exact;
    struct ll_draft_blob how;
    bool was_right;
};

static bool is_right_again(struct check *check, const struct edge_model *draft, int layer)
{
    const struct ll_draft_blob how = edge_model_draft_blob(draft, layer);
    const struct edge_blob *own = edge_model_blob(draft, layer);
    const struct edge_blob *exact = edge_model_exact_blob(draft, layer);
    bool is_same = check->own == own && check->exact == exact &&
                   check->how.mantissa_bits == how.mantissa_bits &&
                   check->how.exact_bytes == how.exact_bytes &&
                   check->how.exact_tail_bytes == how.exact_tail_bytes;
    if (!is_same) {
        check->was_right = is_right(draft, layer);
        check->own = own;
        check->exact = exact;
        check->how = how;
    }
    return check->was_right;
}

static void check_model(void *arg, struct edge_model *model)
{
    struct check *check = arg;
    if (edge_model_draft_bits(model) == 0 || edge_model_is_retired(model)) {
        return;
    }
    for (int i = 0; i < edge_model_table(model)->layer_count; i++) {
        const struct edge_blob *own = edge_model_blob(model, i);
        const struct edge_blob *exact = edge_model_exact_blob(model, i);
        bool concerns = own != exact && (own == check->blob || exact == check->blob);
        if (concerns && edge_blob_data(own) && edge_blob_data(exact) &&
            !is_right_again(check, model, i)) {
            ll_log(LL_LOG_WARN, "upload", "draft %s is not its model, rounded: layer %d",
                   edge_model_short_id(model), i);
            end_sessions(check->sessions, model, i);
            edge_catalog_retire_draft(check->sessions->catalog, model);
            forget_draft(check->sessions->catalog, model);
            return;
        }
    }
}

void edge_upload_drafts_check(struct edge_upload_sessions *sessions, const struct edge_blob *blob)
{
    struct check check = {.sessions = sessions, .blob = blob};
    edge_catalog_with_blob(sessions->catalog, blob, check_model, &check);
}
