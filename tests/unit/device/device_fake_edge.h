/* An edge for tests that speaks the protocol as it should, or wrongly on purpose: a real rpc
 * server, a fake model, and a script that says what to do.
 *
 * Every wait ends in an event, or the test fails after 30 s.
 *
 * Threads: everything from the test's thread; the script may change between calls. */
#ifndef DEVICE_FAKE_EDGE_H
#define DEVICE_FAKE_EDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_status.h"
#include "device/device_draft.h"
#include "tests/support/fake_model.h"

typedef enum {
    FAKE_ANSWER_RIGHT,
    /* None at all. */
    FAKE_ANSWER_NONE,
    /* The stream ends after half of the answer's bytes. */
    FAKE_ANSWER_DIE,
    FAKE_ANSWER_WRONG_SIZE,
    FAKE_ANSWER_ILLEGAL_REACHED,
    FAKE_ANSWER_BEYOND_END,
    FAKE_ANSWER_TOO_MANY_TENSORS,
    /* Chunks in the wrong order; one chunk too many in a tensor. */
    FAKE_ANSWER_DISORDER,
    FAKE_ANSWER_OVERLONG,
    /* As far as the edge is, whatever the query asked for at least. */
    FAKE_ANSWER_SHORT,
    /* A status instead of an answer. */
    FAKE_ANSWER_STATUS,
    /* Bytes that are no message; an answer's head of more tensors than any network has. */
    FAKE_ANSWER_GARBAGE,
    FAKE_ANSWER_MANY_PARTS,
    /* Well-formed answers: the first value of each tensor is NaN, or half as large again. */
    FAKE_ANSWER_NAN,
    FAKE_ANSWER_WRONG_VALUES,
    /* Tensors are said to be coded, and are not: as many bytes as that says, none of them right. */
    FAKE_ANSWER_BAD_CODING,
    /* A right answer that claims to be a draft's, whatever was asked for. */
    FAKE_ANSWER_OF_DRAFT,
    /* A right answer, but times that cannot be. */
    FAKE_ANSWER_LYING_TIMES,
    /* To a query that does not exist, then the right one. */
    FAKE_ANSWER_STRAY,
} fake_answer;

typedef enum {
    FAKE_UPLOAD_RIGHT,
    /* The call ends with this script's status instead of `accepted`. */
    FAKE_UPLOAD_REFUSE,
    /* The call ends with the script's refusal, which has a limit. */
    FAKE_UPLOAD_BUSY,
    FAKE_UPLOAD_OTHER_MODEL,
    FAKE_UPLOAD_ILLEGAL_PREFIX,
    FAKE_UPLOAD_OFFSET_BEYOND,
    /* More received than was sent. */
    FAKE_UPLOAD_LYING_CREDIT,
    FAKE_UPLOAD_GARBAGE,
    /* `accepted` with 100,000 blobs that it has a beginning of. */
    FAKE_UPLOAD_MANY_PARTS,
    /* Ends with OK before it is complete. */
    FAKE_UPLOAD_EARLY_END,
    /* Every blob is rejected, for ever; or its first bytes, which others are said to have brought.
     */
    FAKE_UPLOAD_REJECT_ALL,
    FAKE_UPLOAD_REJECT_BEGINNINGS,
    /* Others are said to bring the largest blob, with every credit again; nobody does. */
    FAKE_UPLOAD_ELSEWHERE,
} fake_upload;

typedef enum {
    /* The edge does not know the model. */
    FAKE_WATCH_UNKNOWN,
    /* What it has. */
    FAKE_WATCH_RIGHT,
    /* It has all of it. */
    FAKE_WATCH_READY,
    FAKE_WATCH_OTHER_MODEL,
    FAKE_WATCH_ILLEGAL_PREFIX,
    FAKE_WATCH_GARBAGE,
    /* A state with a very long sentence. */
    FAKE_WATCH_LONG,
} fake_watch;

struct fake_edge_script {
    fake_upload upload;
    struct ll_error refusal;
    fake_watch watch;
    fake_answer answer;
    /* gRPC status of FAKE_UPLOAD_REFUSE and FAKE_ANSWER_STATUS. */
    int status;
    /* The prefix never becomes longer than this; 0: no bound. */
    int longest_prefix;
    /* Credit beyond what was received; 0: unbounded. */
    uint64_t credit_bytes;
    /* The first blob that is complete is rejected this many times. */
    int rejections;
    /* The upload's stream ends with UNAVAILABLE (or the script's refusal, if there is one, or this
     * gRPC status, if it is not 0) after so many bytes, once; 0: never. */
    uint64_t break_after_bytes;
    int break_status;
    /* The edge has this layer's blob already; -1: none. */
    int available_layer;
    /* It takes bytes and halves. */
    bool takes_encodings;
    /* It takes and gives coded tensors, or says so: none must come coded (the input aside). */
    bool takes_planes;
    /* It takes frames of weights, and their differences from this model, whose blobs it has. */
    bool takes_frames;
    /* It does from the second `open` on. */
    bool takes_frames_later;
    const struct fake_model *base;
    /* It takes this draft of the model, but not from the second `open` on where it forgets it.
     * NULL: none. */
    const struct device_draft *draft;
    bool forgets_draft;
    /* The first draft's blob that is complete is rejected this many times. */
    int draft_rejections;
    /* It takes JPEG files, and then makes other inputs of them than the device: their queries'
     * answers have the status FAILED_PRECONDITION, or this one, if it is not 0. */
    bool refuses_pictures;
    int picture_status;
    /* What it tells every layer to take, some that do not exist too; 0: it tells nothing. */
    uint64_t layer_ns;
    bool takes_receipts;
};

struct fake_edge;

/* Listens on a free port with a script of defaults (everything right). `model` outlives it. */
struct fake_edge *fake_edge_create(const struct fake_model *model);
void fake_edge_destroy(struct fake_edge *edge);
/* "127.0.0.1:PORT" */
const char *fake_edge_address(const struct fake_edge *edge);
void fake_edge_set_script(struct fake_edge *edge, const struct fake_edge_script *script);

/* What has happened so far. */
struct fake_edge_counts {
    int opens;
    int queries;
    int cancels;
    /* Bytes of answers that were sent, and that the last receipt told of. */
    uint64_t answer_bytes;
    uint64_t receipt_bytes;
    /* Payload of upload chunks, and of those bytes that the edge had already. */
    uint64_t chunk_bytes;
    uint64_t repeated_bytes;
    /* Frames that came whole, encoded; of these, differences. */
    int frames;
    int deltas;
    /* Of the draft, and of what is left. */
    int drafts;
    int rests;
    /* Queries that took a draft's answer. */
    int draft_queries;
    /* Chunks beyond the credit, out of order, or with other bytes than the model's. */
    int faults;
    /* The offset of the first chunk after the last open; -1 before. */
    int64_t first_offset;
    int first_layer;
    bool first_is_raw;
    /* Payload of the last query's tensors. */
    uint64_t input_bytes;
};

void fake_edge_get_counts(struct fake_edge *edge, struct fake_edge_counts *out_counts);
/* Wait until as many have come; false after 30 s. */
bool fake_edge_await_queries(struct fake_edge *edge, int count);
bool fake_edge_await_cancels(struct fake_edge *edge, int count);
/* Waits until a receipt tells of everything that was sent. */
bool fake_edge_await_receipts(struct fake_edge *edge);

#endif
