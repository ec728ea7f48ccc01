/* Internal to edge_client*.c. */
#ifndef EDGE_CLIENT_STATE_H
#define EDGE_CLIENT_STATE_H

#include "core/ll_sync.h"
#include "rpc/rpc_stream.h"
#include "tests/support/edge_client.h"

enum { EDGE_CALL_ANSWERS = 64 };

struct edge_received {
    struct edge_received *next;
    size_t bytes;
    uint8_t data[];
};

/* An answer whose chunks are still coming. */
struct edge_assembly {
    bool is_open;
    struct edge_answer answer;
    int64_t room_bytes;
    int64_t filled_bytes;
};

struct edge_call {
    struct rpc_stream *stream;
    struct edge_assembly assemblies[EDGE_CALL_ANSWERS];
    struct ll_mutex lock;
    struct ll_cond changed;
    struct edge_received *first LL_GUARDED_BY(lock);
    struct edge_received **last_link LL_GUARDED_BY(lock);
    bool is_closed LL_GUARDED_BY(lock);
    ll_status status LL_GUARDED_BY(lock);
    struct ll_error message LL_GUARDED_BY(lock);
};

#endif
