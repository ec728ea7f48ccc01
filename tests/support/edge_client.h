/* A client for tests of the server: calls whose messages the test sends and takes one by one. It
 * does nothing by itself, so that tests can break every rule.
 *
 * Waiting ends after 30 s with a failed assertion.
 *
 * Threads: the test's. */
#ifndef EDGE_CLIENT_H
#define EDGE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "core/ll_status.h"
#include "layerlift/v1/offload.pb-c.h"
#include "net/plan/ll_plan.h"
#include "tests/support/fake_model.h"

struct edge_client;
struct edge_call;

struct edge_client *edge_client_create(int port);
/* After its calls. */
void edge_client_destroy(struct edge_client *client);

/* Opens a call of layerlift.v1.EdgeOffload, such as "Upload". */
struct edge_call *edge_call_open(struct edge_client *client, const char *method);
/* Cancels the call if it goes on, waits for its end, frees it. */
void edge_call_close(struct edge_call *call);
void edge_call_cancel(struct edge_call *call);
void edge_call_half_close(struct edge_call *call);

void edge_call_send(struct edge_call *call, const ProtobufCMessage *message);
void edge_call_send_bytes(struct edge_call *call, const void *data, size_t bytes);

/* The next message, or NULL when the call has ended; freed by the caller. */
ProtobufCMessage *edge_call_next(struct edge_call *call,
                                 const ProtobufCMessageDescriptor *descriptor);
/* Waits for the call's end, dropping messages; gives its status, its sentence, and the limit and
 * the time in its details. */
ll_status edge_call_end(struct edge_call *call, struct ll_error *out_message);
/* A unary call: sends the request and gives the response, or NULL with the status. */
ProtobufCMessage *edge_client_ask(struct edge_client *client, const char *method,
                                  const ProtobufCMessage *request,
                                  const ProtobufCMessageDescriptor *response, ll_status *out_status,
                                  struct ll_error *out_message);

/* ---- Uploads ---- */

enum {
    EVENT_ACCEPTED = LAYERLIFT__V1__UPLOAD_EVENT__KIND_ACCEPTED,
    EVENT_CREDIT = LAYERLIFT__V1__UPLOAD_EVENT__KIND_CREDIT,
    EVENT_RECEIVED = LAYERLIFT__V1__UPLOAD_EVENT__KIND_PARTITION_RECEIVED,
    EVENT_READY = LAYERLIFT__V1__UPLOAD_EVENT__KIND_PREFIX_READY,
    EVENT_REJECTED = LAYERLIFT__V1__UPLOAD_EVENT__KIND_BLOB_REJECTED,
    EVENT_AVAILABLE = LAYERLIFT__V1__UPLOAD_EVENT__KIND_BLOB_AVAILABLE,
    EVENT_COMPLETE = LAYERLIFT__V1__UPLOAD_EVENT__KIND_COMPLETE,
    EVENT_ELSEWHERE = LAYERLIFT__V1__UPLOAD_EVENT__KIND_ELSEWHERE,
    EVENT_DRAFT_READY = LAYERLIFT__V1__UPLOAD_EVENT__KIND_DRAFT_READY,
};

Layerlift__V1__UploadEvent *edge_call_event(struct edge_call *upload);
/* Takes events until one of this kind comes; NULL when the call ends first. */
Layerlift__V1__UploadEvent *edge_call_await(struct edge_call *upload, int kind);
/* The same, but only looks whether it comes. */
bool edge_call_has_event(struct edge_call *upload, int kind);
void edge_call_send_open(struct edge_call *upload, const struct fake_model *model,
                         const struct ll_plan *plan);
/* What an open may say besides. */
struct edge_open {
    size_t encoding_count;
    const Layerlift__V1__Encoding *encodings;
    /* Its blobs are the bases of the layers with the same index; NULL: there are none. */
    const struct fake_model *base;
    /* The draft: a model whose blobs are the rounded ones; NULL: there is none. */
    const struct fake_model *draft;
    int mantissa_bits;
    /* Of its digests, to be wrong: how many, and how long; 0: as they should be. */
    size_t digest_count;
    size_t digest_bytes;
};
/* Opens an upload with a partition per legal cut. */
struct edge_call *edge_client_open(struct edge_client *client, const struct fake_model *model,
                                   const struct edge_open *open);
/* The same, and takes `accepted`, which the caller frees; NULL: it is dropped. */
struct edge_call *edge_client_upload_with(struct edge_client *client,
                                          const struct fake_model *model,
                                          const struct edge_open *open,
                                          Layerlift__V1__UploadEvent **out_accepted);
/* The same with an open that says nothing besides. */
struct edge_call *edge_client_upload(struct edge_client *client, const struct fake_model *model,
                                     Layerlift__V1__UploadEvent **out_accepted);
/* Takes events until `bytes` of payload have been dealt with. */
void edge_call_await_received(struct edge_call *upload, uint64_t bytes);
/* Any chunk. */
void edge_call_send_any_chunk(struct edge_call *upload, const Layerlift__V1__Chunk *chunk);
/* A raw one of any bytes. */
void edge_call_send_chunk(struct edge_call *upload, int layer, int64_t offset, const void *data,
                          size_t bytes);
/* Bytes [first, end) of a layer's real blob in one chunk. */
void edge_call_send_part(struct edge_call *upload, const struct fake_model *model, int layer,
                         int64_t first, int64_t end);
/* The whole blobs of layers [first, end), a chunk each. */
void edge_call_send_layers(struct edge_call *upload, const struct fake_model *model, int first,
                           int end);
/* Uploads everything that is missing and waits for the end. */
ll_status edge_client_upload_all(struct edge_client *client, const struct fake_model *model);

/* ---- Queries ---- */

struct edge_ask {
    uint64_t id;
    int first;
    int end;
    int least_prefix;
    int deadline_ms;
    /* How the tensors are written, and the answer's are to be; 0: as floats. */
    Layerlift__V1__DataType dtype;
    Layerlift__V1__DataType answer_dtype;
    /* One for each tensor, in the place of `dtype`; NULL: that. */
    const struct wire_form *forms;
    /* How they are coded, in how many bytes each; and whether the answer's may be. */
    Layerlift__V1__TensorCoding coding;
    uint64_t coded_bytes;
    bool may_code_answer;
    bool sends_receipts;
    Layerlift__V1__Precision precision;
    /* NULL: none. */
    const char *draft_id;
};

/* Sends a query's head. */
void edge_call_send_query(struct edge_call *offload, const struct fake_model *model,
                          const struct edge_ask *ask);
/* Sends its tensors' bytes, made from `input_seed`, in chunks of at most `chunk_bytes`. */
void edge_call_send_tensors(struct edge_call *offload, const struct fake_model *model,
                            const struct edge_ask *ask, unsigned input_seed, size_t chunk_bytes);
/* One chunk of any bytes. */
void edge_call_send_tensor_chunk(struct edge_call *offload, uint64_t id, int name, size_t offset,
                                 const void *data, size_t bytes);
/* Both. */
void edge_call_ask(struct edge_call *offload, const struct fake_model *model,
                   const struct edge_ask *ask, unsigned input_seed);
void edge_call_send_cancel(struct edge_call *offload, uint64_t id);
void edge_call_send_receipt(struct edge_call *offload, uint64_t received_bytes);

enum { EDGE_ANSWER_DTYPES = 8 };

struct edge_answer {
    uint64_t id;
    ll_status status;
    char message[256];
    /* Limit, value and time, without a sentence. */
    struct ll_error refusal;
    int reached;
    int prefix;
    Layerlift__V1__Precision precision;
    int exact_reached;
    /* The tensors one behind the other, as they were written. */
    int tensors;
    Layerlift__V1__DataType dtypes[EDGE_ANSWER_DTYPES];
    Layerlift__V1__TensorCoding codings[EDGE_ANSWER_DTYPES];
    int64_t tensor_bytes[EDGE_ANSWER_DTYPES];
    int64_t computed_ns;
    int64_t coding_ns;
    int64_t floats;
    int64_t bytes;
    float *data;
};

/* Takes messages until one answer is whole (chunks of others are put together on the way); false
 * when the call ends first. */
bool edge_call_answer(struct edge_call *offload, struct edge_answer *out_answer);
void edge_answer_finish(struct edge_answer *answer);

/* Checks that the next answer is that of query `id`: an error with this status and a sentence that
 * has `reason`; or right, for layers [first, reached). */
void edge_call_check_error(struct edge_call *offload, uint64_t id, ll_status status,
                           const char *reason);
void edge_call_check_right(struct edge_call *offload, const struct fake_model *model, uint64_t id,
                           unsigned input_seed, int first, int reached);
/* Whether the answer has the right bits for layers [first, reached). */
bool edge_answer_is_right(const struct edge_answer *answer, const struct fake_model *model,
                          unsigned input_seed, int first);

#endif
