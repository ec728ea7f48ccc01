/* Status codes and error sentences: how every function of the project fails.
 *
 * Threads: everything here is pure. */
#ifndef LL_STATUS_H
#define LL_STATUS_H

#include <stddef.h>
#include <stdint.h>

#define LL_MUST_USE __attribute__((warn_unused_result))
#define LL_PRINTF(format_index, first_arg) __attribute__((format(printf, format_index, first_arg)))

/* code, number of the gRPC status that a peer sees, text */
#define LL_STATUS_LIST(X)                                                                          \
    X(LL_OK, 0, "ok")                                                                              \
    X(LL_E_CANCELLED, 1, "cancelled")                                                              \
    X(LL_E_INVALID, 3, "invalid argument")                                                         \
    X(LL_E_DEADLINE, 4, "deadline exceeded")                                                       \
    X(LL_E_NOT_FOUND, 5, "not found")                                                              \
    X(LL_E_EXISTS, 6, "already exists")                                                            \
    X(LL_E_EXHAUSTED, 8, "limit exceeded")                                                         \
    X(LL_E_NO_MEMORY, 8, "out of memory")                                                          \
    X(LL_E_FULL, 8, "queue full")                                                                  \
    X(LL_E_PRECONDITION, 9, "failed precondition")                                                 \
    X(LL_E_UNSUPPORTED, 12, "not supported")                                                       \
    X(LL_E_INTERNAL, 13, "internal error")                                                         \
    X(LL_E_IO, 13, "input/output error")                                                           \
    X(LL_E_UNAVAILABLE, 14, "unavailable")                                                         \
    X(LL_E_STOPPED, 14, "stopped")

#define LL_STATUS_ENUM(code, grpc, text) code,
typedef enum { LL_STATUS_LIST(LL_STATUS_ENUM) LL_STATUS_COUNT } ll_status;
#undef LL_STATUS_ENUM

/* What a person reads and what a program acts on. */
struct ll_error {
    /* The sentence: what is wrong, and where. Always terminated; cut, not overflowed, when too
     * long. */
    char text[512];
    /* The name of the limit that was met, as GetServerInfo lists it, and its value; "" where it was
     * no limit. */
    char limit[32];
    int64_t limit_value;
    /* When the same may be asked again with hope, in ms from now; 0: nobody knows a time. Without a
     * time, a limit's refusal is final. */
    int64_t retry_ms;
};

/* "LL_E_INVALID" and "invalid argument"; "LL_E_?" and "unknown status" for anything else. */
const char *ll_status_name(ll_status status);
const char *ll_status_text(ll_status status);

/* The gRPC status code that stands for `status` on the wire, and a status for a code that a peer
 * sent (LL_E_INTERNAL for UNKNOWN, DATA_LOSS and what does not exist). */
int ll_status_to_grpc(ll_status status);
ll_status ll_status_from_grpc(int code);

/* Writes the sentence and returns `status`, so that a check reads
 * `return ll_fail(err, LL_E_INVALID, "...")`. `err` may be NULL. */
ll_status ll_fail(struct ll_error *err, ll_status status, const char *format, ...) LL_PRINTF(3, 4);

/* A time to ask again for what others have and give back as they end (places, memory), where nobody
 * knows a better one. */
#define LL_RETRY_MS ((int64_t)1000)

/* The same for a limit that was met: keeps its name, value and `retry_ms` (0: asking again is no
 * use) and returns LL_E_EXHAUSTED. The sentence should have name and value, too. */
ll_status ll_fail_limit(struct ll_error *err, const char *limit, int64_t value, int64_t retry_ms,
                        const char *format, ...) LL_PRINTF(5, 6);

/* Puts "context: " in front of the sentence that `err` holds. `err` may be NULL. */
void ll_error_prefix(struct ll_error *err, const char *format, ...) LL_PRINTF(2, 3);

#endif
