/* The remote parts of queries that are under way: where the thread that runs queries and the loop
 * that talks to the edge hand them to each other.
 *
 * The table lives as long as the session; connections open and close it. A remote part belongs to
 * the caller; the loop touches it only under the table's lock and only between post and withdraw,
 * so that an answer which comes later finds nothing and is dropped. One lock, under which nothing
 * else is called.
 *
 * Threads: as each function says. */
#ifndef DEVICE_REQUESTS_H
#define DEVICE_REQUESTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_buf.h"
#include "core/ll_status.h"
#include "device/device_model.h"
#include "device/edge_link/device_wire.h"
#include "device/query/device_answer.h"
#include "device/query/device_remote_inputs.h"
#include "device/query/device_tensors.h"

struct device_requests;

/* The remote part of one query. */
struct device_remote {
    /* Set by the caller: what the edge is to run (cuts are legal), from which tensors (borrowed
     * until withdraw; it has inputs(first, end)), and the time that it has on the edge, which is
     * told in whole ms, rounded up (0: without end). */
    int first;
    int end;
    int least_prefix;
    int64_t edge_time_ns;
    const struct device_tensors *tensors;
    /* Only what the edge takes; `cut_dtype` is the answer's, too. Its bytes are borrowed until
     * withdraw, its coders only while it is posted. */
    struct device_remote_form form;
    /* The answer's tensors may come coded. */
    bool may_code_answer;
    /* The edge for which all this was chosen, as device_edge_view counts them; 0: whichever. */
    uint64_t connection;

    /* Valid after withdraw. `status` is LL_OK where `answer` is complete; else `error` says why
     * not. */
    ll_status status;
    struct ll_error error;
    struct device_answer answer;
    /* When it was posted, when its last input byte left (0: it did not), when the answer's head
     * came, and the payload bytes that left. */
    int64_t posted_ns;
    int64_t sent_ns;
    int64_t answered_ns;
    int64_t done_ns;
    int64_t sent_bytes;
    /* Some tensor, there or back, lost precision on the way. */
    bool is_rounded;

    /* Private. */
    struct device_remote *next;
    uint64_t id;
    struct device_remote_inputs inputs;
    int tensor;
    size_t offset;
    bool is_head_sent;
    bool is_done;
    /* The edge is done with it: there is nothing to cancel. */
    bool is_over_there;
    uint64_t mark;
};

/* It is closed at first. `kick` is called (any thread, no locks held) when there is something for
 * the loop to do. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_requests_create(const struct device_model *model,
                                             void (*kick)(void *owner), void *owner,
                                             struct device_requests **out_requests);
/* Nothing is posted any more. NULL is allowed. */
void device_requests_destroy(struct device_requests *requests);

/* ---- The query's side: any thread ---- */

/* Hands the query over to the loop. Errors: LL_E_UNAVAILABLE where no edge is up, or another one
 * than the query is for, LL_E_STOPPED, LL_E_NO_MEMORY; `remote->status` and `remote->error` say so,
 * too, and the remote part is not posted then and needs no withdraw. */
LL_MUST_USE ll_status device_requests_post(struct device_requests *requests,
                                           struct device_remote *remote);

/* How long to wait: for `most_ns` from the posting, and for `allowance_ns` from the moment when the
 * edge's prefix is as long as the query needs it. LL_CLOCK_NEVER: without end. */
struct device_patience {
    int64_t most_ns;
    int64_t allowance_ns;
};

/* Waits for the answer and takes the query back: `remote->status` tells how it ended
 * (LL_E_DEADLINE: time was up, LL_E_STOPPED: device_requests_stop). Then device_remote_finish. */
void device_requests_withdraw(struct device_requests *requests, struct device_remote *remote,
                              const struct device_patience *patience);
void device_remote_finish(struct device_remote *remote);

/* Ends all waiting, now and later. */
void device_requests_stop(struct device_requests *requests);

/* ---- The loop's side: loop thread ---- */

/* An edge that runs layers [0, prefix) takes queries from now on. It counts as another one where
 * the table was closed, as it does for device_edge_state_set. */
void device_requests_open(struct device_requests *requests, int prefix);
/* A longer prefix, or the same. */
void device_requests_set_prefix(struct device_requests *requests, int prefix);
/* Whether the edge has the model's draft: queries take its answers then, and `prefix` is what
 * either of both can run. Not after device_requests_close. */
void device_requests_set_draft(struct device_requests *requests, bool has_draft);
/* No edge takes queries any more; every one under way ends with this. */
void device_requests_close(struct device_requests *requests, ll_status status, const char *reason);

/* A message to send: `head`, then `payload` (may be NULL). */
struct device_outgoing {
    uint8_t *head;
    size_t head_bytes;
    struct ll_buf *payload;
    /* The query whose input bytes these are, and whether they are its last; 0: another message. */
    uint64_t id;
    bool is_last;
};

/* Bytes of the next message with chunks of `chunk_bytes`; 0: there is none. */
int64_t device_requests_next_bytes(struct device_requests *requests, int64_t chunk_bytes);
/* Takes the next message. Errors: LL_E_NOT_FOUND where there is none, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_requests_next(struct device_requests *requests, int64_t chunk_bytes,
                                           struct device_outgoing *out_message);
void device_outgoing_finish(struct device_outgoing *message);
/* The query's bytes end at `mark` of the window (ll_window.h). */
void device_requests_set_mark(struct device_requests *requests, uint64_t id, uint64_t mark);

/* What came from the edge. `out_mark` is the mark up to which the edge has everything, 0 where the
 * message does not tell. Returns LL_E_NOT_FOUND where the edge says that it does not know the
 * model; all other faults end the query concerned. */
LL_MUST_USE ll_status device_requests_take(struct device_requests *requests,
                                           const Layerlift__V1__OffloadResponse *response,
                                           uint64_t *out_mark);
/* What the edge owes: the queries that wait for its answer, and the bytes of them that were handed
 * to the connection. */
struct device_requests_debt {
    int queries;
    int64_t sent_bytes;
};
void device_requests_debt(struct device_requests *requests, struct device_requests_debt *out_debt);

/* Payload bytes of queries that were handed to the connection so far. */
int64_t device_requests_sent_bytes(struct device_requests *requests);

#endif
