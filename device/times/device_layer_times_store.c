#include "device/times/device_layer_times_store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/ll_buf.h"
#include "core/ll_digest.h"
#include "device/times/device_layer_times_text.h"

enum {
    STORE_FILE_BYTES = 1 << 20,
    STORE_NAME_BYTES = 256,
    STORE_HEAD_BYTES = 1024,
    /* Digits of the digest in the file's name. */
    STORE_KEY_DIGITS = 12,
};

enum { STORE_BESIDE, STORE_CACHE, STORE_PLACES };

struct device_layer_times_store {
    /* The file's beginning, up to the number of layers. */
    char head[STORE_HEAD_BYTES];
    /* An empty one does not exist. */
    char paths[STORE_PLACES][PATH_MAX];
    const struct ll_log_sink *log;
};

/* ---- The key ---- */

/* The first line of a file that begins with `label`, without that; empty where there is none. */
static void read_line(const char *path, const char *label, char *out_text, size_t bytes)
{
    char line[STORE_NAME_BYTES];
    out_text[0] = '\0';
    FILE *file = fopen(path, "re");
    while (file && out_text[0] == '\0' && fgets(line, sizeof(line), file)) {
        if (strncmp(line, label, strlen(label)) != 0) {
            continue;
        }
        const char *value = line + strlen(label);
        value += strspn(value, " \t:");
        snprintf(out_text, bytes, "%.*s", (int)strcspn(value, "\n"), value);
    }
    if (file) {
        fclose(file);
    }
}

static void name_machine(char *out_text, size_t bytes)
{
    char processor[STORE_NAME_BYTES];
    char machine[STORE_NAME_BYTES];
    read_line("/proc/cpuinfo", "model name", processor, sizeof(processor));
    if (processor[0] == '\0') {
        /* As on ARM. */
        read_line("/proc/cpuinfo", "CPU part", processor, sizeof(processor));
    }
    read_line("/etc/machine-id", "", machine, sizeof(machine));
    if (machine[0] == '\0' && gethostname(machine, sizeof(machine)) != 0) {
        machine[0] = '\0';
    }
    machine[sizeof(machine) - 1] = '\0';
    snprintf(out_text, bytes, "%s, %s", processor, machine);
    for (char *at = out_text; *at; at++) {
        *at = (char)(*at < 0x20 || *at > 0x7e ? '?' : *at);
    }
}

/* ---- The places ---- */

static void find_places(struct device_layer_times_store *store, const char *weights,
                        const char *cache, const char *key)
{
    int bytes = snprintf(store->paths[STORE_BESIDE], PATH_MAX, "%s.%s.profile", weights, key);
    if (bytes < 0 || bytes >= PATH_MAX) {
        store->paths[STORE_BESIDE][0] = '\0';
    }
    bytes =
        cache ? snprintf(store->paths[STORE_CACHE], PATH_MAX, "%s/profiles/%s.profile", cache, key)
              : -1;
    if (bytes < 0 || bytes >= PATH_MAX) {
        store->paths[STORE_CACHE][0] = '\0';
    }
}

/* Makes the folders that lead to a file; what fails shows when the file is written. */
static void make_folders(const char *path)
{
    char folder[PATH_MAX];
    if (path[0] == '\0') {
        return;
    }
    snprintf(folder, sizeof(folder), "%s", path);
    for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(folder, 0777);
        *slash = '/';
    }
}

ll_status device_layer_times_store_create(const struct device_layer_times_key *key,
                                          const char *weights, const char *cache,
                                          struct device_layer_times_store **out_store)
{
    struct device_layer_times_store *store = calloc(1, sizeof(*store));
    if (!store) {
        return LL_E_NO_MEMORY;
    }
    char machine[2 * STORE_NAME_BYTES + 8];
    name_machine(machine, sizeof(machine));
    snprintf(store->head, sizeof(store->head),
             "layerlift-profile-1\nmodel %.80s\nengine %.40s\ninstruction_set %.40s\nthreads %d\n"
             "machine %s\n",
             key->model_id, key->engine, key->instruction_set, key->threads, machine);
    struct ll_digest digest;
    ll_status status = ll_digest_of(store->head, strlen(store->head), &digest);
    if (status != LL_OK) {
        free(store);
        return status;
    }
    char text[LL_DIGEST_TEXT_BYTES];
    ll_digest_format(&digest, text);
    char *digits = strchr(text, ':') + 1;
    digits[STORE_KEY_DIGITS] = '\0';
    find_places(store, weights, cache, digits);
    *out_store = store;
    return LL_OK;
}

void device_layer_times_store_destroy(struct device_layer_times_store *store)
{
    free(store);
}

void device_layer_times_store_set_log(struct device_layer_times_store *store,
                                      const struct ll_log_sink *log)
{
    store->log = log;
}

/* ---- Reading and writing ---- */

static bool load_from(const struct device_layer_times_store *store, const char *path,
                      struct device_layer_times *times)
{
    struct ll_buf *file = NULL;
    struct ll_error err;
    if (path[0] == '\0' || ll_buf_map_file(path, STORE_FILE_BYTES, &file, &err) != LL_OK) {
        return false;
    }
    const char *text = ll_buf_data(file);
    size_t bytes = ll_buf_bytes(file);
    size_t head = strlen(store->head);
    bool is_good = bytes >= head && memcmp(text, store->head, head) == 0 &&
                   device_layer_times_read(times, text + head, bytes - head);
    if (!is_good) {
        ll_log_to(store->log, LL_LOG_DEBUG, "profile", "%s is no profile of this model and machine",
                  path);
    }
    ll_buf_unref(file);
    return is_good;
}

bool device_layer_times_store_load(struct device_layer_times_store *store,
                                   struct device_layer_times *times)
{
    for (int i = 0; i < STORE_PLACES; i++) {
        if (load_from(store, store->paths[i], times)) {
            ll_log_to(store->log, LL_LOG_DEBUG, "profile", "layer times from %s", store->paths[i]);
            return true;
        }
    }
    return false;
}

static bool save_to(const struct device_layer_times_store *store, const char *path,
                    const struct device_layer_times *times)
{
    char scratch[PATH_MAX + sizeof(".XXXXXX")];
    if (path[0] == '\0') {
        return false;
    }
    snprintf(scratch, sizeof(scratch), "%s.XXXXXX", path);
    int fd = mkostemp(scratch, O_CLOEXEC);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    bool is_written = file && fchmod(fd, 0644) == 0 && fputs(store->head, file) >= 0 &&
                      device_layer_times_write(times, file) && fflush(file) == 0;
    int error = errno;
    if (file) {
        is_written = fclose(file) == 0 && is_written;
    } else if (fd >= 0) {
        close(fd);
    }
    if (is_written && rename(scratch, path) == 0) {
        return true;
    }
    error = is_written ? errno : error;
    ll_log_to(store->log, LL_LOG_DEBUG, "profile", "%s cannot be written: %s", path,
              strerrordesc_np(error));
    if (fd >= 0) {
        (void)unlink(scratch);
    }
    return false;
}

bool device_layer_times_store_save(struct device_layer_times_store *store,
                                   const struct device_layer_times *times)
{
    if (save_to(store, store->paths[STORE_BESIDE], times)) {
        return true;
    }
    make_folders(store->paths[STORE_CACHE]);
    return save_to(store, store->paths[STORE_CACHE], times);
}
