#include "edge/upload/edge_upload_bases.h"

#include <stdlib.h>
#include <string.h>

/* A base that the device names. */
struct base {
    struct ll_digest digest;
    int layer;
};

struct search {
    struct edge_upload_session *session;
    /* In the order of their digests. */
    struct base *bases;
    size_t count;
};

static int compare(const void *a, const void *b)
{
    const struct base *first = a;
    const struct base *second = b;
    return memcmp(&first->digest, &second->digest, sizeof(first->digest));
}

static ll_status read_bases(struct search *search, const Layerlift__V1__UploadOpen *open,
                            struct ll_error *err)
{
    int count = edge_model_table(search->session->exact.model)->layer_count;
    for (size_t i = 0; i < open->n_delta_bases; i++) {
        const Layerlift__V1__DeltaBase *base = open->delta_bases[i];
        if (base->layer >= (uint32_t)count) {
            return ll_fail(err, LL_E_INVALID, "delta_bases: there is no layer %u, the model has %d",
                           base->layer, count);
        }
        search->bases[i].layer = (int)base->layer;
        if (ll_digest_parse(base->digest, &search->bases[i].digest) != LL_OK) {
            return ll_fail(err, LL_E_INVALID,
                           "delta_bases: the digest of layer %u is not \"sha256:\" and 64 hex "
                           "digits",
                           base->layer);
        }
    }
    qsort(search->bases, search->count, sizeof(*search->bases), compare);
    return LL_OK;
}

/* The first base with this digest; `count` where there is none. */
static size_t find(const struct search *search, const struct ll_digest *digest)
{
    const struct base key = {.digest = *digest};
    size_t low = 0;
    size_t high = search->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&search->bases[middle], &key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* A model of the device's: which of its blobs are bases. */
static void look(void *arg, struct edge_model *model)
{
    struct search *search = arg;
    for (int i = 0; i < edge_model_table(model)->layer_count; i++) {
        struct edge_blob *blob = edge_model_blob(model, i);
        if (!blob || !edge_blob_data(blob)) {
            continue;
        }
        const struct ll_digest *digest = &edge_model_manifest(model)->blobs[i].digest;
        for (size_t at = find(search, digest);
             at < search->count && ll_digest_equal(&search->bases[at].digest, digest); at++) {
            struct edge_upload_session_layer *layer =
                &search->session->exact.layers[search->bases[at].layer];
            bool is_wanted = layer->blob && !edge_blob_data(layer->blob) && !layer->base;
            if (is_wanted && edge_blob_bytes(layer->blob) == edge_blob_bytes(blob)) {
                layer->base = edge_blob_ref(blob);
            }
        }
    }
}

ll_status edge_upload_bases_find(struct edge_upload_session *session,
                                 const Layerlift__V1__UploadOpen *open, struct ll_error *err)
{
    struct search search = {.session = session, .count = open->n_delta_bases};
    size_t most = (size_t)edge_model_table(session->exact.model)->layer_count;
    if (search.count > most) {
        return ll_fail(err, LL_E_INVALID, "delta_bases: %zu of them, but the model has %zu layers",
                       search.count, most);
    }
    if (search.count == 0 ||
        !edge_upload_frames_agreed(session, LAYERLIFT__V1__ENCODING__ENCODING_DELTA_FRAME)) {
        return LL_OK;
    }
    search.bases = calloc(search.count, sizeof(*search.bases));
    if (!search.bases) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory for a session");
    }
    ll_status status = read_bases(&search, open, err);
    if (status == LL_OK) {
        edge_catalog_with_owner(session->sessions->catalog, &session->peer, look, &search);
    }
    free(search.bases);
    return status;
}
