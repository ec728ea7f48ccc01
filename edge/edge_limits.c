#include "edge/edge_limits.h"

#include "core/ll_limits.h"
#include "edge/upload/edge_upload.h"
#include "edge/upload/edge_upload_frames.h"

enum {
    KB = 1000,
    MB = 1000 * KB,
    KIB = 1024,
    MIB = 1024 * KIB,
    COUNT_MAX = 100000,
    /* A day. */
    MS_MAX = 24 * 3600 * 1000,
};

#define GB ((int64_t)1000 * MB)
/* More than any machine has. */
#define BYTES_MAX ((int64_t)100000 * GB)

/* Without `config.`, since rows are of a configuration, too. */
#define CONFIG(member) LL_OPTION_FIELD(struct edge_server_config, member)
#define VALUE(member) LL_OPTION_FIELD(struct edge_limit_values, member)

_Static_assert(offsetof(struct edge_limit_values, config) == 0, "rows are of both");

#define COUNT_ROW(key, option, member, default_count)                                              \
    .limit = (key), .name = (option), .kind = LL_OPTION_INT, .min = 1, .max = COUNT_MAX,           \
    .preset = (default_count), CONFIG(member)
#define MS_ROW(key, option, member, least_ms, default_ms)                                          \
    .limit = (key), .name = (option), .kind = LL_OPTION_INT, .unit = "ms", .min = (least_ms),      \
    .max = MS_MAX, .preset = (default_ms), CONFIG(member)
#define SIZE_ROW(key, option, member, default_bytes)                                               \
    .limit = (key), .name = (option), .kind = LL_OPTION_SIZE, .min = MB, .max = BYTES_MAX,         \
    .preset = (default_bytes), CONFIG(member)
#define FIXED_ROW(key, of, value)                                                                  \
    .limit = (key), .kind = LL_OPTION_FIXED, .unit = (of), .preset = (value)

static const struct ll_option_row rows[] = {
    {
        COUNT_ROW("models", "max-models", models, 64),
        .help = "Models at a time",
        .manual = "waits; models known at once; unused ones make room: those without a verified "
                  "blob first, then the one unused for longest",
    },
    {
        MS_ROW("model_rest_ms", "model-rest-ms", model_rest_ms, 0, 60000),
        .help = "How long after its last use a model is not evicted for one that has no weights "
                "yet",
        .manual = "so long after its last use a ready model stays in spite of a newcomer of which "
                  "no blob is verified",
    },
    {
        SIZE_ROW("store_bytes", "store-size", store_bytes, 8 * GB),
        .old_name = "store-mb",
        .old_unit = MB,
        .help = "What all weights may take; models unused for longest make room",
        .manual = "waits, but for a model that is larger; all blobs together; eviction as above",
    },
    {
        .limit = "store_mappings",
        .kind = LL_OPTION_INT,
        VALUE(store_mappings),
        .shown = "a quarter of `vm.max_map_count`",
        .help = "waits; blobs from 64 KiB on, each a file that is mapped",
    },
    {
        SIZE_ROW("memory_bytes", "memory", memory_bytes, 0),
        .shown = "80 % of the memory that the process may have, less the buffers of uploads and "
                 "queries",
        .help = "What created layers and running queries may take; models unused for longest make "
                "room",
        .manual = "waits, but for what will never fit; packed weights, blobs below 64 KiB, memory "
                  "of runs. Idle runs' memory makes room first, then models that nobody uses",
    },
    {
        COUNT_ROW("upload_sessions", "max-uploads", upload_sessions, 64),
        .help = "Uploads at a time of models that are not here yet",
        .manual = "waits; uploads at once that have weights to send",
    },
    {
        .limit = "upload_streams",
        .kind = LL_OPTION_INT,
        VALUE(upload_streams),
        .shown = "8 x `upload_sessions`",
        .help = "waits; streams of Upload: those, and whose model is here already or being created",
    },
    {
        MS_ROW("upload_idle_ms", "upload-idle-ms", upload_idle_ms, 1, 30000),
        .help = "How long an upload may send nothing",
    },
    {
        MS_ROW("upload_patience_ms", NULL, upload_patience_ms, 1, 3000),
        .help = "after how long without sending an upload gives its place to another",
    },
    {
        /* At least a chunk of any size; by default 10 Gbit/s at 6 ms round trip, 80 Mbit/s at 800
         * ms. */
        .limit = "upload_window_bytes",
        .name = "upload-window",
        .kind = LL_OPTION_SIZE,
        .min = (int64_t)256 * KIB,
        .max = (int64_t)1024 * MIB,
        .preset = (int64_t)8 * MIB,
        CONFIG(upload_window_bytes),
        .old_name = "upload-window-kb",
        .old_unit = KIB,
        .help = "How far an upload may be ahead of what is written",
        .manual = "how far an upload may be ahead of what is written (the credit)",
    },
    {
        .limit = "peer_copied_bytes",
        .kind = LL_OPTION_SIZE,
        .min = 1,
        .max = BYTES_MAX,
        .preset = (int64_t)64 * MB,
        CONFIG(peer_copied_bytes),
        .help = "waits; a second, four seconds' worth at once: what is duplicated for one address "
                "of blobs that another session brings and its own goes on with",
    },
    {
        COUNT_ROW("peer_opens", NULL, peer_opens, 16),
        .help =
            "waits; a second, four seconds' worth at once: uploads of models that are not whole "
            "yet, which one address opens where the store lasts",
    },
    {
        COUNT_ROW("queries", "max-queries", queries, 32),
        .help = "Queries in flight on one stream",
        .manual = "waits; queries in flight on one stream",
    },
    {
        SIZE_ROW("query_bytes", "query-size", query_bytes, (int64_t)256 * MB),
        .old_name = "query-mb",
        .old_unit = MB,
        .help = "What the tensors of one stream's queries may take",
        .manual = "waits, but for a query that is larger; tensors of one stream's queries",
    },
    {
        SIZE_ROW("server_query_bytes", "all-queries-size", server_query_bytes, (int64_t)1024 * MB),
        .old_name = "all-queries-mb",
        .old_unit = MB,
        .help = "What the tensors of all queries may take",
        .manual = "waits, but for a query that is larger; tensors of all queries: what has come of "
                  "their inputs, from its start on all that a query needs",
    },
    {
        .limit = "peer_query_bytes",
        .kind = LL_OPTION_SIZE,
        VALUE(peer_query_bytes),
        .shown = "half of `server_query_bytes`, at least `query_bytes`",
        .help = "the same for one address",
    },
    {
        COUNT_ROW("server_queries", NULL, server_queries, 4096),
        .help = "waits; queries that wait for their tensors",
    },
    {
        MS_ROW("query_idle_ms", "query-idle-ms", query_idle_ms, 1, 10000),
        .help = "How long none of a query's bytes may come",
    },
    {
        MS_ROW("query_patience_ms", NULL, query_patience_ms, 1, 1000),
        .help = "after how long without a byte a query gives way to another",
    },
    {
        MS_ROW("query_wait_ms", NULL, query_wait_ms, 1, 600000),
        .help = "how long a query waits for layers that nobody has brought",
    },
    {
        MS_ROW("answer_idle_ms", NULL, answer_idle_ms, 1, 30000),
        .help = "how long a device may read nothing of its answers",
    },
    {
        COUNT_ROW("watches", "max-watches", watches, 256),
        .help = "Streams of WatchModel at a time",
    },
    {
        .limit = "peer_inspect_bytes",
        .kind = LL_OPTION_SIZE,
        .min = KB,
        .max = BYTES_MAX,
        .preset = (int64_t)4 * MB,
        CONFIG(peer_inspect_bytes),
        .help = "a second, four seconds' worth at once: what ListModels and GetModel tell one "
                "address",
    },
    {
        COUNT_ROW("connections", "max-connections", connections, 1024),
        .help = "Connections at a time, and at most what descriptors allow",
        .manual = "connections at once, and at most what the limit of open files allows (two for "
                  "each and a quarter left aside; the server raises its soft limit to the hard "
                  "one)",
    },
    {
        COUNT_ROW("connections_per_peer", "max-connections-per-peer", connections_per_peer, 256),
        .help = "Connections at a time from one address, or one /64 of IPv6",
        .manual = "of them from one IPv4 address or one 64-bit network of IPv6",
    },
    {
        COUNT_ROW("connection_streams", NULL, connection_streams, 100),
        .help = "streams that one connection may have open",
    },
    {
        COUNT_ROW("connection_resets", NULL, connection_resets, 1000),
        .help = "streams that one connection may cancel in a row, beyond 100 a second and those "
                "open; who cancels more is cut off",
    },
    {
        COUNT_ROW("calls", "max-calls", calls, 16384),
        .help = "Calls at a time, of all connections",
    },
    {FIXED_ROW("message_bytes", "bytes", LL_LIMIT_MESSAGE_BYTES), .help = "one message"},
    {FIXED_ROW("chunk_bytes", "bytes", LL_LIMIT_CHUNK_BYTES), .help = "one chunk's payload"},
    {
        FIXED_ROW("queued_chunks", NULL, EDGE_UPLOAD_QUEUED_CHUNKS),
        .help = "waits; chunks of one upload that are not written yet",
    },
    {
        FIXED_ROW("drafts", NULL, EDGE_CATALOG_DRAFTS),
        .help = "of one model; with one more the model is uploaded alone",
    },
    {
        FIXED_ROW("upload_frames", NULL, EDGE_UPLOAD_FRAMES),
        .help = "encoded frames of one upload that have begun and are not whole",
    },
    {FIXED_ROW("cfg_bytes", "bytes", LL_LIMIT_CFG_BYTES), .help = "the text of a model's cfg"},
    {FIXED_ROW("layers", NULL, LL_LIMIT_LAYERS), .help = "of one model"},
    {FIXED_ROW("blob_bytes", "bytes", LL_LIMIT_BLOB_BYTES), .help = "weights of one layer"},
    {FIXED_ROW("model_bytes", "bytes", LL_LIMIT_MODEL_BYTES), .help = "weights of one model"},
    {FIXED_ROW("tensor_bytes", "bytes", LL_LIMIT_TENSOR_BYTES), .help = "one tensor"},
    {FIXED_ROW("cfg_line_bytes", "bytes", LL_LIMIT_CFG_LINE_BYTES), .help = "a line of a cfg"},
    {FIXED_ROW("section_options", NULL, LL_LIMIT_SECTION_OPTIONS), .help = "of a cfg's section"},
    {
        FIXED_ROW("dimension", NULL, LL_LIMIT_DIM),
        .help = "a tensor's width, height or channels",
    },
    {
        FIXED_ROW("scratch_bytes", "bytes", LL_LIMIT_SCRATCH_BYTES),
        .help = "one layer's scratch memory",
    },
    {
        FIXED_ROW("context_bytes", "bytes", LL_LIMIT_CONTEXT_BYTES),
        .help = "activations and scratch memory of one running query",
    },
    {
        FIXED_ROW("model_flops", "operations", LL_LIMIT_MODEL_FLOPS),
        .shown = "16 x 2^40",
        .help = "of one query (yolov3 at 608 takes 0.14 x 10^12)",
    },
    {
        FIXED_ROW("group_flops", "operations", LL_LIMIT_GROUP_FLOPS),
        .shown = "2^38",
        .help = "of layers that run as one, since a run can be stopped only between them (yolov3 "
                "as a whole takes 2^37)",
    },
};

const struct ll_option_table edge_limit_table = LL_OPTION_TABLE(rows, 0x1000);
