/* The fake edge's Offload service. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/wire/wire_form.h"
#include "tests/unit/device/device_fake_edge_state.h"

static void free_query(struct fake_edge *edge, struct fake_query *query)
{
    for (struct fake_query **at = &edge->queries; *at; at = &(*at)->next) {
        if (*at == query) {
            *at = query->next;
            break;
        }
    }
    layerlift__v1__offload_request__free_unpacked(query->request, NULL);
    device_tensors_finish(&query->tensors);
    free(query);
}

static Layerlift__V1__TensorChunk chunk_of(uint64_t id, int name, size_t offset, size_t bytes,
                                           struct ll_buf *tensor)
{
    Layerlift__V1__TensorChunk chunk = LAYERLIFT__V1__TENSOR_CHUNK__INIT;
    chunk.id = id;
    chunk.name = name;
    chunk.offset = offset;
    chunk.data.data = (uint8_t *)ll_buf_data(tensor) + offset;
    chunk.data.len = bytes;
    return chunk;
}

static void send_chunk(struct fake_edge *edge, struct rpc_stream *stream,
                       Layerlift__V1__TensorChunk chunk)
{
    Layerlift__V1__OffloadResponse response = LAYERLIFT__V1__OFFLOAD_RESPONSE__INIT;
    response.kind_case = LAYERLIFT__V1__OFFLOAD_RESPONSE__KIND_CHUNK;
    response.chunk = &chunk;
    ll_mutex_lock(&edge->lock);
    edge->counts.answer_bytes += chunk.data.len;
    ll_mutex_unlock(&edge->lock);
    fake_edge_send(stream, &response.base);
}

/* What tensors take that are said to be coded. */
enum { FAKE_CODED_BYTES = 9 };

/* The tensor in two halves, or as the script wants it. */
static void send_tensor(struct fake_edge *edge, struct rpc_stream *stream, fake_answer how,
                        uint64_t id, int name, struct ll_buf *tensor)
{
    size_t whole = ll_buf_bytes(tensor);
    size_t half = whole / 2;
    if (how == FAKE_ANSWER_BAD_CODING) {
        send_chunk(edge, stream, chunk_of(id, name, 0, FAKE_CODED_BYTES, tensor));
        return;
    }
    if (how == FAKE_ANSWER_DISORDER) {
        send_chunk(edge, stream, chunk_of(id, name, half, whole - half, tensor));
        send_chunk(edge, stream, chunk_of(id, name, 0, half, tensor));
        return;
    }
    send_chunk(edge, stream, chunk_of(id, name, 0, half, tensor));
    if (how == FAKE_ANSWER_DIE) {
        return;
    }
    if (how == FAKE_ANSWER_OVERLONG) {
        send_chunk(edge, stream, chunk_of(id, name, half - 4, whole - half + 4, tensor));
        return;
    }
    send_chunk(edge, stream, chunk_of(id, name, half, whole - half, tensor));
}

static void send_answer(struct rpc_stream *stream, Layerlift__V1__Answer *answer)
{
    Layerlift__V1__OffloadResponse response = LAYERLIFT__V1__OFFLOAD_RESPONSE__INIT;
    response.kind_case = LAYERLIFT__V1__OFFLOAD_RESPONSE__KIND_ANSWER;
    response.answer = answer;
    fake_edge_send(stream, &response.base);
}

/* A reference to a tensor as it goes back: as halves where the device wants them. */
static struct ll_buf *encode_output(struct fake_edge *edge, const struct fake_query *query,
                                    int name, ll_dtype *out_dtype)
{
    struct ll_buf *floats = device_tensors_get(&query->tensors, name);
    struct ll_buf *encoded = NULL;
    bool is_f16 = query->request->query->answer_dtype == LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F16 &&
                  !fake_edge_table(edge)->layers[name].is_output;
    struct wire_form form = {0};
    ll_status status = wire_form_encode(floats, 1, is_f16 ? LL_F16 : LL_F32, NULL, &encoded, &form);
    *out_dtype = form.dtype;
    return fake_edge_must(edge, status == LL_OK) ? encoded : ll_buf_ref(floats);
}

/* Spoils the first value of a tensor of floats, in a copy. */
static struct ll_buf *spoil(struct fake_edge *edge, fake_answer how, struct ll_buf *tensor)
{
    struct ll_buf *copy = NULL;
    if ((how != FAKE_ANSWER_NAN && how != FAKE_ANSWER_WRONG_VALUES) ||
        !fake_edge_must(edge,
                        ll_buf_copy(ll_buf_data(tensor), ll_buf_bytes(tensor), &copy) == LL_OK)) {
        return tensor;
    }
    float *values = ll_buf_writable(copy);
    values[0] = how == FAKE_ANSWER_NAN ? NAN : values[0] * 1.5F + 1;
    ll_buf_unref(tensor);
    return copy;
}

/* The head, bent as the script wants it; `names` are outputs(first, reached). */
static void send_head(struct fake_edge *edge, struct rpc_stream *stream, fake_answer how,
                      Layerlift__V1__Answer *answer, const struct ll_names *names,
                      const ll_dtype *dtypes)
{
    Layerlift__V1__Tensor tensors[EDGE_TENSORS];
    Layerlift__V1__Tensor *list[EDGE_TENSORS];
    uint32_t shapes[EDGE_TENSORS];
    if (!fake_edge_must(edge, names->count + 1 < EDGE_TENSORS)) {
        return;
    }
    for (int i = 0; i < names->count + 1; i++) {
        int at = i < names->count ? i : 0;
        layerlift__v1__tensor__init(&tensors[i]);
        tensors[i].name = names->names[at];
        tensors[i].dtype = dtypes[at] == LL_F16 ? LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F16
                                                : LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F32;
        shapes[i] = (uint32_t)ll_table_tensor_floats(fake_edge_table(edge), names->names[at]) +
                    (how == FAKE_ANSWER_WRONG_SIZE ? 1 : 0);
        tensors[i].n_shape = 1;
        tensors[i].shape = &shapes[i];
        if (how == FAKE_ANSWER_BAD_CODING) {
            tensors[i].coding = LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLANES;
            tensors[i].coded_bytes = FAKE_CODED_BYTES;
        }
        list[i] = &tensors[i];
    }
    answer->n_tensors = (size_t)names->count + (how == FAKE_ANSWER_TOO_MANY_TENSORS ? 1 : 0);
    answer->tensors = list;
    if (how == FAKE_ANSWER_ILLEGAL_REACHED) {
        answer->reached--;
    } else if (how == FAKE_ANSWER_BEYOND_END) {
        answer->reached += 1000;
    }
    answer->queued_ns = how == FAKE_ANSWER_LYING_TIMES ? UINT64_MAX : 1000;
    answer->waited_ns = how == FAKE_ANSWER_LYING_TIMES ? UINT64_MAX : 0;
    answer->computed_ns = how == FAKE_ANSWER_LYING_TIMES ? UINT64_MAX - 1 : 5000;
    send_answer(stream, answer);
}

static void answer_query(struct fake_edge *edge, struct rpc_stream *stream,
                         struct fake_query *query, fake_answer how)
{
    const Layerlift__V1__Query *asked = query->request->query;
    int first = (int)asked->first;
    int prefix = fake_edge_prefix(edge);
    int usable = fake_edge_reach(edge, asked);
    int reached = usable < (int)asked->end ? usable : (int)asked->end;
    reached = reached > first ? reached : first;
    struct ll_names names = {0};
    struct ll_error err;
    int64_t time_ns = 0;
    Layerlift__V1__Answer answer = LAYERLIFT__V1__ANSWER__INIT;
    answer.id = asked->id;
    answer.reached = (uint32_t)reached;
    answer.prefix = (uint32_t)prefix;
    if (reached > prefix || how == FAKE_ANSWER_OF_DRAFT) {
        answer.precision = LAYERLIFT__V1__PRECISION__PRECISION_DRAFT;
        answer.exact_reached = (uint32_t)(reached > prefix && prefix > first ? prefix : first);
    }
    answer.takes_receipts = fake_edge_script(edge).takes_receipts;
    bool is_run =
        device_local_run(edge->local, first, reached, &query->tensors, &time_ns, &err) == LL_OK &&
        ll_table_outputs(fake_edge_table(edge), first, reached, &names) == LL_OK;
    if (!fake_edge_must(edge, is_run)) {
        return;
    }
    if (how == FAKE_ANSWER_STRAY) {
        Layerlift__V1__Answer stray = LAYERLIFT__V1__ANSWER__INIT;
        stray.id = asked->id + 1000;
        send_answer(stream, &stray);
        send_chunk(edge, stream, chunk_of(asked->id + 1000, 0, 0, 4, edge->model->blobs[0]));
    }
    struct ll_buf *outputs[EDGE_TENSORS];
    ll_dtype dtypes[EDGE_TENSORS] = {LL_F32};
    for (int i = 0; i < names.count && i < EDGE_TENSORS; i++) {
        outputs[i] = spoil(edge, how, encode_output(edge, query, names.names[i], &dtypes[i]));
    }
    send_head(edge, stream, how, &answer, &names, dtypes);
    for (int i = 0; i < names.count && i < EDGE_TENSORS; i++) {
        send_tensor(edge, stream, how, asked->id, names.names[i], outputs[i]);
        ll_buf_unref(outputs[i]);
    }
    if (how == FAKE_ANSWER_DIE) {
        rpc_stream_finish(stream, LL_E_UNAVAILABLE, "died on purpose");
    }
    ll_names_finish(&names);
}

/* gRPC's. */
enum { FAKE_FAILED_PRECONDITION = 9 };

static void deal_with(struct fake_edge *edge, struct rpc_stream *stream, struct fake_query *query)
{
    struct fake_edge_script script = fake_edge_script(edge);
    Layerlift__V1__Answer failed = LAYERLIFT__V1__ANSWER__INIT;
    if (query->has_picture) {
        script.answer = FAKE_ANSWER_STATUS;
        script.status = script.picture_status ? script.picture_status : FAKE_FAILED_PRECONDITION;
    }
    switch (script.answer) {
    case FAKE_ANSWER_NONE:
        break;
    case FAKE_ANSWER_STATUS:
        failed.id = query->request->query->id;
        failed.status = (uint32_t)script.status;
        failed.message = (char *)"made\nup";
        send_answer(stream, &failed);
        break;
    case FAKE_ANSWER_GARBAGE:
        (void)!rpc_stream_send(stream, "\x0a\xff", 2, NULL);
        break;
    case FAKE_ANSWER_MANY_PARTS:
        fake_edge_send_parts(stream, 6);
        break;
    default:
        answer_query(edge, stream, query, script.answer);
        break;
    }
    free_query(edge, query);
}

static bool has_inputs(const struct fake_query *query)
{
    const Layerlift__V1__Query *asked = query->request->query;
    for (size_t i = 0; i < asked->n_tensors; i++) {
        if (query->received[i] < query->whole[i]) {
            return false;
        }
    }
    return true;
}

/* A query with room for its inputs, which takes `request` over; NULL where it is none that this
 * edge can run. */
static struct fake_query *new_query(struct fake_edge *edge, Layerlift__V1__OffloadRequest *request)
{
    const Layerlift__V1__Query *asked = request->query;
    struct fake_query *query = calloc(1, sizeof(*query));
    if (!query || asked->n_tensors >= EDGE_TENSORS ||
        strcmp(asked->model_id, edge->model->id_text) != 0 ||
        device_tensors_init(&query->tensors, fake_edge_table(edge)) != LL_OK) {
        free(query);
        return NULL;
    }
    for (size_t i = 0; i < asked->n_tensors; i++) {
        struct ll_buf *buf = NULL;
        Layerlift__V1__DataType dtype = asked->tensors[i]->dtype;
        bool is_u8 = dtype == LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_U8;
        bool is_f16 = dtype == LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F16;
        fake_edge_must(edge, (!is_u8 && !is_f16) || fake_edge_script(edge).takes_encodings);
        fake_edge_must(edge, asked->tensors[i]->coding ==
                                 LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLAIN);
        fake_edge_must(edge, asked->n_answer_codings == 0 || fake_edge_script(edge).takes_planes);
        fake_edge_must(edge, !is_u8 || asked->tensors[i]->name == LL_TENSOR_INPUT);
        query->dtypes[i] = is_u8 ? LL_U8 : is_f16 ? LL_F16 : LL_F32;
        int64_t floats = ll_table_tensor_floats(fake_edge_table(edge), asked->tensors[i]->name);
        if (ll_buf_create((size_t)floats * sizeof(float), &buf) != LL_OK) {
            device_tensors_finish(&query->tensors);
            free(query);
            return NULL;
        }
        query->whole[i] = (size_t)floats * (size_t)ll_dtype_bytes(query->dtypes[i]);
        if (asked->tensors[i]->picture) {
            fake_edge_must(edge, fake_edge_script(edge).refuses_pictures &&
                                     asked->tensors[i]->coded_bytes < query->whole[i]);
            query->whole[i] = (size_t)asked->tensors[i]->coded_bytes;
            query->has_picture = true;
        }
        device_tensors_put(&query->tensors, asked->tensors[i]->name, buf);
        ll_buf_unref(buf);
    }
    query->request = request;
    return query;
}

static void take_query(struct fake_edge *edge, struct rpc_stream *stream,
                       Layerlift__V1__OffloadRequest *request)
{
    struct fake_query *query = new_query(edge, request);
    if (!query) {
        fake_edge_must(edge, false);
        layerlift__v1__offload_request__free_unpacked(request, NULL);
        return;
    }
    fake_edge_must(edge, request->query->sends_receipts);
    query->stream = stream;
    query->next = edge->queries;
    edge->queries = query;
    ll_mutex_lock(&edge->lock);
    edge->counts.queries++;
    edge->counts.draft_queries +=
        request->query->precision == LAYERLIFT__V1__PRECISION__PRECISION_DRAFT ? 1 : 0;
    ll_cond_broadcast(&edge->changed);
    ll_mutex_unlock(&edge->lock);
}

static bool is_due(struct fake_edge *edge, const struct fake_query *query)
{
    return has_inputs(query) && (fake_edge_script(edge).answer != FAKE_ANSWER_RIGHT ||
                                 (uint32_t)fake_edge_reach(edge, query->request->query) >=
                                     query->request->query->least_prefix);
}

void fake_edge_serve(struct fake_edge *edge)
{
    struct fake_query *query = edge->queries;
    while (query) {
        struct fake_query *next = query->next;
        if (is_due(edge, query)) {
            deal_with(edge, query->stream, query);
        }
        query = next;
    }
}

static void take_input(struct fake_edge *edge, const Layerlift__V1__TensorChunk *chunk)
{
    struct fake_query *query = edge->queries;
    while (query && query->request->query->id != chunk->id) {
        query = query->next;
    }
    if (!query) {
        return;
    }
    const Layerlift__V1__Query *asked = query->request->query;
    for (size_t i = 0; i < asked->n_tensors; i++) {
        if (asked->tensors[i]->name == chunk->name) {
            struct ll_buf *buf = device_tensors_get(&query->tensors, chunk->name);
            bool fits = chunk->offset == query->received[i] &&
                        chunk->data.len <= query->whole[i] - query->received[i];
            if (!fake_edge_must(edge, fits)) {
                return;
            }
            char *end = (char *)ll_buf_writable(buf) + ll_buf_bytes(buf);
            memcpy(end - query->whole[i] + chunk->offset, chunk->data.data, chunk->data.len);
            query->received[i] += chunk->data.len;
            if (query->received[i] == query->whole[i]) {
                ll_dtype_expand(query->dtypes[i], ll_buf_writable(buf),
                                (int64_t)(ll_buf_bytes(buf) / sizeof(float)));
            }
        }
    }
    fake_edge_serve(edge);
}

static void take_receipt(struct fake_edge *edge, const Layerlift__V1__Receipt *receipt)
{
    fake_edge_must(edge, fake_edge_script(edge).takes_receipts && receipt->received_at_ns > 0);
    ll_mutex_lock(&edge->lock);
    bool is_so = receipt->received_bytes > edge->counts.receipt_bytes &&
                 receipt->received_bytes <= edge->counts.answer_bytes;
    edge->counts.receipt_bytes = receipt->received_bytes;
    ll_cond_broadcast(&edge->changed);
    ll_mutex_unlock(&edge->lock);
    fake_edge_must(edge, is_so);
}

void fake_edge_offload_message(void *owner, struct rpc_stream *stream, const uint8_t *data,
                               size_t bytes)
{
    struct fake_edge *edge = owner;
    Layerlift__V1__OffloadRequest *request =
        layerlift__v1__offload_request__unpack(NULL, bytes, data);
    if (!request) {
        fake_edge_must(edge, false);
        return;
    }
    if (request->kind_case == LAYERLIFT__V1__OFFLOAD_REQUEST__KIND_QUERY) {
        take_query(edge, stream, request);
        return;
    }
    if (request->kind_case == LAYERLIFT__V1__OFFLOAD_REQUEST__KIND_CHUNK) {
        take_input(edge, request->chunk);
    } else if (request->kind_case == LAYERLIFT__V1__OFFLOAD_REQUEST__KIND_RECEIPT) {
        take_receipt(edge, request->receipt);
    } else {
        ll_mutex_lock(&edge->lock);
        edge->counts.cancels++;
        ll_cond_broadcast(&edge->changed);
        ll_mutex_unlock(&edge->lock);
    }
    layerlift__v1__offload_request__free_unpacked(request, NULL);
}

void fake_edge_drop_queries(struct fake_edge *edge)
{
    while (edge->queries) {
        free_query(edge, edge->queries);
    }
}
