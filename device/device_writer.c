/* Text is collected in one buffer while the thread writes another one: the two change places. */
#include "device/device_writer.h"

#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_sync.h"

enum { WRITER_LEAST_BYTES = 4096 };

struct writer_buffer {
    char *text;
    size_t bytes;
    size_t room;
};

struct device_writer {
    FILE *file;
    size_t room_bytes;
    struct ll_thread thread;
    /* The thread's. */
    struct writer_buffer writing;
    /* Guards what is below. */
    struct ll_mutex lock;
    struct ll_cond changed;
    struct writer_buffer waiting LL_GUARDED_BY(lock);
    /* The thread has something that is not written yet. */
    bool is_writing LL_GUARDED_BY(lock);
    bool is_hurried LL_GUARDED_BY(lock);
    bool is_ending LL_GUARDED_BY(lock);
    bool has_failed LL_GUARDED_BY(lock);
};

static bool is_idle_locked(const struct device_writer *writer) LL_REQUIRES(writer->lock)
{
    return writer->waiting.bytes == 0 && !writer->is_writing;
}

static void write_all(void *arg)
{
    struct device_writer *writer = arg;
    ll_mutex_lock(&writer->lock);
    while (writer->waiting.bytes > 0 || !writer->is_ending) {
        if (writer->waiting.bytes == 0) {
            ll_cond_wait(&writer->changed, &writer->lock, LL_CLOCK_NEVER);
            continue;
        }
        struct writer_buffer text = writer->waiting;
        writer->waiting = writer->writing;
        writer->waiting.bytes = 0;
        writer->writing = text;
        writer->is_writing = true;
        bool is_dropped = writer->has_failed;
        ll_cond_broadcast(&writer->changed);
        ll_mutex_unlock(&writer->lock);
        bool has_failed =
            !is_dropped && (fwrite(text.text, 1, text.bytes, writer->file) < text.bytes ||
                            fflush(writer->file) != 0);
        ll_mutex_lock(&writer->lock);
        writer->is_writing = false;
        writer->has_failed = writer->has_failed || has_failed;
        ll_cond_broadcast(&writer->changed);
    }
    ll_mutex_unlock(&writer->lock);
}

ll_status device_writer_create(FILE *file, size_t room_bytes, struct device_writer **out_writer)
{
    struct device_writer *writer = calloc(1, sizeof(*writer));
    if (!writer) {
        return LL_E_NO_MEMORY;
    }
    writer->file = file;
    writer->room_bytes = room_bytes;
    ll_mutex_init(&writer->lock);
    ll_cond_init(&writer->changed);
    ll_status status = ll_thread_start(&writer->thread, "writer", write_all, writer);
    if (status != LL_OK) {
        device_writer_destroy(writer);
        return status;
    }
    *out_writer = writer;
    return LL_OK;
}

LL_NO_ANALYSIS void device_writer_destroy(struct device_writer *writer)
{
    if (!writer) {
        return;
    }
    ll_mutex_lock(&writer->lock);
    writer->is_ending = true;
    ll_cond_broadcast(&writer->changed);
    ll_mutex_unlock(&writer->lock);
    ll_thread_join(&writer->thread);
    free(writer->waiting.text);
    free(writer->writing.text);
    ll_cond_finish(&writer->changed);
    ll_mutex_finish(&writer->lock);
    free(writer);
}

static bool reserve(struct writer_buffer *buffer, size_t bytes)
{
    size_t room = buffer->room > 0 ? buffer->room : WRITER_LEAST_BYTES;
    while (room < buffer->bytes + bytes) {
        room *= 2;
    }
    if (room > buffer->room) {
        char *text = realloc(buffer->text, room);
        if (!text) {
            return false;
        }
        buffer->text = text;
        buffer->room = room;
    }
    return true;
}

ll_status device_writer_put(struct device_writer *writer, const char *text, size_t bytes)
{
    ll_status status = LL_OK;
    ll_mutex_lock(&writer->lock);
    if (!reserve(&writer->waiting, bytes)) {
        status = LL_E_NO_MEMORY;
    } else {
        memcpy(writer->waiting.text + writer->waiting.bytes, text, bytes);
        writer->waiting.bytes += bytes;
        ll_cond_broadcast(&writer->changed);
    }
    ll_mutex_unlock(&writer->lock);
    return status;
}

void device_writer_await_room(struct device_writer *writer)
{
    ll_mutex_lock(&writer->lock);
    while (writer->waiting.bytes > writer->room_bytes && !writer->is_hurried) {
        ll_cond_wait(&writer->changed, &writer->lock, LL_CLOCK_NEVER);
    }
    ll_mutex_unlock(&writer->lock);
}

void device_writer_hurry(struct device_writer *writer)
{
    ll_mutex_lock(&writer->lock);
    writer->is_hurried = true;
    ll_cond_broadcast(&writer->changed);
    ll_mutex_unlock(&writer->lock);
}

bool device_writer_is_idle(struct device_writer *writer)
{
    ll_mutex_lock(&writer->lock);
    bool is_idle = is_idle_locked(writer);
    ll_mutex_unlock(&writer->lock);
    return is_idle;
}

ll_status device_writer_drain(struct device_writer *writer, int64_t deadline_ns)
{
    bool has_time = true;
    ll_mutex_lock(&writer->lock);
    while (!is_idle_locked(writer) && has_time) {
        has_time = ll_cond_wait(&writer->changed, &writer->lock, deadline_ns);
    }
    ll_status status = writer->has_failed       ? LL_E_IO
                       : is_idle_locked(writer) ? LL_OK
                                                : LL_E_DEADLINE;
    ll_mutex_unlock(&writer->lock);
    return status;
}
