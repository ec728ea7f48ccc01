#include "edge/model/edge_store_models.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/ll_clock.h"
#include "core/ll_log.h"
#include "edge/model/edge_store_state.h"

enum {
    ID_DIGITS = 2 * LL_DIGEST_BYTES,
    NAME_BYTES = ID_DIGITS + 8,
    /* A model's message, with room for what is stored besides. */
    MODEL_BYTES = 16 << 20,
};

static void model_name(const struct ll_digest *id, char out_name[NAME_BYTES])
{
    char text[LL_DIGEST_TEXT_BYTES];
    ll_digest_format(id, text);
    snprintf(out_name, NAME_BYTES, "%s", text + strlen("sha256:"));
}

ll_status edge_store_put_model(struct edge_store *store, const struct ll_digest *id,
                               const void *data, size_t bytes, struct ll_error *err)
{
    char name[NAME_BYTES];
    model_name(id, name);
    int failure = edge_store_files_put(store->files, store->models_fd, name, data, bytes);
    return failure == 0 ? LL_OK : edge_store_write_error(store, failure, err);
}

void edge_store_remove_model(struct edge_store *store, const struct ll_digest *id)
{
    char name[NAME_BYTES];
    model_name(id, name);
    if (store->files->unlink(store->models_fd, name) != 0 && errno != ENOENT) {
        ll_log(LL_LOG_WARN, "store", "models/%s cannot be removed: %s", name,
               strerrordesc_np(errno));
    }
}

static int64_t wall_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * LL_NS_PER_S + now.tv_nsec;
}

void edge_store_touch_model(struct edge_store *store, const struct ll_digest *id, int64_t age_ns)
{
    char name[NAME_BYTES];
    model_name(id, name);
    int64_t used_ns = wall_ns() - age_ns;
    const struct timespec times[2] = {
        {.tv_nsec = UTIME_OMIT},
        {.tv_sec = used_ns / LL_NS_PER_S, .tv_nsec = used_ns % LL_NS_PER_S},
    };
    /* Where it fails, an older time counts. */
    (void)utimensat(store->models_fd, name, times, AT_SYMLINK_NOFOLLOW);
}

/* ---- The start ---- */

static bool is_model_name(const char *name, struct ll_digest *out_id)
{
    char text[LL_DIGEST_TEXT_BYTES];
    int length = snprintf(text, sizeof(text), "sha256:%s", name);
    return length < (int)sizeof(text) && ll_digest_parse(text, out_id) == LL_OK;
}

/* The whole file, which the caller frees. */
static ll_status read_model(struct edge_store *store, const char *name,
                            struct edge_stored_model *stored, void **out_data, struct ll_error *err)
{
    struct stat info = {.st_size = 0};
    int fd = openat(store->models_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ll_status status = LL_OK;
    void *data = NULL;
    if (fd < 0 && errno == ELOOP) {
        status = ll_fail(err, LL_E_INVALID, "a link");
    } else if (fd < 0 || fstat(fd, &info) != 0) {
        status = ll_fail(err, LL_E_IO, "models/%s: %s", name, strerrordesc_np(errno));
    } else if (!S_ISREG(info.st_mode) || info.st_size < 1 || info.st_size > MODEL_BYTES) {
        status = ll_fail(err, LL_E_INVALID, "not a file of 1 to %d bytes", MODEL_BYTES);
    } else {
        data = malloc((size_t)info.st_size);
        status = data ? LL_OK : ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    if (status == LL_OK) {
        int failure = edge_store_files_read(fd, data, (size_t)info.st_size, 0);
        int64_t age_ns = wall_ns() - (info.st_mtim.tv_sec * LL_NS_PER_S + info.st_mtim.tv_nsec);
        stored->data = data;
        stored->bytes = (size_t)info.st_size;
        stored->age_ns = age_ns > 0 ? age_ns : 0;
        status = failure == 0
                     ? LL_OK
                     : ll_fail(err, LL_E_IO, "models/%s: %s", name, strerrordesc_np(failure));
    }
    if (fd >= 0) {
        close(fd);
    }
    *out_data = data;
    return status;
}

static void set_aside(struct edge_store *store, const char *name, const struct ll_error *err)
{
    char aside[NAME_BYTES];
    snprintf(aside, sizeof(aside), "%.*s.bad", ID_DIGITS, name);
    bool is_renamed = store->files->rename(store->models_fd, name, aside) == 0;
    ll_log(LL_LOG_WARN, "store", "models/%s is no model of this server%s: %s", name,
           is_renamed ? ", and now called .bad" : "", err->text);
}

/* One entry of the folder. */
static ll_status take_entry(struct edge_store *store, const char *name,
                            ll_status (*take)(void *arg, const struct edge_stored_model *stored,
                                              struct ll_error *err),
                            void *arg)
{
    struct edge_stored_model stored = {.bytes = 0};
    struct ll_error err = {.text = ""};
    void *data = NULL;
    size_t length = strlen(name);
    if (length > strlen(".tmp") && strcmp(name + length - strlen(".tmp"), ".tmp") == 0) {
        /* A killed process was writing it. */
        store->files->unlink(store->models_fd, name);
    }
    if (!is_model_name(name, &stored.id)) {
        return LL_OK;
    }
    ll_status status = read_model(store, name, &stored, &data, &err);
    if (status == LL_OK) {
        status = take(arg, &stored, &err);
    }
    free(data);
    /* What could not be read, or has no memory, is no fault of the model's: without it the server
     * would take its blobs for nobody's. */
    if (status != LL_OK && status != LL_E_NO_MEMORY && status != LL_E_IO) {
        set_aside(store, name, &err);
        status = LL_OK;
    } else if (status == LL_E_IO) {
        ll_log(LL_LOG_ERROR, "store", "a model's file cannot be read: %s", err.text);
    }
    return status;
}

ll_status edge_store_read_models(struct edge_store *store,
                                 ll_status (*take)(void *arg,
                                                   const struct edge_stored_model *stored,
                                                   struct ll_error *err),
                                 void *arg)
{
    struct dirent **entries = NULL;
    ll_status status = LL_OK;
    int count = scandirat(store->models_fd, ".", &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        if (status == LL_OK) {
            status = take_entry(store, entries[i]->d_name, take, arg);
        }
        free(entries[i]);
    }
    free(entries);
    return status;
}
