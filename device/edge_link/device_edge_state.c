#include "device/edge_link/device_edge_state.h"

#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_sync.h"
#include "proto/wire/wire_form.h"

struct device_edge_state {
    int layer_count;
    void (*kick)(void *owner);
    void *owner;
    /* Guards everything below. */
    struct ll_mutex lock;
    /* The phase is another one, or it is stopped. */
    struct ll_cond changed;
    /* But for `waited_ns`, which is the look's. */
    struct device_edge_view view LL_GUARDED_BY(lock);
    /* By layer; 0: not told. */
    int64_t *times_ns LL_GUARDED_BY(lock);
    bool is_accused LL_GUARDED_BY(lock);
    struct ll_error accusation LL_GUARDED_BY(lock);
    int64_t heard_ns LL_GUARDED_BY(lock);
    bool is_stopped LL_GUARDED_BY(lock);
};

LL_NO_ANALYSIS ll_status device_edge_state_create(int layer_count, void (*kick)(void *owner),
                                                  void *owner, struct device_edge_state **out_edge)
{
    struct device_edge_state *edge = calloc(1, sizeof(*edge));
    int64_t *times_ns = calloc((size_t)layer_count, sizeof(*times_ns));
    if (!edge || !times_ns) {
        free(edge);
        free(times_ns);
        return LL_E_NO_MEMORY;
    }
    edge->times_ns = times_ns;
    edge->layer_count = layer_count;
    edge->kick = kick;
    edge->owner = owner;
    ll_mutex_init(&edge->lock);
    ll_cond_init(&edge->changed);
    *out_edge = edge;
    return LL_OK;
}

LL_NO_ANALYSIS void device_edge_state_destroy(struct device_edge_state *edge)
{
    if (edge) {
        ll_cond_finish(&edge->changed);
        ll_mutex_finish(&edge->lock);
        free(edge->times_ns);
        free(edge);
    }
}

/* ---- The query's side ---- */

void device_edge_state_look(struct device_edge_state *edge, int64_t deadline_ns,
                            uint64_t times_version, int64_t *out_times_ns,
                            struct device_edge_view *out_view)
{
    int64_t begin_ns = ll_clock_now_ns();
    ll_mutex_lock(&edge->lock);
    bool has_time = deadline_ns > 0;
    while (edge->view.phase == DEVICE_EDGE_CONNECTING && !edge->is_stopped && has_time) {
        has_time = ll_cond_wait(&edge->changed, &edge->lock, deadline_ns);
    }
    *out_view = edge->view;
    if (out_times_ns && times_version != edge->view.times_version) {
        memcpy(out_times_ns, edge->times_ns, (size_t)edge->layer_count * sizeof(*out_times_ns));
    }
    ll_mutex_unlock(&edge->lock);
    out_view->waited_ns = deadline_ns > 0 ? ll_clock_now_ns() - begin_ns : 0;
}

void device_edge_state_accuse(struct device_edge_state *edge, uint64_t connection,
                              const char *reason)
{
    ll_mutex_lock(&edge->lock);
    bool is_this = edge->view.phase == DEVICE_EDGE_UP && edge->view.connection == connection;
    if (is_this) {
        edge->is_accused = true;
        (void)ll_fail(&edge->accusation, LL_E_INTERNAL, "%s", reason);
    }
    ll_mutex_unlock(&edge->lock);
    if (is_this) {
        edge->kick(edge->owner);
    }
}

void device_edge_state_stop(struct device_edge_state *edge)
{
    ll_mutex_lock(&edge->lock);
    edge->is_stopped = true;
    ll_cond_broadcast(&edge->changed);
    ll_mutex_unlock(&edge->lock);
}

/* ---- The loop's side ---- */

void device_edge_state_set(struct device_edge_state *edge, device_edge_phase phase, int prefix)
{
    ll_mutex_lock(&edge->lock);
    bool comes_up = phase == DEVICE_EDGE_UP && edge->view.phase != DEVICE_EDGE_UP;
    edge->view.phase = phase;
    edge->view.prefix = prefix;
    edge->view.draft_prefix = 0;
    edge->view.is_same_engine = false;
    edge->is_accused = false;
    if (comes_up) {
        edge->view.connection++;
    }
    if (phase != DEVICE_EDGE_UP) {
        edge->view.takes_u8 = edge->view.takes_f16 = edge->view.takes_u8_channel = false;
        edge->view.takes_planes = edge->view.takes_webp = false;
        edge->view.picture_formats = 0;
        memset(edge->times_ns, 0, (size_t)edge->layer_count * sizeof(*edge->times_ns));
        edge->view.times_version++;
    }
    edge->heard_ns = ll_clock_now_ns();
    ll_cond_broadcast(&edge->changed);
    ll_mutex_unlock(&edge->lock);
}

void device_edge_state_set_prefix(struct device_edge_state *edge, int prefix)
{
    ll_mutex_lock(&edge->lock);
    if (edge->view.phase == DEVICE_EDGE_UP && prefix > edge->view.prefix) {
        edge->view.prefix = prefix;
    }
    ll_mutex_unlock(&edge->lock);
}

void device_edge_state_set_draft_prefix(struct device_edge_state *edge, int prefix)
{
    ll_mutex_lock(&edge->lock);
    edge->view.draft_prefix = edge->view.phase == DEVICE_EDGE_UP ? prefix : 0;
    ll_mutex_unlock(&edge->lock);
}

void device_edge_state_set_dtypes(struct device_edge_state *edge, size_t count,
                                  const Layerlift__V1__DataType *dtypes)
{
    bool takes_u8 = false;
    bool takes_f16 = false;
    bool takes_u8_channel = false;
    for (size_t i = 0; i < count; i++) {
        takes_u8 = takes_u8 || dtypes[i] == LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_U8;
        takes_f16 = takes_f16 || dtypes[i] == LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F16;
        takes_u8_channel =
            takes_u8_channel || dtypes[i] == LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_U8_CHANNEL;
    }
    ll_mutex_lock(&edge->lock);
    edge->view.takes_u8 = takes_u8;
    edge->view.takes_f16 = takes_f16;
    edge->view.takes_u8_channel = takes_u8_channel;
    ll_mutex_unlock(&edge->lock);
}

void device_edge_state_set_codings(struct device_edge_state *edge, size_t count,
                                   const Layerlift__V1__TensorCoding *codings)
{
    bool takes_planes =
        wire_has_coding(count, codings, LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLANES);
    bool takes_webp =
        wire_has_coding(count, codings, LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_WEBP);
    ll_mutex_lock(&edge->lock);
    edge->view.takes_planes = takes_planes;
    edge->view.takes_webp = takes_webp;
    ll_mutex_unlock(&edge->lock);
}

void device_edge_state_set_pictures(struct device_edge_state *edge, size_t count,
                                    const Layerlift__V1__PictureFormat *formats)
{
    unsigned bits = 0;
    for (size_t i = 0; i < count; i++) {
        /* What is newer than this device is nothing that it would send. */
        bits |= (unsigned)formats[i] < 8 * sizeof(bits) ? 1U << (unsigned)formats[i] : 0;
    }
    ll_mutex_lock(&edge->lock);
    edge->view.picture_formats = bits;
    ll_mutex_unlock(&edge->lock);
}

void device_edge_state_set_same_engine(struct device_edge_state *edge, bool is_same)
{
    ll_mutex_lock(&edge->lock);
    edge->view.is_same_engine = is_same;
    ll_mutex_unlock(&edge->lock);
}

void device_edge_state_set_link(struct device_edge_state *edge, int64_t rtt_ns, double bytes_per_s)
{
    ll_mutex_lock(&edge->lock);
    edge->view.rtt_ns = rtt_ns;
    edge->view.bytes_per_s = bytes_per_s;
    ll_mutex_unlock(&edge->lock);
}

void device_edge_state_set_times(struct device_edge_state *edge, size_t count,
                                 Layerlift__V1__LayerTime *const *times)
{
    ll_mutex_lock(&edge->lock);
    for (size_t i = 0; i < count; i++) {
        if (times[i]->layer < (uint32_t)edge->layer_count) {
            uint64_t ns = times[i]->ns;
            edge->times_ns[times[i]->layer] = ns > (uint64_t)INT64_MAX ? INT64_MAX : (int64_t)ns;
        }
    }
    edge->view.times_version++;
    ll_mutex_unlock(&edge->lock);
}

void device_edge_state_heard(struct device_edge_state *edge)
{
    ll_mutex_lock(&edge->lock);
    edge->heard_ns = ll_clock_now_ns();
    ll_mutex_unlock(&edge->lock);
}

int64_t device_edge_state_heard_ns(struct device_edge_state *edge)
{
    ll_mutex_lock(&edge->lock);
    int64_t heard_ns = edge->heard_ns;
    ll_mutex_unlock(&edge->lock);
    return heard_ns;
}

bool device_edge_state_is_accused(struct device_edge_state *edge, struct ll_error *out_reason)
{
    ll_mutex_lock(&edge->lock);
    bool is_accused = edge->is_accused;
    *out_reason = edge->accusation;
    ll_mutex_unlock(&edge->lock);
    return is_accused;
}
