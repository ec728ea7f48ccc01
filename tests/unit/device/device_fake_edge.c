#include "tests/unit/device/device_fake_edge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "core/ll_clock.h"
#include "proto/wire/wire_pack.h"
#include "tests/unit/device/device_fake_edge_state.h"

#define EDGE_PATIENCE_NS (30 * LL_NS_PER_S)

const struct ll_table *fake_edge_table(const struct fake_edge *edge)
{
    return &edge->model->network->table;
}

struct fake_edge_script fake_edge_script(struct fake_edge *edge)
{
    ll_mutex_lock(&edge->lock);
    struct fake_edge_script script = edge->script;
    ll_mutex_unlock(&edge->lock);
    return script;
}

void fake_edge_send(struct rpc_stream *stream, const ProtobufCMessage *message)
{
    uint8_t *data = NULL;
    size_t bytes = 0;
    if (wire_pack(message, &data, &bytes) == LL_OK) {
        (void)!rpc_stream_send(stream, data, bytes, NULL);
    }
    free(data);
}

void fake_edge_send_parts(struct rpc_stream *stream, int field)
{
    /* Field 1 of 200,000 bytes. */
    static const uint8_t head[] = {1 << 3 | 2, 0xc0, 0x9a, 0x0c};
    uint8_t *data = malloc(sizeof(head) + 2 * (size_t)EDGE_PARTS);
    if (!data) {
        return;
    }
    memcpy(data, head, sizeof(head));
    for (size_t i = 0; i < EDGE_PARTS; i++) {
        data[sizeof(head) + 2 * i] = (uint8_t)(field << 3 | 2);
        data[sizeof(head) + 2 * i + 1] = 0;
    }
    (void)!rpc_stream_send(stream, data, sizeof(head) + 2 * (size_t)EDGE_PARTS, NULL);
    free(data);
}

int fake_edge_prefix(struct fake_edge *edge)
{
    const struct ll_table *table = fake_edge_table(edge);
    int prefix = 0;
    ll_mutex_lock(&edge->lock);
    while (prefix < table->layer_count && edge->here[prefix] == table->layers[prefix].blob_bytes) {
        prefix++;
    }
    if (edge->script.longest_prefix > 0 && prefix > edge->script.longest_prefix) {
        prefix = edge->script.longest_prefix;
    }
    ll_mutex_unlock(&edge->lock);
    return ll_table_legal_cut_at_most(table, prefix);
}

int fake_edge_draft_prefix(struct fake_edge *edge)
{
    const struct ll_table *table = fake_edge_table(edge);
    int prefix = 0;
    ll_mutex_lock(&edge->lock);
    while (edge->script.draft && prefix < table->layer_count &&
           (edge->here[prefix] == table->layers[prefix].blob_bytes ||
            edge->drafted[prefix] == table->layers[prefix].blob_bytes)) {
        prefix++;
    }
    ll_mutex_unlock(&edge->lock);
    return ll_table_legal_cut_at_most(table, prefix);
}

int fake_edge_reach(struct fake_edge *edge, const Layerlift__V1__Query *query)
{
    int prefix = fake_edge_prefix(edge);
    int draft_prefix = fake_edge_draft_prefix(edge);
    struct fake_edge_script script = fake_edge_script(edge);
    bool takes_draft = query->precision == LAYERLIFT__V1__PRECISION__PRECISION_DRAFT;
    fake_edge_must(edge, !takes_draft ||
                             (script.draft && strcmp(query->draft_id, script.draft->id) == 0));
    return takes_draft && draft_prefix > prefix ? draft_prefix : prefix;
}

bool fake_edge_must(struct fake_edge *edge, bool is_so)
{
    if (!is_so) {
        ll_mutex_lock(&edge->lock);
        edge->counts.faults++;
        ll_mutex_unlock(&edge->lock);
    }
    return is_so;
}

static void ignore_closed(void *owner, struct rpc_stream *stream, ll_status status,
                          const char *message)
{
    (void)owner;
    (void)stream;
    (void)status;
    (void)message;
}

/* ---- Lifetime ---- */

static const struct rpc_stream_handler upload_handler = {.on_message = fake_edge_upload_message,
                                                         .on_closed = ignore_closed};
static const struct rpc_stream_handler watch_handler = {.on_message = fake_edge_watch_message,
                                                        .on_closed = ignore_closed};
static const struct rpc_stream_handler offload_handler = {.on_message = fake_edge_offload_message,
                                                          .on_closed = ignore_closed};

static void open_upload(void *arg, struct rpc_stream *stream)
{
    rpc_server_accept(stream, &upload_handler, arg);
}

static void open_watch(void *arg, struct rpc_stream *stream)
{
    rpc_server_accept(stream, &watch_handler, arg);
}

static void open_offload(void *arg, struct rpc_stream *stream)
{
    rpc_server_accept(stream, &offload_handler, arg);
}

struct fake_edge *fake_edge_create(const struct fake_model *model)
{
    struct fake_edge *edge = calloc(1, sizeof(*edge));
    CU_ASSERT_PTR_NOT_NULL_FATAL(edge);
    if (!edge) {
        return NULL;
    }
    edge->model = model;
    edge->script.available_layer = -1;
    edge->counts.first_offset = -1;
    ll_mutex_init(&edge->lock);
    ll_cond_init(&edge->changed);
    edge->here = calloc((size_t)model->network->table.layer_count, sizeof(*edge->here));
    CU_ASSERT_PTR_NOT_NULL_FATAL(edge->here);
    edge->drafted = calloc((size_t)model->network->table.layer_count, sizeof(*edge->drafted));
    CU_ASSERT_PTR_NOT_NULL_FATAL(edge->drafted);
    edge->rounded = calloc((size_t)model->network->table.layer_count, sizeof(*edge->rounded));
    CU_ASSERT_PTR_NOT_NULL_FATAL(edge->rounded);
    CU_ASSERT_EQUAL_FATAL(ll_frame_coder_create(&edge->coder), LL_OK);
    struct device_local_config local = {
        .engine = model->engine, .network = model->network, .blobs = model->blobs, .slowdown = 1};
    struct ll_error err;
    CU_ASSERT_EQUAL_FATAL(device_local_create(&local, &edge->local, &err), LL_OK);
    struct rpc_server_config config = {.listen = "127.0.0.1:0"};
    CU_ASSERT_EQUAL_FATAL(rpc_loop_create(&edge->loop), LL_OK);
    CU_ASSERT_EQUAL_FATAL(rpc_server_create(edge->loop, &config, &edge->server, &err), LL_OK);
    CU_ASSERT_EQUAL_FATAL(
        rpc_server_add(edge->server, "/layerlift.v1.EdgeOffload/Upload", open_upload, edge), LL_OK);
    CU_ASSERT_EQUAL_FATAL(
        rpc_server_add(edge->server, "/layerlift.v1.EdgeOffload/Offload", open_offload, edge),
        LL_OK);
    CU_ASSERT_EQUAL_FATAL(
        rpc_server_add(edge->server, "/layerlift.v1.EdgeOffload/WatchModel", open_watch, edge),
        LL_OK);
    CU_ASSERT_EQUAL_FATAL(rpc_server_start(edge->server, &err), LL_OK);
    snprintf(edge->address, sizeof(edge->address), "127.0.0.1:%d", rpc_server_port(edge->server));
    return edge;
}

void fake_edge_destroy(struct fake_edge *edge)
{
    if (!edge) {
        return;
    }
    rpc_server_stop(edge->server, 0);
    rpc_server_destroy(edge->server);
    rpc_loop_destroy(edge->loop);
    fake_edge_drop_queries(edge);
    device_local_destroy(edge->local);
    ll_frame_coder_destroy(edge->coder);
    for (int i = 0; i < fake_edge_table(edge)->layer_count; i++) {
        free(edge->rounded[i]);
    }
    free(edge->rounded);
    free(edge->drafted);
    free(edge->here);
    ll_cond_finish(&edge->changed);
    ll_mutex_finish(&edge->lock);
    free(edge);
}

const char *fake_edge_address(const struct fake_edge *edge)
{
    return edge->address;
}

void fake_edge_set_script(struct fake_edge *edge, const struct fake_edge_script *script)
{
    ll_mutex_lock(&edge->lock);
    edge->script = *script;
    ll_mutex_unlock(&edge->lock);
}

void fake_edge_get_counts(struct fake_edge *edge, struct fake_edge_counts *out_counts)
{
    ll_mutex_lock(&edge->lock);
    *out_counts = edge->counts;
    ll_mutex_unlock(&edge->lock);
}

static bool await_count(struct fake_edge *edge, const int *count, int least)
{
    int64_t until_ns = ll_clock_now_ns() + EDGE_PATIENCE_NS;
    bool is_there = false;
    ll_mutex_lock(&edge->lock);
    while (!(is_there = *count >= least) && ll_clock_now_ns() < until_ns) {
        ll_cond_wait(&edge->changed, &edge->lock, until_ns);
    }
    ll_mutex_unlock(&edge->lock);
    return is_there;
}

bool fake_edge_await_queries(struct fake_edge *edge, int count)
{
    return await_count(edge, &edge->counts.queries, count);
}

bool fake_edge_await_cancels(struct fake_edge *edge, int count)
{
    return await_count(edge, &edge->counts.cancels, count);
}

bool fake_edge_await_receipts(struct fake_edge *edge)
{
    int64_t deadline_ns = ll_clock_now_ns() + EDGE_PATIENCE_NS;
    ll_mutex_lock(&edge->lock);
    while (edge->counts.receipt_bytes < edge->counts.answer_bytes &&
           ll_cond_wait(&edge->changed, &edge->lock, deadline_ns)) {
    }
    bool has_come = edge->counts.receipt_bytes == edge->counts.answer_bytes;
    ll_mutex_unlock(&edge->lock);
    return has_come;
}
