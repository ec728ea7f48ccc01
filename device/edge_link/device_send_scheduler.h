/* The way out of the device, shared by queries and the upload: who sends next, and when.
 *
 * Queries go ahead of the upload, but the upload keeps five sixths of what is sent while both have
 * something to send for long (ll_share.h), so that queries without a pause between them cannot hold
 * it up.
 *
 * The scheduler asks its two sources for one message at a time and sends nothing by itself.
 *
 * Threads: everything on the loop's thread; create and destroy on any while nothing runs. */
#ifndef DEVICE_SEND_SCHEDULER_H
#define DEVICE_SEND_SCHEDULER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/link/ll_window.h"
#include "core/ll_log.h"
#include "core/ll_status.h"
#include "rpc/rpc_loop.h"

struct device_send_scheduler;

enum device_send_scheduler_class {
    DEVICE_SEND_SCHEDULER_QUERIES,
    DEVICE_SEND_SCHEDULER_UPLOAD,
    DEVICE_SEND_SCHEDULER_CLASSES,
};

struct device_send_scheduler_source {
    /* Bytes that the next message takes on the connection; 0 where there is none now (the source
     * calls device_send_scheduler_pump when that changes). */
    int64_t (*next)(void *owner);
    /* Sends that message. */
    void (*send)(void *owner);
    /* Whether there is none because what has left before takes up the link: one follows, and the
     * source pumps, as soon as that has arrived. NULL: never. */
    bool (*waits)(void *owner);
    void *owner;
};

/* `limit_bytes_per_s` 0: no limit; `log` NULL: the process's. */
LL_MUST_USE ll_status device_send_scheduler_create(struct rpc_loop *loop, double limit_bytes_per_s,
                                                   const struct ll_log_sink *log,
                                                   struct device_send_scheduler **out_scheduler);
/* Nothing is sent any more, and no fire of its timer comes after. */
void device_send_scheduler_close(struct device_send_scheduler *scheduler);
/* After device_send_scheduler_close, or where it never pumped. NULL is allowed. */
void device_send_scheduler_destroy(struct device_send_scheduler *scheduler);

/* `source` is copied; NULL removes it. */
void device_send_scheduler_set_source(struct device_send_scheduler *scheduler,
                                      enum device_send_scheduler_class source_class,
                                      const struct device_send_scheduler_source *source);

/* Lets the sources send what may be sent now; the rest follows by itself. */
void device_send_scheduler_pump(struct device_send_scheduler *scheduler);

/* `bytes` left without being asked for: a message too small and too urgent to wait for its turn. */
void device_send_scheduler_spend(struct device_send_scheduler *scheduler, int64_t bytes);

/* What is known of the link. A new connection resets it. */
struct ll_window *device_send_scheduler_window(struct device_send_scheduler *scheduler);
void device_send_scheduler_reset(struct device_send_scheduler *scheduler);

#endif
