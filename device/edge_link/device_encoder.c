/* A slot for each wanted frame, in their order. The thread encodes the first one that waits, from a
 * copy of its description: slots may come and go meanwhile, and what nobody wants any more is
 * thrown away. */
#include "device/edge_link/device_encoder.h"

#include <stdbool.h>
#include <stdlib.h>

#include "coding/ll_frame.h"
#include "core/ll_clock.h"
#include "core/ll_sync.h"

typedef enum {
    SLOT_WAITS,
    SLOT_DONE,
    SLOT_FAILED,
} slot_state;

struct encoder_slot {
    struct device_frame frame;
    slot_state state;
    struct device_encoded encoded;
};

struct device_encoder {
    struct device_encoder_config config;
    struct ll_frame_coder *coder;
    struct ll_thread thread;
    /* Guards everything below. */
    struct ll_mutex lock;
    struct ll_cond changed;
    struct encoder_slot slots[DEVICE_ENCODER_FRAMES] LL_GUARDED_BY(lock);
    int count LL_GUARDED_BY(lock);
    int64_t cpu_ns LL_GUARDED_BY(lock);
    bool is_stopped LL_GUARDED_BY(lock);
};

static bool is_same(const struct device_frame *a, const struct device_frame *b)
{
    return a->layer == b->layer && a->encoding == b->encoding && a->offset == b->offset &&
           a->bytes == b->bytes;
}

static struct encoder_slot *find_locked(struct device_encoder *encoder,
                                        const struct device_frame *frame) LL_REQUIRES(encoder->lock)
{
    for (int i = 0; i < encoder->count; i++) {
        if (is_same(&encoder->slots[i].frame, frame)) {
            return &encoder->slots[i];
        }
    }
    return NULL;
}

/* ---- The thread ---- */

/* The plain form of a frame into `out`; RAW where that does not shrink. */
static void encode_plain(struct device_encoder *encoder, const struct ll_frame *frame, void *out,
                         struct device_encoded *encoded)
{
    encoded->bytes = ll_frame_encode(encoder->coder, frame, out);
    encoded->encoding = encoded->bytes > 0 ? LAYERLIFT__V1__ENCODING__ENCODING_FRAME
                                           : LAYERLIFT__V1__ENCODING__ENCODING_RAW;
}

/* What differs from the base, or the frame in plain where that is shorter: nothing says that the
 * base is any like it. */
static ll_status encode_delta(struct device_encoder *encoder, const struct device_frame *wanted,
                              const struct ll_frame *frame, struct device_encoded *encoded)
{
    const uint8_t *base = ll_buf_data(encoder->config.model->bases[wanted->layer]);
    struct ll_buf *delta = NULL;
    ll_status status = ll_buf_create(LL_FRAME_ENCODED_BYTES, &delta);
    if (status != LL_OK) {
        return status;
    }
    size_t bytes =
        ll_frame_encode_delta(encoder->coder, frame, base + wanted->offset, ll_buf_writable(delta));
    encode_plain(encoder, frame, ll_buf_writable(encoded->data), encoded);
    if (bytes > 0 && (encoded->bytes == 0 || bytes < encoded->bytes)) {
        ll_buf_unref(encoded->data);
        *encoded = (struct device_encoded){
            .encoding = LAYERLIFT__V1__ENCODING__ENCODING_DELTA_FRAME,
            .data = delta,
            .bytes = bytes,
        };
        return LL_OK;
    }
    ll_buf_unref(delta);
    return LL_OK;
}

/* A frame of the draft, or what is left of it; where nothing is left it is of no use without its
 * encoding, and goes as any other. */
static void encode_draft(struct device_encoder *encoder, const struct device_frame *wanted,
                         const struct ll_frame *frame, void *out, struct device_encoded *encoded)
{
    const struct device_model *model = encoder->config.model;
    struct ll_draft_blob blob =
        device_draft_blob(model->draft, &model->table->layers[wanted->layer]);
    struct ll_frame_draft how = ll_draft_frame(&blob, wanted->offset);
    encoded->encoding = wanted->encoding;
    encoded->bytes = wanted->encoding == LAYERLIFT__V1__ENCODING__ENCODING_DRAFT_FRAME
                         ? ll_frame_encode_draft(encoder->coder, frame, &how, out)
                         : ll_frame_encode_rest(encoder->coder, frame, &how, out);
    if (encoded->bytes == 0) {
        encode_plain(encoder, frame, out, encoded);
    }
}

static bool is_of_draft(Layerlift__V1__Encoding encoding)
{
    return encoding == LAYERLIFT__V1__ENCODING__ENCODING_DRAFT_FRAME ||
           encoding == LAYERLIFT__V1__ENCODING__ENCODING_REST_FRAME;
}

static ll_status encode(struct device_encoder *encoder, const struct device_frame *wanted,
                        struct device_encoded *encoded)
{
    const uint8_t *blob = ll_buf_data(encoder->config.model->blobs[wanted->layer]);
    struct ll_frame frame = {.data = blob + wanted->offset, .bytes = (size_t)wanted->bytes};
    *encoded = (struct device_encoded){.encoding = LAYERLIFT__V1__ENCODING__ENCODING_RAW};
    ll_status status = ll_buf_create(LL_FRAME_ENCODED_BYTES, &encoded->data);
    if (status != LL_OK) {
        return status;
    }
    if (wanted->encoding == LAYERLIFT__V1__ENCODING__ENCODING_DELTA_FRAME) {
        status = encode_delta(encoder, wanted, &frame, encoded);
    } else if (is_of_draft(wanted->encoding)) {
        encode_draft(encoder, wanted, &frame, ll_buf_writable(encoded->data), encoded);
    } else {
        encode_plain(encoder, &frame, ll_buf_writable(encoded->data), encoded);
    }
    if (status != LL_OK || encoded->encoding == LAYERLIFT__V1__ENCODING__ENCODING_RAW) {
        ll_buf_unref(encoded->data);
        encoded->data = NULL;
    }
    return status;
}

static struct encoder_slot *next_waiting_locked(struct device_encoder *encoder)
    LL_REQUIRES(encoder->lock)
{
    for (int i = 0; i < encoder->count; i++) {
        if (encoder->slots[i].state == SLOT_WAITS) {
            return &encoder->slots[i];
        }
    }
    return NULL;
}

/* Whether the upload waits for it. */
static bool keep_locked(struct device_encoder *encoder, const struct device_frame *frame,
                        ll_status status, const struct device_encoded *encoded)
    LL_REQUIRES(encoder->lock)
{
    struct encoder_slot *slot = find_locked(encoder, frame);
    if (!slot || slot->state != SLOT_WAITS) {
        ll_buf_unref(encoded->data);
        return false;
    }
    slot->state = status == LL_OK ? SLOT_DONE : SLOT_FAILED;
    slot->encoded = *encoded;
    return slot == &encoder->slots[0];
}

static void encoder_main(void *arg)
{
    struct device_encoder *encoder = arg;
    ll_mutex_lock(&encoder->lock);
    while (!encoder->is_stopped) {
        const struct encoder_slot *slot = next_waiting_locked(encoder);
        if (!slot) {
            ll_cond_wait(&encoder->changed, &encoder->lock, LL_CLOCK_NEVER);
            continue;
        }
        struct device_frame frame = slot->frame;
        ll_mutex_unlock(&encoder->lock);
        struct device_encoded encoded;
        int64_t begin_ns = ll_clock_thread_cpu_ns();
        ll_status status = encode(encoder, &frame, &encoded);
        int64_t took_ns = ll_clock_thread_cpu_ns() - begin_ns;
        ll_mutex_lock(&encoder->lock);
        encoder->cpu_ns += took_ns;
        if (keep_locked(encoder, &frame, status, &encoded) && !encoder->is_stopped) {
            ll_mutex_unlock(&encoder->lock);
            encoder->config.ready(encoder->config.owner);
            ll_mutex_lock(&encoder->lock);
        }
    }
    ll_mutex_unlock(&encoder->lock);
}

/* ---- The upload's side ---- */

void device_encoder_want(struct device_encoder *encoder, const struct device_frame *frames,
                         int count)
{
    struct encoder_slot slots[DEVICE_ENCODER_FRAMES];
    ll_mutex_lock(&encoder->lock);
    for (int i = 0; i < count; i++) {
        struct encoder_slot *old = find_locked(encoder, &frames[i]);
        slots[i] = (struct encoder_slot){.frame = frames[i]};
        if (old && old->state != SLOT_FAILED) {
            slots[i] = *old;
            old->encoded.data = NULL;
        }
    }
    for (int i = 0; i < encoder->count; i++) {
        ll_buf_unref(encoder->slots[i].encoded.data);
    }
    for (int i = 0; i < count; i++) {
        encoder->slots[i] = slots[i];
    }
    encoder->count = count;
    ll_cond_signal(&encoder->changed);
    ll_mutex_unlock(&encoder->lock);
}

static void remove_locked(struct device_encoder *encoder, struct encoder_slot *slot)
    LL_REQUIRES(encoder->lock)
{
    encoder->count--;
    for (int i = (int)(slot - encoder->slots); i < encoder->count; i++) {
        encoder->slots[i] = encoder->slots[i + 1];
    }
}

device_encoder_outcome device_encoder_take(struct device_encoder *encoder,
                                           const struct device_frame *frame,
                                           struct device_encoded *out_encoded)
{
    device_encoder_outcome outcome = DEVICE_ENCODER_NOT_YET;
    ll_mutex_lock(&encoder->lock);
    struct encoder_slot *slot = find_locked(encoder, frame);
    if (slot && slot->state == SLOT_DONE) {
        *out_encoded = slot->encoded;
        remove_locked(encoder, slot);
        outcome = DEVICE_ENCODER_DONE;
    } else if (slot && slot->state == SLOT_FAILED) {
        outcome = DEVICE_ENCODER_NO_MEMORY;
    }
    ll_mutex_unlock(&encoder->lock);
    return outcome;
}

int64_t device_encoder_cpu_ns(struct device_encoder *encoder)
{
    ll_mutex_lock(&encoder->lock);
    int64_t cpu_ns = encoder->cpu_ns;
    ll_mutex_unlock(&encoder->lock);
    return cpu_ns;
}

/* ---- Lifetime ---- */

LL_NO_ANALYSIS ll_status device_encoder_create(const struct device_encoder_config *config,
                                               struct device_encoder **out_encoder)
{
    struct device_encoder *encoder = calloc(1, sizeof(*encoder));
    if (!encoder) {
        return LL_E_NO_MEMORY;
    }
    encoder->config = *config;
    ll_mutex_init(&encoder->lock);
    ll_cond_init(&encoder->changed);
    ll_status status = ll_frame_coder_create(&encoder->coder);
    if (status == LL_OK) {
        status = ll_thread_start(&encoder->thread, "encoder", encoder_main, encoder);
    }
    if (status != LL_OK) {
        device_encoder_destroy(encoder);
        return status;
    }
    *out_encoder = encoder;
    return LL_OK;
}

void device_encoder_stop(struct device_encoder *encoder)
{
    ll_mutex_lock(&encoder->lock);
    encoder->is_stopped = true;
    ll_cond_signal(&encoder->changed);
    ll_mutex_unlock(&encoder->lock);
    ll_thread_join(&encoder->thread);
}

LL_NO_ANALYSIS void device_encoder_destroy(struct device_encoder *encoder)
{
    if (!encoder) {
        return;
    }
    device_encoder_stop(encoder);
    for (int i = 0; i < encoder->count; i++) {
        ll_buf_unref(encoder->slots[i].encoded.data);
    }
    ll_frame_coder_destroy(encoder->coder);
    ll_cond_finish(&encoder->changed);
    ll_mutex_finish(&encoder->lock);
    free(encoder);
}
