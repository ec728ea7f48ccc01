/* An edge that says anything at all to a device with a query under way.
 *
 * The input is a sequence of steps: a byte that says what happens, and for what the edge says its
 * length (two bytes, little-endian) and bytes. Oracle: an answer that is believed is complete,
 * within what was asked, and its tensors have the network's sizes; nothing else is. */
#include "device/edge_link/device_requests.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "layerlift/v1/offload.pb-c.h"
#include "tests/fuzz/ll_fuzz.h"
#include "tests/support/fake_engine.h"

/* Legal cuts: 0, 1, 3, 4. */
static const char cfg[] = "fake\n"
                          "input 12\n"
                          "layer 6 8\n"
                          "layer 8 0 joined\n"
                          "layer 10 8 reads 1 -1 output\n"
                          "layer 3 8 reads 2 0\n";

enum { STEP_SAYS, STEP_SEND, STEP_ASK, STEP_WITHDRAW, STEP_LOSE, STEPS };

struct game {
    struct device_model model;
    struct device_requests *requests;
    struct device_tensors tensors;
    /* The network's input as bytes. */
    struct ll_buf *input_bytes;
    struct device_remote remote;
    bool is_posted;
};

static void must(bool is_so)
{
    if (!is_so) {
        __builtin_trap();
    }
}

static void ignore_kick(void *owner)
{
    (void)owner;
}

static void says(struct game *game, const uint8_t *data, size_t bytes)
{
    Layerlift__V1__OffloadResponse *response =
        layerlift__v1__offload_response__unpack(NULL, bytes, data);
    if (response) {
        uint64_t mark = 0;
        ll_status status = device_requests_take(game->requests, response, &mark);
        must(status == LL_OK || status == LL_E_NOT_FOUND);
        layerlift__v1__offload_response__free_unpacked(response, NULL);
    }
}

static void send_one(struct game *game)
{
    struct device_outgoing message = {0};
    if (device_requests_next(game->requests, 20, &message) == LL_OK) {
        must(message.head_bytes > 0);
        if (message.is_last) {
            device_requests_set_mark(game->requests, message.id, 7);
        }
        device_outgoing_finish(&message);
    }
}

static void withdraw(struct game *game)
{
    struct device_patience patience = {.allowance_ns = LL_CLOCK_NEVER};
    if (!game->is_posted) {
        return;
    }
    device_requests_withdraw(game->requests, &game->remote, &patience);
    const struct device_answer *answer = &game->remote.answer;
    if (game->remote.status == LL_OK) {
        must(device_answer_is_complete(answer));
        must(answer->reached >= answer->first && answer->reached <= answer->end);
        must(answer->reached >= answer->least);
        must(ll_table_is_legal_cut(game->model.table, answer->reached));
        must(answer->queued_ns >= 0 && answer->computed_ns >= 0 && answer->prefix >= 0);
        struct device_tensors taken;
        must(device_tensors_init(&taken, game->model.table) == LL_OK);
        /* Checks the sizes. */
        must(device_answer_take(&game->remote.answer, NULL, &taken, NULL) == LL_OK);
        device_tensors_finish(&taken);
    } else {
        must(memchr(game->remote.error.text, '\0', sizeof(game->remote.error.text)) != NULL);
        must(game->remote.error.text[0] != '\0');
    }
    device_remote_finish(&game->remote);
    game->is_posted = false;
}

static void ask(struct game *game, uint8_t how)
{
    static const int cuts[] = {0, 1, 3, 4};
    withdraw(game);
    int first = how & 3;
    int end = how >> 2 & 3;
    if (first > end) {
        return;
    }
    ll_dtype cut_dtype = how & 32 ? LL_F16 : LL_F32;
    game->remote = (struct device_remote){
        .first = cuts[first],
        .end = cuts[end],
        .least_prefix = how & 16 ? cuts[end] : 0,
        .tensors = &game->tensors,
        .form = {.input_dtype = how & 64 ? LL_U8 : cut_dtype,
                 .input_bytes = game->input_bytes,
                 .cut_dtype = cut_dtype},
    };
    game->is_posted = device_requests_post(game->requests, &game->remote) == LL_OK;
}

static void lose(struct game *game)
{
    device_requests_close(game->requests, LL_E_UNAVAILABLE, "edge lost: played");
    device_requests_open(game->requests, 1);
}

static size_t play_step(struct game *game, const uint8_t *data, size_t bytes)
{
    size_t used = 1;
    switch (data[0] % STEPS) {
    case STEP_SAYS:
        if (bytes >= 3) {
            size_t length = (size_t)data[1] | (size_t)data[2] << 8;
            length = length < bytes - 3 ? length : bytes - 3;
            says(game, data + 3, length);
            used = 3 + length;
        }
        break;
    case STEP_SEND:
        send_one(game);
        break;
    case STEP_ASK:
        ask(game, bytes > 1 ? data[1] : 0);
        used = bytes > 1 ? 2 : 1;
        break;
    case STEP_WITHDRAW:
        withdraw(game);
        break;
    default:
        lose(game);
        break;
    }
    return used;
}

/* The device holds every tensor that a query may need. */
static void fill(struct game *game)
{
    must(device_tensors_init(&game->tensors, game->model.table) == LL_OK);
    for (int name = LL_TENSOR_INPUT; name < game->model.table->layer_count; name++) {
        size_t size = (size_t)ll_table_tensor_floats(game->model.table, name) * sizeof(float);
        struct ll_buf *buf = NULL;
        must(ll_buf_create(size, &buf) == LL_OK);
        memset(ll_buf_writable(buf), 1, size);
        device_tensors_put(&game->tensors, name, buf);
        ll_buf_unref(buf);
    }
    must(ll_buf_create((size_t)game->model.table->in_floats, &game->input_bytes) == LL_OK);
    memset(ll_buf_writable(game->input_bytes), 1, (size_t)game->model.table->in_floats);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ll_error err;
    struct ll_network *network = NULL;
    struct ll_engine *engine = fake_engine_create();
    must(engine && ll_engine_parse(engine, cfg, sizeof(cfg) - 1, &network, &err) == LL_OK);
    struct game game = {.model = {.table = &network->table, .id = "sha256:0"}};
    must(device_requests_create(&game.model, ignore_kick, NULL, &game.requests) == LL_OK);
    fill(&game);
    device_requests_open(game.requests, 4);
    for (size_t at = 0; at < size;) {
        at += play_step(&game, data + at, size - at);
    }
    withdraw(&game);
    device_requests_destroy(game.requests);
    device_tensors_finish(&game.tensors);
    ll_buf_unref(game.input_bytes);
    ll_network_unref(network);
    ll_engine_destroy(engine);
    return 0;
}
