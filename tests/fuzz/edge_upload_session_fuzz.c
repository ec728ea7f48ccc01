/* Any sequence of what two devices can do in upload sessions of one model: opens, pieces that are
 * right, raw or of frames, drafts that are true or lies, pieces that are not, any bytes as a
 * message, half-closes, vanishing, failing creations, silence.
 *
 * The oracle: what devices do ends sessions with INVALID_ARGUMENT or OK alone, failing creations
 * and silence with their own status; credit never falls and always covers what was dealt with;
 * prefixes only grow, within what is available; a blob that counts as available has the bytes of
 * its name; and in the end nothing is left of models, blobs and memory. */
#include "edge/upload/edge_upload_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_log.h"
#include "edge/upload/edge_upload_session_chunk.h"
#include "edge/upload/edge_upload_session_events.h"
#include "edge/upload/edge_upload_session_open.h"
#include "edge/upload/edge_upload_session_places.h"
#include "proto/wire/wire_unpack.h"
#include "tests/fuzz/ll_fuzz.h"
#include "tests/support/fake_engine.h"

/* Layers 1 and 2 are one group; 0 and 4 have the same blob; 3 has none; 5 has two frames. */
static const char cfg[] = "fake\n"
                          "input 2\n"
                          "layer 2 5\n"
                          "layer 2 3 joined\n"
                          "layer 2 7\n"
                          "layer 2 0\n"
                          "layer 2 5\n"
                          "layer 2 65600\n";
enum {
    LAYERS = 6,
    FRAMED = 5,
    FRAMED_BYTES = 65600,
    DEVICES = 2,
    MODELS = 2,
    WINDOW_BYTES = 16,
    IDLE_NS = 3,
    PATIENCE_NS = 1,
};
static const size_t sizes[LAYERS] = {5, 3, 7, 0, 5, FRAMED_BYTES};
/* Of two models, which differ in a few weights of the last layer. */
static uint8_t framed[MODELS][FRAMED_BYTES];
static const uint8_t *contents[MODELS][LAYERS] = {
    {(const uint8_t *)"aaaaa", (const uint8_t *)"bcd", (const uint8_t *)"7777777",
     (const uint8_t *)"", (const uint8_t *)"aaaaa", framed[0]},
    {(const uint8_t *)"aaaaa", (const uint8_t *)"bcd", (const uint8_t *)"7777777",
     (const uint8_t *)"", (const uint8_t *)"aaaaa", framed[1]},
};

/* The frames of the last layer: of each model, whole, the difference from the other one's, what a
 * draft has, and what is left. */
enum { FRAMES = 2, BITS = 7 };
typedef enum { WHOLE, DELTA, DRAFT, REST, KINDS } kind;
static const Layerlift__V1__Encoding encodings[KINDS] = {
    LAYERLIFT__V1__ENCODING__ENCODING_FRAME,
    LAYERLIFT__V1__ENCODING__ENCODING_DELTA_FRAME,
    LAYERLIFT__V1__ENCODING__ENCODING_DRAFT_FRAME,
    LAYERLIFT__V1__ENCODING__ENCODING_REST_FRAME,
};
struct encoded {
    size_t bytes;
    uint8_t data[LL_FRAME_ENCODED_BYTES];
};
static struct encoded encoded_frames[MODELS][KINDS][FRAMES];
/* The draft's blob of each model. */
static uint8_t rounded[MODELS][FRAMED_BYTES];
/* Takes longer to make than a run: made once. */
static struct edge_upload_decoder *decoder;

static void encode_frame(struct ll_frame_coder *coder, int model, size_t index)
{
    size_t offset = index * LL_FRAME_BYTES;
    const struct ll_frame frame = {
        .data = framed[model] + offset,
        .bytes = index == 0 ? (size_t)LL_FRAME_BYTES : FRAMED_BYTES - offset,
    };
    const struct ll_frame_draft draft = {.mantissa_bits = BITS};
    struct encoded *of[KINDS];
    for (int i = 0; i < KINDS; i++) {
        of[i] = &encoded_frames[model][i][index];
    }
    of[WHOLE]->bytes = ll_frame_encode(coder, &frame, of[WHOLE]->data);
    of[DELTA]->bytes =
        ll_frame_encode_delta(coder, &frame, framed[1 - model] + offset, of[DELTA]->data);
    of[DRAFT]->bytes = ll_frame_encode_draft(coder, &frame, &draft, of[DRAFT]->data);
    of[REST]->bytes = ll_frame_encode_rest(coder, &frame, &draft, of[REST]->data);
    for (int i = 0; i < KINDS; i++) {
        REQUIRE(of[i]->bytes > 0);
    }
    REQUIRE(ll_frame_round(frame.data, frame.bytes, &draft, rounded[model] + offset));
}

static void fill_contents(void)
{
    struct ll_frame_coder *coder = NULL;
    if (decoder) {
        return;
    }
    for (size_t i = 0; i < FRAMED_BYTES; i++) {
        framed[0][i] = (uint8_t)(i % 4 + i / 30000);
        framed[1][i] = framed[0][i] ^ (uint8_t)(i % 16000 == 0);
    }
    REQUIRE(edge_upload_decoder_create(&decoder) == LL_OK);
    REQUIRE(ll_frame_coder_create(&coder) == LL_OK);
    for (int model = 0; model < MODELS; model++) {
        for (size_t index = 0; index < FRAMES; index++) {
            encode_frame(coder, model, index);
        }
    }
    ll_frame_coder_destroy(coder);
}

/* rpc/'s stream as this program has it: the linker takes these instead of the real functions, which
 * need a connection. */
struct rpc_stream {
    bool is_finished;
    ll_status status;
    uint64_t credit_bytes;
    uint64_t stored_bytes;
    uint32_t prefix;
    uint32_t draft_prefix;
    bool is_complete;
};

static void check_event(struct rpc_stream *stream, const Layerlift__V1__UploadEvent *event)
{
    switch (event->kind_case) {
    case LAYERLIFT__V1__UPLOAD_EVENT__KIND_ACCEPTED:
        REQUIRE(event->accepted->prefix <= LAYERS);
        stream->credit_bytes = event->accepted->credit_bytes;
        break;
    case LAYERLIFT__V1__UPLOAD_EVENT__KIND_CREDIT:
        REQUIRE(event->credit->credit_bytes >= stream->credit_bytes);
        REQUIRE(event->credit->credit_bytes >= event->credit->received_bytes);
        stream->credit_bytes = event->credit->credit_bytes;
        REQUIRE(event->credit->stored_bytes >= stream->stored_bytes);
        REQUIRE(event->credit->stored_bytes <= event->credit->received_bytes);
        stream->stored_bytes = event->credit->stored_bytes;
        break;
    case LAYERLIFT__V1__UPLOAD_EVENT__KIND_PREFIX_READY:
        REQUIRE(event->prefix_ready->prefix >= stream->prefix);
        REQUIRE(event->prefix_ready->prefix <= LAYERS && event->prefix_ready->prefix != 2);
        stream->prefix = event->prefix_ready->prefix;
        break;
    case LAYERLIFT__V1__UPLOAD_EVENT__KIND_DRAFT_READY:
        REQUIRE(event->draft_ready->prefix >= stream->draft_prefix);
        REQUIRE(event->draft_ready->prefix <= LAYERS && event->draft_ready->prefix != 2);
        stream->draft_prefix = event->draft_ready->prefix;
        break;
    case LAYERLIFT__V1__UPLOAD_EVENT__KIND_PARTITION_RECEIVED:
    case LAYERLIFT__V1__UPLOAD_EVENT__KIND_BLOB_REJECTED:
    case LAYERLIFT__V1__UPLOAD_EVENT__KIND_BLOB_AVAILABLE:
        break;
    case LAYERLIFT__V1__UPLOAD_EVENT__KIND_COMPLETE:
        REQUIRE(event->complete->layers == LAYERS);
        stream->is_complete = true;
        break;
    default:
        REQUIRE(false);
    }
}

ll_status rpc_stream_send(struct rpc_stream *stream, const void *head, size_t head_bytes,
                          struct ll_buf *payload)
{
    REQUIRE(!payload);
    REQUIRE(!stream->is_complete);
    if (stream->is_finished) {
        return LL_E_STOPPED;
    }
    Layerlift__V1__UploadEvent *event = layerlift__v1__upload_event__unpack(NULL, head_bytes, head);
    REQUIRE(event);
    check_event(stream, event);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    return LL_OK;
}

int rpc_stream_queued(struct rpc_stream *stream)
{
    (void)stream;
    return 0;
}

void rpc_stream_finish(struct rpc_stream *stream, ll_status status, const char *message)
{
    REQUIRE(status == LL_OK || (message && message[0] != '\0'));
    if (status != LL_OK && status != LL_E_INVALID && status != LL_E_NO_MEMORY &&
        status != LL_E_EXHAUSTED && status != LL_E_DEADLINE) {
        fprintf(stderr, "%s: %s\n", ll_status_name(status), message);
    }
    if (!stream->is_finished) {
        stream->is_finished = true;
        stream->status = status;
    }
}

void rpc_stream_finish_error(struct rpc_stream *stream, ll_status status,
                             const struct ll_error *err)
{
    /* A limit's name and a time go with refusals alone. */
    REQUIRE(status == LL_E_EXHAUSTED || (err->limit[0] == '\0' && err->retry_ms == 0));
    rpc_stream_finish(stream, status, err->text);
}

void rpc_stream_cancel(struct rpc_stream *stream)
{
    REQUIRE(stream->is_finished);
}

const char *rpc_stream_peer(const struct rpc_stream *stream)
{
    (void)stream;
    return "fuzz";
}

struct device {
    bool is_here;
    /* Which of the models it opened, and how much of a frame it has sent, of model and draft. */
    int model;
    size_t frame_sent[2];
    /* The last layer's bytes that were looked at, of both. */
    const struct ll_buf *checked[2];
    struct rpc_stream stream;
    struct edge_upload_session session;
};

struct world {
    struct ll_engine *engine;
    struct edge_store *store;
    struct edge_catalog *catalog;
    struct edge_creator *creator;
    struct edge_upload_sessions sessions;
    struct device devices[DEVICES];
    bool has_changed;
    int64_t now_ns;
    /* What is left of the input. */
    const uint8_t *data;
    size_t size;
};

static uint8_t take(struct world *world)
{
    if (world->size == 0) {
        return 0;
    }
    world->size--;
    return *world->data++;
}

static void on_changed(void *arg, struct edge_model *model, edge_change change)
{
    (void)model;
    ((struct world *)arg)->has_changed |= change != EDGE_CHANGE_BYTES;
}

static void build(struct world *world)
{
    world->engine = fake_engine_create();
    REQUIRE(world->engine);
    const struct edge_store_config store = {.budget_bytes = 3 * FRAMED_BYTES + 30};
    REQUIRE(edge_store_create(&store, &world->store, NULL) == LL_OK);
    const struct edge_catalog_config catalog = {
        .engine = world->engine, .store = world->store, .most_models = 3};
    REQUIRE(edge_catalog_create(&catalog, &world->catalog) == LL_OK);
    REQUIRE(edge_catalog_observe(world->catalog, on_changed, world) == LL_OK);
    const struct edge_creator_config creator = {.catalog = world->catalog, .is_inline = true};
    REQUIRE(edge_creator_create(&creator, &world->creator) == LL_OK);
    world->sessions = (struct edge_upload_sessions){
        .catalog = world->catalog, .creator = world->creator, .window_bytes = WINDOW_BYTES};
    world->sessions.decoder = decoder;
    edge_places_init(&world->sessions.uploads, DEVICES, IDLE_NS, PATIENCE_NS);
    edge_places_init(&world->sessions.streams, DEVICES, IDLE_NS, PATIENCE_NS);
}

static void tear_down(struct world *world)
{
    edge_creator_destroy(world->creator);
    edge_catalog_destroy(world->catalog);
    REQUIRE(edge_store_used_bytes(world->store) == 0);
    edge_store_destroy(world->store);
    REQUIRE(fake_engine_alive(world->engine) == 0);
    ll_engine_destroy(world->engine);
}

/* ---- What devices do ---- */

static void arrive(struct world *world, struct device *device)
{
    device->stream = (struct rpc_stream){.is_finished = false};
    device->is_here = true;
    edge_upload_session_init(&device->session, &world->sessions, &device->stream, 1);
    device->session.next = world->sessions.first;
    world->sessions.first = &device->session;
    edge_upload_session_begin(&device->session, world->now_ns);
}

static void vanish(struct world *world, struct device *device)
{
    struct edge_upload_session **link = &world->sessions.first;
    while (*link && *link != &device->session) {
        link = &(*link)->next;
    }
    REQUIRE(*link);
    *link = device->session.next;
    edge_upload_session_finish(&device->session);
    device->is_here = false;
    REQUIRE(!device->stream.is_complete || device->stream.status == LL_OK);
    ll_status status = device->stream.is_finished ? device->stream.status : LL_OK;
    REQUIRE(status == LL_OK || status == LL_E_INVALID || status == LL_E_NO_MEMORY ||
            status == LL_E_EXHAUSTED || status == LL_E_DEADLINE);
}

/* Storage for a right open. */
struct right_open {
    Layerlift__V1__UploadOpen open;
    Layerlift__V1__Manifest manifest;
    Layerlift__V1__Blob blobs[LAYERS];
    Layerlift__V1__Blob *blob_list[LAYERS];
    char digests[LAYERS][LL_DIGEST_TEXT_BYTES];
    Layerlift__V1__Partition parts[LAYERS];
    Layerlift__V1__Partition *part_list[LAYERS];
    Layerlift__V1__DeltaBase base;
    Layerlift__V1__DeltaBase *base_list[1];
    char base_digest[LL_DIGEST_TEXT_BYTES];
    Layerlift__V1__Draft draft;
    ProtobufCBinaryData draft_digests[LAYERS];
    struct ll_digest rounded;
};

static void name(const uint8_t *data, size_t bytes, char out_text[LL_DIGEST_TEXT_BYTES])
{
    struct ll_digest digest;
    REQUIRE(ll_digest_of(data, bytes, &digest) == LL_OK);
    ll_digest_format(&digest, out_text);
}

/* A right manifest, with a plan by layers or in one. */
static void fill_open(struct right_open *right, int model, bool is_whole)
{
    static const uint32_t borders[] = {0, 1, 3, 4, 5, 6};
    enum { PARTS = 5 };
    layerlift__v1__upload_open__init(&right->open);
    layerlift__v1__manifest__init(&right->manifest);
    for (int i = 0; i < LAYERS; i++) {
        name(contents[model][i], sizes[i], right->digests[i]);
        layerlift__v1__blob__init(&right->blobs[i]);
        right->blobs[i].size = sizes[i];
        right->blobs[i].digest = right->digests[i];
        right->blob_list[i] = &right->blobs[i];
    }
    for (int i = 0; i < PARTS; i++) {
        layerlift__v1__partition__init(&right->parts[i]);
        right->parts[i].first = borders[i];
        right->parts[i].end = is_whole ? LAYERS : borders[i + 1];
        right->part_list[i] = &right->parts[i];
    }
    right->manifest.cfg.data = (uint8_t *)cfg;
    right->manifest.cfg.len = sizeof(cfg) - 1;
    right->manifest.blobs = right->blob_list;
    right->manifest.n_blobs = LAYERS;
    right->open.manifest = &right->manifest;
    right->open.plan = right->part_list;
    right->open.n_plan = is_whole ? 1 : PARTS;
}

/* The other model's last blob as the base of this one's. */
static void fill_base(struct right_open *right, int model)
{
    layerlift__v1__delta_base__init(&right->base);
    name(framed[1 - model], FRAMED_BYTES, right->base_digest);
    right->base.layer = FRAMED;
    right->base.digest = right->base_digest;
    right->base_list[0] = &right->base;
    right->open.delta_bases = right->base_list;
    right->open.n_delta_bases = 1;
}

/* The draft of a model; a lie, where that is not the one that is opened. */
static void fill_draft(struct right_open *right, int model)
{
    layerlift__v1__draft__init(&right->draft);
    memset(right->draft_digests, 0, sizeof(right->draft_digests));
    REQUIRE(ll_digest_of(rounded[model], FRAMED_BYTES, &right->rounded) == LL_OK);
    right->draft_digests[FRAMED].data = right->rounded.bytes;
    right->draft_digests[FRAMED].len = sizeof(right->rounded.bytes);
    right->draft.mantissa_bits = BITS;
    right->draft.digests = right->draft_digests;
    right->draft.n_digests = LAYERS;
    right->open.draft = &right->draft;
}

static void open_rightly(struct world *world, struct device *device, uint8_t what)
{
    struct right_open right;
    device->model = what >> 3 & 1;
    fill_open(&right, device->model, (what & 4) != 0);
    if ((what & 16) != 0) {
        fill_base(&right, device->model);
    }
    if ((what & 32) != 0) {
        fill_draft(&right, (what & 64) != 0 ? 1 - device->model : device->model);
    }
    /* Inline creation agrees upon no encoding: this one has. */
    edge_upload_frames_agree(&device->session, EDGE_UPLOAD_ENCODINGS, edge_upload_encodings);
    edge_upload_session_open(&device->session, &right.open, world->now_ns);
}

/* What edge_upload.c lets through: a second open it does not, nor chunks beyond the credit. */
static void give_chunk(struct device *device, Layerlift__V1__Chunk *chunk)
{
    uint64_t granted_bytes = atomic_load(&device->session.granted_bytes);
    bool is_let =
        chunk->data.len > 0 && chunk->data.len <= granted_bytes - device->session.received_bytes;
    if (is_let && !device->stream.is_finished) {
        edge_upload_session_chunk(&device->session, chunk, 1);
    }
}

static void send_rightly(struct world *world, struct device *device)
{
    int layer = take(world) % LAYERS;
    size_t bytes = take(world) % 8U;
    if (!device->session.exact.layers) {
        return;
    }
    size_t offset = (size_t)device->session.exact.layers[layer].next_offset;
    size_t left = sizes[layer] - offset;
    Layerlift__V1__Chunk chunk = LAYERLIFT__V1__CHUNK__INIT;
    chunk.layer = (uint32_t)layer;
    chunk.offset = offset;
    chunk.data.data = (uint8_t *)contents[device->model][layer] + offset;
    chunk.data.len = bytes < left ? bytes : left;
    give_chunk(device, &chunk);
}

/* A piece of the frame that comes next, or of one whose byte is wrong. */
/* A piece of the frame that comes next, of the device's model or of the other one, or with a byte
 * that is wrong. */
static void send_frame(struct world *world, struct device *device)
{
    uint8_t data[LL_FRAME_ENCODED_BYTES];
    uint8_t how = take(world);
    uint8_t wrong = take(world);
    const kind of = (kind)(how >> 5 & 3);
    const int model = (how & 0x10) != 0 ? 1 - device->model : device->model;
    const struct edge_upload_side *side =
        of == DRAFT ? &device->session.draft : &device->session.exact;
    struct edge_upload_session_layer *layer = side->layers ? &side->layers[FRAMED] : NULL;
    size_t offset = layer ? (size_t)layer->next_offset : FRAMED_BYTES;
    if (offset >= FRAMED_BYTES || offset % LL_FRAME_BYTES != 0) {
        return;
    }
    const struct encoded *frame = &encoded_frames[model][of][offset / LL_FRAME_BYTES];
    size_t *sent = &device->frame_sent[of == DRAFT];
    *sent = edge_upload_frames_is_open(layer) ? *sent : 0;
    if (frame->bytes <= *sent) {
        return;
    }
    memcpy(data, frame->data, frame->bytes);
    if ((how & 0x80) != 0) {
        data[*sent + wrong % (frame->bytes - *sent)] ^= wrong | 1U;
    }
    size_t left = frame->bytes - *sent;
    size_t most = how & 15;
    Layerlift__V1__Chunk chunk = LAYERLIFT__V1__CHUNK__INIT;
    chunk.layer = FRAMED;
    chunk.encoding = encodings[of];
    chunk.offset = offset;
    chunk.frame_bytes = (uint32_t)frame->bytes;
    chunk.frame_offset = (uint32_t)*sent;
    chunk.data.data = data + *sent;
    chunk.data.len = most < left ? most : left;
    *sent += chunk.data.len;
    give_chunk(device, &chunk);
}

static void send_anything(struct world *world, struct device *device)
{
    uint8_t data[8];
    Layerlift__V1__Chunk chunk = LAYERLIFT__V1__CHUNK__INIT;
    chunk.layer = (uint32_t)(int8_t)take(world);
    chunk.offset = (uint64_t)(int8_t)take(world);
    chunk.encoding = (Layerlift__V1__Encoding)(take(world) % 6);
    chunk.frame_bytes = chunk.encoding > 1 ? take(world) : 0;
    chunk.frame_offset = chunk.encoding > 1 ? take(world) % 4 : 0;
    chunk.data.len = take(world) % sizeof(data);
    chunk.data.data = data;
    for (size_t i = 0; i < chunk.data.len; i++) {
        data[i] = take(world);
    }
    give_chunk(device, &chunk);
}

static void send_bytes(struct world *world, struct device *device)
{
    size_t bytes = take(world);
    bytes = bytes < world->size ? bytes : world->size;
    ProtobufCMessage *message = NULL;
    struct ll_error err = {.text = ""};
    ll_status status =
        wire_unpack(&layerlift__v1__upload_request__descriptor, world->data, bytes, &message, &err);
    world->data += bytes;
    world->size -= bytes;
    REQUIRE(status == LL_OK || status == LL_E_INVALID);
    if (status != LL_OK) {
        return;
    }
    const Layerlift__V1__UploadRequest *request = (Layerlift__V1__UploadRequest *)message;
    if (request->kind_case == LAYERLIFT__V1__UPLOAD_REQUEST__KIND_CHUNK) {
        give_chunk(device, request->chunk);
    } else if (request->kind_case == LAYERLIFT__V1__UPLOAD_REQUEST__KIND_OPEN &&
               !device->session.exact.model) {
        edge_upload_session_open(&device->session, request->open, world->now_ns);
    }
    protobuf_c_message_free_unpacked(message, NULL);
}

static void act(struct world *world)
{
    uint8_t what = take(world);
    struct device *device = &world->devices[what & 1];
    if (what >> 6 == 3) {
        world->now_ns++;
        (void)edge_upload_sessions_end_idle(&world->sessions, world->now_ns);
    }
    if (!device->is_here) {
        arrive(world, device);
        if ((what & 2) == 0) {
            open_rightly(world, device, what);
        }
        return;
    }
    switch (what >> 1 & 7) {
    case 0:
        send_rightly(world, device);
        break;
    case 1:
        send_frame(world, device);
        break;
    case 2:
        send_anything(world, device);
        break;
    case 3:
        send_bytes(world, device);
        break;
    case 4:
        edge_upload_session_half_close(&device->session);
        break;
    case 5:
        fake_engine_fail(world->engine, FAKE_CREATION, 1, LL_E_NO_MEMORY);
        break;
    case 6:
        edge_upload_session_writable(&device->session);
        break;
    default:
        vanish(world, device);
        break;
    }
}

static void check_blob(struct device *device, struct edge_model *model, int layer)
{
    struct edge_blob *blob = edge_model_blob(model, layer);
    struct ll_buf *data = blob ? edge_blob_data(blob) : NULL;
    bool is_draft = edge_model_draft_bits(model) > 0;
    REQUIRE(layer >= edge_model_prefix(model) || edge_model_is_available(model, layer));
    if (data && data != device->checked[is_draft]) {
        struct ll_digest digest;
        REQUIRE(ll_digest_of(ll_buf_data(data), ll_buf_bytes(data), &digest) == LL_OK);
        REQUIRE(ll_digest_equal(&digest, &edge_model_manifest(model)->blobs[layer].digest));
        device->checked[is_draft] = layer == FRAMED ? data : device->checked[is_draft];
    }
}

/* A draft that is in use, and of which model and draft are here, is the model's, rounded. */
static void check_draft(const struct edge_model *draft)
{
    const struct edge_blob *own = edge_model_blob(draft, FRAMED);
    const struct edge_blob *exact = edge_model_exact_blob(draft, FRAMED);
    bool has_both = own && exact && edge_blob_data(own) && edge_blob_data(exact);
    if (!has_both || edge_model_is_retired(draft)) {
        return;
    }
    const void *weights = ll_buf_data(edge_blob_data(exact));
    int model = memcmp(weights, framed[0], FRAMED_BYTES) == 0 ? 0 : 1;
    if (memcmp(weights, framed[model], FRAMED_BYTES) == 0) {
        REQUIRE(memcmp(ll_buf_data(edge_blob_data(own)), rounded[model], FRAMED_BYTES) == 0);
    }
}

static void check_blobs(struct device *device)
{
    struct edge_model *model = device->is_here ? device->session.exact.model : NULL;
    struct edge_model *draft = device->is_here ? device->session.draft.model : NULL;
    for (int i = 0; model && i < edge_model_table(model)->layer_count; i++) {
        check_blob(device, model, i);
    }
    for (int i = 0; draft && i < edge_model_table(draft)->layer_count; i++) {
        check_blob(device, draft, i);
    }
    if (draft && edge_model_table(draft)->layer_count == LAYERS) {
        check_draft(draft);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world world = {.data = data, .size = size};
    ll_log_set_level(LL_LOG_ERROR);
    fill_contents();
    build(&world);
    while (world.size > 0) {
        act(&world);
        while (world.has_changed) {
            world.has_changed = false;
            for (struct edge_upload_session *s = world.sessions.first; s; s = s->next) {
                edge_upload_session_update(s);
            }
        }
        for (int i = 0; i < DEVICES; i++) {
            check_blobs(&world.devices[i]);
        }
    }
    for (int i = 0; i < DEVICES; i++) {
        if (world.devices[i].is_here) {
            vanish(&world, &world.devices[i]);
        }
    }
    tear_down(&world);
    return 0;
}
