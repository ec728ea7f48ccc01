/* Parallel creation (Shin and Moon, JOK 2022).
 *
 * One thread receives, query threads compute, and this thread creates, so that neither the link nor
 * the queries wait for creation:
 *
 *     receiver ---- edge_creator_wake ----> queue of models that have something to create
 *                                             |
 *     creation thread, for ever:              v
 *         next_model                  wait for a model
 *         edge_model_begin_creation   take ALL its received, not yet created partitions that extend
 *                                     the prefix: {first, end, blobs}
 *         create_layers               create them in one go
 *         publish                     publish the longer prefix
 *         edge_catalog_notify         tell waiting queries, upload sessions and watchers
 *
 * What arrives during a creation waits for its end and is then taken all at once: that is the
 * coalescing which makes many small partitions cheap. When nothing has arrived, the thread waits
 * for the receiver's signal. A model that has more to create after its turn goes behind the other
 * waiting models, and a turn takes a bounded number of bytes, so that a large model does not hold
 * up a small one.
 *
 * The earlier system (IONN) created each partition on the receiving thread, so that the link idled
 * meanwhile. `is_inline` is that system: the receiver itself runs the creation, one partition at a
 * time, and the session grants no credit across the border of a partition that is not created yet
 * (edge_upload_session.c). */
#include "edge/edge_creator.h"

#include <stdlib.h>

#include "core/ll_clock.h"
#include "core/ll_log.h"
#include "core/ll_sync.h"

enum { TURN_BYTES = 64 * 1000 * 1000 };

struct edge_creator {
    struct edge_catalog *catalog;
    bool is_inline;
    int64_t turn_bytes;
    struct ll_thread thread;

    struct ll_mutex lock;
    /* Signalled when a model comes to an empty queue, and on stop. */
    struct ll_cond arrived;
    /* Guarded by lock. */
    bool is_stopping LL_GUARDED_BY(lock);
    /* What the thread creates now, or NULL. */
    struct edge_model *current LL_GUARDED_BY(lock);
    struct edge_turn *first LL_GUARDED_BY(lock);
    struct edge_turn **last_link LL_GUARDED_BY(lock);
};

/* ---- One creation ---- */

/* Has the engine create the layers, and measures it. */
static ll_status create_layers(struct edge_model *model, const struct edge_stretch *stretch,
                               struct edge_creation *out_creation, struct ll_error *err)
{
    int64_t began_ns = ll_clock_now_ns();
    int64_t cpu_began_ns = ll_clock_thread_cpu_ns();
    ll_status status =
        ll_engine_model_extend(edge_model_engine_model(model), stretch->end, stretch->blobs, err);
    *out_creation = (struct edge_creation){
        .first = stretch->first,
        .end = stretch->end,
        .wall_ns = ll_clock_now_ns() - began_ns,
        .cpu_ns = ll_clock_thread_cpu_ns() - cpu_began_ns,
    };
    return status;
}

static void publish(struct edge_model *model, const struct edge_creation *creation)
{
    edge_model_end_creation(model, creation);
    ll_log(LL_LOG_INFO, "creator", "%s: layers %d to %d created in %.1f ms (CPU %.1f ms)",
           edge_model_short_id(model), creation->first, creation->end - 1,
           ll_clock_ms(creation->wall_ns), ll_clock_ms(creation->cpu_ns));
}

static void give_up(struct edge_model *model, const struct edge_stretch *stretch, ll_status status,
                    struct ll_error *err)
{
    ll_error_prefix(err, "creation of layers %d to %d failed", stretch->first, stretch->end - 1);
    edge_model_fail_creation(model, status, err);
    ll_log(status == LL_E_CANCELLED ? LL_LOG_INFO : LL_LOG_ERROR, "creator", "%s: %s",
           edge_model_short_id(model), err->text);
}

/* Takes everything that can be created now (inline: one partition) and creates it. Returns whether
 * there was something. */
static bool create_once(struct edge_creator *creator, struct edge_model *model)
{
    int64_t most_bytes = creator->is_inline ? 0 : creator->turn_bytes;
    struct edge_stretch stretch = edge_model_begin_creation(model, most_bytes);
    if (stretch.end == stretch.first) {
        return false;
    }
    struct edge_creation creation;
    struct ll_error err = {.text = ""};
    ll_status status = create_layers(model, &stretch, &creation, &err);
    if (status == LL_OK) {
        publish(model, &creation);
    } else {
        give_up(model, &stretch, status, &err);
    }
    edge_catalog_notify(creator->catalog, model, EDGE_CHANGE_CREATION);
    return true;
}

/* ---- The thread ---- */

/* Puts a model behind those that wait, unless it waits already. */
static void enqueue(struct edge_creator *creator, struct edge_model *model)
{
    struct edge_turn *turn = edge_model_turn(model);
    ll_mutex_lock(&creator->lock);
    if (!turn->is_waiting && !creator->is_stopping) {
        edge_model_ref(model);
        turn->is_waiting = true;
        turn->next = NULL;
        *creator->last_link = turn;
        creator->last_link = &turn->next;
        ll_cond_signal(&creator->arrived);
    }
    ll_mutex_unlock(&creator->lock);
}

/* Takes the first model out of the queue, with the queue's reference. */
static struct edge_model *dequeue_locked(struct edge_creator *creator) LL_REQUIRES(creator->lock)
{
    struct edge_turn *turn = creator->first;
    creator->first = turn->next;
    if (!creator->first) {
        creator->last_link = &creator->first;
    }
    turn->is_waiting = false;
    return turn->model;
}

/* Waits for the next model; NULL on stop. */
static struct edge_model *next_model(struct edge_creator *creator)
{
    struct edge_model *model = NULL;
    ll_mutex_lock(&creator->lock);
    while (!creator->first && !creator->is_stopping) {
        ll_cond_wait(&creator->arrived, &creator->lock, LL_CLOCK_NEVER);
    }
    if (!creator->is_stopping) {
        model = dequeue_locked(creator);
    }
    creator->current = model;
    ll_mutex_unlock(&creator->lock);
    return model;
}

/* Nothing is created now. */
static void leave(struct edge_creator *creator)
{
    ll_mutex_lock(&creator->lock);
    creator->current = NULL;
    ll_mutex_unlock(&creator->lock);
}

static void create_for_ever(void *arg)
{
    struct edge_creator *creator = arg;
    ll_thread_flush_denormals();
    struct edge_model *model = NULL;
    while ((model = next_model(creator)) != NULL) {
        if (create_once(creator, model)) {
            /* More may have arrived meanwhile, or been left for the next turn. */
            enqueue(creator, model);
        }
        leave(creator);
        edge_model_unref(model);
    }
}

void edge_creator_wake(struct edge_creator *creator, struct edge_model *model)
{
    if (!creator->is_inline) {
        enqueue(creator, model);
        return;
    }
    bool has_created = true;
    while (has_created) {
        has_created = create_once(creator, model);
    }
}

/* ---- Life ---- */

LL_NO_ANALYSIS ll_status edge_creator_create(const struct edge_creator_config *config,
                                             struct edge_creator **out_creator)
{
    struct edge_creator *creator = calloc(1, sizeof(*creator));
    if (!creator) {
        return LL_E_NO_MEMORY;
    }
    creator->catalog = config->catalog;
    creator->is_inline = config->is_inline;
    creator->turn_bytes = config->turn_bytes > 0 ? config->turn_bytes : TURN_BYTES;
    creator->last_link = &creator->first;
    ll_mutex_init(&creator->lock);
    ll_cond_init(&creator->arrived);
    *out_creator = creator;
    return LL_OK;
}

ll_status edge_creator_start(struct edge_creator *creator)
{
    if (creator->is_inline) {
        return LL_OK;
    }
    return ll_thread_start(&creator->thread, "creator", create_for_ever, creator);
}

void edge_creator_stop(struct edge_creator *creator)
{
    ll_mutex_lock(&creator->lock);
    creator->is_stopping = true;
    if (creator->current) {
        edge_model_stop_creation(creator->current);
    }
    ll_cond_broadcast(&creator->arrived);
    ll_mutex_unlock(&creator->lock);
    ll_thread_join(&creator->thread);
}

LL_NO_ANALYSIS void edge_creator_destroy(struct edge_creator *creator)
{
    if (!creator) {
        return;
    }
    edge_creator_stop(creator);
    while (creator->first) {
        ll_mutex_lock(&creator->lock);
        struct edge_model *model = dequeue_locked(creator);
        ll_mutex_unlock(&creator->lock);
        edge_model_unref(model);
    }
    ll_mutex_finish(&creator->lock);
    ll_cond_finish(&creator->arrived);
    free(creator);
}

bool edge_creator_is_inline(const struct edge_creator *creator)
{
    return creator->is_inline;
}
