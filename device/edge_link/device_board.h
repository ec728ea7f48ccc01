/* Where the thread that runs queries and the loop that talks to the edge meet: what is known of the
 * edge, and the remote parts of queries that are under way.
 *
 * The board lives as long as the session; connections come and go. A remote part belongs to the
 * caller; the loop touches it only under the board's lock and only between post and withdraw, so
 * that an answer which comes later finds nothing and is dropped.
 *
 * Threads: as each function says. */
#ifndef DEVICE_BOARD_H
#define DEVICE_BOARD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_buf.h"
#include "core/ll_status.h"
#include "device/device_model.h"
#include "device/edge_link/device_wire.h"
#include "device/query/device_answer.h"
#include "device/query/device_tensors.h"
#include "net/ll_dtype.h"

struct device_board;

typedef enum {
    /* The first attempt to reach an edge is not decided. */
    DEVICE_EDGE_CONNECTING,
    DEVICE_EDGE_UP,
    DEVICE_EDGE_DOWN,
} device_edge_state;

/* The remote part of one query. */
struct device_remote {
    /* Set by the caller: what the edge is to run (cuts are legal), from which tensors (borrowed
     * until withdraw; it has inputs(first, end)), and its deadline on the edge (0: none). */
    int first;
    int end;
    int least_prefix;
    uint32_t deadline_ms;
    const struct device_tensors *tensors;
    /* How tensors are written: the network's input (LL_U8: as `input_bytes`, borrowed until
     * withdraw, which stand for its values), other tensors and those of the answer. Only what the
     * edge takes; a tensor that LL_F16 does not hold goes as floats. */
    ll_dtype input_dtype;
    struct ll_buf *input_bytes;
    ll_dtype cut_dtype;

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
    struct ll_names inputs;
    /* By input: as it is sent. */
    struct ll_buf **bufs;
    ll_dtype *dtypes;
    int tensor;
    size_t offset;
    bool is_head_sent;
    bool is_done;
    /* The edge is done with it: there is nothing to cancel. */
    bool is_over_there;
    uint64_t mark;
};

/* `kick` is called (any thread, no locks held) when there is something for the loop to do. */
LL_MUST_USE ll_status device_board_create(const struct device_model *model,
                                          void (*kick)(void *owner), void *owner,
                                          struct device_board **out_board);
/* Nothing is posted any more. NULL is allowed. */
void device_board_destroy(struct device_board *board);

/* ---- The query's side: any thread ---- */

struct device_board_view {
    device_edge_state state;
    /* Layers [0, prefix) run on the edge; 0 unless it is up. */
    int prefix;
    /* As far as it was measured: the least round trip, and the rate of acknowledged bytes; 0 if
     * not. */
    int64_t rtt_ns;
    double bytes_per_s;
    /* It computes with the device's engine, instruction set and threads. */
    bool is_same_engine;
    /* What the edge takes besides floats. */
    bool takes_u8;
    bool takes_f16;
    /* Counts the times that an edge came up. */
    uint64_t connection;
    /* Changes with the edge's layer times. */
    uint64_t times_version;
};

/* Everything as it is now. Where the edge's layer times are others than those of `times_version`,
 * they are written to `out_times_ns`, layer_count of them, 0 where it told none; NULL: never. */
void device_board_look(struct device_board *board, uint64_t times_version, int64_t *out_times_ns,
                       struct device_board_view *out_view);
/* Waits until the first attempt is decided, the deadline passes, or device_board_stop. */
void device_board_await_decision(struct device_board *board, int64_t deadline_ns);

/* Hands the query over to the loop. Errors: LL_E_UNAVAILABLE where no edge is up, LL_E_STOPPED,
 * LL_E_NO_MEMORY; the remote part is not posted then and needs no withdraw. */
LL_MUST_USE ll_status device_board_post(struct device_board *board, struct device_remote *remote);

/* How long to wait: until `deadline_ns`, and for `allowance_ns` from the moment when the edge's
 * prefix is as long as the query needs it. LL_CLOCK_NEVER: without end. */
struct device_patience {
    int64_t deadline_ns;
    int64_t allowance_ns;
};

/* Waits for the answer and takes the query back: `remote->status` tells how it ended
 * (LL_E_DEADLINE: time was up, LL_E_STOPPED: device_board_stop). Then device_remote_finish. */
void device_board_withdraw(struct device_board *board, struct device_remote *remote,
                           const struct device_patience *patience);
void device_remote_finish(struct device_remote *remote);

/* The edge that is up, since `connection`, is to be left: what it answers is wrong. */
void device_board_accuse(struct device_board *board, uint64_t connection, const char *reason);

/* Ends all waiting, now and later. */
void device_board_stop(struct device_board *board);

/* ---- The loop's side: loop thread ---- */

void device_board_set_state(struct device_board *board, device_edge_state state, int prefix);
/* A longer prefix, or the same. */
void device_board_set_prefix(struct device_board *board, int prefix);
/* In what the edge takes tensors; forgotten when it goes. */
void device_board_set_dtypes(struct device_board *board, size_t count,
                             const Layerlift__V1__DataType *dtypes);
/* Whether the edge computes as the device does; forgotten when it goes. */
void device_board_set_same_engine(struct device_board *board, bool is_same);
/* Whether the edge that is up was accused, and of what. */
bool device_board_is_accused(struct device_board *board, struct ll_error *out_reason);
/* 0 for what is not known. */
void device_board_set_link(struct device_board *board, int64_t rtt_ns, double bytes_per_s);
/* The edge told how long some of its layers take; layers that do not exist are ignored. Forgotten
 * when it goes. */
void device_board_set_times(struct device_board *board, size_t count,
                            Layerlift__V1__LayerTime *const *times);
/* Every query under way ends with this. */
void device_board_fail_all(struct device_board *board, ll_status status, const char *reason);

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
int64_t device_board_next_bytes(struct device_board *board, int64_t chunk_bytes);
/* Takes the next message. Errors: LL_E_NOT_FOUND where there is none, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_board_next(struct device_board *board, int64_t chunk_bytes,
                                        struct device_outgoing *out_message);
void device_outgoing_finish(struct device_outgoing *message);
/* The query's bytes end at `mark` of the link (ll_window.h). */
void device_board_set_mark(struct device_board *board, uint64_t id, uint64_t mark);

/* What came from the edge. `out_mark` is the mark up to which the edge has everything, 0 where the
 * message does not tell. Returns LL_E_NOT_FOUND where the edge says that it does not know the
 * model; all other faults end the query concerned. */
LL_MUST_USE ll_status device_board_take(struct device_board *board,
                                        const Layerlift__V1__OffloadResponse *response,
                                        uint64_t *out_mark);
/* Something came from the edge. */
void device_board_heard(struct device_board *board);
/* What the edge owes: when it was last heard, the queries that wait for its answer, and the bytes
 * of them that were handed to the connection. */
struct device_board_debt {
    int64_t heard_ns;
    int queries;
    int64_t sent_bytes;
};
void device_board_debt(struct device_board *board, struct device_board_debt *out_debt);

/* Payload bytes of queries that were handed to the connection so far. */
int64_t device_board_sent_bytes(struct device_board *board);

#endif
