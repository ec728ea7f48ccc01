/* What is known of the edge: whether one is there, how far its layers are, what it takes, how fast
 * it and the link are. The loop that talks to the edge writes it, the thread that runs queries
 * waits for it and reads it at one look.
 *
 * It lives as long as the session; connections come and go. One lock, under which nothing else is
 * called.
 *
 * Threads: as each function says. */
#ifndef DEVICE_EDGE_STATE_H
#define DEVICE_EDGE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/ll_status.h"
#include "layerlift/v1/offload.pb-c.h"

struct device_edge_state;

typedef enum {
    /* The first attempt to reach an edge is not decided. */
    DEVICE_EDGE_CONNECTING,
    DEVICE_EDGE_UP,
    DEVICE_EDGE_DOWN,
} device_edge_phase;

/* `kick` is called (any thread, no locks held) when the edge is accused. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_edge_state_create(int layer_count, void (*kick)(void *owner),
                                               void *owner, struct device_edge_state **out_edge);
/* NULL is allowed. */
void device_edge_state_destroy(struct device_edge_state *edge);

/* ---- The query's side: any thread ---- */

struct device_edge_view {
    device_edge_phase phase;
    /* Layers [0, prefix) run on the edge; 0 unless it is up. */
    int prefix;
    /* The same of the model's draft; 0 where the edge has none. */
    int draft_prefix;
    /* As far as it was measured: the least round trip, and the rate of acknowledged bytes; 0 if
     * not. */
    int64_t rtt_ns;
    double bytes_per_s;
    /* It computes with the device's engine, instruction set and threads. */
    bool is_same_engine;
    /* What the edge takes besides floats. */
    bool takes_u8;
    bool takes_f16;
    bool takes_u8_channel;
    /* It takes and gives coded tensors. */
    bool takes_planes;
    /* Of the network's input: pixels in WebP, and files of pictures, a bit for each PictureFormat.
     */
    bool takes_webp;
    unsigned picture_formats;
    /* Counts the times that an edge came up. */
    uint64_t connection;
    /* Changes with the edge's layer times. */
    uint64_t times_version;
    /* How long this look has waited. */
    int64_t waited_ns;
};

/* Everything, as soon as the first attempt is decided, the deadline passes, or after
 * device_edge_state_stop; with a deadline of 0, as it is now. Where the edge's layer times are
 * others than those of `times_version`, they are written to `out_times_ns`, layer_count of them, 0
 * where it told none; NULL: never. */
void device_edge_state_look(struct device_edge_state *edge, int64_t deadline_ns,
                            uint64_t times_version, int64_t *out_times_ns,
                            struct device_edge_view *out_view);

/* The edge that is up, since `connection`, is to be left: what it answers is wrong. */
void device_edge_state_accuse(struct device_edge_state *edge, uint64_t connection,
                              const char *reason);

/* Ends all waiting, now and later. */
void device_edge_state_stop(struct device_edge_state *edge);

/* ---- The loop's side: loop thread ---- */

/* A new phase, perhaps with another edge: what was known of the last one is forgotten, but for the
 * link when one comes up. An edge that is up already, and is set so again, is the same one. */
void device_edge_state_set(struct device_edge_state *edge, device_edge_phase phase, int prefix);
/* A longer prefix, or the same. */
void device_edge_state_set_prefix(struct device_edge_state *edge, int prefix);
/* The draft's prefix; 0: there is none any more. Forgotten when the edge goes. */
void device_edge_state_set_draft_prefix(struct device_edge_state *edge, int prefix);
/* In what the edge takes tensors; forgotten when it goes. */
void device_edge_state_set_dtypes(struct device_edge_state *edge, size_t count,
                                  const Layerlift__V1__DataType *dtypes);
/* How it takes tensors coded; forgotten when it goes. */
void device_edge_state_set_codings(struct device_edge_state *edge, size_t count,
                                   const Layerlift__V1__TensorCoding *codings);
/* Of which pictures it takes the files; forgotten when it goes. */
void device_edge_state_set_pictures(struct device_edge_state *edge, size_t count,
                                    const Layerlift__V1__PictureFormat *formats);
/* Whether the edge computes as the device does; forgotten when it goes. */
void device_edge_state_set_same_engine(struct device_edge_state *edge, bool is_same);
/* 0 for what is not known. */
void device_edge_state_set_link(struct device_edge_state *edge, int64_t rtt_ns, double bytes_per_s);
/* The edge told how long some of its layers take; layers that do not exist are ignored. Forgotten
 * when it goes. */
void device_edge_state_set_times(struct device_edge_state *edge, size_t count,
                                 Layerlift__V1__LayerTime *const *times);
/* Something came from the edge; and when the last thing did. */
void device_edge_state_heard(struct device_edge_state *edge);
int64_t device_edge_state_heard_ns(struct device_edge_state *edge);
/* Whether the edge that is up was accused, and of what. */
bool device_edge_state_is_accused(struct device_edge_state *edge, struct ll_error *out_reason);

#endif
