/* A refusal as programs read it: what of a struct ll_error is more than its sentence, as
 * google.rpc.ErrorInfo and google.rpc.RetryInfo, and both in a google.rpc.Status.
 *
 * What comes from a peer is checked: a limit's name is a name, its value and the time are numbers
 * within bounds. Details of other domains and types are somebody else's and mean nothing here;
 * details of ours that are wrong are refused as a whole.
 *
 * Threads: pure functions. */
#ifndef RPC_DETAILS_H
#define RPC_DETAILS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/ll_status.h"
#include "proto/google/rpc/error_details.pb-c.h"

/* The key of a call's trailing metadata. */
#define RPC_DETAILS_KEY "grpc-status-details-bin"

enum {
    /* A google.rpc.Status of a peer that is longer is not read. */
    RPC_DETAILS_BYTES = 4096,
    /* Nobody is told, or tells, to wait for longer. */
    RPC_DETAILS_RETRY_MS = 3600 * 1000,
    RPC_DETAILS_TEXT_BYTES = 48,
};

/* Storage for the two messages; must not move once it is filled. */
struct rpc_details {
    /* NULL where the error has no limit; no time. */
    Google__Rpc__ErrorInfo *error_info;
    Google__Rpc__RetryInfo *retry_info;

    /* Private. */
    Google__Rpc__ErrorInfo info;
    Google__Rpc__RetryInfo retry;
    Google__Protobuf__Duration delay;
    Google__Rpc__ErrorInfo__MetadataEntry entries[2];
    Google__Rpc__ErrorInfo__MetadataEntry *metadata[2];
    char reason[RPC_DETAILS_TEXT_BYTES];
    char value[RPC_DETAILS_TEXT_BYTES];
};

/* `err` outlives what is filled. */
void rpc_details_fill(struct rpc_details *details, const struct ll_error *err);

/* Adds limit, limit_value and retry_ms to `err`, which keeps its sentence; both messages may be
 * NULL. Errors: LL_E_INVALID, without any of them. */
LL_MUST_USE ll_status rpc_details_take(const Google__Rpc__ErrorInfo *error_info,
                                       const Google__Rpc__RetryInfo *retry_info,
                                       struct ll_error *err);

/* The google.rpc.Status with gRPC status `code` (what of the sentence is not printable ASCII
 * becomes
 * '?'); the caller frees `*out_data` with free(). An error
 * without limit and time gives no bytes. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status rpc_details_pack(int code, const struct ll_error *err, uint8_t **out_data,
                                       size_t *out_bytes);

/* The reverse, of a peer's bytes; `err` keeps its sentence. Errors: LL_E_INVALID, without limit and
 * time. */
LL_MUST_USE ll_status rpc_details_unpack(int code, const uint8_t *data, size_t bytes,
                                         struct ll_error *err);

#endif
