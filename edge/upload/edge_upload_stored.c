#include "edge/upload/edge_upload_stored.h"

#include "edge/upload/edge_upload_session_state.h"

void edge_upload_stored_await(struct edge_upload_session *session,
                              struct edge_upload_session_layer *layer, int64_t end, uint64_t bytes)
{
    struct edge_upload_unstored *unstored = &layer->unstored;
    unstored->end = end;
    unstored->bytes += bytes;
    if (!unstored->is_listed) {
        unstored->is_listed = true;
        unstored->next = session->unstored;
        session->unstored = layer;
    }
}

void edge_upload_stored_forget(struct edge_upload_session *session,
                               struct edge_upload_session_layer *layer)
{
    session->stored_bytes += layer->unstored.marked_bytes + layer->unstored.bytes;
    layer->unstored.marked_bytes = 0;
    layer->unstored.bytes = 0;
}

/* Counts what is stored of the layer; false when nothing is left that is not. */
static bool waits(struct edge_upload_session *session, struct edge_upload_session_layer *layer)
{
    struct edge_upload_unstored *unstored = &layer->unstored;
    /* A copy ends with its session. */
    int64_t stored = layer->copy ? 0 : edge_blob_stored(layer->blob);
    if (unstored->end <= stored) {
        edge_upload_stored_forget(session, layer);
        return false;
    }
    if (unstored->marked_bytes == 0 || unstored->mark <= stored) {
        session->stored_bytes += unstored->marked_bytes;
        unstored->marked_bytes = unstored->bytes;
        unstored->mark = unstored->end;
        unstored->bytes = 0;
    }
    return unstored->marked_bytes > 0;
}

uint64_t edge_upload_stored_bytes(struct edge_upload_session *session)
{
    struct edge_upload_session_layer **link = &session->unstored;
    while (*link) {
        struct edge_upload_session_layer *layer = *link;
        if (waits(session, layer)) {
            link = &layer->unstored.next;
        } else {
            *link = layer->unstored.next;
            layer->unstored.is_listed = false;
        }
    }
    return session->stored_bytes;
}
