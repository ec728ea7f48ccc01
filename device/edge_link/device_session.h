/* The device's dealings with its edges: one connection at a time to one of several addresses,
 * upload and queries over it, and a new one when it breaks. Whatever an edge does, the session goes
 * on; queries find what is there.
 *
 * Threads: create, start, stop and destroy on one thread (not the loop's); events come on the
 * loop's thread, without locks, and must not block. */
#ifndef DEVICE_SESSION_H
#define DEVICE_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_log.h"
#include "core/ll_status.h"
#include "device/device_model.h"
#include "device/edge_link/device_edge_state.h"
#include "device/edge_link/device_requests.h"
#include "device/edge_link/device_uploader.h"

struct device_session;

/* How far the upload is. */
struct device_progress {
    /* Bytes of the model that the edge has, and all of them. */
    int64_t acked_bytes;
    int64_t model_bytes;
    /* Of what this connection has sent of it, as it was sent, what has arrived. */
    int64_t payload_bytes;
    /* Measured; 0 before. */
    double bytes_per_s;
    int prefix;
    /* Layers that run, with the draft's weights where the model's are not there; 0 without one. */
    int draft_prefix;
};

/* The whole model is ready, for the first time. Times are of ll_clock.h. */
struct device_uploaded {
    int64_t start_ns;
    int64_t acked_ns;
    int64_t ready_ns;
    int64_t model_bytes;
    /* Payload upward until now, weights and queries. */
    int64_t sent_bytes;
    /* Of these, weights, as they were sent; and those of them that the draft takes, blobs that it
     * does not round included. */
    int64_t sent_weight_bytes;
    int64_t sent_draft_bytes;
    /* When it could; 0: there was none, or the model was there first. */
    int64_t draft_ready_ns;
    int partitions;
    int creations;
    int64_t creation_ns;
};

/* All layers can run with the draft's weights, for the first time, and some of them not with the
 * model's own. */
struct device_drafted {
    int64_t start_ns;
    int64_t ready_ns;
    /* As in device_uploaded. */
    int64_t sent_draft_bytes;
};

struct device_edge_loss {
    const char *address;
    ll_status status;
    const char *reason;
    /* It was up before; else it (and all others) could not be reached. */
    bool was_up;
    /* It was left because its answers are wrong. */
    bool is_distrust;
    /* It answers, but does not take the model; `all_refuse`: nor does any other. */
    bool is_refusal;
    bool all_refuse;
};

/* An edge has no room for the model now. It is asked again; meanwhile its layers are used where it
 * has some of this model, or else other edges are tried. */
struct device_edge_busy {
    const char *address;
    /* With the limit, its value and the edge's time. */
    const struct ll_error *reason;
    /* It was not said before. */
    bool is_new;
    /* Queries run there up to `prefix`. */
    bool is_used;
    int prefix;
};

struct device_session_events {
    /* An edge knows the model; `is_return`: there was a loss before. */
    void (*up)(void *owner, const char *address, int64_t left_bytes, bool is_return);
    /* Told each time. */
    void (*busy)(void *owner, const struct device_edge_busy *busy);
    /* Told once for each loss, not for every further attempt. */
    void (*down)(void *owner, const struct device_edge_loss *loss);
    void (*progress)(void *owner, const struct device_progress *progress);
    void (*ready)(void *owner, const struct device_creation *creation);
    void (*drafted)(void *owner, const struct device_drafted *drafted);
    /* The edge takes no draft although there is one: the model's own weights alone. Once. */
    void (*draftless)(void *owner, const char *address);
    void (*uploaded)(void *owner, const struct device_uploaded *uploaded);
    /* `most_upload_bytes` were sent: what the edge has by now is all that it gets. Once. */
    void (*limited)(void *owner);
};

struct device_session_config {
    const struct device_model *model;
    /* "HOST:PORT" each, 1 to DEVICE_NEXT_EDGE_EDGES. */
    const char *const *edges;
    int edge_count;
    /* 0: no limit. */
    double limit_bytes_per_s;
    /* Weights that may be sent, over all connections; 0: no limit. */
    int64_t most_upload_bytes;
    /* struct device_uploader_config's; 0: the usual. */
    int64_t elsewhere_ns;
    /* What the device computes with, to compare; NULL: nothing that an edge has. */
    const struct ll_engine *engine;
    /* For the edge's log. */
    const char *device;
    const struct device_session_events *events;
    void *owner;
    /* NULL: the process's log. */
    const struct ll_log_sink *log;
};

/* `config`'s model, edges and events outlive the session. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_session_create(const struct device_session_config *config,
                                            struct device_session **out_session);
/* Connects, soon. Once. */
void device_session_start(struct device_session *session);
/* Ends all waiting of queries, now and later: LL_E_STOPPED. Any thread. */
void device_session_interrupt(struct device_session *session);
/* Ends everything; waiting queries end with LL_E_STOPPED. No event comes after it returns. Twice is
 * harmless. */
void device_session_stop(struct device_session *session);
/* Stops if need be. NULL is allowed. */
void device_session_destroy(struct device_session *session);

/* What queries know of the edge, and where they ask it; both live as long as the session. */
struct device_edge_state *device_session_edge(struct device_session *session);
struct device_requests *device_session_requests(struct device_session *session);

#endif
